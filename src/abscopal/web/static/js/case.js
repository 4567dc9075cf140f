// A case: taking it, its checklist and names, three planes with dose and contours, histograms.

import { del, get, put, send } from "./api.js";
import { chart, draw } from "./chart.js";
import { el, number, table, tiles } from "./dom.js";

const LINES = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#ffffff"];
const SVG = "http://www.w3.org/2000/svg";

export async function show(page) {
  const place = el("div", {});
  const status = el("p", { role: "status" });
  const busy = async (text, work) => {
    status.textContent = text;
    try { await work(); status.textContent = ""; } catch (error) { status.textContent = error.parts?.found ?? "stopped"; }
  };
  const take = (files) => busy(`Reading ${files.length} file(s)…`, async () => {
    const form = new FormData();
    [...files].forEach((file, k) => form.append(`file${k}`, file, `${k}`));
    await open(await send("/api/cases", form));
  });
  const open = async (one) => { place.replaceChildren(...(await caseParts(one, open))); await list(); };
  const shelf = el("div", { class: "row" });
  const list = async () => {
    const cases = await get("/api/cases");
    shelf.replaceChildren(...cases.flatMap((one, k) => [
      el("button", { class: "quiet", onclick: () => open(one) }, `Case ${k + 1}: ${one.plan?.label || "no plan"}`),
      el("button", { class: "quiet", "aria-label": `delete case ${k + 1}`, onclick: () => del(`/api/cases/${one.id}`).then(() => { place.replaceChildren(); return list(); }) }, "Delete"),
    ]));
    return cases;
  };
  const drop = el("div", { class: "panel", ondragover: (e) => e.preventDefault(), ondrop: (e) => { e.preventDefault(); take(e.dataTransfer.files); } },
    el("p", {}, "Drop a zip of a DICOM plan here, or choose one. Identifiers are taken out on arrival; the case is deleted when the server stops."),
    el("div", { class: "row" },
      el("label", { for: "zip" }, "Zip archive"), el("input", { id: "zip", type: "file", accept: ".zip", onchange: (e) => take(e.target.files) }),
      el("label", { for: "folder" }, "Folder"), el("input", { id: "folder", type: "file", webkitdirectory: true, multiple: true, onchange: (e) => take(e.target.files) }),
      el("button", { type: "button", onclick: () => busy("Building the thorax case…", async () => open(await send("/api/cases/sample", ""))) }, "Synthetic thorax case")));
  page.append(drop, status, shelf, place);
  const cases = await list();
  if (cases.length) await open(cases[0]);
}

async function caseParts(one, reopen) {
  const colours = Object.fromEntries(one.structures.map((s, k) => [s.standard_name ?? s.name, LINES[k % LINES.length]]));
  const histogram = chart("Cumulative dose-volume histogram");
  histogram.textContent = "Computing the dose-volume histograms…";
  get(`/api/cases/${one.id}/dvh`).then((dvhs) => { histogram.replaceChildren(); draw(histogram, dvhs.map((d) => ({ x: d.dose_gy, y: d.volume_percent, name: d.name, mode: "lines", line: { color: colours[d.name] === "#ffffff" ? "#888" : colours[d.name] }, hovertemplate: `${d.name}: %{y:.1f} % at %{x:.2f} Gy<extra></extra>` })), { title: { text: "Dose–volume histogram", font: { size: 13 } }, xaxis: { title: { text: "dose [Gy]" } }, yaxis: { title: { text: "volume [%]" } }, legend: {} }); }).catch(() => {});
  const plan = one.plan;
  return [
    tiles([
      ["Plan", plan?.label || "none"], ["Prescription", plan?.prescription_gy ? `${number(plan.prescription_gy)} Gy` : "unknown"],
      ["Fractions", number(plan?.fractions)], ["Highest dose", `${number(one.dose.max_gy, 4)} Gy, ${one.dose.kind}`], ["Beams", String(plan?.beams.length ?? 0)],
    ]),
    el("h3", {}, "Planes"),
    el("p", { class: "help" }, one.has_ct ? "CT with dose; axial as seen from the feet: the patient's left is on your right." : "No CT that fills a plane: dose and contours alone."),
    el("div", { class: "planes" }, one.planes.map((shape) => planeFigure(one, shape, colours))),
    histogram,
    names(one, reopen),
    table("Checklist", ["", "what", "detail"], one.checklist.map((line) => [el("span", { class: `kind-${line.kind}` }, line.kind), line.what, el("span", {}, line.detail, " ", fix(one, line))])),
  ];
}

