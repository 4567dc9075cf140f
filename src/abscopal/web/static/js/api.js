// Requests to the server. A refused one is shown with its four parts and thrown.

import { showProblem } from "./dom.js";

async function ask(method, path, body, { signal, raw } = {}) {
  const headers = { "X-Abscopal": "1" };
  if (body !== undefined && !raw) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, signal, body: raw ? body : body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name !== "AbortError") showProblem({ doing: "asking the server", found: "no answer", expected: "a running server", try: "starting abscopal serve again" });
    throw error;
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => ({}));
  const parts = problem.found ? problem : { doing: "asking the server", found: `status ${answer.status}` };
  showProblem(parts);
  throw Object.assign(new Error(parts.found), { parts });
}

export const get = (path, options) => ask("GET", path, undefined, options);
export const post = (path, body, options) => ask("POST", path, body ?? {}, options);
export const put = (path, body) => ask("PUT", path, body);
export const del = (path) => ask("DELETE", path);
export const send = (path, body) => ask("POST", path, body, { raw: true });

// The last request wins: an earlier one still under way is given up.
export function latest() {
  let running = null;
  return async (call) => {
    running?.abort();
    const mine = (running = new AbortController());
    try {
      return await call({ signal: mine.signal });
    } catch (error) {
      if (error.name === "AbortError") return null;
      throw error;
    }
  };
}
