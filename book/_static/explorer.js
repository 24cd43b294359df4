/* The step explorer of the book: restorations of a few images at every number of steps, two at a time with
   a divider between them, and the perception-distortion curve as something to point at. No library, no
   request but for the pictures that are looked at.

   indi/figures/explorer.py writes the figure, with a still strip in it, and the data beside it; this script
   puts the explorer in the strip's place. Every number is one of the data: nothing is measured here. */
(function () {
  "use strict";

  const NAMES = { indi: "InDI", naive: "naive", cold_diffusion: "Cold Diffusion" };
  const SIGNS = { higher: "higher is better", lower: "lower is better", none: "1 is right" };
  const WIDTH = 300, HEIGHT = 250, LEFT = 50, RIGHT = 12, TOP = 12, BOTTOM = 42; // of the plot, pixels
  const SVG = "http://www.w3.org/2000/svg";
  const MINUS = "\u2212";

  const signed = (value, digits) => (value < 0 ? MINUS : "+") + Math.abs(value).toFixed(digits);

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  function drawn(tag, attributes, text) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  /* Round numbers that cover low..high, four or five of them. */
  function ticks(low, high) {
    const rough = (high - low) / 4;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((m) => m * power >= rough);
    const out = [];
    for (let i = Math.ceil(low / step); i * step <= high; i++) out.push(i * step);
    return { values: out, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }

  function explorer(root) {
    const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    const base = root.dataset.base;
    const samplers = Object.keys(NAMES).filter((name) => data.curve.some((p) => p.sampler === name));
    const stops = [0, ...data.steps]; // of the slider; 0 is y
    const [distortion, perception] = data.metrics;
    const id = (name) => `ex-${data.task}-${name}`;
    const lower = perception.direction === "lower";

    const keyOf = (sampler, n) => (n === 0 ? "input 0" : `${sampler} ${n}`);
    const point = (sampler, n) => data.curve.find((p) => keyOf(p.sampler, p.steps) === keyOf(sampler, n));
    const said = (key) => {
      if (key === "input 0") return "degraded y";
      if (key === "truth 0") return "truth x";
      const [sampler, n] = key.split(" ");
      return n === "1" ? "one step (N = 1)" : `${NAMES[sampler]}, N = ${n}`;
    };
    const shown = (metric, value) => value.toFixed(metric.digits) + (metric.unit ? ` ${metric.unit}` : "");
    const ranged = (metric, [mean, low, high]) =>
      `${metric.label} ${shown(metric, mean)} [${low.toFixed(metric.digits)}, ${high.toFixed(metric.digits)}]`;

    /* At first: the typical image, one step against the best number of steps. */
    const indi = data.curve.filter((p) => p.sampler === "indi");
    const best = indi.reduce((a, b) => ((lower ? b[perception.name][0] < a[perception.name][0]
      : b[perception.name][0] > a[perception.name][0]) ? b : a));
    const now = {
      choice: Math.min(1, data.choices.length - 1), sampler: "indi", n: best.steps, left: "indi 1", at: 50,
    };
    const right = () => keyOf(now.sampler, now.n);
    /* What more steps do to the mean, in words; none where the data do not say so. */
    const last = indi[indi.length - 1], one = indi.find((p) => p.steps === 1);
    const detail = (p) => (p.detail_ratio ? p.detail_ratio[0] : NaN);
    const trade = last[distortion.name][2] < one[distortion.name][0] && detail(last) > detail(one);

    /* ------------------------------------------------------------ the parts */

    const radios = (name, legend, options) => {
      const set = element("fieldset", { class: `ex-radios ex-${name}` }, element("legend", {}, legend));
      const row = element("div");
      options.forEach(([value, label, checked]) => {
        const input = element("input", { type: "radio", name: id(name), value, checked });
        row.append(element("label", {}, input, ...[].concat(label)));
      });
      set.append(row);
      return set;
    };

    const photographs = radios("image", "1. Choose a photograph", data.choices.map((choice, i) => [
      String(i),
      [
        element("img", { src: base + choice.files["truth 0"], alt: "", width: 72, height: 72, loading: "lazy" }),
        element("span", {}, choice.title),
      ],
      i === now.choice,
    ]));
    const why = element("p", { class: "ex-why", id: id("why") });

    const before = element("img", { class: "ex-before", width: 384, height: 384, draggable: "false" });
    const after = element("img", { class: "ex-after", width: 384, height: 384, draggable: "false" });
    const tagLeft = element("span", { class: "ex-tag ex-tag-left" });
    const tagRight = element("span", { class: "ex-tag ex-tag-right" });
    const handle = element("div", {
      class: "ex-divider", id: id("divider"), role: "slider", tabindex: "0",
      "aria-label": "Divider between the two pictures", "aria-valuemin": "0", "aria-valuemax": "100",
    }, element("span", { "aria-hidden": "true" }, "\u25c2\u25b8"));
    const stage = element("div", { class: "ex-stage" }, after, before, tagLeft, tagRight, handle);

    const slider = element("input", {
      type: "range", id: id("n"), min: "0", max: String(stops.length - 1), step: "1",
    });
    const output = element("output", { for: id("n") });
    const marks = element("div", { class: "ex-stops", "aria-hidden": "true" },
      ...stops.map((n) => element("span", {}, n ? String(n) : "y")));
    const ends = element("div", { class: "ex-ends", "aria-hidden": "true" },
      element("span", {}, trade ? "\u2190 more faithful" : ""),
      element("span", {}, trade ? "more steps \u2192 sharper but less faithful" : "more steps \u2192"));
    const steps = element("div", { class: "ex-steps" },
      element("label", { for: id("n") }, "2. Number of steps N (right picture)"), output, slider, marks, ends);

    const sampler = radios("sampler", "3. Sampler (right picture)",
      samplers.map((name) => [name, NAMES[name], name === now.sampler]));

    /* From y over some N to x: each picture is a button that shows it large. */
    const strip = data.strip.concat("truth").map((n) => {
      const picture = element("img", { alt: "", width: 192, height: 192 });
      const label = n === "truth" ? "truth x" : n ? `N = ${n}` : "degraded y";
      return { n, picture, button: element("button", { type: "button" }, picture, element("span", {}, label)) };
    });
    const stripKey = (n) => (n === "truth" ? "truth 0" : keyOf(n > 1 ? now.sampler : "indi", n));

    const select = element("select", { id: id("left") },
      element("option", { value: "input 0" }, "degraded y"),
      element("option", { value: "truth 0" }, "truth x"),
      ...samplers.map((name) => element("optgroup", { label: NAMES[name] },
        ...data.steps.filter((n) => n > 1 || name === "indi")
          .map((n) => element("option", { value: `${name} ${n}` }, said(`${name} ${n}`))))));
    const compare = element("div", { class: "ex-compare" },
      element("label", { for: id("left") }, "4. Compare with (left picture)"), select);

    const verdict = element("p", { class: "ex-verdict", id: id("verdict"), "aria-live": "polite" });
    const table = element("table", { class: "ex-table" });
    const plot = drawn("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "ex-plot", role: "group",
      "aria-label": `Perception-distortion curve: ${perception.label} against ${distortion.label}, `
        + `means over ${data.images} images. Arrow keys go along and between the curves.`,
    });
    const plotBox = element("div", {}, plot);
    const asked = element("p", { class: "ex-asked", id: id("asked") });
    const outside = element("p", { class: "ex-note" });
    const legend = element("ul", { class: "ex-legend" }, ...samplers.map((name) => {
      const mark = drawn("svg", { width: "26", height: "12", viewBox: "-13 -6 26 12", "aria-hidden": "true" });
      mark.append(drawn("path", { d: "M-13 0H13", class: `ex-line ex-of-${name}` }), symbol(name));
      return element("li", {}, mark, NAMES[name]);
    }));

    function symbol(name, size = 4) {
      const shape = {
        indi: `M${-size} 0A${size} ${size} 0 1 0 ${size} 0A${size} ${size} 0 1 0 ${-size} 0Z`,
        naive: `M${-size} ${-size}H${size}V${size}H${-size}Z`,
        cold_diffusion: `M0 ${-size - 1}L${size + 1} ${size}H${-size - 1}Z`,
        input: `M0 ${-size - 2}L${size + 2} 0L0 ${size + 2}L${-size - 2} 0Z`,
      }[name];
      return drawn("path", { d: shape, class: `ex-mark ex-of-${name}` });
    }

    /* ------------------------------------------------------------ the curve */

    /* InDI, Cold Diffusion and y set the frame. Naive runs away from it: what lies outside is marked on the
       edge, and named in a note. */
    const axes = [distortion, perception].map((metric, k) => {
      const values = data.curve.filter((p) => p.sampler !== "naive").map((p) => p[metric.name][0]);
      const low = Math.min(...values), high = Math.max(...values), gap = 0.12 * (high - low || 1);
      const from = low - gap, to = high + gap;
      const span = k ? [HEIGHT - BOTTOM, TOP] : [LEFT, WIDTH - RIGHT];
      const at = (v) => span[0] + ((v - from) / (to - from)) * (span[1] - span[0]);
      return { metric, from, to, at, ...ticks(from, to) };
    });
    const inside = (p) => axes.every((a) => p[a.metric.name][0] >= a.from && p[a.metric.name][0] <= a.to);
    const place = (p) => axes.map((a) => a.at(Math.min(a.to, Math.max(a.from, p[a.metric.name][0]))));
    const dots = new Map(); // key -> {g, p}

    function drawPlot() {
      const [x, y] = axes;
      const frame = drawn("g", { "aria-hidden": "true" });
      x.values.forEach((v) => frame.append(
        drawn("path", { d: `M${x.at(v)} ${TOP}V${HEIGHT - BOTTOM}`, class: "ex-grid" }),
        drawn("text", { x: x.at(v), y: HEIGHT - BOTTOM + 14, "text-anchor": "middle" }, v.toFixed(x.digits))));
      y.values.forEach((v) => frame.append(
        drawn("path", { d: `M${LEFT} ${y.at(v)}H${WIDTH - RIGHT}`, class: "ex-grid" }),
        drawn("text", { x: LEFT - 5, y: y.at(v) + 4, "text-anchor": "end" }, v.toFixed(y.digits))));
      frame.append(
        drawn("text", { x: WIDTH - RIGHT, y: HEIGHT - 8, "text-anchor": "end", class: "ex-axis" },
          `${distortion.label} (${distortion.unit}): more faithful \u2192`),
        drawn("text", { x: 12, y: TOP, "text-anchor": "end", class: "ex-axis",
          transform: `rotate(-90 12 ${TOP})` },
        lower ? `\u2190 looks truer: ${perception.label}` : `${perception.label}: looks truer \u2192`));
      const clip = id("clip");
      const defs = drawn("clipPath", { id: clip });
      defs.append(drawn("rect", {
        x: LEFT, y: TOP, width: WIDTH - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM,
      }));
      const lines = drawn("g", { "clip-path": `url(#${clip})`, "aria-hidden": "true" });
      const spots = drawn("g");
      const labels = drawn("g", { "aria-hidden": "true", class: "ex-labels" });
      const taken = [];
      samplers.slice().reverse().forEach((name) => {
        const mine = data.curve.filter((p) => p.sampler === name).sort((a, b) => a.steps - b.steps);
        const way = mine.map((p) => axes.map((a) => a.at(p[a.metric.name][0])));
        lines.append(drawn("path", { d: "M" + way.map((w) => w.join(" ")).join("L"), class: `ex-line ex-of-${name}` }));
      });
      const order = [...data.curve.filter((p) => p.sampler === "input"),
        ...samplers.flatMap((name) => data.curve.filter((p) => p.sampler === name && (p.steps > 1 || name === "indi")))];
      order.forEach((p) => {
        const key = keyOf(p.sampler === "input" ? "indi" : p.sampler, p.steps);
        const [u, v] = place(p);
        const g = drawn("g", {
          class: `ex-point${inside(p) ? "" : " ex-outside"}`, role: "button", tabindex: "-1", "data-key": key,
          transform: `translate(${u} ${v})`, "aria-label": describe(p),
        });
        g.append(drawn("circle", { r: 12, class: "ex-target" }), symbol(p.sampler));
        spots.append(g);
        dots.set(key, { g, p, u, v });
        const text = p.steps ? String(p.steps) : "y";
        const free = [[7, -6], [-13, -6], [7, 14], [-13, 14]].map(([a, b]) => [u + a, v + b]).find(([a, b]) =>
          taken.every(([c, d]) => Math.abs(a - c) > 13 || Math.abs(b - d) > 11)
          && a > LEFT + 3 && a < WIDTH - RIGHT - 6 && b > TOP + 8 && b < HEIGHT - BOTTOM);
        if (free && (p.sampler !== "naive" || !inside(p))) {
          taken.push(free);
          labels.append(drawn("text", { x: free[0], y: free[1], class: `ex-n ex-of-${p.sampler}` }, text));
        }
      });
      const cross = drawn("path", { class: "ex-cross", "aria-hidden": "true" });
      const ring = drawn("circle", { r: 9, class: "ex-ring", "aria-hidden": "true" });
      plot.append(defs, frame, lines, cross, labels, ring, spots);

      const gone = data.curve.filter((p) => p.sampler === "naive" && !inside(p)).map((p) => p.steps);
      outside.textContent = [
        gone.length ? `The naive sampler leaves the frame at N = ${gone.join(", ")}: those points stand on its edge.` : "",
        data.naive_cut ? `Its curve is cut after N = ${data.naive_cut}.` : "",
      ].filter(Boolean).join(" ");

      /* On the box, not on a group of the SVG, which Chromium would give a tab stop of its own. */
      plotBox.addEventListener("pointerover", (event) => mark(keyAt(event) || right()));
      plotBox.addEventListener("pointerleave", () => mark(right()));
      plotBox.addEventListener("click", (event) => { if (keyAt(event)) go(keyAt(event)); });
      plotBox.addEventListener("focusin", (event) => mark(keyAt(event) || right()));
      plotBox.addEventListener("keydown", (event) => {
        if (!keyAt(event)) return;
        const [name, n] = keyAt(event).split(" ");
        const i = stops.indexOf(Number(n)), j = samplers.indexOf(now.sampler);
        const to = {
          ArrowRight: [now.sampler, stops[Math.min(i + 1, stops.length - 1)]],
          ArrowLeft: [now.sampler, stops[Math.max(i - 1, 0)]],
          ArrowDown: [samplers[(j + 1) % samplers.length], Number(n)],
          ArrowUp: [samplers[(j + samplers.length - 1) % samplers.length], Number(n)],
          Home: [now.sampler, 0], End: [now.sampler, stops[stops.length - 1]],
          Enter: [name === "input" ? now.sampler : name, Number(n)], " ": [name === "input" ? now.sampler : name, Number(n)],
        }[event.key];
        if (!to) return;
        event.preventDefault();
        now.sampler = to[0];
        now.n = to[1];
        update();
        dot(right()).g.focus();
      });

      function mark(key) {
        const { g, p, u, v } = dot(key);
        const [bars, name] = [[distortion, perception].map((m) => p[m.name]), p.sampler];
        cross.setAttribute("class", `ex-cross ex-of-${name}`);
        cross.setAttribute("d", inside(p)
          ? `M${axes[0].at(bars[0][1])} ${v}H${axes[0].at(bars[0][2])}M${u} ${axes[1].at(bars[1][1])}V${axes[1].at(bars[1][2])}` : "");
        cross.setAttribute("clip-path", `url(#${clip})`);
        asked.textContent = describe(p);
        plot.querySelectorAll(".ex-asked-point").forEach((old) => old.classList.remove("ex-asked-point"));
        g.classList.add("ex-asked-point");
        const current = dot(right());
        ring.setAttribute("cx", current.u);
        ring.setAttribute("cy", current.v);
        ring.setAttribute("class", `ex-ring ex-of-${current.p.sampler}`);
      }
      return mark;
    }

    const keyAt = (event) => (event.target.closest("[data-key]") || { dataset: {} }).dataset.key;
    const dot = (key) => dots.get(key) || dots.get("indi 1"); // N = 1 is the same for all
    function describe(p) {
      const who = p.sampler === "input" ? "Degraded y" : p.steps === 1 ? "One step (N = 1)" : `${NAMES[p.sampler]}, N = ${p.steps}`;
      return `${who}: ${ranged(distortion, p[distortion.name])}, ${ranged(perception, p[perception.name])}`;
    }
    function go(key) {
      const [name, n] = key.split(" ");
      if (name !== "input" && n !== "1") now.sampler = name;
      now.n = Number(n);
      update();
    }

    /* ------------------------------------------------------------ what is shown */

    function showDivider() {
      before.style.clipPath = `inset(0 ${100 - now.at}% 0 0)`;
      handle.style.left = `${now.at}%`;
      handle.setAttribute("aria-valuenow", String(Math.round(now.at)));
      handle.setAttribute("aria-valuetext", `${Math.round(now.at)} % ${said(now.left)}, the rest ${said(right())}`);
      tagLeft.classList.toggle("ex-hidden", now.at < 12);
      tagRight.classList.toggle("ex-hidden", now.at > 88);
    }

    function fill(key, choice, metric, values) {
      return key === "truth 0" ? "\u2013" : values[key][metric.name].toFixed(metric.digits);
    }

    function showTable(choice) {
      const mean = point(now.sampler, now.n);
      const head = element("thead", {}, element("tr", {},
        element("th", { scope: "col" }, "this picture"),
        element("th", { scope: "col" }, `left: ${said(now.left)}`),
        element("th", { scope: "col" }, `right: ${said(right())}`),
        element("th", { scope: "col" }, `right, mean of ${data.images}`)));
      const body = element("tbody", {}, ...data.metrics.map((metric) => element("tr", { "data-metric": metric.name },
        element("th", { scope: "row" }, metric.label + (metric.unit ? ` (${metric.unit})` : ""),
          element("small", {}, SIGNS[metric.direction])),
        element("td", { class: "ex-left-value" }, fill(now.left, choice, metric, choice.values)),
        element("td", { class: "ex-right-value" }, fill(right(), choice, metric, choice.values)),
        element("td", { class: "ex-mean-value" }, mean ? mean[metric.name][0].toFixed(metric.digits) : "\u2013"))));
      table.replaceChildren(head, body);
    }

    function showVerdict(choice) {
      if (now.n === 0) { verdict.textContent = "The degraded input y, before any step."; return; }
      if (now.n === 1) {
        verdict.textContent = "One step is plain regression: an average of all the images that fit y, so it is often blurred.";
        return;
      }
      const change = [distortion, perception].map((m) => choice.values[right()][m.name] - choice.values["indi 1"][m.name]);
      const closer = lower ? change[1] < 0 : change[1] > 0, faithful = change[0] > 0;
      const words = closer
        ? faithful ? "looks more like the truth and is more faithful" : "looks more like the truth but is less faithful"
        : faithful ? "is more faithful but looks less like the truth" : "is less faithful and looks less like the truth";
      const numbers = [distortion, perception].map((m, k) => `${m.label} ${signed(change[k], m.digits)}${m.unit ? ` ${m.unit}` : ""}`);
      verdict.textContent = `Against one step, this picture ${words} (${numbers.join(", ")}).`;
    }

    function update() {
      const choice = data.choices[now.choice];
      before.src = base + choice.files[now.left];
      after.src = base + choice.files[right()];
      before.alt = `Left: ${said(now.left)} of photograph ${choice.image}`;
      after.alt = `Right: ${said(right())} of photograph ${choice.image}`;
      tagLeft.textContent = said(now.left);
      tagRight.textContent = said(right());
      root.dataset.sampler = now.n > 1 ? now.sampler : "indi";
      why.textContent = `Photograph ${choice.image}: ${choice.why}.`;
      slider.value = String(stops.indexOf(now.n));
      slider.setAttribute("aria-valuetext", now.n ? `N = ${now.n}` : "the degraded y");
      output.textContent = now.n ? `N = ${now.n}` : "y";
      root.querySelector(`input[name="${id("sampler")}"][value="${now.sampler}"]`).checked = true;
      select.value = now.left;
      strip.forEach(({ n, picture, button }) => {
        picture.src = base + choice.files[stripKey(n)];
        button.setAttribute("aria-pressed", String(n === "truth" ? now.left === "truth 0" : n === now.n));
      });
      plot.querySelectorAll(".ex-point").forEach((g) => g.setAttribute("tabindex", "-1"));
      dot(right()).g.setAttribute("tabindex", "0");
      showDivider();
      showTable(choice);
      showVerdict(choice);
      mark(right());
    }

    /* The other steps of this image, once the reader moves: then the slider shows them at once. */
    function ahead() {
      if (navigator.connection && navigator.connection.saveData) return;
      const { files } = data.choices[now.choice];
      data.steps.forEach((n) => { new Image().src = base + files[keyOf(now.sampler, n)]; });
    }

    /* ------------------------------------------------------------ put together */

    const left = element("div", { class: "ex-left" }, stage, steps, sampler, compare);
    const side = element("div", { class: "ex-side" }, verdict,
      element("div", { class: "ex-scroll" }, table),
      element("p", { class: "ex-title" }, `Mean of all ${data.images} images: point at the curves, or choose a point`),
      legend, plotBox, asked, outside);
    const main = element("div", { class: "ex-main" }, element("div", { class: "ex-choose" }, photographs, why), left, side);
    const more = element("details", { class: "ex-more", open: !root.hasAttribute("data-front") },
      element("summary", {}, "The explorer: choose photograph, sampler and N, drag the divider, ask the curves"), main);
    root.querySelector(".ex-still").replaceWith(
      element("div", { class: "ex-strip", role: "group", "aria-label": "From y to x: choose a picture" },
        ...strip.map(({ button }) => button)), more);
    const mark = drawPlot();
    update();

    strip.forEach(({ n, button }) => button.addEventListener("click", () => {
      if (n === "truth") now.left = "truth 0";
      else {
        now.n = n;
        if (right() === now.left) now.left = n ? "input 0" : "indi 1"; // two different pictures to compare
      }
      more.open = true;
      update();
    }));
    photographs.addEventListener("change", (event) => { now.choice = Number(event.target.value); update(); });
    sampler.addEventListener("change", (event) => {
      now.sampler = event.target.value;
      if (now.n < 2) now.n = best.steps; // y and N = 1 are the same for every sampler
      update();
    });
    slider.addEventListener("input", () => { now.n = stops[Number(slider.value)]; ahead(); update(); });
    select.addEventListener("change", () => { now.left = select.value; update(); });

    const ask = (key) => {
      if (!dots.has(key)) return;
      go(key);
      more.open = true;
    };
    document.addEventListener("indi-ask", (event) => ask(event.detail)); // by a figure of this page, see points.js
    ask(new URLSearchParams(location.search).get("point")); // by one of another page

    const move = (event) => {
      const box = stage.getBoundingClientRect();
      now.at = Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width));
      showDivider();
    };
    stage.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      stage.setPointerCapture(event.pointerId);
      handle.focus({ preventScroll: true });
      move(event);
    });
    stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) move(event); });
    handle.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -10, PageUp: 10, Home: -100, End: 100 }[event.key];
      if (!by) return;
      event.preventDefault();
      now.at = Math.min(100, Math.max(0, now.at + by));
      showDivider();
    });
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".indi-explorer").forEach(explorer));
})();
