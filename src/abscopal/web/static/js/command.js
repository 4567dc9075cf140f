// A page that runs one command: its form, its progress, its numbers and files.

import { get, latest, post, send } from "./api.js";
import { columnMapping } from "./columns.js";
import { el, showProblem } from "./dom.js";
import { follow } from "./job.js";

const MAKES_PLANS = "plan-make";

export async function show(page, { views, about }) {
  if (views.length === 1) return showOne(page, views[0], about);
  const place = el("div", {});
  let leave = () => {};
  const choose = async (view) => {
    leave();
    place.replaceChildren();
    for (const button of tabs.children) button.setAttribute("aria-pressed", String(button.textContent === view.title));
    leave = await showOne(place, view, about);
  };
  const tabs = el("div", { class: "row" }, views.map((view) => el("button", { class: "quiet", onclick: () => choose(view) }, view.title)));
  page.append(tabs, place);
  await choose(views[0]);
  return () => leave();
}

async function showOne(page, view, about) {
  const cases = await get("/api/cases");
  const values = {};
  const preview = el("pre", { tabindex: "0" });
  const result = el("div", {});
  let stop = () => {};

  const once = latest();
  const refresh = async () => {
    const answer = await once((o) => post(`/api/views/${view.name}/command`, { values }, o));
    if (!answer) return;
    preview.textContent = answer.command ?? `not yet complete: ${answer.lacks}; expected ${answer.expected}`;
  };

  async function run(event) {
    event.preventDefault();
    stop();
    const job = await post(`/api/views/${view.name}/run`, { values });
    stop = follow(result, job);
  }

  const takes = new Set(view.fields.map((field) => field.name));
  const setOther = (name, value) => { values[name] = value; refresh().catch(() => {}); };
  const fields = await Promise.all(view.fields.map((field) => control(field, { cases, about, takes, setOther, set: (value) => setOther(field.name, value), values })));
  page.append(
    el("p", { class: "about" }, view.about),
    el("div", { class: "two" },
      el("form", { class: "panel", onsubmit: run }, fields, el("div", { class: "row" }, el("button", { type: "submit" }, "Run")), el("h3", {}, "Command line"), preview),
      result),
  );
  await refresh();
  return () => stop();
}

async function control(field, context) {
  const id = `f-${field.name}`;
  const help = el("span", { class: "help", id: `${id}-help` }, field.help);
  const label = el("label", { for: id }, field.label + (field.required ? " (needed)" : field.many ? " (separated by commas)" : ""), help);
  const given = { id, "aria-describedby": `${id}-help` };
  if (field.default !== null && !["case", "file", "job"].includes(field.kind)) context.values[field.name] = field.default;
  const set = (value) => context.set(value === "" ? null : value);
  if (field.kind === "job") return el("div", {}, label, await jobChoice(given, context, field));
  if (field.kind === "case") return el("div", {}, label, caseChoice(given, context, field));
  if (field.kind === "file") return el("div", {}, label, ...fileChoice(given, context, field));
  if (field.kind === "choice") {
    const options = field.choices.map((choice) => el("option", { value: choice, selected: choice === field.default }, choice));
    if (field.default === null) options.unshift(el("option", { value: "" }, ""));
    return el("div", {}, label, el("select", { ...given, onchange: (e) => set(e.target.value) }, options));
  }
  if (field.kind === "flag") return el("div", {}, el("label", { for: id }, el("input", { ...given, type: "checkbox", checked: field.default === true, onchange: (e) => set(e.target.checked) }), field.label, help));
  const numeric = field.kind === "number" || field.kind === "integer";
  const read = (text) => (text === "" ? null : field.many ? text.split(",").map((part) => part.trim()) : numeric ? Number(text) : text);
  return el("div", {}, label, el("input", {
    ...given, type: numeric && !field.many ? "number" : "text", value: field.default === null ? "" : String(field.default),
    min: field.minimum === undefined ? null : String(field.minimum ?? ""), max: field.maximum === undefined ? null : String(field.maximum ?? ""),
    step: field.kind === "integer" ? "1" : "any", onchange: (e) => set(read(e.target.value)),
  }));
}

async function jobChoice(given, { set, values }, field) {
  const done = (await get("/api/jobs")).filter((job) => job.view === MAKES_PLANS && job.state === "done");
  if (!done.length) return el("p", {}, "No plans yet. Make some first.");
  values[field.name] = `@job/${done[0].id}`;
  return el("select", { ...given, onchange: (e) => set(e.target.value) },
    done.map((job) => el("option", { value: `@job/${job.id}` }, `${new Date(1000 * job.created).toLocaleTimeString()}: ${job.command}`)));
}

function caseChoice(given, { cases, set, values }, field) {
  if (!cases.length) return el("p", {}, "No case is open. ", el("a", { href: "#case" }, "Open one"), ".");
  values[field.name] = cases[0].case;
  return el("select", { ...given, onchange: (e) => set(e.target.value) },
    cases.map((one, k) => el("option", { value: one.case }, `Case ${k + 1}: ${one.plan?.label || "no plan"}, ${one.dose.max_gy.toFixed(1)} Gy`)));
}

function fileChoice(given, { about, set, setOther, takes }, field) {
  const columns = el("div", { class: "help" });
  const upload = async (content, kind) => {
    const kept = await send(`/api/files?suffix=${encodeURIComponent(kind)}`, content);
    const mapped = kept.columns.length && takes.has("column") && takes.has("unit") && field.required;
    columns.replaceChildren(mapped ? columnMapping(kept.columns, about.fields, setOther) : kept.columns.length ? `Columns: ${kept.columns.map((one) => one.name).join(", ")}` : "Taken.");
    set(kept.file);
    return kept.file;
  };
  const suffix = (file) => file.name.slice(file.name.lastIndexOf("."));
  const picker = el("input", { ...given, type: "file", accept: ".csv,.toml,.json,.skops,.xml,.omex", multiple: field.many, onchange: async (e) => {
    const kept = [];
    for (const file of e.target.files) kept.push(await upload(file, suffix(file)).catch(() => null));
    if (field.many) set(kept.filter(Boolean));
  } });
  const example = about.examples[field.name];
  if (!example) return [picker, columns];
  const text = el("textarea", { id: `${given.id}-text`, spellcheck: false, "aria-label": `${field.name}.toml` });
  text.value = example;
  const use = el("button", { type: "button", class: "quiet", onclick: () => upload(text.value, ".toml").catch(() => {}) }, "Use this text");
  upload(text.value, ".toml").catch((error) => showProblem(error.parts ?? { found: String(error) }));
  return [picker, el("details", {}, el("summary", {}, "Write it here"), text, el("div", { class: "row" }, use)), columns];
}
