// What each column of an uploaded table means, and in which unit: what is recognised is filled in, the rest is asked.

import { el } from "./dom.js";

export function columnMapping(columns, fields, set) {
  const known = (name) => columns.find((one) => one.name === name);
  const chosen = new Map(columns.map((one) => [one.name, { field: one.field, unit: one.unit }]));
  const tell = () => {
    const told = [...chosen].filter(([, now]) => now.field);
    set("column", told.filter(([name, now]) => now.field !== known(name).field).map(([name, now]) => `${now.field}=${name}`));
    set("unit", told.filter(([name, now]) => now.unit && now.unit !== known(name).unit).map(([name, now]) => `${name}=${now.unit}`));
  };
  const used = columns.filter((one) => one.field).length;
  const line = (one) => {
    const field = el("select", { "aria-label": `meaning of ${one.name}`, onchange: () => { chosen.get(one.name).field = field.value; tell(); } },
      // A column that is recognised by its name stays used: a command has no word for leaving it out.
      (one.field ? [] : [el("option", { value: "" }, "not used")]).concat(fields.map((name) => el("option", { value: name, selected: name === one.field }, name))));
    const unit = el("input", { type: "text", value: one.unit, "aria-label": `unit of ${one.name}`, onchange: () => { chosen.get(one.name).unit = unit.value.trim(); tell(); } });
    return el("tr", {}, el("th", { scope: "row" }, one.name), el("td", {}, field), el("td", {}, unit));
  };
  return el("details", { open: used === 0 }, el("summary", {}, `${columns.length} columns, ${used} recognised`),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Meaning of each column" },
      el("table", {}, el("thead", {}, el("tr", {}, ["column", "means", "unit"].map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, columns.slice(0, 200).map(line)))));
}
