// The shell: the list of views, which one is shown, and what is changed for what-if runs.

import { get } from "./api.js";
import { el } from "./dom.js";
import * as caseView from "./case.js";
import * as commandView from "./command.js";
import * as jobsView from "./jobs.js";
import * as knowledgeView from "./knowledge.js";
import * as windowView from "./window.js";

const page = document.getElementById("page");
const slug = (text) => text.toLowerCase().replace(/[^a-z]+/g, "-");
const about = await get("/api/about");
const groups = Map.groupBy(await get("/api/views"), (view) => view.group);
const commands = [...groups].map(([group, views]) => [slug(group), group, { show: (place, context) => commandView.show(place, { ...context, views }) }]);
const tabs = [["case", "Case", caseView], ["sliders", "Window sliders", windowView], ...commands, ["knowledge", "Knowledge", knowledgeView], ["jobs", "Jobs", jobsView]];
let leave = () => {};
document.getElementById("research-use").textContent = `${about.version} · ${about.research_use}`;
document.getElementById("views").replaceChildren(...tabs.map(([name, title]) => el("li", {}, el("a", { href: `#${name}` }, title))));

async function open() {
  const [name, title, view] = tabs.find(([one]) => one === location.hash.slice(1)) ?? tabs[0];
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  leave();
  document.title = `${title} · abscopal`;
  page.replaceChildren(el("h2", {}, title));
  leave = (await view.show(page, { about })) ?? (() => {});
  await showChanges();
}

export async function showChanges() {
  const { what_if: changes } = await get("/api/knowledge?count=0");
  const line = document.getElementById("what-if");
  const keys = Object.keys(changes);
  line.hidden = keys.length === 0;
  line.textContent = `What-if: ${keys.map((key) => `${key} = ${changes[key]}`).join(", ")}. Every result below uses these numbers.`;
}

document.addEventListener("what-if", showChanges);
window.addEventListener("hashchange", open);
await open();
