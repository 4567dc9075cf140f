// Elements, numbers and messages: the few things every view makes.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && typeof value !== "string") node[name] = value;
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function number(value, digits = 3) {
  if (value === null || value === undefined) return "none";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(digits - 1) : Number(value.toPrecision(digits)).toString();
}

export function tiles(pairs) {
  return el("dl", { class: "numbers" }, pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

export function table(caption, headings, rows) {
  const head = el("tr", {}, headings.map((text) => el("th", { scope: "col" }, text)));
  const body = rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell instanceof Node ? cell : number(cell, 4)))));
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, body)),
  );
}

export function reproduce(command, json, toml) {
  const parts = [el("h3", {}, "Command line"), el("pre", { tabindex: "0" }, command)];
  if (toml) parts.push(el("h3", {}, "The regimen as a file (TOML)"), el("pre", { tabindex: "0" }, toml));
  if (json !== undefined) parts.push(el("h3", {}, "Numbers behind it (JSON)"), el("pre", { tabindex: "0" }, JSON.stringify(json, shortened, 1)));
  return el("details", {}, el("summary", {}, "Reproduce this"), ...parts);
}

// Long rows of numbers are shown by their ends: the whole is in the files and the answers of the server.
const shortened = (_, value) => (Array.isArray(value) && value.length > 40 && typeof value[0] === "number" ? [...value.slice(0, 3), `… ${value.length} values …`, value.at(-1)] : value);

export function showProblem(problem) {
  const box = document.getElementById("problem");
  const rows = [["Stopped while", problem.doing], ["found", problem.found], ["expected", problem.expected], ["try", problem.try]];
  const list = rows.filter(([, text]) => text).map(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]);
  box.replaceChildren(el("dl", {}, list.flat()), el("button", { class: "quiet", onclick: () => (box.hidden = true) }, "Close"));
  box.hidden = false;
}
