// Line charts by Chart.js with a table each, and maps over time steps and iterations.

const drawn = { charts: [], maps: [] };

function card(title, explanation) {
  return element("figure", {}, element("figcaption", {}, title, element("small", {}, explanation)));
}

function numbers_table(x_name, series) {
  const by_x = new Map();
  series.forEach((one, i) => one.points.forEach(p => {
    if (!by_x.has(p.x)) by_x.set(p.x, series.map(() => "–"));
    by_x.get(p.x)[i] = interval([p.y, p.low ?? null, p.high ?? null]);
  }));
  const rows = [...by_x.entries()].sort((a, b) => a[0] - b[0]).map(([x, cells]) => [number(x, 6), ...cells]);
  return element("details", {}, element("summary", {}, "Numbers"),
    element("div", { tabindex: 0 }, table("", [x_name, ...series.map(one => one.name)], rows)));
}

// The band between low and high, then the line.
function datasets(one) {
  const line = one.points.map(p => ({ x: p.x, y: p.y }));
  const base = { pointRadius: 0, pointHitRadius: 6, borderWidth: 2.2, tension: 0 };
  const out = [{ ...base, label: one.name, data: line, borderColor: one.color, backgroundColor: one.color,
    borderDash: one.dash, pointRadius: line.length === 1 ? 4 : 0 }];
  if (one.points.some(p => Number.isFinite(p.low) && p.low !== null)) {
    const band = { ...base, borderWidth: 0, pointHitRadius: 0, backgroundColor: one.color + "2e", label: "" };
    out.push({ ...band, data: one.points.map(p => ({ x: p.x, y: p.low })), fill: false });
    out.push({ ...band, data: one.points.map(p => ({ x: p.x, y: p.high })), fill: "-1" });
  }
  return out;
}

// A line as it is drawn: one colour may have several dashes.
function legend(chart) {
  return Chart.defaults.plugins.legend.labels.generateLabels(chart).filter(item => item.text !== "").map(item => {
    const { borderColor, borderDash, borderWidth } = chart.data.datasets[item.datasetIndex];
    return { ...item, fontColor: color("text"), pointStyle: "line", strokeStyle: borderColor, lineDash: borderDash, lineWidth: borderWidth };
  });
}

// series: {name, color, dash, points: [{x, y, low, high}]}. range: [least, greatest] of y, or none.
function line_chart(into, title, explanation, x_name, y_name, series, range = []) {
  const some = series.map(one => ({ ...one, points: one.points.filter(p => p.y !== null && p.y !== undefined) }))
    .filter(one => one.points.length > 0);
  if (some.length === 0) return;
  const figure = card(title, explanation);
  into.append(figure);
  if (typeof Chart !== "undefined") {
    const canvas = element("canvas", { role: "img", "aria-label": `${title}: ${y_name} over ${x_name}; numbers below` });
    figure.append(element("div", { class: "plot" }, canvas));
    const axis = text => ({ type: "linear", title: { display: true, text, color: color("quiet") },
      ticks: { color: color("quiet"), maxTicksLimit: 7, maxRotation: 0 }, grid: { color: color("line") } });
    // Not the bands: the interval of two seeds is wide, and would hide the means.
    const values = some.flatMap(one => one.points.map(p => p.y));
    const least = Math.min(...values), greatest = Math.max(...values);
    const room = 0.15 * (greatest - least) || Math.abs(greatest) * 0.1 || 1;
    const y = { ...axis(y_name), min: range[0] ?? least - room, max: range[1] ?? greatest + room };
    y.ticks.callback = (value, i, all) => (i === 0 || i === all.length - 1) && range.length === 0 ? "" : number(value);
    const xs = some.flatMap(one => one.points.map(p => p.x));
    const chart = new Chart(canvas, {
      type: "line", data: { datasets: some.flatMap(datasets) },
      options: { animation: false, maintainAspectRatio: false, parsing: false,
        interaction: { mode: "nearest", axis: "x", intersect: false },
        scales: { x: { ...axis(x_name), min: Math.min(...xs), max: Math.max(...xs) }, y },
        plugins: { legend: { labels: { usePointStyle: true, pointStyleWidth: 34, generateLabels: legend } },
          tooltip: { filter: item => item.dataset.label !== "" } } },
    });
    drawn.charts.push(chart);
  }
  figure.append(numbers_table(x_name, some));
}

