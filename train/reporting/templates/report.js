"use strict";
const figures = JSON.parse(document.querySelector("#figures").textContent);
const plots = [...document.querySelectorAll("[data-plot]")];
const form = document.querySelector("#settings");
const touch = matchMedia("(pointer: coarse)").matches;
const dark = matchMedia("(prefers-color-scheme: dark)");

const runs = () => new Set([...form.querySelectorAll("[name=run]:checked")].map((box) => box.value));

function layoutOf(figure) {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--quiet"), automargin: true };
  const { layout } = figure;
  const log = layout.yaxis.type === "log" && form.querySelector("[name=log]").checked;
  return {
    ...layout,
    font: { family: "system-ui, sans-serif", size: 13, color: colour("--ink") },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    hoverlabel: { bgcolor: colour("--panel"), bordercolor: colour("--quiet"), font: { color: colour("--ink") }, namelength: -1 },
    dragmode: touch ? false : "zoom", // else a finger could not scroll the page
    xaxis: { ...layout.xaxis, ...axis },
    yaxis: { ...layout.yaxis, ...axis, type: log ? "log" : "linear" },
  };
}

function draw() {
  const wanted = runs();
  for (const plot of plots) {
    const figure = figures[plot.dataset.plot];
    const data = figure.data.map((trace) => ({ ...trace, visible: wanted.has(String(trace.meta)) }));
    Plotly.react(plot, data, layoutOf(figure), { responsive: true, displaylogo: false, displayModeBar: false });
    plot.closest("figure").hidden = !data.some((trace) => trace.visible);
  }
  for (const element of document.querySelectorAll("[data-run]")) element.hidden = !wanted.has(element.dataset.run);
}

for (const sheets of document.querySelectorAll(".sheets")) {
  const slider = sheets.querySelector("input");
  if (!slider) continue;
  const all = [...sheets.querySelectorAll("figure")];
  for (const caption of sheets.querySelectorAll("figcaption")) caption.hidden = true; // the slider says the step
  const show = () => {
    all.forEach((figure, place) => { figure.hidden = place !== Number(slider.value); });
    sheets.querySelector("output").textContent = all[slider.value].dataset.step;
    slider.setAttribute("aria-valuetext", all[slider.value].dataset.step);
  };
  slider.addEventListener("input", show);
  sheets.querySelector(".time").hidden = false;
  show();
}

form.addEventListener("change", draw);
form.addEventListener("reset", () => setTimeout(draw));
form.addEventListener("submit", (event) => event.preventDefault());
dark.addEventListener("change", draw);
form.hidden = false;
draw();
