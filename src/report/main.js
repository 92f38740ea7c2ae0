// The page: what is chosen, and everything that follows from it.

const data = JSON.parse(document.getElementById("data").textContent);
const find = id => document.getElementById(id);
let player = null;

const current = () => data[Number(find("task").value)];
const chosen_condition = () => Number(find("condition").value);
const of_condition = algorithm => algorithm.conditions.find(c => c.condition === chosen_condition());
const single_condition = () => chosen_condition() >= 0 ? chosen_condition()
  : current().algorithms[0].conditions.find(c => c.condition >= 0).condition;

// Algorithms by final cost, best first; those without one last.
function ranking(task) {
  const cost = i => of_condition(task.algorithms[i]).cost[0] ?? Infinity;
  return task.algorithms.map((_, i) => i).sort((a, b) => cost(a) - cost(b));
}

function last_number(condition, key) {
  const point = condition.curve[condition.curve.length - 1];
  return point ? point[key][0] : null;
}

function seeds_text(n) { return n === 1 ? "one seed" : `${n} seeds`; }

function words(task) {
  const [first, second] = ranking(task).map(i => task.algorithms[i]);
  const won = of_condition(first);
  const n = first.seeds.length;
  const out = [];
  if (!second) {
    const start = won.curve[0];
    out.push(`${label(first)} ended with a cost of ${interval(won.cost)} (${condition_text(chosen_condition())}, ${seeds_text(n)}), ` +
      `distance ${interval(won.distance)}, success ${percent(won.success[0])}` +
      (start ? `; the first policy's samples cost ${number(start.cost_mean[0])}.` : "."));
  } else {
    const lost = of_condition(second);
    const apart = won.cost[2] !== null && lost.cost[1] !== null && won.cost[2] < lost.cost[1];
    out.push(`${label(first)} ended with the lowest cost: ${interval(won.cost)}, ahead of ${label(second)} with ` +
      `${interval(lost.cost)} (${condition_text(chosen_condition())}, ${seeds_text(n)}).`);
    out.push(apart ? "Their 95 % intervals do not overlap."
      : n < 2 ? "One seed says nothing of chance: compare with more seeds before believing it."
        : `Their 95 % intervals overlap: ${seeds_text(n)} are not enough to be sure of the order.`);
    const index = task.algorithms.indexOf(second);
    const total = won.curve.length > 0 ? won.curve[won.curve.length - 1].samples_total : null;
    const reached = won.reached[index];
    out.push(`Success of the final policies: ${label(first)} ${percent(won.success[0])}, ${label(second)} ${percent(lost.success[0])}. ` +
      (reached !== null ? `${label(first)} reached ${label(second)}'s last mean distance after ${number(reached, 6)} of ${number(total, 6)} rollouts.`
        : `${label(first)} never had a mean distance as small as ${label(second)}'s last one: the lowest cost is not the smallest distance here.`));
  }
  const ratio = last_number(won, "residual_ratio");
  const effective = last_number(won, "effective_samples_min");
  const why = [];
  if (ratio !== null) {
    why.push(`in the last iteration what its model got wrong amounts to ${percent(ratio)} of its cost` +
      (ratio < 0.1 ? ": the model explains almost all" : ratio < 0.4 ? "" : ": much is left for the samples"));
  }
  if (effective !== null) why.push(`its weights rest on at least ${number(effective, 3)} effective samples at each time step`);
  if (why.length > 0) out.push(`Of ${label(first)}: ${why.join("; ")}.`);
  return out.map(text => element("p", {}, text));
}

function summary(task) {
  find("words").replaceChildren(...words(task));
  const order = ranking(task);
  const heads = ["algorithm", "seeds", "final cost", "distance", "success", "rollouts"];
  find("final_table").replaceChildren(table(
    `Final policies without exploration noise, ${condition_text(chosen_condition())}: mean over seeds [95 % interval]. Distance: ${task.distance_text}.`,
    heads, order.map(i => {
      const a = task.algorithms[i], c = of_condition(a), last = c.curve[c.curve.length - 1];
      return [named(i, a), String(a.seeds.length), interval(c.cost), interval(c.distance), percent(c.success[0]),
        last ? number(last.samples_total, 7) : "–"];
    })));
  find("reached_table").replaceChildren(...(task.algorithms.length < 2 ? [] : [table(
    "Rollouts until the row's mean distance was as small as the column's last one (– never)",
    ["algorithm", ...order.map(i => label(task.algorithms[i]))],
    order.map(i => [named(i, task.algorithms[i]),
      ...order.map(j => number(of_condition(task.algorithms[i]).reached[j], 7))]))]));
}

function named(i, algorithm) {
  return element("span", {}, element("span", { class: "swatch", style: `background:${series_color(i)}` }), label(algorithm));
}

function over_samples(task, key, share = 1) {
  return task.algorithms.map((a, i) => ({ name: label(a), color: series_color(i), dash: dashes[i % 6],
    points: of_condition(a).curve.map(p => {
      const [y, low, high] = p[key].map(v => v === null ? null : v * share);
      return { x: p.samples_total, y, low, high };
    }) }));
}

function curves(task) {
  const into = find("curves");
  into.replaceChildren();
  const x = "rollouts";
  line_chart(into, "Cost", "of a rollout, the sum over its steps", x, "cost", over_samples(task, "cost_mean"));
  line_chart(into, "Distance", task.distance_text, x, "distance", over_samples(task, "distance_mean"));
  line_chart(into, "Success", "share of the samples that solve the task", x, "success, %", over_samples(task, "success_rate", 100), [0, 100]);
}

