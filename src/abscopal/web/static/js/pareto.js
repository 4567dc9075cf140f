// What a search of regimens found: any two of its aims against each other, and any two regimens side by side.

import { chart, draw } from "./chart.js";
import { el, number, table } from "./dom.js";

const AIMS = {
  local: "Irradiated lesion, log₁₀ volume ratio",
  distant: "Distant lesion, log₁₀ volume ratio",
  lymphocytes: "Lymphocyte nadir [10⁹/L]",
  complications: "Any counted complication [probability]",
  gain: "Gain over the ICI alone, log₁₀",
};
const aim = (name) => AIMS[name] ?? name.replaceAll("_", " ");
const value = (row, name) => row.values[name] ?? row[name] ?? null;

export function paretoResult(json) {
  const rows = [{ ...json.present, present: true }, ...json.pareto.filter((row) => row.regimen !== json.present.regimen)];
  const names = [...json.objectives, "gain"].filter((name) => rows.some((row) => value(row, name)));
  const axes = { x: names.at(names.includes("lymphocytes") ? names.indexOf("lymphocytes") : 0), y: names.includes("distant") ? "distant" : names[1] };
  const plot = chart("Regimens that no other beats in everything");
  const beside = el("div", { "aria-live": "polite" });
  let chosen = [rows[0], rows[1]].filter(Boolean);

  function redraw() {
    const point = (some, name, marker) => ({
      x: some.map((row) => value(row, axes.x)?.value), y: some.map((row) => value(row, axes.y)?.value), text: some.map((row) => row.regimen),
      error_x: bars(some, axes.x), error_y: bars(some, axes.y), name, mode: "markers", marker, hovertemplate: "%{text}<br>%{x:.3g}, %{y:.3g}",
    });
    draw(plot, [
      point(rows.filter((row) => !row.present), "not beaten in everything", { size: 10, color: "#0072b2" }),
      point(rows.filter((row) => row.present), "present course", { size: 13, symbol: "x", color: "#d55e00" }),
    ], { title: { text: "Pareto set, 90 % intervals", font: { size: 13 } }, xaxis: { title: { text: aim(axes.x) } }, yaxis: { title: { text: aim(axes.y) } } });
  }

  const axisChoice = (axis) => {
    const choice = el("select", { id: `pareto-${axis}`, onchange: () => { axes[axis] = choice.value; redraw(); } },
      names.map((name) => el("option", { value: name, selected: name === axes[axis] }, aim(name))));
    return el("div", {}, el("label", { for: `pareto-${axis}` }, axis === "x" ? "Across" : "Up"), choice);
  };
  const regimenChoice = (k) => {
    const choice = el("select", { id: `compare-${k}`, onchange: () => { chosen[k] = rows[Number(choice.value)]; compare(); } },
      rows.map((row, i) => el("option", { value: String(i), selected: row === chosen[k] }, row.regimen + (row.present ? " (present)" : ""))));
    return el("div", {}, el("label", { for: `compare-${k}` }, k ? "with" : "Compare"), choice);
  };

  function compare() {
    const lines = [
      ["days from first to last fraction", ...chosen.map((row) => row.length_days)],
      ["tumour BED, α/β 10 [Gy]", ...chosen.map((row) => row.tumour_bed)],
      ...names.map((name) => [aim(name), ...chosen.map((row) => interval(value(row, name)))]),
      ["better than the present course, share of draws", ...chosen.map((row) => (row.present ? "–" : row.better_than_present))],
      ["limits it breaks", ...chosen.map((row) => row.broken.join(", ") || "none")],
    ];
    beside.replaceChildren(table("Side by side, with 90 % intervals", ["", ...chosen.map((row) => row.regimen)], lines));
  }

  requestAnimationFrame(redraw); // when it is on the page and has a size
  compare();
  return [
    el("p", {}, json.verdict),
    el("div", { class: "row" }, axisChoice("x"), axisChoice("y")),
    plot,
    el("h3", {}, "What each alternative costs"),
    el("ul", {}, json.alternatives.map((one) => el("li", {}, one.reason))),
    el("div", { class: "row" }, rows.length > 1 ? [regimenChoice(0), regimenChoice(1)] : []),
    beside,
    table("All of them", ["regimen", ...names.map(aim), "days"], rows.map((row) => [row.regimen, ...names.map((name) => interval(value(row, name))), row.length_days])),
    el("ul", { class: "help" }, json.notes.map((note) => el("li", {}, note))),
  ];
}

function bars(rows, name) {
  const gap = (end) => rows.map((row) => { const one = value(row, name); return one && one[end] !== null ? Math.abs(one[end] - one.value) : 0; });
  return { type: "data", symmetric: false, array: gap("high"), arrayminus: gap("low"), thickness: 1, color: "#88888888" };
}

const interval = (one) => (one === null ? "not computable" : `${number(one.value)} (${number(one.low)} to ${number(one.high)})`);
