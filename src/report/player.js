// Rollouts on two canvases, side by side, in the time of the rollout.

class Player {
  constructor(root, task) {
    this.task = task;
    this.time = 0;
    this.playing = false;
    this.last = null;
    this.panes = [0, 1].map(i => ({
      canvas: element("canvas", { role: "img", "aria-label": `Rollout ${i === 0 ? "on the left" : "on the right"}` }),
      select: element("select", { "aria-label": i === 0 ? "Rollout on the left" : "Rollout on the right",
        onchange: () => this.choose() }),
      note: element("small", { class: "note" }),
    }));
    this.button = element("button", { type: "button", onclick: () => this.toggle() }, "▶ Play");
    this.scrub = element("input", { type: "range", min: 0, max: 1000, value: 0, "aria-label": "Time in the rollout",
      oninput: () => this.go_to(this.scrub.value / 1000 * this.seconds()) });
    this.speed = element("select", { "aria-label": "Speed" });
    fill_select(this.speed, [["0.25", "¼ ×"], ["0.5", "½ ×"], ["1", "1 ×"], ["2", "2 ×"], ["4", "4 ×"]], "1");
    this.clock = element("output", {});
    const before = element("button", { type: "button", onclick: () => this.before_after() }, "Before and after");
    const bar = element("div", { class: "bar" }, before);
    if (task.algorithms.length > 1) {
      bar.append(element("button", { type: "button", onclick: () => this.versus() }, "Algorithm against algorithm"));
    }
    this.view = element("div", { class: "panes", role: "group", tabindex: 0,
      "aria-label": "Rollouts; space plays and pauses, the left and right arrows go through the time" },
    ...this.panes.map(p => element("figure", {}, p.select, p.note, p.canvas)));
    root.replaceChildren(bar, this.view,
      element("div", { class: "bar" }, this.button, this.scrub, this.clock, element("label", {}, "Speed ", this.speed)),
      this.legend());
    this.view.onkeydown = event => {
      if (event.target !== this.view) return;  // its selects have keys of their own
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (event.key === " ") this.toggle();
      else if (step) this.go_to(this.time + step * this.panes[1].rollout.seconds_per_frame);
      else return;
      event.preventDefault();
    };
  }

  legend() {
    const roles = {};
    for (const p of this.task.playbacks) for (const s of p.shapes) (roles[s.role] ||= new Set()).add(s.name);
    return element("p", { class: "note" }, ...Object.entries(roles).map(([role, parts]) => element("span",
      { style: "margin-right:1em;white-space:nowrap" },
      element("span", { class: "swatch", style: `background:var(--${role})` }), [...parts].join(", "))));
  }

  // The rollouts of a condition; `best` is the algorithm to begin with.
  show(condition, best) {
    this.rollouts = this.task.playbacks.filter(p => p.condition === condition);
    this.best = best;
    const text = p => {
      const who = label(this.task.algorithms[p.algorithm]);
      if (p.noiseless) return p.iteration === 0 ? `${who}: first policy` : `${who}: last policy, after ${p.iteration} iterations`;
      return `${who}: a sample of iteration ${p.iteration + 1}`;
    };
    for (const pane of this.panes) fill_select(pane.select, this.rollouts.map((p, i) => [String(i), text(p)]));
    if (this.rollouts.length > 0) this.before_after();
  }

  last_of(algorithm) {
    return this.rollouts.findLastIndex(p => p.algorithm === algorithm && p.noiseless);
  }
  pick(left, right) {
    this.panes[0].select.value = String(Math.max(0, left));
    this.panes[1].select.value = String(Math.max(0, right));
    this.time = Infinity;  // the end, which playing leads to
    this.choose();
  }
  // The first policy, or the first sample where there is none of it.
  before_after() {
    this.pick(this.rollouts.findIndex(p => p.algorithm === this.best), this.last_of(this.best));
  }
  versus() {
    const other = this.best === 0 ? 1 : 0;
    this.pick(this.last_of(this.best), this.last_of(other));
  }

  choose() {
    for (const pane of this.panes) {
      pane.rollout = this.rollouts[Number(pane.select.value)];
      pane.note.textContent = `${condition_text(pane.rollout.condition)}, cost ${number(pane.rollout.cost)}, ` +
        (pane.rollout.noiseless ? "no exploration noise" : "the sample with the median cost, with noise");
    }
    this.time = Math.min(this.time, this.seconds());
    this.draw();
  }

  frames(rollout) { return Math.max(...rollout.shapes.map(s => s.frames.length)); }
  seconds() {
    return Math.max(...this.panes.map(p => (this.frames(p.rollout) - 1) * p.rollout.seconds_per_frame)) || 1;
  }
  go_to(time) {
    this.stop();
    this.time = Math.min(Math.max(time, 0), this.seconds());
    this.draw();
  }
  stop() { this.playing = false; this.button.textContent = "▶ Play"; }
  toggle() {
    if (this.playing) return this.stop();
    if (this.time >= this.seconds()) this.time = 0;
    this.playing = true;
    this.last = null;
    this.button.textContent = "⏸ Pause";
    requestAnimationFrame(now => this.tick(now));
  }
  tick(now) {
    if (!this.playing) return;
    if (this.last !== null) this.time += (now - this.last) / 1000 * Number(this.speed.value);
    this.last = now;
    if (this.time >= this.seconds()) { this.time = this.seconds(); this.stop(); }
    this.draw();
    if (this.playing) requestAnimationFrame(next => this.tick(next));
  }