// A perceptually even scale that the colour-blind can read (cividis), from 0 to 1.
const scale = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];
function scale_color(share) {
  const at = Math.min(Math.max(share, 0), 1) * (scale.length - 1);
  const i = Math.min(Math.floor(at), scale.length - 2);
  const mixed = scale[i].map((a, c) => Math.round(a + (at - i) * (scale[i + 1][c] - a)));
  return `rgb(${mixed.join(",")})`;
}

function median(sorted, share) { return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]; }

function map_table(rows, iterations, seconds) {
  const parts = 5;
  const width = Math.max(1, Math.ceil(Math.max(...rows.map(row => row.length)) / parts));
  const means = row => Array.from({ length: parts }, (_, j) => {
    const part = row.slice(j * width, (j + 1) * width).filter(v => v !== null);
    return part.length > 0 ? number(part.reduce((a, b) => a + b) / part.length) : "–";
  });
  const heads = Array.from({ length: parts }, (_, j) =>
    `${number(j * seconds / parts, 3)}–${number((j + 1) * seconds / parts, 3)} s`);
  return element("details", {}, element("summary", {}, "Numbers"), element("div", { tabindex: 0 },
    table("Means over parts of the time", ["iteration", ...heads], rows.map((row, i) => [String(iterations[i] + 1), ...means(row)]))));
}

// rows[i][time step] of iterations[i]; time to the right over `seconds`, iterations downwards.
function heat_map(into, title, explanation, rows, iterations, seconds, logarithmic) {
  const values = rows.flat().filter(v => v !== null && (!logarithmic || v > 0)).sort((a, b) => a - b);
  if (values.length === 0) return;
  const figure = card(title, explanation);
  into.append(figure);
  const canvas = element("canvas", { class: "map", role: "img", "aria-label": `${title} over time and iterations; numbers below` });
  figure.append(canvas, map_table(rows, iterations, seconds));
  const low = median(values, 0.01), high = median(values, 0.99);
  const share = v => logarithmic ? Math.log(v / low) / (Math.log(high / low) || 1) : (v - low) / (high - low || 1);
  const dpr = window.devicePixelRatio || 1;
  const W = canvas.clientWidth, H = canvas.clientHeight;
  canvas.width = W * dpr; canvas.height = H * dpr;
  const g = canvas.getContext("2d");
  g.scale(dpr, dpr);
  const [x0, y0, w, h] = [46, 6, W - 46 - 70, H - 6 - 40];
  rows.forEach((row, i) => row.forEach((v, t) => {
    if (v === null) return;
    g.fillStyle = scale_color(logarithmic && v <= 0 ? 0 : share(v));
    const [left, top] = [x0 + w * t / row.length, y0 + h * i / rows.length];
    g.fillRect(left, top, w / row.length + 0.6, h / rows.length + 0.6);
  }));
  g.fillStyle = color("quiet"); g.font = "12px system-ui, sans-serif";
  g.textAlign = "center"; g.textBaseline = "top";
  for (let k = 0; k <= 4; ++k) g.fillText(number(seconds * k / 4, 3), x0 + w * k / 4, y0 + h + 5);
  g.fillText("time in the rollout, s", x0 + w / 2, y0 + h + 22);
  g.textAlign = "right"; g.textBaseline = "middle";
  const every = Math.max(1, Math.ceil(rows.length / 8));
  for (let i = 0; i < rows.length; i += every) g.fillText(String(iterations[i] + 1), x0 - 5, y0 + h * (i + 0.5) / rows.length);
  g.save(); g.translate(9, y0 + h / 2); g.rotate(-Math.PI / 2); g.textAlign = "center"; g.fillText("iteration", 0, 0); g.restore();
  g.textAlign = "left";
  for (let k = 0; k < h; ++k) { g.fillStyle = scale_color(1 - k / h); g.fillRect(x0 + w + 12, y0 + k, 12, 1.5); }
  g.fillStyle = color("quiet");
  for (const s of [0, 0.5, 1]) {
    const v = logarithmic ? low * Math.pow(high / low, s) : low + s * (high - low);
    g.fillText(number(v, 2), x0 + w + 28, y0 + 6 + (h - 12) * (1 - s));
  }
  drawn.maps.push({ title, values: values.length });
}
