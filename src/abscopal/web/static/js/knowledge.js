// Every sourced number: search, source, status, and a changed copy for what-if runs.

import { get, latest, put } from "./api.js";
import { el, number, table } from "./dom.js";

export async function show(page) {
  const search = el("input", { type: "search", id: "search", oninput: () => refresh(0) });
  const status = el("select", { id: "status", onchange: () => refresh(0) }, el("option", { value: "" }, "any status"));
  const list = el("div", {}), count = el("p", { role: "status" });
  const more = el("button", { class: "quiet", onclick: () => refresh(start + 50) }, "Next 50");
  const once = latest();
  let start = 0;

  async function refresh(from) {
    start = from;
    const query = new URLSearchParams({ search: search.value, status: status.value, start, count: 50 });
    const found = await once((o) => get(`/api/knowledge?${query}`, o));
    if (!found) return;
    if (status.options.length === 1) status.append(...Object.entries(found.statuses).map(([name, meaning]) => el("option", { value: name, title: meaning }, name)));
    count.textContent = `${found.total} entries, ${start + 1} to ${Math.min(start + 50, found.total)} shown`;
    more.disabled = start + 50 >= found.total;
    list.replaceChildren(table("Numbers", ["key", "value", "unit", "meaning", "status", "source", "what-if"], found.rows.map((row) => [
      el("code", {}, row.key), row.file ? `table ${row.file}` : shown(row.value), row.unit ?? "", row.meaning,
      el("span", { class: `status-${row.status}` }, row.status || "per row"),
      el("span", {}, row.source.citation, row.source.doi ? ` doi:${row.source.doi}` : "", row.locator ? ` (${row.locator})` : ""),
      row.scalar ? changer(row) : "",
    ])));
  }

  function changer(row) {
    const input = el("input", { type: "number", step: "any", "aria-label": `what-if value of ${row.key}`, value: row.changed === null ? "" : String(row.changed), placeholder: String(row.value) });
    input.addEventListener("change", async () => {
      await put("/api/knowledge/what-if", { key: row.key, value: input.value === "" ? null : Number(input.value) }).catch(() => (input.value = ""));
      document.dispatchEvent(new Event("what-if"));
    });
    return input;
  }

  page.append(
    el("p", { class: "about" }, "Each number with its source and how sure it is. A value in the last column is used in this session's runs only, and every result says so."),
    el("div", { class: "row" }, el("label", { for: "search" }, "Search"), search, el("label", { for: "status" }, "Status"), status, more), count, list);
  await refresh(0);
}

const shown = (value) => (Array.isArray(value) ? value.map((one) => number(one, 4)).join(", ") : number(value, 5));