function planeFigure(one, shape, colours) {
  const image = el("img", { alt: `${shape.name} plane: CT and dose` });
  const lines = document.createElementNS(SVG, "svg");
  lines.setAttribute("viewBox", "0 0 1 1");
  lines.setAttribute("preserveAspectRatio", "none");
  lines.setAttribute("aria-hidden", "true");
  const [left, right, top, bottom] = shape.letters;
  const letter = (text, style) => el("b", { style }, text);
  const stage = el("div", { class: "plane" }, image, lines, letter(left, "left:2px;top:48%"), letter(right, "right:2px;top:48%"), letter(top, "top:2px;left:48%"), letter(bottom, "bottom:2px;left:48%"));
  const caption = el("figcaption", {});
  const slider = el("input", { type: "range", min: String(Math.ceil(shape.from)), max: String(Math.floor(shape.to)), step: "2", value: String(Math.round(shape.at)), "aria-label": `${shape.name} position` });
  let wanted = 0;
  const refresh = async () => {
    const mine = ++wanted, at = slider.value, base = `/api/cases/${one.id}/planes/${shape.name}`;
    const found = await get(`${base}?at=${at}`);
    if (mine !== wanted) return;
    image.src = `${base}/picture?at=${at}`;
    stage.style.aspectRatio = `${found.width_mm} / ${found.height_mm}`;
    lines.replaceChildren(...Object.entries(found.outlines).flatMap(([label, polygons]) => polygons.map((points) => polygon(points, colours[label]))));
    caption.textContent = `${shape.name}, ${shape.axis} = ${at} mm, highest dose ${number(found.max_gy)} Gy`;
  };
  slider.addEventListener("input", () => refresh().catch(() => {}));
  refresh().catch(() => {});
  return el("figure", {}, stage, slider, caption);
}

function polygon(points, colour) {
  const line = document.createElementNS(SVG, "polyline");
  line.setAttribute("points", points.map((point) => point.join(",")).join(" "));
  for (const [name, value] of Object.entries({ fill: "none", stroke: colour ?? "#fff", "stroke-width": "1.3", "vector-effect": "non-scaling-stroke" })) line.setAttribute(name, value);
  return line;
}

// A structure whose name was guessed, or is not known, can be named at once.
function fix(one, line) {
  const structure = one.structures.find((s) => s.name === line.what);
  if (!structure || line.kind === "skipped") return null;
  return el("button", { class: "quiet", type: "button", onclick: () => {
    const input = document.getElementById(`name-${one.structures.indexOf(structure)}`);
    input.closest("details").open = true;
    input.focus();
  } }, "Change its name");
}

function names(one, reopen) {
  const chosen = { ...one.names };
  const options = el("datalist", { id: "tg263" }, one.standard_names.map((name) => el("option", { value: name })));
  const rows = one.structures.map((s, k) => [s.name, s.role, el("input", { id: `name-${k}`, list: "tg263", value: s.standard_name ?? "", "aria-label": `TG-263 name of ${s.name}`, onchange: (e) => { chosen[s.name] = e.target.value; } })]);
  const apply = el("button", { onclick: async () => reopen(await put(`/api/cases/${one.id}/names`, { names: chosen })) }, "Use these names");
  return el("details", {}, el("summary", {}, "Structure names"), options, table("Structures", ["name in the file", "role", "TG-263 name"], rows), el("div", { class: "row" }, apply));
}
