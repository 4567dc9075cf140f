// The shell: the list of views, which one is shown, and what is changed for what-if runs.

import { get } from "./api.js";
import { el } from "./dom.js";
import * as caseView from "./case.js";
import * as commandView from "./command.js";
import * as jobsView from "./jobs.js";
import * as knowledgeView from "./knowledge.js";
import * as windowView from "./window.js";

const page = document.getElementById("page");
const own = { case: ["Case", caseView], sliders: ["Window", windowView], knowledge: ["Knowledge", knowledgeView], jobs: ["Jobs", jobsView] };
let leave = () => {};

const about = await get("/api/about");
const forms = Object.fromEntries((await get("/api/views")).map((view) => [view.name, view]));
document.getElementById("research-use").textContent = `${about.version} · ${about.research_use}`;
const order = ["case", "sliders", ...Object.keys(forms), "knowledge", "jobs"];
document.getElementById("views").replaceChildren(
  ...order.map((name) => el("li", {}, el("a", { href: `#${name}` }, own[name]?.[0] ?? forms[name].title))),
);

async function open() {
  const name = order.includes(location.hash.slice(1)) ? location.hash.slice(1) : "case";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  leave();
  page.replaceChildren();
  const title = own[name]?.[0] ?? forms[name].title;
  document.title = `${title} · abscopal`;
  page.append(el("h2", {}, title));
  leave = (await (own[name] ? own[name][1].show(page, { about }) : commandView.show(page, { about, view: forms[name] }))) ?? (() => {});
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
