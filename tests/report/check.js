// Runs in the report, after it: looks at everything that it should show, and uses it.
"use strict";
const drawn_after = performance.now();  // ms since the page was asked for
const wrong = [];
const check = (what, holds) => { if (!holds) wrong.push(what); };
const frame = () => new Promise(done => requestAnimationFrame(done));
const pixels = canvas => canvas.toDataURL();
const choose = (select, value) => { select.value = value; select.dispatchEvent(new Event("change")); };

function check_charts(where, expected) {
  check(`${where}: ${drawn.charts.length} charts`, drawn.charts.length === expected);
  for (const chart of drawn.charts) {
    const lines = chart.data.datasets.filter(d => d.label !== "");
    const title = chart.canvas.closest("figure").innerText.split("\n")[0];
    check(`${where}: ${title} has lines`, lines.length > 0);
    for (const line of lines) {
      check(`${where}: ${title}, ${line.label} has numbers`,
        line.data.length > 0 && line.data.every(p => Number.isFinite(p.x) && Number.isFinite(p.y)));
    }
    check(`${where}: ${title} tells its lines apart`, chart.legend.legendItems.length === lines.length && lines.every((line, i) =>
      String(chart.legend.legendItems[i].lineDash) === String(line.borderDash) && chart.legend.legendItems[i].pointStyle === "line"));
    check(`${where}: ${title} has a size`, chart.width > 150 && chart.height > 100);
    const cells = chart.canvas.closest("figure").querySelectorAll("td");
    check(`${where}: ${title} has a table`, cells.length >= lines[0].data.length);
  }
}

// The player's time goes on as the clock does, times its speed.
async function check_speed(speed) {
  choose(player.speed, String(speed));
  player.button.click();
  await frame();
  const first = await frame();
  const begin = player.time;
  let now = first;
  for (let n = 0; n < 12; ++n) now = await frame();
  const [passed, expected] = [player.time - begin, speed * (now - first) / 1000];
  check(`playing at ${speed}: ${passed} s for ${expected} s`,
    player.playing && passed > 0 && Math.abs(passed - expected) < 0.3 * expected + 0.001);
}

async function check_player() {
  const canvas = player.panes[1].canvas;
  const end = pixels(canvas);
  await check_speed(1);
  check("the player moves", pixels(canvas) !== end);
  player.button.click();
  const [time, still] = [player.time, pixels(canvas)];
  await frame();
  await frame();
  check("pause", !player.playing && player.time === time && pixels(canvas) === still);
  player.scrub.value = 1000;
  player.scrub.dispatchEvent(new Event("input"));
  check("scrub to the end", player.time === player.seconds() && pixels(canvas) === end);
  await check_speed(4);
  player.button.click();
  const [versus] = [...document.querySelectorAll("button")].filter(b => b.textContent.startsWith("Algorithm"));
  versus.click();
  check("two algorithms side by side", player.panes[0].rollout.algorithm !== player.panes[1].rollout.algorithm);
}

async function check_keys() {
  const key = (name, on = player.view) =>
    on.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  player.view.focus();
  check("the rollouts take the focus", document.activeElement === player.view && player.view.ariaLabel !== "");
  player.scrub.value = 0;
  player.scrub.dispatchEvent(new Event("input"));
  const frame_time = player.panes[1].rollout.seconds_per_frame;
  for (const [name, time] of [["ArrowRight", frame_time], ["ArrowRight", 2 * frame_time], ["ArrowLeft", frame_time],
    ["ArrowLeft", 0], ["ArrowLeft", 0]]) {
    key(name);
    check(`${name}: ${player.time} s, not ${time}`, Math.abs(player.time - time) < 1e-9);
  }
  key(" ");
  check("space plays", player.playing);
  key(" ");
  check("space pauses", !player.playing);
  key(" ", player.panes[0].select);
  check("a select keeps its keys", !player.playing);
}

// As of TRPO and DDPG, whose first policy is not kept.
function check_before_without_first_policy() {
  const all = player.task.playbacks;
  player.task.playbacks = all.filter(p => p.iteration > 0 || !p.noiseless);
  player.show(player.panes[1].rollout.condition, player.best);
  const [before, after] = player.panes.map(p => p.rollout);
  check("before: the first sample", !before.noiseless && after.noiseless && before.algorithm === after.algorithm);
  player.task.playbacks = all;
  player.show(after.condition, player.best);
}

