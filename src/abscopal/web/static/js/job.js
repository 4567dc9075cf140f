// Following one job to its end, and showing what it made.

import { get, post } from "./api.js";
import { el, reproduce, table } from "./dom.js";
import { paretoResult } from "./pareto.js";
import { navigation } from "./planning.js";

// Answers that people look at rather than read; every other is shown as pictures and tables.
const DRAWN = { regimens: paretoResult };
const NAVIGATED = "navigation.npz";

export function follow(place, job) {
  const bar = el("progress", { "aria-label": "progress" });
  const line = el("p", { role: "status" }, "Queued");
  const cancel = el("button", { class: "quiet", onclick: () => post(`/api/jobs/${job.id}/cancel`) }, "Cancel");
  place.replaceChildren(el("div", { class: "row" }, bar, line, cancel));
  const events = new EventSource(`/api/jobs/${job.id}/events`);
  events.onmessage = async (event) => {
    const now = JSON.parse(event.data);
    line.textContent = `${now.state}${now.what ? `: ${now.what}, ${now.done} of ${now.total}` : ""}`;
    if (now.total) Object.assign(bar, { max: now.total, value: now.done });
    if (now.state === "queued" || now.state === "running") return;
    events.close();
    place.replaceChildren(...(await outcome(now)));
  };
  return () => events.close();
}

export async function outcome(job) {
  if (job.state === "failed") {
    const parts = Object.entries(job.error).filter(([name, text]) => text && name !== "error");
    return [el("h3", { class: "state-failed" }, "Stopped"), el("dl", {}, parts.flatMap(([name, text]) => [el("dt", {}, name), el("dd", {}, text)])), reproduce(job.command)];
  }
  if (job.state !== "done") return [el("p", {}, `This job is ${job.state}.`), reproduce(job.command)];
  const { files } = await get(`/api/jobs/${job.id}`);
  const json = await get(`/api/jobs/${job.id}/result`).catch(() => null);
  const url = (name) => `/api/jobs/${job.id}/files/${name.split("/").map(encodeURIComponent).join("/")}`;
  const pages = files.filter((name) => name.endsWith(".html"));
  const pictures = files.filter((name) => name.endsWith(".svg"));
  return [
    ...(files.includes(NAVIGATED) ? [navigation(job)] : []),
    ...pages.map((name) => el("iframe", { src: url(name), title: name, sandbox: "allow-scripts" })),
    ...pictures.map((name) => el("figure", {}, el("img", { class: "figure", src: url(name), alt: name.replace(".svg", "").replaceAll(/[_/-]/g, " ") }), el("figcaption", {}, name))),
    ...(pages.length ? [] : json && DRAWN[job.view] ? DRAWN[job.view](json, job) : tables(json)),
    files.length ? el("h3", {}, "Files") : null,
    el("ul", {}, files.map((name) => el("li", {}, el("a", { href: url(name), download: name.split("/").pop() }, name)))),
    reproduce(job.command, json),
  ].filter(Boolean);
}

// Lists of records become tables, single values one table of their own.
function tables(json, title = "Result") {
  if (json === null || typeof json !== "object") return [];
  const entries = Array.isArray(json) ? [["rows", json]] : Object.entries(json);
  const plain = entries.filter(([, value]) => value === null || typeof value !== "object");
  const lists = entries.filter(([, value]) => Array.isArray(value) && value.length && typeof value[0] === "object" && value[0] !== null && !Array.isArray(value[0]));
  const words = entries.filter(([, value]) => Array.isArray(value) && value.length && typeof value[0] === "string");
  const nested = entries.filter(([, value]) => value && typeof value === "object" && !Array.isArray(value));
  return [
    plain.length ? table(title, ["", "value"], plain) : null,
    ...lists.map(([name, rows]) => records(name, rows)),
    ...words.map(([name, lines]) => el("div", {}, el("h3", {}, name.replaceAll("_", " ")), el("ul", {}, lines.map((text) => el("li", {}, text))))),
    ...nested.flatMap(([name, value]) => tables(value, name.replaceAll("_", " "))),
  ].filter(Boolean);
}

function records(name, rows) {
  const columns = Object.keys(rows[0]).filter((key) => rows.some((row) => row[key] === null || typeof row[key] !== "object"));
  return table(name.replaceAll("_", " "), columns.map((text) => text.replaceAll("_", " ")), rows.slice(0, 500).map((row) => columns.map((key) => (typeof row[key] === "object" && row[key] !== null ? JSON.stringify(row[key]) : row[key]))));
}
