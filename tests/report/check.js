// Runs in the report, after it: looks at everything that it should show, and uses it.
"use strict";
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

async function check_all() {
  // 3 learning curves, 2 costs in parts, residual ratio, KL step, temperature, effective samples, exploration
  check_charts("all conditions", 10);
  check(`maps: ${drawn.maps.length}`, drawn.maps.length === 4);
  choose(document.getElementById("algorithm"), "2");
  check(`maps of PI2: ${drawn.maps.length}`, drawn.maps.length === 2);
  await check_player();
  choose(document.getElementById("condition"), "2");
  check_charts("condition 2", 10);
  check("the condition's rollouts", player.rollouts.length > 0 && player.rollouts.every(p => p.condition === 2));
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
  window.parent.postMessage(`${text} (width ${window.innerWidth}, ${dark ? "dark" : "light"})`, "*");
});
