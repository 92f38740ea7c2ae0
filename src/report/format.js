"use strict";
// Numbers, words and elements.

const names = { pilqr: "PILQR", lqr_flm: "LQR-FLM", pi2: "PI2", trpo: "TRPO", ddpg: "DDPG",
  mdgps_pilqr: "MDGPS-PILQR", mdgps_lqr_flm: "MDGPS-LQR-FLM", mdgps_pi2: "MDGPS-PI2" };

function label(algorithm) {
  const [first, ...rest] = algorithm.label.split(" ");
  return [names[first] || first, ...rest].join(" ");
}

function number(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const magnitude = Math.abs(value);
  if (magnitude >= 1e5 || (magnitude > 0 && magnitude < 1e-4)) return value.toExponential(2);
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

function percent(value) {
  return value === null || value === undefined ? "–" : `${number(100 * value, 3)} %`;
}

// [mean, low, high] as text; an interval needs two seeds.
function interval(statistic, show = number) {
  const [mean, low, high] = statistic;
  return low === null || mean === null ? show(mean) : `${show(mean)} [${show(low)}, ${show(high)}]`;
}

// element("p", {class: "note"}, child, "text", ..)
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function table(caption, heads, rows) {
  const line = (cells, first) => element("tr", {}, ...cells.map((cell, i) =>
    element(i === 0 || first ? "th" : "td", { scope: first ? "col" : "row" }, cell)));
  return element("table", {}, element("caption", {}, caption), element("thead", {}, line(heads, true)),
    element("tbody", {}, ...rows.map(row => line(row, false))));
}

function fill_select(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  if (chosen !== undefined) select.value = chosen;
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
const series_color = i => color(`series-${i % 6}`);
const dashes = [[], [7, 3], [2, 3], [10, 3, 2, 3], [4, 4], [1, 2]];

function condition_text(condition) {
  return condition < 0 ? "mean over all conditions" : `condition ${condition}`;
}
