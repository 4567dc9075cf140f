// Charts in the page's own colours; every chart is a labelled group with its data in reach of the keyboard.

import { el } from "./dom.js";

const COLOURS = { both: "#0072b2", ici: "#d55e00", rt: "#009e73", none: "#777777" };
export const ARMS = { both: "RT + ICI", ici: "ICI alone", rt: "RT alone", none: "untreated" };

export function chart(label) {
  return el("div", { class: "chart", role: "group", "aria-label": label });
}

export function draw(node, traces, layout) {
  const ink = getComputedStyle(document.body).color;
  const line = getComputedStyle(document.documentElement).getPropertyValue("--line");
  const axis = { gridcolor: "rgba(128,128,128,.25)", linecolor: line, zeroline: false, automargin: true };
  const whole = {
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { color: ink, size: 12 },
    margin: { l: 60, r: 15, t: 35, b: 85 },
    legend: { orientation: "h", y: -0.32 },
    ...layout,
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
  };
  return window.Plotly.react(node, traces, whole, { displaylogo: false, responsive: true, displayModeBar: "hover" });
}

export function armTraces(days, curves, name) {
  return Object.keys(ARMS).filter((arm) => curves[arm]).map((arm) => ({
    x: days, y: curves[arm][name], name: ARMS[arm], mode: "lines", line: { color: COLOURS[arm], dash: arm === "none" ? "dot" : "solid" },
  }));
}

export function bandTraces(days, bands, name) {
  return Object.keys(bands).flatMap((arm) => {
    const [low, , high] = bands[arm][name];
    const line = { width: 0 };
    const plain = { x: days, mode: "lines", line, hoverinfo: "skip", showlegend: false };
    return [{ ...plain, y: low }, { ...plain, y: high, fill: "tonexty", fillcolor: `${COLOURS[arm]}33` }];
  });
}
