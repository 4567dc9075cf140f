// Every job of this session, also those from before a restart.

import { del, get, post } from "./api.js";
import { el, table } from "./dom.js";
import { follow, outcome } from "./job.js";

export async function show(page) {
  const list = el("div", {}), one = el("div", {});
  let stop = () => {};

  async function refresh() {
    const jobs = await get("/api/jobs");
    const rows = jobs.map((job) => [
      new Date(1000 * job.created).toLocaleString(), job.view,
      el("span", { class: `state-${job.state}` }, job.state + (job.state === "running" && job.total ? ` ${Math.round((100 * job.done) / job.total)} %` : "")),
      el("code", {}, job.command),
      el("span", { class: "row" },
        el("button", { class: "quiet", onclick: () => open(job) }, "Show"),
        job.state === "queued" || job.state === "running" ? el("button", { class: "quiet", onclick: () => post(`/api/jobs/${job.id}/cancel`).then(refresh) }, "Cancel") : null,
        el("button", { class: "quiet", onclick: () => del(`/api/jobs/${job.id}`).then(refresh) }, "Delete")),
    ]);
    list.replaceChildren(rows.length ? table("Jobs", ["started", "view", "state", "command", ""], rows) : el("p", {}, "No job yet. Each view starts its own."));
  }

  async function open(job) {
    stop();
    if (job.state === "queued" || job.state === "running") stop = follow(one, job);
    else one.replaceChildren(...(await outcome(job)));
  }

  page.append(el("p", { class: "about" }, "Jobs survive a restart of the server: those without a case run again, finished ones keep their results for a week."), list, one);
  await refresh();
  const timer = setInterval(() => refresh().catch(() => {}), 3000);
  return () => { clearInterval(timer); stop(); };
}
