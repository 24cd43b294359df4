/* The playground of the book: the exact models of indi/closed_form.py and the samplers of
   indi/samplers.py and indi/solvers.py, computed in the page. No library, no request, no kernel.

   Part 1 is the mathematics, pure functions on arrays; tests/test_playground.py holds them to the
   Python ones. Part 2 is the page. A batch of B points of d coordinates is one Float64Array, point
   after point. */
(function () {
  "use strict";

  /* ---------------------------------------------------------------- 1. the mathematics */

  const MODES = [[1, 1], [-1, 1], [-1, -1], [1, -1]]; // of the toy, equal weights

  /* d coordinates; the diagonal of H; the coordinate whose numbers are shown. */
  const MODELS = {
    toy_a: { d: 2, H: [1, 1], shown: 1 },
    toy_b: { d: 2, H: [1, 0], shown: 1 },
    gaussian: { d: 1, H: [1], shown: 0 },
    lost: { d: 2, H: [1, 0], shown: 1 },
  };
  const SAMPLERS = ["indi", "naive", "cold_diffusion", "multistep", "heun"];

  /* The n + 1 times 1, (n-1)/n, ..., 0, counted and never accumulated. */
  const uniformTimes = (n) => Array.from({ length: n + 1 }, (_, i) => (n - i) / n);

  /* a_t with E[x | x_t] = a_t x_t for x ~ N(0, s^2), y = x + sigma n. */
  const gaussianGain = (t, s, sigma) => (s * s) / (s * s + t * t * sigma * sigma);

  /* g with x_0 = g y after n equal steps. The first three are closed_form.sampler_gain. */
  function gain(sampler, n, s, sigma) {
    const a = (i) => gaussianGain(i / n, s, sigma);
    let g = 1;
    if (sampler === "indi") for (let i = 1; i <= n; i++) g *= 1 - (1 - a(i)) / i;
    else if (sampler === "naive") for (let i = n; i > 0; i--) g = (1 - (i - 1) / n) * a(i) * g + (i - 1) / n;
    else if (sampler === "cold_diffusion") for (let i = n; i > 0; i--) g += (a(i) * g - 1) / n;
    else g = sample(sampler, (x, t) => x.map((v) => gaussianGain(t, s, sigma) * v), [1], uniformTimes(n))[0];
    return g;
  }

  /* Its limit as n grows; for Cold Diffusion by Simpson's rule. */
  function limitGain(sampler, s, sigma) {
    if (sampler === "naive") return 1;
    if (sampler !== "cold_diffusion") return s / Math.hypot(s, sigma);
    const factor = (t) => Math.exp((s / sigma) * Math.atan((t * sigma) / s));
    const m = 200;
    let sum = factor(0) + factor(1);
    for (let i = 1; i < m; i++) sum += (i % 2 ? 4 : 2) * factor(i / m);
    return factor(1) - sum / (3 * m);
  }

  const outputVariance = (g, s, sigma) => g * g * (s * s + sigma * sigma);
  const meanSquaredError = (g, s, sigma) => (1 - g) ** 2 * s * s + g * g * sigma * sigma;

  /* F of the toy: the mean of the modes under their posterior, in logarithms (near t = 0 every
     Gaussian underflows). */
  function mixtureMean(x, t, H, noise) {
    const h = H.map((v) => 1 - t + t * v);
    const out = new Float64Array(x.length);
    const log = new Float64Array(MODES.length);
    for (let b = 0; b < x.length; b += 2) {
      let top = -Infinity;
      for (let k = 0; k < MODES.length; k++) {
        const u = x[b] - h[0] * MODES[k][0];
        const v = x[b + 1] - h[1] * MODES[k][1];
        log[k] = -(u * u + v * v) / (2 * t * t * noise * noise);
        if (log[k] > top) top = log[k];
      }
      let total = 0;
      for (let k = 0; k < MODES.length; k++) {
        const p = Math.exp(log[k] - top);
        total += p;
        out[b] += p * MODES[k][0];
        out[b + 1] += p * MODES[k][1];
      }
      out[b] /= total;
      out[b + 1] /= total;
    }
    return out;
  }

  /* The 2 x 2 matrix G with E[x | x_t] = G x_t for x ~ N(0, [[1, r], [r, 1]]), x_t = H_t x + t noise n.
     Without noise and at t = 1 the lost coordinate carries nothing: the pseudo-inverse leaves it out. */
  function linearGain(t, correlation, H, noise) {
    const h = H.map((v) => 1 - t + t * v);
    const v = (t * noise) ** 2;
    const cross = [[h[0], correlation * h[1]], [correlation * h[0], h[1]]];
    const a = h[0] * h[0] + v, d = h[1] * h[1] + v, c = correlation * h[0] * h[1];
    const det = a * d - c * c, trace = a + d;
    const inverse = det > 1e-15 * trace * trace
      ? [[d / det, -c / det], [-c / det, a / det]]
      : [[a / trace ** 2, c / trace ** 2], [c / trace ** 2, d / trace ** 2]];
    return cross.map((row) => [0, 1].map((j) => row[0] * inverse[0][j] + row[1] * inverse[1][j]));
  }

  /* F(x, t) of a model. p = {sigma, eps, correlation}; the perturbation eps adds to the noise of y. */
  function restorer(model, p) {
    const { H } = MODELS[model];
    const noise = noiseOf(model, p);
    if (model === "gaussian") return (x, t) => x.map((v) => gaussianGain(t, 1, noise) * v);
    if (model !== "lost") return (x, t) => mixtureMean(x, t, H, noise);
    return (x, t) => {
      const G = linearGain(t, p.correlation, H, noise);
      const out = new Float64Array(x.length);
      for (let b = 0; b < x.length; b += 2) {
        out[b] = G[0][0] * x[b] + G[0][1] * x[b + 1];
        out[b + 1] = G[1][0] * x[b] + G[1][1] * x[b + 1];
      }
      return out;
    };
  }
  const noiseOf = (model, p) => (model === "lost" ? p.eps : Math.hypot(p.sigma, p.eps));

  /* x_0 from the start x_1. keep(state) sees x_1, ..., x_0. Formulas: samplers.py and solvers.py. */
  function sample(name, F, start, times, keep) {
    const first = Float64Array.from(start);
    let x = first;
    let before = null; // time and prediction of the step before, for multistep
    if (keep) keep(x);
    for (let i = 0; i + 1 < times.length; i++) {
      const t = times[i], s = times[i + 1], f = F(x, t);
      let next;
      if (name === "naive") next = f.map((v, j) => (1 - s) * v + s * first[j]);
      else if (name === "cold_diffusion") next = x.map((v, j) => v + (t - s) * (f[j] - first[j]));
      else next = x.map((v, j) => (1 - s / t) * f[j] + (s / t) * v); // InDI, and both predictors
      if (name === "multistep" && before) {
        const r = before.t, w = (t - s) ** 2 / (r * r - t * t);
        next = next.map((v, j) => v - w * (before.f[j] - f[j]));
      }
      if (name === "heun" && s > 0) {
        const ahead = F(next, s), w = (t - s) / (2 * s);
        next = next.map((v, j) => v + w * (ahead[j] - f[j]));
      }
      before = { t, f };
      x = next;
      if (keep) keep(x);
    }
    return x;
  }

  /* {gain, variance, mse} of the shown coordinate of x_0, without random numbers. */
  function theory(model, sampler, n, p, points) {
    const noise = noiseOf(model, p);
    if (model === "gaussian") {
      const g = gain(sampler, n, 1, noise);
      return { gain: g, variance: outputVariance(g, 1, noise), mse: meanSquaredError(g, 1, noise) };
    }
    return model === "lost" ? lostTheory(sampler, n, p) : toyTheory(sampler, n, MODELS[model].H[1], noise, points);
  }

  /* Every sampler is a matrix here: x_0 = A x_1. Its rows come from running the unit vectors. */
  function lostTheory(sampler, n, p) {
    const end = sample(sampler, restorer("lost", p), [1, 0, 0, 1], uniformTimes(n));
    const [a, b] = [end[1], end[3]]; // second row of A
    const e = p.eps * p.eps;
    const variance = a * a * (1 + e) + b * b * e;
    return { gain: p.eps > 0 ? b : NaN, variance, mse: variance - 2 * a * p.correlation + 1 };
  }

  /* The toy falls into its coordinates: x = +-1, x_1 = h x + noise n, F = tanh(h_t x_t / (t noise)^2).
     The map x_1 -> x_0 is odd, so a sum over x_1 = y > 0 is enough; y = L u^3 puts points where it is steep. */
  function toyTheory(sampler, n, h, noise, points = 400) {
    const y = [], weight = [], L = h + 8 * noise;
    for (let i = 0; i < points; i++) {
      const u = (i + 0.5) / points;
      y.push(L * u ** 3);
      weight.push((3 * L * u * u) / points / (noise * Math.sqrt(2 * Math.PI)));
    }
    const F = (x, t) => x.map((v) => Math.tanh(((1 - t + t * h) * v) / (t * noise) ** 2));
    const x0 = sample(sampler, F, y, uniformTimes(n));
    let xy = 0, xx = 0, mse = 0;
    y.forEach((v, i) => {
      const plus = weight[i] * Math.exp(-(((v - h) / noise) ** 2) / 2);
      const minus = weight[i] * Math.exp(-(((v + h) / noise) ** 2) / 2);
      xy += (plus + minus) * x0[i] * v;
      xx += (plus + minus) * x0[i] ** 2;
      mse += plus * (x0[i] - 1) ** 2 + minus * (x0[i] + 1) ** 2;
    });
    return { gain: xy / (h * h + noise * noise), variance: xx, mse };
  }

  /* What a good restoration has: the gain of the right variance, the variance of x, the least error. */
  function reference(model, p) {
    const right = model === "gaussian" ? limitGain("indi", 1, noiseOf(model, p)) : NaN;
    return { gain: right, variance: 1, mse: theory(model, "indi", 1, p).mse };
  }

  /* n standard normal numbers: Mulberry32 and the formula of Box and Muller. */
  function normals(seed, n) {
    let state = seed >>> 0;
    const uniform = () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 15), z | 1);
      z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
      return (((z ^ (z >>> 14)) >>> 0) + 0.5) / 4294967296;
    };
    return Float64Array.from({ length: n }, () =>
      Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
  }

  /* Pairs of x and the start x_1 = H x + sigma n + eps e. The same seed gives the same points, so that
     a slider moves them instead of drawing new ones. */
  function draw(model, p, count, seed) {
    const { d, H } = MODELS[model];
    const clean = normals(seed, count * d), n = normals(seed + 1, count * d), e = normals(seed + 2, count * d);
    let x = clean;
    if (model === "toy_a" || model === "toy_b") x = clean.map(Math.sign);
    if (model === "lost") {
      x = clean.map((v, j) =>
        j % 2 ? p.correlation * clean[j - 1] + Math.sqrt(1 - p.correlation ** 2) * v : v);
    }
    const sigma = model === "lost" ? 0 : p.sigma;
    return { x, start: x.map((v, j) => H[j % d] * v + sigma * n[j] + p.eps * e[j]) };
  }

  /* The numbers of `theory`, measured: least squares of x_0 on the start, spread, and error; and
     their standard errors, since another draw of particles would give others. */
  function measure(model, x, start, x0) {
    const { d, shown } = MODELS[model];
    let aa = 0, ab = 0, bb = 0, ay = 0, by = 0, sum = 0, squares = 0, error = 0;
    const count = x.length / d;
    for (let i = shown; i < x.length; i += d) {
      const other = model === "lost" ? start[i - 1] : 0;
      aa += other * other; ab += other * start[i]; bb += start[i] * start[i];
      ay += other * x0[i]; by += start[i] * x0[i];
      sum += x0[i]; squares += x0[i] * x0[i];
      error += (x0[i] - x[i]) ** 2;
    }
    const slope = model === "lost" ? (aa * by - ab * ay) / (aa * bb - ab * ab) : by / bb;
    const mean = sum / count, variance = squares / count - mean * mean, mse = error / count;
    const partial = model === "lost" ? (bb * ay - ab * by) / (aa * bb - ab * ab) : 0; // slope on y_1
    let gainNoise = 0, varianceNoise = 0, errorNoise = 0;
    for (let i = shown; i < x.length; i += d) {
      const other = model === "lost" ? partial * start[i - 1] : 0;
      gainNoise += (start[i] * (x0[i] - slope * start[i] - other)) ** 2;
      varianceNoise += ((x0[i] - mean) ** 2 - variance) ** 2;
      errorNoise += ((x0[i] - x[i]) ** 2 - mse) ** 2;
    }
    return {
      gain: bb > 0 ? slope : NaN, variance, mse,
      error: {
        gain: bb > 0 ? Math.sqrt(gainNoise) / bb : NaN,
        variance: Math.sqrt(varianceNoise) / count,
        mse: Math.sqrt(errorNoise) / count,
      },
    };
  }

  /* For the tests, whose arguments are plain arrays and numbers. */
  const restore = (model, p, sampler, n, start) => sample(sampler, restorer(model, p), start, uniformTimes(n));
  function experiment(model, p, sampler, n, count, seed) {
    const { x, start } = draw(model, p, count, seed);
    return measure(model, x, start, restore(model, p, sampler, n, start));
  }

  const api = {
    MODELS, SAMPLERS, uniformTimes, gaussianGain, gain, limitGain, outputVariance, meanSquaredError,
    mixtureMean, linearGain, restorer, sample, theory, toyTheory, reference, normals, draw, measure, restore, experiment,
  };
  window.indiPlayground = api;

  /* ---------------------------------------------------------------- 2. the page */

  document.addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("indi-playground");
  if (!root) return;

  const LABELS = {
    indi: "InDI", naive: "naive", cold_diffusion: "Cold Diffusion", multistep: "multistep", heun: "Heun",
  };
  const DASHES = { indi: [], naive: [7, 4], cold_diffusion: [8, 3, 2, 3], multistep: [2, 3], heun: [12, 3] };
  const STEPS = [1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200];
  const CURVE = [1, 2, 3, 4, 5, 7, 10, 14, 20, 30, 50, 100, 200];
  const COUNT = 1000, DRAWN = 120, SEED = 2023, SECONDS = 5;
  const DEFAULTS = {
    toy_a: { sigma: 1, eps: 0, correlation: 0.5, n: 20 },
    toy_b: { sigma: 0.4, eps: 0, correlation: 0.5, n: 20 },
    gaussian: { sigma: 1, eps: 0, correlation: 0.5, n: 20 },
    lost: { sigma: 0, eps: 0.06, correlation: 0.5, n: 100 },
  };
  /* What to try: model, sampler, parameters that differ from the defaults. */
  const EXPERIMENTS = [
    ["One step is an average", "toy_a", "indi", { n: 1 }],
    ["InDI reaches the points", "toy_a", "indi", {}],
    ["InDI: the right spread", "gaussian", "indi", { n: 50 }],
    ["Naive goes back to y", "gaussian", "naive", { n: 100 }],
    ["Cold Diffusion: too narrow", "gaussian", "cold_diffusion", { n: 100 }],
    ["Noise becomes detail", "lost", "indi", {}],
    ["No noise, no detail", "lost", "indi", { eps: 0 }],
  ];
  const HOW = {
    indi: "InDI goes from where it is, x\u209c, straight towards its prediction F, a part of the way. At the next step it looks again.",
    naive: "The naive sampler starts each step at y. It draws the line from y to the new prediction F and takes the point of this line at the next time. So y stays in the result until the last step.",
    cold_diffusion: "Cold Diffusion moves parallel to the line from y to the prediction F. So it adds up all predictions, early and late, with equal weight.",
    multistep: "Multistep goes towards F as InDI does, and corrects the step by how F has changed since the step before.",
    heun: "Heun tries InDI’s step first, asks F again where it lands, and goes on with the mean of the two directions.",
  };
  const METRICS = { gain: "gain", variance: "variance", mse: "squared error" };

  const slider = (id, label, min, max, step) =>
    `<div class="pg-slider" id="pg-${id}-row"><label for="pg-${id}">${label}</label>
     <output id="pg-${id}-value" for="pg-${id}"></output>
     <input type="range" id="pg-${id}" min="${min}" max="${max}" step="${step}"></div>`;
  const radios = (name, legend, options) =>
    `<fieldset class="pg-radios pg-${name}"><legend>${legend}</legend><div>${Object.entries(options)
      .map(([key, text]) => `<label class="pg-of-${key}"><input type="radio" name="pg-${name}" value="${key}"><span>${text}</span></label>`)
      .join("")}</div></fieldset>`;

  root.innerHTML = `
    <div class="pg-try" role="group" aria-label="Experiments to try"><span>Try:</span>${EXPERIMENTS.map(
      ([title], i) => `<button type="button" data-experiment="${i}">${title}</button>`).join("")}</div>
    <div class="pg-main">
      <div class="pg-choose">
        <div class="pg-field"><label for="pg-model">Model</label><select id="pg-model">
          <option value="toy_a">Four points, y = x + σn (Fig. 1 a)</option>
          <option value="toy_b">Four points, second coordinate lost (Fig. 1 b)</option>
          <option value="gaussian">Gaussian, y = x + σn</option>
          <option value="lost">Gaussian, second coordinate lost, no noise</option>
        </select></div>
        ${radios("sampler", "Sampler", LABELS)}
      </div>
      <div class="pg-sliders">
        ${slider("n", "N, steps", 0, STEPS.length - 1, 1)}
        ${slider("sigma", "σ, noise in y", 0.2, 2, 0.05)}
        ${slider("eps", "ε, noise added to y", 0, 1, 0.01)}
        ${slider("correlation", "correlation of x₁, x₂", -0.95, 0.95, 0.05)}
      </div>
      <div class="pg-stage">
        <canvas id="pg-plane" role="img"></canvas>
      </div>
      <div class="pg-controls">
        <div class="pg-transport" role="group" aria-label="Time and steps">
          <button type="button" id="pg-play" class="pg-play">Play</button>
          <button type="button" id="pg-back">Back</button>
          <button type="button" id="pg-forward">Next</button>
          <div class="pg-scrub"><input type="range" id="pg-time" min="0" max="1000" step="1" aria-label="Time t, from y to x">
            <div aria-hidden="true"><span>t = 1: y</span><span id="pg-clock"></span><span>t = 0: x₀</span></div></div>
        </div>
        <ul class="pg-legend" id="pg-legend" aria-label="Legend"></ul>
      </div>
      <div class="pg-side">
        <p id="pg-verdict" aria-live="polite"></p>
        <p class="pg-how"><strong>A step.</strong> <span id="pg-how"></span></p>
        <button type="button" id="pg-follow">Follow another particle</button>
      </div>
      <div class="pg-numbers">
        <table class="pg-table"><caption id="pg-caption"></caption><thead><tr><th scope="col">of x₀</th>
          <th scope="col">particles</th><th scope="col">theory</th><th scope="col">reference</th></tr></thead>
          <tbody>${Object.keys(METRICS).map((key) => `<tr><th scope="row">${METRICS[key]}</th>
            <td id="pg-${key}-measured"></td><td id="pg-${key}-theory"></td><td id="pg-${key}-reference"></td></tr>`).join("")}
          </tbody></table>
      </div>
      <div class="pg-over">
        ${radios("metric", "Curve over N", METRICS)}
        <canvas id="pg-curve" role="img"></canvas>
        <ul class="pg-legend" aria-label="Legend of the curve">${SAMPLERS.map((name) =>
          `<li><svg width="30" height="10" aria-hidden="true"><line x1="1" y1="5" x2="29" y2="5" class="pg-line-${name}"
            stroke-width="2.4" stroke-dasharray="${DASHES[name].join(" ") || "none"}"/></svg>${LABELS[name]}</li>`).join("")}
          <li><svg width="14" height="14" aria-hidden="true"><circle cx="7" cy="7" r="5" class="pg-ring"/></svg>these particles</li>
          <li><svg width="30" height="10" aria-hidden="true"><line x1="1" y1="5" x2="29" y2="5" class="pg-goal" stroke-dasharray="1 3"/></svg>reference</li>
        </ul>
      </div>
    </div>`;
  document.querySelectorAll(".pg-still").forEach((still) => { still.hidden = true; });

  const $ = (id) => document.getElementById("pg-" + id);
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const plane = $("plane"), curve = $("curve");

  /* What the reader chose, and what follows from it. `progress` = 1 - t. */
  const now = { model: "toy_a", sampler: "indi", metric: "variance", progress: 0.4, playing: false, followed: 0 };
  let p = { ...DEFAULTS.toy_a };
  let run = null, curves = null, curvesKey = "", colours = {}, frame = 0, last = 0;

  function recompute() {
    const { x, start } = draw(now.model, p, COUNT, SEED);
    const states = [];
    const F = restorer(now.model, p);
    const x0 = sample(now.sampler, F, start, uniformTimes(p.n), (state) => states.push(state));
    run = {
      F, states, start,
      measured: measure(now.model, x, start, x0),
      theory: theory(now.model, now.sampler, p.n, p),
      reference: reference(now.model, p),
    };
    const key = [now.model, p.sigma, p.eps, p.correlation].join();
    if (key !== curvesKey) {
      curvesKey = key;
      curves = {};
      SAMPLERS.forEach((name) => { curves[name] = CURVE.map((n) => theory(now.model, name, n, p, 100)); }); // fewer points: fine enough for a line
    }
  }

  /* ---- words and numbers */

  const digits = (v, k = 3) => (Number.isFinite(v) ? v.toFixed(k).replace("-", "\u2212") : "–");

  function verdict() {
    const v = digits(run.theory.variance, 2);
    const lost = now.model === "lost", toy = now.model.startsWith("toy");
    const spread = `The variance of x₀ is ${v}; the right value is 1.`;
    if (lost && p.eps === 0) {
      return `Without noise there is nothing that detail could be made from. Every sampler and every N return E[x | y], the points of a line. ${spread}`;
    }
    if (p.n === 1) {
      return `One step: every sampler returns F(y, 1), the average of all x that fit y. ${spread} An average varies too little.`;
    }
    if (now.sampler === "naive") {
      if (toy) return `${spread} Here the naive sampler does no harm: near the end F returns one of the four points, wherever x\u209c lies. Its failure shows where x has a density: try the Gaussian model.`;
      if (lost) return `${spread} Each step adds a part of the start again, and so its noise. F takes this noise for detail and keeps it. It adds up: the variance grows with N without end.`;
      const limit = outputVariance(1, 1, noiseOf(now.model, p));
      return `${spread} Each step is drawn back to y. For small t, F hardly changes x\u209c, so with more steps the result tends to y itself, of variance ${digits(limit, 2)}: the restoration is undone. This is the divergence of the naive sampler.`;
    }
    if (now.sampler === "cold_diffusion") {
      const mean = "Cold Diffusion returns the mean of all N predictions.";
      if (toy) return `${spread} ${mean} The early ones lie between the points, so it stops short of them, for every N.`;
      if (lost) return `${spread} ${mean} The early ones lack the lost detail, so their mean has too little of it.`;
      const limit = outputVariance(limitGain("cold_diffusion", 1, noiseOf(now.model, p)), 1, noiseOf(now.model, p));
      return `${spread} ${mean} The early ones are averages that vary too little, and they count as much as the late ones. Even with infinitely many steps the variance is only ${digits(limit, 2)}: under-dispersed.`;
    }
    const name = LABELS[now.sampler];
    if (toy) return `${spread} ${name} decides, step by step, for one of the four points. A few steps are enough for nearly all particles.`;
    if (lost) return `${spread} ${name} enlarges the small noise of the start, ${digits(run.theory.gain, 1)} times, into a lost coordinate. It takes many more steps than 1/ε = ${digits(1 / p.eps, 0)} to reach the right variance.`;
    return `${spread} With more steps the variance tends to 1: x₀ gets the law of x. The price is a larger squared error than that of one step.`;
  }

  const ICONS = {
    start: '<circle cx="7" cy="7" r="4.5" class="pg-hollow"/>',
    particle: '<circle cx="7" cy="7" r="4" class="pg-dot"/>',
    path: '<path d="M0 11C4 3 9 12 14 3" class="pg-path"/>',
    mode: '<path d="M7 0L14 7L7 14L0 7Z" class="pg-target"/>',
    ellipse: '<ellipse cx="7" cy="7" rx="6.4" ry="4" class="pg-outline"/>',
    band: '<rect y="2" width="14" height="10" class="pg-band"/>',
    bars: '<path d="M0 14V9H4V3H9V6H14V14Z" class="pg-bars"/>',
    density: '<path d="M0 13C5 13 5 2 7 2S9 13 14 13" class="pg-outline"/>',
    prediction: '<path d="M2 2L12 12M12 2L2 12" class="pg-cross"/>',
    aim: '<path d="M0 13L14 1" class="pg-aim"/>',
  };

  function words() {
    const entries = [["start", "y, the start"], ["particle", "x\u209c, now"], ["path", "way so far"]];
    if (now.model.startsWith("toy")) entries.push(["mode", "the four possible x"]);
    else {
      entries.push(now.model === "lost"
        ? ["ellipse", "law of x (50% and 95%)"]
        : ["band", "95% of x\u209c, if its law is right"]);
      entries.push(["bars", now.model === "lost" ? "second coordinate, now" : "particles, now"], ["density", "law of x"]);
    }
    entries.push(["prediction", "F, prediction for the followed particle"], ["aim", "where its step aims"]);
    $("legend").innerHTML = entries.map(([icon, text]) =>
      `<li><svg width="14" height="14" aria-hidden="true">${ICONS[icon]}</svg>${text}</li>`).join("");
    $("how").textContent = HOW[now.sampler];
    const said = verdict();
    if ($("verdict").textContent !== said) $("verdict").textContent = said;
    const of = { gaussian: "", lost: ", second (lost) coordinate", toy_b: ", second (lost) coordinate", toy_a: ", second coordinate" };
    $("caption").textContent = `N = ${p.n}, ${COUNT.toLocaleString("en")} particles${of[now.model]}`;
    Object.keys(METRICS).forEach((key) => {
      ["measured", "theory", "reference"].forEach((kind) => { $(`${key}-${kind}`).textContent = digits(run[kind][key]); });
      const chance = run.measured.error[key];
      if (chance >= 0.0005) {
        const extra = document.createElement("small");
        extra.textContent = ` ± ${digits(chance)}`;
        $(`${key}-measured`).append(extra);
      }
    });
    plane.setAttribute("aria-label",
      `${COUNT} particles move from y at t = 1 to x at t = 0 under ${LABELS[now.sampler]} with ${p.n} steps. ${said}`);
    curve.setAttribute("aria-label",
      `The ${METRICS[now.metric]} of each sampler against the number of steps, 1 to 200. ${LABELS[now.sampler]} at N = ${p.n}: ` +
      `${digits(run.theory[now.metric])} in theory, ${digits(run.measured[now.metric])} for these particles; ` +
      `the reference is ${digits(run.reference[now.metric])}.`);
    clock();
  }

  function clock() {
    const done = Math.min(p.n, Math.floor(now.progress * p.n + 1e-9));
    const text = `t = ${(1 - now.progress).toFixed(2)}, step ${done} of ${p.n}`;
    $("clock").textContent = text;
    $("time").value = String(Math.round(now.progress * 1000));
    $("time").setAttribute("aria-valuetext", text);
    $("play").textContent = now.playing ? "Pause" : "Play";
  }

  /* ---- drawing */

  function readColours() {
    const style = getComputedStyle(root);
    ["text", "muted", "grid", "surface", "start", "target", "band", "cross", ...SAMPLERS].forEach((name) => {
      colours[name] = style.getPropertyValue(`--pg-${name}`).trim();
    });
    colours.font = style.fontFamily;
  }

  /* A sharp canvas of the given height; returns its context and size in CSS pixels. */
  function sheet(canvas, height) {
    const width = canvas.clientWidth, ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.style.height = `${height}px`;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const ctx = canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, height);
    ctx.font = `13px ${colours.font}`;
    ctx.lineJoin = "round";
    return { ctx, width, height };
  }

  /* Frame, grid and tick labels of box {x, y, w, h}; returns the maps from data to pixels. */
  function axes(ctx, box, xs, ys, xticks, yticks, xlabel, ylabel, xmap = (v) => v) {
    const X = (v) => box.x + ((xmap(v) - xmap(xs[0])) / (xmap(xs[1]) - xmap(xs[0]))) * box.w;
    const Y = (v) => box.y + box.h - ((v - ys[0]) / (ys[1] - ys[0])) * box.h;
    ctx.lineWidth = 1;
    ctx.strokeStyle = colours.grid;
    ctx.fillStyle = colours.muted;
    ctx.textAlign = "center";
    ctx.textBaseline = "top";
    ctx.beginPath();
    xticks.forEach((v) => {
      ctx.moveTo(X(v), box.y); ctx.lineTo(X(v), box.y + box.h);
      ctx.fillText(String(v).replace("-", "\u2212"), X(v), box.y + box.h + 5);
    });
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    yticks.forEach((v) => {
      ctx.moveTo(box.x, Y(v)); ctx.lineTo(box.x + box.w, Y(v));
      ctx.fillText(String(v).replace("-", "\u2212"), box.x - 6, Y(v));
    });
    ctx.stroke();
    ctx.strokeStyle = colours.muted;
    ctx.strokeRect(box.x, box.y, box.w, box.h);
    ctx.fillStyle = colours.text;
    ctx.textAlign = "center";
    ctx.textBaseline = "bottom";
    ctx.fillText(xlabel, box.x + box.w / 2, box.y + box.h + 39);
    ctx.save();
    ctx.translate(box.x - 33, box.y + box.h / 2);
    ctx.rotate(-Math.PI / 2);
    ctx.fillText(ylabel, 0, 0);
    ctx.restore();
    return { X, Y };
  }

  const circle = (ctx, x, y, r) => { ctx.moveTo(x + r, y); ctx.arc(x, y, r, 0, 2 * Math.PI); };

  function line(ctx, points, colour, width, dash = [], alpha = 1) {
    ctx.beginPath();
    points.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
    ctx.strokeStyle = colour;
    ctx.lineWidth = width;
    ctx.globalAlpha = alpha;
    ctx.setLineDash(dash);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
  }

  function cross(ctx, x, y, r) {
    [[colours.surface, 5], [colours.cross, 2.6]].forEach(([colour, width]) => {
      line(ctx, [[x - r, y - r], [x + r, y + r]], colour, width);
      line(ctx, [[x + r, y - r], [x - r, y + r]], colour, width);
    });
  }

  /* Where everything is on the plane at this moment; kept for the taps that choose a particle. */
  let places = null;

  function drawPlane() {
    const { d } = MODELS[now.model], flat = d === 1;
    const wide = plane.clientWidth;
    const { ctx, width, height } = sheet(plane, Math.min(flat ? 400 : 460, wide * (flat ? 0.95 : 1)));
    const noise = noiseOf(now.model, p), toy = now.model.startsWith("toy");
    const side = toy ? 8 : Math.max(58, Math.min(96, wide * 0.18)); // for the histogram
    const box = { x: 46, y: 10, w: width - 46 - side - 6, h: height - 56 };
    /* Where particles run away, the plane grows with them. */
    const spread = Math.sqrt(Math.max(0, run.theory.variance));
    const limit = flat ? 3 * Math.hypot(1, noise) : toy ? 3.3 : Math.max(3.3, 2.2 * spread);
    const ticks = (end) => {
      const unit = [1, 2, 5, 10, 20, 50].find((u) => end / u < 4.5) || 100;
      return Array.from({ length: 2 * Math.floor(end / unit) + 1 }, (_, k) => (k - Math.floor(end / unit)) * unit);
    };
    const seen = ticks(limit);
    /* Equal units on both axes of a plane of points. */
    const across = flat ? 0 : limit * (box.w / box.h);
    const { X, Y } = flat
      ? axes(ctx, box, [1, 0], [-limit, limit], [1, 0.75, 0.5, 0.25, 0], seen, "time t, from y to x", "value")
      : axes(ctx, box, [-across, across], [-limit, limit], ticks(across),
          seen, "first coordinate", toy && now.model === "toy_a" ? "second coordinate" : "second coordinate (lost)");
    const at = now.progress * p.n, i = Math.min(p.n - 1, Math.floor(at + 1e-9)), part = at - i;
    const from = run.states[i], to = run.states[i + 1];
    const value = (j) => from[j] + part * (to[j] - from[j]);
    const T = 1 - now.progress;
    /* pixel of particle b in state k; k = null: now */
    const place = (b, k) => {
      const v = (c) => (k === null ? value(b * d + c) : run.states[k][b * d + c]);
      return flat ? [X(k === null ? T : 1 - k / p.n), Y(v(0))] : [X(v(0)), Y(v(1))];
    };
    const colour = colours[now.sampler];

    ctx.save();
    ctx.beginPath();
    ctx.rect(box.x - 5, box.y - 5, box.w + 10, box.h + 10);
    ctx.clip();

    /* what it should be */
    if (flat) {
      const edge = (t) => 1.96 * Math.hypot(1, t * noise);
      const grid = uniformTimes(40);
      ctx.beginPath();
      grid.forEach((t, k) => (k ? ctx.lineTo(X(t), Y(edge(t))) : ctx.moveTo(X(t), Y(edge(t)))));
      grid.slice().reverse().forEach((t) => ctx.lineTo(X(t), Y(-edge(t))));
      ctx.fillStyle = colours.band;
      ctx.fill();
    }
    if (toy) {
      ctx.beginPath();
      MODES.forEach(([a, b]) => {
        const x = X(a), y = Y(b);
        ctx.moveTo(x, y - 11); ctx.lineTo(x + 11, y); ctx.lineTo(x, y + 11); ctx.lineTo(x - 11, y); ctx.closePath();
      });
      ctx.fillStyle = colours.target;
      ctx.fill();
    }

    /* ways so far, starts, particles */
    ctx.beginPath();
    for (let b = 0; b < DRAWN; b++) {
      ctx.moveTo(...place(b, 0));
      for (let k = 1; k <= i; k++) ctx.lineTo(...place(b, k));
      ctx.lineTo(...place(b, null));
    }
    ctx.strokeStyle = colour;
    ctx.globalAlpha = 0.32;
    ctx.lineWidth = 1;
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.beginPath();
    for (let b = 0; b < DRAWN; b++) circle(ctx, ...place(b, 0), 2.6);
    ctx.strokeStyle = colours.start;
    ctx.lineWidth = 1.1;
    ctx.stroke();
    ctx.beginPath();
    for (let b = 0; b < DRAWN; b++) circle(ctx, ...place(b, null), 3);
    ctx.fillStyle = colour;
    ctx.fill();

    if (now.model === "lost") { // above the particles, or it would not be seen
      [1.1774, 2.4477].forEach((r) => {
        const ring = Array.from({ length: 61 }, (_, k) => {
          const u = r * Math.cos((k * Math.PI) / 30), v = r * Math.sin((k * Math.PI) / 30);
          return [X(u), Y(p.correlation * u + Math.sqrt(1 - p.correlation ** 2) * v)];
        });
        line(ctx, ring, colours.target, 2);
      });
    }

    /* the followed particle: its way, F, and where its step aims */
    const b = now.followed;
    const own = (k) => Array.from(run.states[k].slice(b * d, b * d + d));
    const way = [];
    for (let k = 0; k <= i; k++) way.push(place(b, k));
    way.push(place(b, null));
    line(ctx, way, colours.surface, 5.5);
    line(ctx, way, colour, 3);
    if (p.n <= 50) {
      ctx.beginPath();
      way.slice(0, -1).forEach(([x, y]) => circle(ctx, x, y, 2.8));
      ctx.fillStyle = colour;
      ctx.fill();
    }
    const t = 1 - i / p.n, x_t = own(i), y = own(0);
    const f = Array.from(run.F(Float64Array.from(x_t), t));
    const pixel = (v, time) => (flat ? [X(time), Y(v[0])] : [X(v[0]), Y(v[1])]);
    if (now.progress < 1) {
      if (now.sampler === "naive") line(ctx, [pixel(y, 1), pixel(f, 0)], colours.cross, 1.8, [5, 4]);
      else if (now.sampler === "cold_diffusion") {
        line(ctx, [pixel(y, 1), pixel(f, 0)], colours.cross, 1.2, [2, 4]);
        line(ctx, [pixel(x_t, t), pixel(x_t.map((v, c) => v + t * (f[c] - y[c])), 0)], colours.cross, 1.8, [5, 4]);
      } else line(ctx, [pixel(x_t, t), pixel(f, 0)], colours.cross, 1.8, [5, 4]);
    }
    ctx.restore();
    if (now.progress < 1) cross(ctx, ...pixel(f, 0), 5);
    const ring = (at, r, fill) => {
      ctx.beginPath();
      circle(ctx, ...at, r);
      ctx.fillStyle = fill;
      ctx.fill();
      ctx.strokeStyle = colours.text;
      ctx.lineWidth = 2;
      ctx.stroke();
    };
    ring(place(b, 0), 5, colours.surface);
    ring(place(b, null), 6, colour);
    places = Array.from({ length: DRAWN }, (_, k) => [place(k, null), place(k, 0)]);

    /* histogram of all particles now, beside the law of x, both as densities */
    if (!toy) {
      const left = box.x + box.w + 8, room = side - 10, bins = 31, step = (2 * limit) / bins;
      const counts = new Array(bins).fill(0);
      for (let k = 0; k < COUNT; k++) {
        const bin = Math.floor((value(k * d + d - 1) + limit) / step);
        if (bin >= 0 && bin < bins) counts[bin]++;
      }
      const scale = room / 0.62; // a density above 0.62 is cut off at the edge
      ctx.fillStyle = colour;
      ctx.globalAlpha = 0.55;
      counts.forEach((c, k) => {
        const y0 = Y(-limit + (k + 1) * step), high = Y(-limit + k * step) - y0;
        ctx.fillRect(left, y0 + 0.5, Math.min(room, (c / COUNT / step) * scale), high - 1);
      });
      ctx.globalAlpha = 1;
      const bell = Array.from({ length: 61 }, (_, k) => {
        const v = -limit + (k / 30) * limit;
        return [left + (Math.exp((-v * v) / 2) / Math.sqrt(2 * Math.PI)) * scale, Y(v)];
      });
      line(ctx, bell, colours.target, 2.4);
      line(ctx, [[left, box.y], [left, box.y + box.h]], colours.muted, 1);
      ctx.fillStyle = colours.text;
      ctx.textAlign = "center";
      ctx.textBaseline = "bottom";
      ctx.fillText("density", left + room / 2, box.y + box.h + 39);
    }
  }

  function drawCurve() {
    const { ctx, width, height } = sheet(curve, 230);
    const box = { x: 46, y: 10, w: width - 56, h: height - 56 };
    const goal = run.reference[now.metric];
    /* The chosen sampler sets the scale; one that runs away leaves the picture. */
    const highest = (values) => Math.max(0.1, ...values.filter(Number.isFinite));
    const of = (name) => curves[name].map((point) => point[now.metric]);
    const own = highest([...of(now.sampler), goal, run.measured[now.metric]]);
    const top = Math.min(2 * own, highest([own, ...SAMPLERS.flatMap(of)])) * 1.08;
    const unit = [0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20].find((u) => top / u <= 5.5) || 50;
    const yticks = Array.from({ length: Math.floor(top / unit) + 1 }, (_, k) => Number((k * unit).toFixed(2)));
    const { X, Y } = axes(ctx, box, [0.9, 230], [0, top], [1, 2, 5, 10, 20, 50, 100, 200], yticks,
      "number of steps N", METRICS[now.metric], Math.log);
    if (Number.isFinite(goal)) line(ctx, [[box.x, Y(goal)], [box.x + box.w, Y(goal)]], colours.text, 2, [1, 3]);
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.x, box.y, box.w, box.h);
    ctx.clip();
    [...SAMPLERS.filter((name) => name !== now.sampler), now.sampler].forEach((name) => {
      const points = CURVE.map((n, k) => [X(n), Y(curves[name][k][now.metric])]).filter((q) => Number.isFinite(q[1]));
      line(ctx, points, colours[name], name === now.sampler ? 3.6 : 1.6, DASHES[name]);
    });
    ctx.restore();
    if (Number.isFinite(run.measured[now.metric])) {
      ctx.beginPath();
      circle(ctx, X(p.n), Y(run.measured[now.metric]), 6);
      ctx.fillStyle = colours.surface;
      ctx.fill();
      ctx.strokeStyle = colours.text;
      ctx.lineWidth = 2.2;
      ctx.stroke();
    } else {
      ctx.fillStyle = colours.text;
      ctx.textAlign = "center";
      ctx.fillText("No gain: the start has no second coordinate.", box.x + box.w / 2, box.y + box.h / 2);
    }
  }

  /* ---- the reader's hand */

  function show(state) {
    now.progress = Math.max(0, Math.min(1, state));
    clock();
    drawPlane();
  }

  function stop() {
    now.playing = false;
    cancelAnimationFrame(frame);
    clock();
  }

  function play() {
    if (now.progress >= 1) now.progress = 0;
    now.playing = true;
    last = 0;
    clock();
    frame = requestAnimationFrame(tick);
  }

  /* Readers who asked for less motion get ten stills instead of a film. */
  function tick(time) {
    if (!now.playing) return;
    const still = calm.matches ? 0.1 : 0;
    if (!last) last = time;
    const passed = (time - last) / 1000 / SECONDS;
    if (passed > still) {
      last = time;
      show(now.progress + Math.min(passed, 0.1));
      if (now.progress >= 1) { stop(); return; }
    }
    frame = requestAnimationFrame(tick);
  }

  /* Everything after a change of model, sampler or parameter. */
  function update() {
    recompute();
    if (now.followed >= DRAWN) now.followed = 0;
    const lost = now.model === "lost";
    $("sigma-row").hidden = lost;
    $("correlation-row").hidden = !lost;
    $("model").value = now.model;
    root.dataset.sampler = now.sampler;
    root.querySelector(`input[name="pg-sampler"][value="${now.sampler}"]`).checked = true;
    root.querySelector(`input[name="pg-metric"][value="${now.metric}"]`).checked = true;
    $("n").value = String(STEPS.indexOf(p.n));
    $("n").setAttribute("aria-valuetext", `${p.n} steps`);
    $("n-value").textContent = String(p.n);
    ["sigma", "eps", "correlation"].forEach((name) => {
      $(name).value = String(p[name]);
      $(`${name}-value`).textContent = digits(p[name], 2);
    });
    words();
    drawPlane();
    drawCurve();
  }

  /* A particle that starts off the centre shows best what the sampler does. */
  function choose() {
    const { d } = MODELS[now.model];
    const { start } = draw(now.model, p, DRAWN, SEED);
    const wanted = d === 1 ? [1.6 * Math.hypot(1, noiseOf(now.model, p))] : now.model === "lost" ? [-1.2, 1.5 * p.eps] : [-2.2, 0];
    let best = Infinity;
    for (let b = 0; b < DRAWN; b++) {
      const far = wanted.reduce((sum, v, c) => sum + (start[b * d + c] - v) ** 2 / (c === 1 && p.eps ? p.eps ** 2 : 1), 0);
      if (far < best) { best = far; now.followed = b; }
    }
  }

  $("model").addEventListener("change", (event) => {
    now.model = event.target.value;
    p = { ...DEFAULTS[now.model], n: p.n };
    choose();
    update();
  });
  root.querySelectorAll('input[name="pg-sampler"]').forEach((input) =>
    input.addEventListener("change", () => { now.sampler = input.value; update(); }));
  root.querySelectorAll('input[name="pg-metric"]').forEach((input) =>
    input.addEventListener("change", () => { now.metric = input.value; update(); }));
  $("n").addEventListener("input", (event) => { p.n = STEPS[Number(event.target.value)]; update(); });
  ["sigma", "eps", "correlation"].forEach((name) =>
    $(name).addEventListener("input", (event) => { p[name] = Number(event.target.value); update(); }));
  $("time").addEventListener("input", (event) => {
    const wanted = Number(event.target.value) / 1000;
    stop(); // puts the slider where the film was
    show(wanted);
  });
  $("play").addEventListener("click", () => (now.playing ? stop() : play()));
  $("back").addEventListener("click", () => { stop(); show((Math.ceil(now.progress * p.n - 1e-9) - 1) / p.n); });
  $("forward").addEventListener("click", () => { stop(); show((Math.floor(now.progress * p.n + 1e-9) + 1) / p.n); });
  $("follow").addEventListener("click", () => { now.followed = (now.followed + 1) % DRAWN; drawPlane(); });
  plane.addEventListener("click", (event) => {
    const edge = plane.getBoundingClientRect();
    const x = event.clientX - edge.left, y = event.clientY - edge.top;
    let best = 24 * 24; // a finger's width
    places.forEach((spots, b) => spots.forEach(([u, v]) => {
      const far = (u - x) ** 2 + (v - y) ** 2;
      if (far < best) { best = far; now.followed = b; }
    }));
    drawPlane();
  });
  root.querySelectorAll("[data-experiment]").forEach((button) => button.addEventListener("click", () => {
    const [, model, sampler, changes] = EXPERIMENTS[Number(button.dataset.experiment)];
    stop();
    now.model = model;
    now.sampler = sampler;
    now.metric = "variance";
    p = { ...DEFAULTS[model], ...changes };
    choose();
    now.progress = calm.matches ? 1 : 0;
    update();
    if (!calm.matches) play();
  }));

  function redraw() {
    readColours();
    drawPlane();
    drawCurve();
  }
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  new ResizeObserver(() => { drawPlane(); drawCurve(); }).observe(root);

  readColours();
  choose();
  update();
  });
})();
