/* Planes of two metrics that can be asked: the point under the mouse, the finger or the arrow keys says its sampler,
   N, values and intervals, and leads to its pictures in the explorer. indi/records/results.py stores where the
   points lie; without this script the figure is as it was. */
(function () {
  "use strict";

  const NEAR = 24; // pixels

  function asked(figure) {
    const points = JSON.parse(figure.querySelector(".indi-points").textContent);
    const image = figure.querySelector("img");
    const plot = image.parentElement;
    const said = document.createElement("p");
    said.className = "indi-said";
    said.setAttribute("aria-live", "polite");
    said.textContent = "Point at a mark of the figure, or choose one, to read its numbers.";
    figure.querySelector("figcaption").before(said);
    const ring = document.createElement("button");
    ring.type = "button";
    ring.className = "indi-ring";
    ring.setAttribute("aria-label", "Points of the figure: arrow keys go along and between the curves");
    plot.append(ring);
    let chosen = -1; // by a click or a key: what is only pointed at gives way to it

    /* In pixels from the corner of the plot; in the dark the picture has a margin of its own. */
    function place(point) {
      const pad = parseFloat(getComputedStyle(image).paddingLeft) || 0;
      return [
        image.offsetLeft + pad + (point.x / 100) * (image.clientWidth - 2 * pad),
        image.offsetTop + pad + (point.y / 100) * (image.clientHeight - 2 * pad),
      ];
    }

    function nearest(event) {
      const box = plot.getBoundingClientRect();
      const far = points.map((point) => {
        const [x, y] = place(point);
        return Math.hypot(x + box.left - event.clientX, y + box.top - event.clientY);
      });
      // where all samplers agree, at N = 1, InDI answers
      const order = points.map((_, i) => i).sort((a, b) => Math.round(far[a] - far[b])
        || (points[b].series === "indi") - (points[a].series === "indi"));
      return far[order[0]] <= NEAR ? order[0] : -1;
    }

    function show(i) {
      if (i < 0) return;
      const point = points[i], [x, y] = place(point);
      ring.style.left = `${x}px`;
      ring.style.top = `${y}px`;
      ring.classList.add("indi-there");
      said.textContent = (point.panel ? `${point.panel}: ` : "") + point.says;
      if (!point.link) return;
      const link = document.createElement("a");
      link.href = point.link;
      link.textContent = "Its pictures in the explorer";
      link.addEventListener("click", (event) => {
        const there = document.getElementById(link.hash.slice(1));
        if (!there) return; // on another page
        event.preventDefault();
        document.dispatchEvent(new CustomEvent("indi-ask", { detail: `${point.series} ${point.steps}` }));
        there.scrollIntoView();
      });
      said.append(". ", link, ".");
    }

    function along(key) {
      const now = points[Math.max(chosen, 0)];
      const same = points.map((_, i) => i).filter((i) => points[i].series === now.series && points[i].panel === now.panel);
      const at = same.indexOf(Math.max(chosen, 0));
      if (key === "ArrowRight") return same[Math.min(at + 1, same.length - 1)];
      if (key === "ArrowLeft") return same[Math.max(at - 1, 0)];
      const curves = points.map((_, i) => i).filter((i) => i === 0
        || points[i].series !== points[i - 1].series || points[i].panel !== points[i - 1].panel);
      const first = curves.indexOf(same[0]) + (key === "ArrowDown" ? 1 : -1);
      return curves[(first + curves.length) % curves.length];
    }

    plot.addEventListener("pointermove", (event) => show(nearest(event)));
    plot.addEventListener("pointerleave", () => show(chosen));
    plot.addEventListener("click", (event) => {
      if (!event.detail) return; // a key on the ring
      const i = nearest(event);
      if (i < 0) return;
      chosen = i;
      show(i);
    });
    ring.addEventListener("focus", () => { if (chosen < 0) { chosen = 0; show(0); } });
    ring.addEventListener("keydown", (event) => {
      if (!/^Arrow/.test(event.key)) return;
      event.preventDefault();
      chosen = along(event.key);
      show(chosen);
    });
    addEventListener("resize", () => show(chosen));
  }

  document.addEventListener("DOMContentLoaded", () =>
    document.querySelectorAll(".indi-points").forEach((data) => asked(data.closest("figure"))));
})();