function inside(task) {
  const into = find("inside");
  into.replaceChildren();
  const x = "rollouts";
  task.algorithms.forEach((a, i) => {
    const curve = of_condition(a).curve;
    const line = (name, dash, y) => ({ name, dash, color: series_color(i), points: curve.map(p => ({ x: p.samples_total, y: y(p) })) });
    if (!curve.some(p => p.cost_model_mean[0] !== null)) return;
    line_chart(into, `Cost in parts: ${label(a)}`, "what the model predicts for the same noise, and the residual", x, "cost", [
      line("sampled", [], p => p.cost_mean[0]), line("model", [7, 3], p => p.cost_model_mean[0]),
      line("residual", [2, 3], p => p.cost_model_mean[0] === null ? null : p.cost_mean[0] - p.cost_model_mean[0])]);
  });
  line_chart(into, "Residual ratio", "absolute residuals over absolute costs, whole rollout", x, "ratio", over_samples(task, "residual_ratio"));
  line_chart(into, "KL step", "allowed divergence per time step, mean", x, "nats", over_samples(task, "kl_step_mean"));
  line_chart(into, "Temperature", "of the path-integral weights, mean over time steps", x, "temperature, cost units", over_samples(task, "temperature_mean"));
  line_chart(into, "Effective samples", "of the path-integral weights, least over time steps", x, "samples", over_samples(task, "effective_samples_min"));
  into.closest("section").hidden = into.childElementCount === 0;  // TRPO and DDPG have none of it
}

const maps = [
  ["residual_ratio", "Residual ratio", "cost-to-go that the model gets wrong, r_t", false],
  ["kl_step", "KL step", "allowed divergence, nats, logarithmic scale", true],
  ["temperature", "Temperature", "cost units, logarithmic scale", true],
  ["effective_samples", "Effective samples", "of the path-integral weights", false],
];

function over_steps(task) {
  const into = find("steps");
  into.replaceChildren();
  const algorithm = task.algorithms[Number(find("algorithm").value)];
  const condition = algorithm.conditions.find(c => c.condition === single_condition());
  const seconds = task.steps * task.dt;
  const steps = condition.steps;
  find("steps_note").textContent = Object.keys(steps).length === 0
    ? "There are no numbers for single time steps: the algorithm has none, or the run folder no details.jsonl."
    : `condition ${condition.condition}, mean over ${seeds_text(algorithm.seeds.length)}`;
  for (const [key, title, text, logarithmic] of maps) {
    if (steps[key]) heat_map(into, title, text, steps[key], condition.rows, seconds, logarithmic);
  }
  const rows = steps.exploration || [];
  const shown = [...new Set([0, Math.floor((rows.length - 1) / 3), Math.floor(2 * (rows.length - 1) / 3), rows.length - 1])];
  line_chart(into, "Exploration", "root mean variance of the controls, after an iteration", "time in the rollout, s",
    "standard deviation of a control", rows.length === 0 ? [] : shown.map((row, i) => ({ name: `iteration ${condition.rows[row] + 1}`, color: series_color(i), dash: dashes[i],
      points: rows[row].map((y, t) => ({ x: t * seconds / rows[row].length, y })) })));
}

// Where the file would have been too large with all of them.
function thinned(task) {
  const most = Math.max(...task.algorithms.map(a => of_condition(a).points));
  const shown = Math.max(...task.algorithms.map(a => of_condition(a).curve.length));
  find("thinned").textContent = shown < most
    ? `To keep the file small, curves and maps show ${shown} of ${most} iterations, evenly spaced, with the first and the last one.` : "";
}

function clear_charts() {
  for (const chart of drawn.charts) chart.destroy();
  drawn.charts = [];
  drawn.maps = [];
}

function render() {
  const task = current();
  clear_charts();
  find("title").textContent = `pilqr report: ${task.task}`;
  find("about").textContent = `${task.summary}. ${task.steps} steps of ${task.dt} s. ` +
    task.algorithms.map(a => `${label(a)}: ${a.seeds.length === 1 ? "seed" : "seeds"} ${a.seeds.join(", ")}`).join("; ") + ".";
  summary(task);
  thinned(task);
  curves(task);
  inside(task);
  over_steps(task);
  if (player) player.stop();
  if (task.playbacks.length === 0) {
    find("player").replaceChildren(element("p", {}, "The rollouts were left out to keep the file small."));
    player = null;
  } else {
    if (!player || player.task !== task) player = new Player(find("player"), task);
    player.show(single_condition(), ranking(task)[0]);
  }
  if (typeof Chart === "undefined" && !document.querySelector("#no_charts")) {
    find("curves").before(element("p", { id: "no_charts" },
      "This pilqr was built without Chart.js (Debian: libjs-chart.js), so there are tables in place of line charts."));
  }
}

function choose_task() {
  const task = current();
  fill_select(find("condition"), task.algorithms[0].conditions.map(c =>
    [String(c.condition), c.condition < 0 ? "all (mean)" : String(c.condition)]));
  fill_select(find("algorithm"), task.algorithms.map((a, i) => [String(i), label(a)]));
  render();
}

fill_select(find("task"), data.map((t, i) => [String(i), t.task]));
find("task_label").hidden = data.length < 2;
find("task").addEventListener("change", choose_task);
find("condition").addEventListener("change", render);
find("algorithm").addEventListener("change", render);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth !== width) { width = window.innerWidth; render(); }
});
choose_task();
