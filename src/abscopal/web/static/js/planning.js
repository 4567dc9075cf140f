// Between Pareto plans: one slider for each figure that mixes linearly; the others worsen as little as they can.

import { get, latest, post } from "./api.js";
import { chart, draw } from "./chart.js";
import { el, number, table } from "./dom.js";

export function navigation(job) {
  const place = el("div", {}, "Loading the plans…");
  start(place, job).catch(() => place.replaceChildren("These plans cannot be navigated: fewer than two, or the job's files are gone."));
  return place;
}

async function start(place, job) {
  const base = `/api/planning/${job.id}`;
  const made = await get(base);
  const histogram = chart("Dose–volume histogram of the mixed plan");
  const picture = el("img", { class: "navigated", alt: "Axial plane of the mixed plan" });
  const numbers = el("div", { "aria-live": "polite", id: "navigated" });
  const shares = el("p", { class: "help" });
  const moving = made.figures.filter((one) => Math.max(...one.values) > Math.min(...one.values));
  const sliders = new Map();
  let mix = made.plans.map(() => 1 / made.plans.length);
  const once = latest();

  async function move(figure = "", value = 0) {
    const found = await once((o) => post(base, { mix, figure, value }, o));
    if (!found) return;
    mix = found.mix.map((share) => Math.min(1, Math.max(0, share)));
    shares.textContent = `Made of: ${made.plans.map((name, k) => `${name} ${(100 * mix[k]).toFixed(0)} %`).join(", ")}`;
    for (const one of found.metrics) sliders.get(one.name)?.(one.value, one.name === figure);
    numbers.replaceChildren(table("The mixed plan", ["figure", "value", "unit", "range over the plans"],
      found.metrics.map((one) => [one.name, one.value, one.unit, one.low === null ? "" : `${number(one.low)} to ${number(one.high)}`])));
    draw(histogram, found.curves.map((one) => ({ x: one.dose_gy, y: one.volume.map((share) => 100 * share), name: one.name, mode: "lines" })),
      { title: { text: "Dose–volume histogram", font: { size: 13 } }, xaxis: { title: { text: `total dose in ${made.n_fractions} fractions [Gy]` } }, yaxis: { title: { text: "volume [%]" } }, legend: {} });
    picture.src = `${base}/plane?mix=${mix.map((share) => share.toFixed(4)).join(",")}`;
  }

  const slider = (one) => {
    const low = Math.min(...one.values), high = Math.max(...one.values), id = `n-${one.name.replaceAll(/[^A-Za-z0-9]+/g, "-")}`;
    const shown = el("output", { for: id });
    const input = el("input", { type: "range", id, min: String(low), max: String(high), step: String((high - low) / 100), oninput: () => move(one.name, Number(input.value)) });
    sliders.set(one.name, (value, mine) => { shown.textContent = `${number(value)} ${one.unit}`; if (!mine) input.value = String(value); });
    return el("div", {}, el("label", { for: id }, one.name, " ", shown), input);
  };

  const whole = (name, k) => el("button", { class: "quiet", type: "button", onclick: () => { mix = made.plans.map((_, i) => Number(i === k)); move(); } }, name);
  place.replaceChildren(
    el("h3", {}, "Between the plans"),
    el("p", { class: "help" }, "Drag a figure: the mix follows so that the others worsen as little as they can. Every mix is a fluence like those of the plans, without leaf sequence; figures of the targets are read off the mixed dose."),
    el("div", { class: "row" }, made.plans.map(whole)), shares,
    el("div", { class: "two" }, el("div", { class: "panel" }, moving.map(slider)), el("div", {}, el("div", { class: "charts" }, histogram, picture), numbers)),
    el("ul", { class: "help" }, made.notes.map((note) => el("li", {}, note))));
  await move();
}
