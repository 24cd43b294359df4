"""The picture that stands in for the playground where there is no JavaScript.

`python -m indi.figures.playground` writes it to book/_static/playground.svg.
"""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from indi import figures, paths
from indi.method import closed_form, samplers
from indi.method.process import randn_like


def still() -> Figure:
    """Paths of the three samplers of the paper in the Gaussian model, beside the right law of x_t."""
    n, particles, s, sigma = 50, 24, 1.0, 1.0

    def F(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return closed_form.gaussian_gain(float(t[0]), s, sigma) * x

    generator = torch.Generator().manual_seed(0)
    y = torch.hypot(torch.tensor(s), torch.tensor(sigma)) * randn_like(
        torch.empty(particles, 1, dtype=torch.float64), generator
    )
    times = samplers.uniform_times(n)
    panels, axes = plt.subplots(1, 3, figsize=(9.0, 3.3), sharey=True)
    for ax, (name, sample) in zip(axes, samplers.SAMPLERS.items(), strict=True):
        states: list[torch.Tensor] = []

        def seen(x: torch.Tensor, t: torch.Tensor, to: list[torch.Tensor] = states) -> torch.Tensor:
            to.append(x)
            return F(x, t)

        x_0 = sample(seen, y, times)
        ways = torch.stack([*states, x_0])[:, :, 0].numpy()
        edge = 1.96 * (s**2 + times**2 * sigma**2) ** 0.5
        ax.fill_between(times, -edge, edge, color=figures.ORANGE, alpha=0.2, linewidth=0)
        keep = slice(None, None, 5)  # enough for a smooth curve, and a small file
        ax.plot(times[keep], ways[keep], color=figures.LOOKS[name].colour, linewidth=0.7, alpha=0.7)
        ax.scatter([1] * particles, ways[0], s=8, facecolors="none", edgecolors=figures.GREY, linewidths=0.7)
        ax.scatter([0] * particles, ways[-1], s=9, color=figures.LOOKS[name].colour)
        variance = closed_form.output_variance(closed_form.sampler_gain(name, n, s, sigma), s, sigma)
        ax.set(title=f"{figures.SAMPLER_LABELS[name]}: variance {variance:.2f}", xlim=(1.03, -0.03))
        ax.set_xlabel("time t, from y to x")
    axes[0].set_ylabel("value")
    panels.suptitle(f"N = {n} steps; the variance of x is {s**2:g}", fontsize=11)
    return panels


def main() -> None:
    mpl.use("agg")
    figures.use_style()
    still().savefig(paths.root() / "book" / "_static" / "playground.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