  // What all rollouts of the condition need, so that the panes can be compared.
  bounds() {
    const b = [Infinity, Infinity, -Infinity, -Infinity];
    for (const p of this.panes.map(pane => pane.rollout)) for (const s of p.shapes) for (const f of s.frames)
      for (let i = 0; i + 1 < f.length; i += 2) {
        if (f[i] === null) continue;
        const r = s.radius * 1e4;
        b[0] = Math.min(b[0], f[i] - r); b[1] = Math.min(b[1], f[i + 1] - r);
        b[2] = Math.max(b[2], f[i] + r); b[3] = Math.max(b[3], f[i + 1] + r);
      }
    const room = 0.04 * Math.max(b[2] - b[0], b[3] - b[1]);
    return [b[0] - room, b[1] - room, b[2] + room, b[3] + room];
  }

  draw() {
    if (!this.panes[0].rollout) return;
    const bounds = this.bounds();
    for (const pane of this.panes) this.draw_pane(pane, bounds);
    this.scrub.value = Math.round(1000 * this.time / this.seconds());
    this.clock.textContent = `${this.time.toFixed(2)} s of ${this.seconds().toFixed(2)} s`;
  }

  draw_pane(pane, [left, bottom, right, top]) {
    const { canvas, rollout } = pane;
    const W = canvas.clientWidth || 300;
    const H = Math.round(W * Math.min(0.8, Math.max(0.45, (top - bottom) / (right - left))));
    const dpr = window.devicePixelRatio || 1;
    canvas.style.height = `${H}px`;
    canvas.width = W * dpr; canvas.height = H * dpr;
    const g = canvas.getContext("2d");
    const zoom = dpr * Math.min(W / (right - left), H / (top - bottom));
    g.setTransform(zoom, 0, 0, -zoom, dpr * W / 2 - zoom * (left + right) / 2, dpr * H / 2 + zoom * (bottom + top) / 2);
    const at = Math.min(this.time / rollout.seconds_per_frame, this.frames(rollout) - 1);
    this.draw_trail(g, rollout, at, 1.5 * dpr / zoom);
    for (const shape of rollout.shapes) {
      const i = Math.min(Math.floor(at), shape.frames.length - 1);
      const [a, b] = [shape.frames[i], shape.frames[Math.min(i + 1, shape.frames.length - 1)]];
      this.draw_shape(g, shape, a.map((v, j) => v + (at - Math.floor(at)) * (b[j] - v)), 1.5 * dpr / zoom);
    }
    this.scale_bar(g, canvas, zoom, dpr);
  }

  // The way that the object has gone, or the tool where there is none.
  draw_trail(g, rollout, at, thin) {
    const shape = rollout.shapes.find(s => s.role === "object") || rollout.shapes.find(s => s.role === "tool");
    if (!shape) return;
    g.beginPath();
    for (const f of shape.frames.slice(0, Math.floor(at) + 1)) {
      const mean = first => f.filter((_, j) => j % 2 === first).reduce((a, b) => a + b, 0) * 2 / f.length;
      g.lineTo(mean(0), mean(1));
    }
    g.strokeStyle = color(shape.role);
    g.lineWidth = thin;
    g.globalAlpha = 0.7;
    g.setLineDash([3 * thin, 3 * thin]);
    g.stroke();
    g.setLineDash([]);
    g.globalAlpha = 1;
  }

  draw_shape(g, shape, p, thin) {
    g.beginPath();
    g.lineJoin = g.lineCap = "round";
    g.strokeStyle = g.fillStyle = color(shape.role);
    if (shape.kind === "circle") g.arc(p[0], p[1], shape.radius * 1e4, 0, 2 * Math.PI);
    else for (let i = 0; i < p.length; i += 2) g.lineTo(p[i], p[i + 1]);
    if (shape.kind === "line") {
      g.lineWidth = Math.max(2e4 * shape.radius, thin);
      g.stroke();
      return;
    }
    g.closePath();
    g.lineWidth = thin;
    g.globalAlpha = shape.role === "goal" ? 0.35 : 0.85;
    g.fill();
    g.globalAlpha = 1;
    g.stroke();
  }

  scale_bar(g, canvas, zoom, dpr) {
    const fits = 0.3 * canvas.width / zoom / 1e4;  // m
    const power = Math.pow(10, Math.floor(Math.log10(fits)));
    const meters = [5, 2, 1].find(k => k * power <= fits) * power;
    g.setTransform(dpr, 0, 0, dpr, 0, 0);
    const [w, y] = [meters * 1e4 * zoom / dpr, canvas.height / dpr - 10];
    g.strokeStyle = g.fillStyle = color("quiet");
    g.lineWidth = 1.5;
    g.beginPath(); g.moveTo(10, y - 4); g.lineTo(10, y); g.lineTo(10 + w, y); g.lineTo(10 + w, y - 4); g.stroke();
    g.font = "12px system-ui, sans-serif";
    g.fillText(meters < 1 ? `${number(100 * meters)} cm` : `${number(meters)} m`, 14, y - 5);
  }
}