function check_task_without_rollouts() {
  const select = document.getElementById("task");
  data.push({ ...data[0], task: "another", playbacks: [] });
  select.append(element("option", { value: "1" }, "another"));
  choose(select, "1");
  check("rollouts that were left out", /left out/.test(document.getElementById("player").innerText));
  choose(select, "0");
  check("the player is there again", player !== null && player.panes.every(p => p.canvas.isConnected));
}

// What TRPO and DDPG leave: costs, distances and successes alone.
function check_without_updates() {
  const task = data[0];
  const inside = document.getElementById("inside").closest("section");
  check("updates are shown", !inside.hidden);
  const bare = p => Object.fromEntries(Object.entries(p).map(([key, value]) =>
    [key, Array.isArray(value) && !/^(cost_mean|distance_mean|success_rate)$/.test(key) ? [null, null, null] : value]));
  data[0] = { ...task, algorithms: task.algorithms.map(a => ({ ...a, label: "trpo", conditions: a.conditions.map(c =>
    ({ ...c, curve: c.curve.map(bare), steps: {} })) })) };
  render();
  check("no empty section", inside.hidden && drawn.charts.length === 3);
  check("no maps", drawn.maps.length === 0 && /no numbers for single time steps/.test(document.getElementById("steps_note").innerText));
  check("its name", document.getElementById("words").innerText.startsWith("TRPO ended"));
  data[0] = task;
  render();
  check("updates are shown again", !inside.hidden);
}

// A curve and maps of which every second iteration was left out.
function check_thinned() {
  const task = data[0];
  data[0] = { ...task, algorithms: task.algorithms.map(a => ({ ...a, conditions: a.conditions.map(c => ({ ...c, points: 2 * c.points - 1,
    curve: c.curve.map(p => ({ ...p, iteration: 2 * p.iteration })), rows: c.rows.map(i => 2 * i) })) })) };
  render();
  const n = task.algorithms[0].conditions[0].curve.length;
  check("what is left out is told", document.getElementById("thinned").textContent.includes(`${n} of ${2 * n - 1} iterations`));
  const rows = [...document.querySelectorAll("#steps canvas.map + details tbody tr")].map(row => row.cells[0].textContent);
  check(`iterations of a map: ${rows}`, rows[0] === "1" && rows[1] === "3");
  data[0] = task;
  render();
  check("nothing is left out", document.getElementById("thinned").textContent === "");
}

async function check_all() {
  check(`drawn after ${drawn_after} ms`, drawn_after < 10000);
  // 3 learning curves, 2 costs in parts, residual ratio, KL step, temperature, effective samples, exploration
  check_charts("all conditions", 10);
  check(`maps: ${drawn.maps.length}`, drawn.maps.length === 4);
  choose(document.getElementById("algorithm"), "2");
  check(`maps of PI2: ${drawn.maps.length}`, drawn.maps.length === 2);
  await check_player();
  await check_keys();
  const conditions = document.getElementById("condition").options;
  const last = conditions[conditions.length - 1].value;
  choose(document.getElementById("condition"), last);
  check_charts(`condition ${last}`, 10);
  check("the condition's rollouts", player.rollouts.length > 0 && player.rollouts.every(p => p.condition === Number(last)));
  check_before_without_first_policy();
  check_without_updates();
  check_thinned();
  check_task_without_rollouts();
  check("summary in words", /ended with the lowest cost/.test(document.getElementById("words").innerText));
  check("final table", document.querySelectorAll("#final_table tbody tr").length === 3);
  check("everything fits the width", document.documentElement.scrollWidth <= window.innerWidth);
  for (const control of document.querySelectorAll("button, select, input")) {
    control.focus();
    const visible = control.offsetParent !== null;
    check(`${control.outerHTML.slice(0, 40)} by keyboard`, !visible || document.activeElement === control);
    check(`${control.outerHTML.slice(0, 40)} has a name`,
      control.innerText || control.getAttribute("aria-label") || control.closest("label"));
  }
}
check_all().catch(error => wrong.push(String(error))).finally(() => {
  wrong.push(...window.told);
  const text = wrong.length === 0 ? "REPORT GOOD" : `REPORT WRONG: ${wrong.join(" | ")}`;
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  window.parent.postMessage(`${text} (width ${window.innerWidth}, ${dark ? "dark" : "light"}, drawn after ${Math.round(drawn_after)} ms)`, "*");
});
