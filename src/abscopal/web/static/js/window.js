// The window under sliders: numbers and curves at once, the map next, bands and reasons when the hand rests.

import { get, latest, post } from "./api.js";
import { armTraces, bandTraces, chart, draw } from "./chart.js";
import { el, number, reproduce, tiles } from "./dom.js";

const SLIDERS = [
  ["dose", "Dose per fraction", "Gy", 0.5, 30, 0.5, 8],
  ["fractions", "Fractions", "", 1, 40, 1, 3],
  ["interval", "Interval", "d", 0.5, 14, 0.5, 1],
  ["ici_start", "First ICI dose after the first fraction", "d", -12, 42, 1, 2],
  ["node_dose", "Dose to the draining node per fraction", "Gy", 0, 10, 0.5, 0],
];
const PANELS = [
  ["irradiated", "Irradiated lesion", "volume [mm³]"],
  ["distant", "Distant lesion", "volume [mm³]"],
  ["T cells", "Effector T cells in the distant lesion", "cells [relative]"],
  ["lymphocytes", "Circulating lymphocytes", "share of the start"],
];

export async function show(page) {
  const state = Object.fromEntries(SLIDERS.map(([name, , , , , , start]) => [name, start]));
  Object.assign(state, { ici: "anti-CTLA-4", off: [], on: [], modality: "", modulators: [], parameters: "posterior" });
  const known = await get("/api/window/choices");
  const mechanisms = el("fieldset", {});
  const numbers = el("div", { "aria-live": "polite", id: "numbers" });
  const map = chart("Gain over dose per fraction and number of fractions");
  const panels = PANELS.map(([, label]) => chart(`${label} over time`));
  const why = el("div", { class: "panel" });
  const again = el("div", {});
  let now = null, bands = null, resting = 0;
  const pointOnce = latest(), mapOnce = latest(), bandOnce = latest(), whyOnce = latest();

  function drawCurves() {
    PANELS.forEach(([name, label, unit], k) =>
      draw(panels[k], [...(bands ? bandTraces(bands.days, bands.curves, name) : []), ...armTraces(now.days, now.curves, name)], {
        title: { text: label, font: { size: 13 } }, xaxis: { title: { text: "days after the first fraction" } }, yaxis: { title: { text: unit } },
      }),
    );
  }

  function showNumbers(window) {
    const band = bands ? ` (90 % band ${number(bands.gain[0])} to ${number(bands.gain[2])})` : "";
    numbers.replaceChildren(tiles([
      ["Gain in the distant lesion, log10", el("span", { id: "gain" }, number(now.gain)), ],
      ["Bliss excess", number(now.bliss_excess)],
      ["Window of this fraction number", window ?? "…"],
      ["Read on mouse day", number(now.readout_day)],
    ]), el("p", { class: "help" }, band ? `Gain${band}; ${bands.origin}.` : "Bands follow."));
  }

  async function move() {
    bands = null;
    const answer = await pointOnce((o) => post("/api/window/point", state, o));
    if (!answer) return;
    now = answer;
    showNumbers();
    drawCurves();
    again.replaceChildren(reproduce(now.command, now, now.toml), el("p", { class: "help" }, now.notes.join(" ")));
    clearTimeout(resting);
    resting = setTimeout(rest, 150);
  }

  async function rest() {
    const found = await mapOnce((o) => post("/api/window/map", state, o));
    if (!found) return;
    showNumbers(found.window.text);
    drawMap(found);
    const spread = await bandOnce((o) => post("/api/window/bands", state, o));
    if (!spread) return;
    bands = spread;
    showNumbers(found.window.text);
    drawCurves();
  }

  function drawMap(found) {
    const heat = { type: "heatmap", x: found.doses_gy, y: found.fractions.map(String), z: found.gain, colorscale: "Viridis", colorbar: { title: { text: "gain, log10" } } };
    const here = { x: [state.dose], y: [String(nearest(found.fractions, state.fractions))], mode: "markers", name: "this course", marker: { symbol: "x", size: 13, color: "#fff", line: { color: "#000", width: 2 } } };
    const { lower_gy: low, upper_gy: high } = found.window;
    const edges = [low, high].filter((edge) => edge !== null).map((x) => ({ type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: "#fff", dash: "dash" } }));
    draw(map, [heat, here], { title: { text: "Gain map; dashed: bounds for this fraction number", font: { size: 13 } }, shapes: edges, showlegend: false, xaxis: { title: { text: "dose per fraction [Gy]" } }, yaxis: { title: { text: "fractions" }, type: "category" } });
  }

  function listMechanisms() {
    mechanisms.replaceChildren(el("legend", {}, "Mechanisms"), ...Object.entries(known.mechanisms[state.parameters]).map(([name, on]) => toggle(name, on, state, move)));
  }

  async function explain() {
    why.replaceChildren("Leaving out each mechanism in turn…");
    const found = await whyOnce((o) => post("/api/window/why", state, o));
    if (!found) return;
    why.replaceChildren(
      el("p", {}, found.lower), el("p", {}, found.upper), el("p", {}, `Over ${found.origin}: ${found.uncertainty}.`),
      el("ul", {}, Object.entries(found.windows).map(([name, one]) => el("li", {}, `${name}: ${one.text}`))),
    );
  }

  page.append(
    el("p", { class: "about" }, "A mouse-calibrated model of two lesions, one irradiated. It shows the structure of the dose–immune window; it does not predict a person."),
    el("div", { class: "two" },
      el("form", { class: "panel", onsubmit: (e) => e.preventDefault() },
        SLIDERS.map((slider) => range(slider, state, move)),
        select("ici", "Checkpoint inhibitor", ["anti-CTLA-4", "anti-PD-1", "anti-PD-L1", "none"].map((name) => [name, name]), state, move),
        select("modality", "Radiation", [["", "photons"], ...known.modalities.map((one) => [one.name, `${one.name.replaceAll("_", " ")} (${one.status})`])], state, move),
        select("parameters", "Parameters", [["posterior", "calibrated on mouse experiments"], ["set-b", "reference set B"]], state, () => { state.off = []; state.on = []; listMechanisms(); move(); }),
        el("fieldset", {}, el("legend", {}, "Modulators"), known.modulators.map((name) => box(`d-${name}`, name, false, (on) => { state.modulators = on ? [...state.modulators, name] : state.modulators.filter((one) => one !== name); move(); }))),
        mechanisms),
      el("div", {}, numbers, el("div", { class: "charts" }, map, panels),
        el("h3", {}, "Why these bounds"), el("div", { class: "row" }, el("button", { type: "button", onclick: explain }, "Find what sets each bound")), why, again)),
  );
  listMechanisms();
  await move();
  return () => clearTimeout(resting);
}

function range([name, label, unit, min, max, step, start], state, move) {
  const shown = el("output", { for: name }, `${start} ${unit}`);
  const input = el("input", { type: "range", id: name, min: String(min), max: String(max), step: String(step), value: String(start), oninput: () => {
    state[name] = Number(input.value);
    shown.textContent = `${input.value} ${unit}`;
    move();
  } });
  return el("div", {}, el("label", { for: name }, label, " ", shown), input);
}

function select(name, label, options, state, changed) {
  const choice = el("select", { id: name, onchange: () => { state[name] = choice.value; changed(); } },
    options.map(([value, text]) => el("option", { value, selected: value === state[name] }, text)));
  return el("div", {}, el("label", { for: name }, label), choice);
}

function toggle(name, on, state, move) {
  return box(`m-${name}`, name, on, (now) => {
    const changed = on ? "off" : "on";
    state[changed] = now === on ? state[changed].filter((one) => one !== name) : [...state[changed], name];
    move();
  });
}

function box(id, name, on, changed) {
  const input = el("input", { type: "checkbox", id, checked: on, onchange: () => changed(input.checked) });
  return el("label", { for: id }, input, name.replaceAll("_", " "));
}

const nearest = (values, wanted) => values.reduce((best, one) => (Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best));
