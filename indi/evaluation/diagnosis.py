"""What a sampler's own states do to F: forward states beside its own, octave by octave, and how F answers errors.

F is trained on forward states x_t = (1 - t) x + t y + t eps_t n. Sampling shows it states made of its own
predictions. With the same x, y and n both can be had at the same t, so that all differences are paired.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from indi.errors import InDIError
from indi.evaluation.metrics.pixel import DATA_RANGE, blockiness, octave_powers
from indi.method import process, samplers
from indi.method.process import Generators
from indi.method.samplers import Callback, Restorer, Sampler

OCTAVES = 4
"""From 1/4 to 1/2 cycle per pixel (the finest, 0) down to 1/32 to 1/16 (3)."""


@dataclass(frozen=True)
class States:
    """States of one time, (B, ...) each, with the predictions of F for them."""

    forward: Tensor
    own: Tensor
    F_forward: Tensor
    F_own: Tensor


@torch.no_grad()
def states(
    F: Restorer,
    x: Tensor,
    y: Tensor,
    noise: Tensor,
    times: Sequence[float] | np.ndarray,
    at: Sequence[float],
    eps: float = 0.0,
    schedule: str = "constant",
) -> dict[float, States]:
    """The forward states and InDI's own at the times `at`, from the same x, y and n.

    Args:
        F: the restorer.
        x, y: the clean and the degraded signals, (B, ...).
        noise: n, standard normal, of the shape of x. InDI starts from y + eps n as well.
        times: of the sampler, descending from 1 to 0.
        at: which of them to look at.
        eps, schedule: of the perturbation; no schedule that adds noise on the way ("brownian").

    Raises:
        InDIError: one of `at` is not among the times that F is called at, or the schedule adds noise on the way.
    """
    rule = process.noise_schedule(schedule)
    if rule.added(eps, 1.0, 0.5) > 0:
        raise InDIError(f"the {schedule} schedule has no one n for all t: use schedule='constant'.")
    own: dict[float, tuple[Tensor, Tensor]] = {}

    def keep(i: int, t: float, s: float, x_t: Tensor, prediction: Tensor) -> None:
        for wanted in at:
            if abs(t - wanted) < 1e-9:
                own[wanted] = x_t, prediction

    start = y + float(rule.std(eps, torch.ones(1))) * noise
    samplers.indi(F, start, times, 0.0, schedule, callback=keep)
    if lacking := [t for t in at if t not in own]:
        raise InDIError(f"the sampler does not call F at t = {lacking}: choose times that contain them.")
    found = {}
    for t in at:
        x_t = process.interpolate(x, y, torch.full((len(x),), t), noise, eps, schedule)
        found[t] = States(x_t, own[t][0], samplers.predict(F, x_t, t), own[t][1])
    return found


def compare(found: dict[float, States], x: Tensor, names: Sequence[str]) -> pd.DataFrame:
    """What differs between forward and own states, one number per image, time and quantity.

    Args:
        found: of images, from `states`.
        x: the clean images, (B, 3, H, W) in [-1, 1].
        names: of the images.

    Returns:
        Columns image, t, quantity, octave (-1 where there is none), forward, own. Quantities: "psnr of F" (dB,
        not rounded to 8 bits), "blocks of F" (their `blockiness`), "power of F" and "power of x_t" per
        octave, over that of x, and "error of F", the power of F - x per octave over that of x.
    """
    truth = octave_powers(x, OCTAVES)
    rows = []

    def add(t: float, quantity: str, forward: Tensor, own: Tensor) -> None:
        for name, a, b in zip(names, forward.reshape(len(x), -1), own.reshape(len(x), -1), strict=True):
            for k, pair in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
                rows.append((name, t, quantity, k if len(a) > 1 else -1, *pair))

    for t, s in found.items():
        add(t, "psnr of F", _psnr(s.F_forward, x), _psnr(s.F_own, x))
        add(t, "blocks of F", blockiness(s.F_forward), blockiness(s.F_own))
        for quantity, pair in {
            "power of x_t": (s.forward, s.own),
            "power of F": (s.F_forward, s.F_own),
            "error of F": (s.F_forward - x, s.F_own - x),
        }.items():
            add(t, quantity, *(octave_powers(image, OCTAVES) / truth for image in pair))
    return pd.DataFrame(rows, columns=["image", "t", "quantity", "octave", "forward", "own"])


def _psnr(a: Tensor, b: Tensor) -> Tensor:
    return 10 * torch.log10(DATA_RANGE**2 / (a - b).double().square().mean(dim=(1, 2, 3)))


def octave(x: Tensor, k: int) -> Tensor:
    """The part of x, (B, C, H, W), with radial frequencies above 2^-(k+2) and up to 2^-(k+1) cycles per pixel.

    The parts of all octaves, the corners of the spectrum (beyond 1/2) and what is coarser sum to x.
    """
    height, width = x.shape[-2:]
    radius = torch.hypot(
        torch.fft.fftfreq(height, device=x.device)[:, None], torch.fft.fftfreq(width, device=x.device)
    )
    band = (radius > 2.0 ** -(k + 2)) & (radius <= 2.0 ** -(k + 1))
    return torch.fft.ifft2(torch.fft.fft2(x) * band).real.to(x.dtype)


def response(F: Restorer, x_t: Tensor, t: float, error: Tensor) -> tuple[Tensor, Tensor]:
    """How F answers a small error e of its state: J e by a Jacobian-vector product.

    Args:
        F: differentiable.
        x_t: the states, (B, ...), float32 or float64.
        t: their time.
        error: e, of the shape of x_t; J e is linear in it, so its size does not matter.

    Returns:
        (B,) each: the share <J e, e> / <e, e> that F passes on (the J of `closed_form.error_factor`), and the
        size |J e| / |e|; where the latter is much larger, F turns e into something else.
    """
    with warnings.catch_warnings():  # torch scripts the rules of its forward mode, which it calls deprecated
        warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
        answer: Tensor = torch.func.jvp(lambda z: samplers.predict(F, z, t), (x_t,), (error,))[1]
    e, Je = error.flatten(1).double(), answer.flatten(1).double()
    return (Je * e).sum(1) / e.square().sum(1), Je.norm(dim=1) / e.norm(dim=1)


def responses(
    F: Restorer, found: dict[float, States], x: Tensor, y: Tensor, names: Sequence[str]
) -> pd.DataFrame:
    """`response` at the forward states for white errors in each octave, and for what is left of y - x.

    Returns:
        Columns image, t, error ("octave 0" to "octave 3", "y - x"), share, size.
    """
    white = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype).to(x.device)
    errors = {f"octave {k}": octave(white, k) for k in range(OCTAVES)} | {"y - x": y - x}
    rows = []
    for t, s in found.items():
        for kind, error in errors.items():
            share, size = response(F, s.forward, t, error)
            for name, a, b in zip(names, share.tolist(), size.tolist(), strict=True):
                rows.append((name, t, kind, a, b))
    return pd.DataFrame(rows, columns=["image", "t", "error", "share", "size"])


def shifted(power: float) -> Sampler:
    """InDI with the velocity of another time: x_s = x_t + (t - s) / r (F(x_t, r) - x_t), r = t^power.

    power < 1 says that the state is worse than its time t. It is the idea of sampling with shifted times (Li et
    al., ICLR 2024) with a fixed shift. To ask F at r and step with 1/t instead would multiply the velocity by
    t^(power - 1) as well: with a constant velocity v many steps would end at y - v / power, beyond x = y - v.
    """

    @torch.no_grad()
    def sample(
        F: Restorer,
        y: Tensor,
        times: Sequence[float] | np.ndarray,
        eps: float = 0.0,
        schedule: str = "constant",
        generator: Generators | None = None,
        callback: Callback | None = None,
    ) -> Tensor:
        x = samplers.perturbed(y, eps, schedule, generator)
        for i, t, s in samplers.pairs_of(times):
            prediction = samplers.predict(F, x, t**power)
            if callback is not None:
                callback(i, t, s, x, prediction)
            x = x + (t - s) / t**power * (prediction - x)
        return x

    return sample


def matched(F: Restorer, x: Tensor, y: Tensor, eps: float, noise: Tensor, largest: float = 2.0) -> Sampler:
    """InDI whose states have, octave by octave, the power that forward states have on training images.

    After every step but the last each octave of x_s is multiplied by a number: the root of the ratio of powers,
    forward over own, on the images given, with the earlier steps corrected already. The numbers of a step grid
    are found at its first use and kept.

    Args:
        F: the restorer.
        x, y: training images and what they were degraded to, (B, 3, H, W).
        eps: of the constant perturbation.
        noise: n, standard normal, of the shape of x.
        largest: no octave is multiplied by more, or divided by more.
    """
    known: dict[bytes, dict[float, Tensor]] = {}  # times of a run -> s -> numbers of the octaves of x_s

    def corrected_by(gains: Callable[[float, Tensor], Tensor]) -> Sampler:
        @samplers.by_rule
        def sampler(F: Restorer, start: Tensor) -> samplers.Rule:
            def step(x_t: Tensor, t: float, s: float, prediction: Tensor) -> Tensor:
                x_s = (1 - s / t) * prediction + (s / t) * x_t
                if s == 0:
                    return x_s
                by = gains(s, x_s)
                return x_s + sum((by[k] - 1) * octave(x_s, k) for k in range(OCTAVES))

            return step

        return sampler

    def calibrate(grid: np.ndarray) -> dict[float, Tensor]:
        found: dict[float, Tensor] = {}

        def measure(s: float, own: Tensor) -> Tensor:
            forward = process.interpolate(x, y, torch.full((len(x),), s), noise, eps)
            ratio = octave_powers(forward, OCTAVES).mean(0) / octave_powers(own, OCTAVES).mean(0)
            found[s] = ratio.sqrt().clamp(1 / largest, largest).to(own.dtype)
            return found[s]

        corrected_by(measure)(F, y + eps * noise, grid)
        return found

    def sample(
        F: Restorer, y: Tensor, times: Sequence[float] | np.ndarray, *further: Any, **options: Any
    ) -> Tensor:
        grid = np.asarray(times, dtype=np.float64)
        if grid.tobytes() not in known:
            known[grid.tobytes()] = calibrate(grid)
        gains = known[grid.tobytes()]
        return corrected_by(lambda s, x_s: gains[s].to(x_s.device))(F, y, grid, *further, **options)

    return sample
