"""The metrics by name: what each is called in a table, which way is better, what it needs.

Names of learned metrics end in their network, so that it travels with every number: "lpips" is only
an alias of "lpips_alex" or "lpips_squeeze", whichever can run here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from indi.errors import InDIError, unknown
from indi.evaluation.metrics import naturalness, perceptual, pixel, weights

DEFAULT = ("psnr", "ssim", "detail_ratio", "lpips", "niqe")
BORDER_4X = 4  # pixels the 4x super-resolution literature cuts from each side


@dataclass(frozen=True)
class Metric:
    """One metric; callable as `metric(restored, truth)` -> (B,) unless it is one of sets.

    name: the key in result rows. label: for axes and table heads.
    direction: which is better, "higher" or "lower"; "none" for the detail ratio, where 1 is right.
    function: None for a distance between sets.
    too_small: height and width to what is wanted instead, or "". unit: "dB" or "".
    needs: a name in `weights.KNOWN`, or "".
    """

    name: str
    label: str
    direction: str
    function: Callable[[Tensor, Tensor], Tensor] | None
    too_small: Callable[[int, int], str] = lambda height, width: ""
    unit: str = ""
    needs: str = ""

    def __call__(self, restored: Tensor, truth: Tensor) -> Tensor:
        """`restored`, `truth`: (B, 3, H, W) in [-1, 1], `restored` after `quantise`; gives (B,).

        Raises:
            InDIError: this is a distance between sets, or what the metric's own function raises.
        """
        if self.function is None:
            raise InDIError(
                f"{self.label} compares two sets, not two images: use set_distance({self.name!r}, ...)."
            )
        return self.function(restored, truth)

    def absent(self, size: tuple[int, int] | None = None) -> str:
        """Why the metric cannot run here (on images of `size`, height and width), or ""."""
        reason = weights.absence(self.needs) if self.needs else ""
        small = self.too_small(*size) if size else ""
        return reason or (small and f"{self.label} {small}")


def _from(smallest: int) -> Callable[[int, int], str]:
    """`Metric.too_small` of what needs so many pixels a side."""

    def reason(height: int, width: int) -> str:
        if min(height, width) >= smallest:
            return ""
        return f"needs {smallest}x{smallest} pixels, and the images have {height}x{width}."

    return reason


def _alone(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A metric that looks at the restored image alone."""
    return lambda restored, truth: function(restored)


_psnr_y, _ssim_y = (partial(f, channel="y", border=BORDER_4X) for f in (pixel.psnr, pixel.ssim))
_alex, _squeeze = (partial(perceptual.lpips, net=net) for net in ("alex", "squeeze"))
_spectrum, _blocks = pixel.SMALLEST_SPECTRUM, pixel.SMALLEST_GRID

_ENTRIES = (
    Metric("psnr", "PSNR", "higher", pixel.psnr, unit="dB"),
    Metric("ssim", "SSIM", "higher", pixel.ssim, _from(pixel.WINDOW)),
    Metric("psnr_y", "PSNR (Y, border 4)", "higher", _psnr_y, _from(2 * BORDER_4X + 1), unit="dB"),
    Metric("ssim_y", "SSIM (Y, border 4)", "higher", _ssim_y, _from(2 * BORDER_4X + pixel.WINDOW)),
    Metric("detail_ratio", "detail ratio", "none", pixel.detail_ratio, _from(_spectrum)),
    Metric("blockiness", "blockiness", "lower", _alone(pixel.blockiness), _from(_blocks)),
    Metric("spectrum_gap", "error of the spectrum", "lower", pixel.spectrum_gap, _from(4 * _spectrum)),
    Metric("lpips_alex", "LPIPS (alex)", "lower", _alex, _from(perceptual.SMALLEST), needs="alex"),
    Metric(
        "lpips_squeeze", "LPIPS (squeeze)", "lower", _squeeze, _from(perceptual.SMALLEST), needs="squeeze"
    ),
    Metric("niqe", "NIQE", "lower", _alone(naturalness.niqe), naturalness.why_too_small, needs="niqe"),
    Metric("fid", "FID", "lower", None, needs="inception"),
    Metric("kid", "KID", "lower", None, needs="inception"),
    Metric("fd_squeeze", "FD-squeeze", "lower", None, needs="squeeze"),
    Metric("kd_squeeze", "KD-squeeze", "lower", None, needs="squeeze"),
)
_METRICS = {metric.name: metric for metric in _ENTRIES}
# in order of preference: papers report AlexNet and Inception unless they say otherwise
_ALIASES = {
    "lpips": ("lpips_alex", "lpips_squeeze"),
    "fd": ("fid", "fd_squeeze"),
    "kd": ("kid", "kd_squeeze"),
}


def resolve(name: str) -> str:
    """The full name of a metric: "lpips" is "lpips_alex" or "lpips_squeeze", and so on.

    Likewise "fd" is "fid" or "fd_squeeze" and "kd" is "kid" or "kd_squeeze": the first of the two
    that has its weights, or the first where neither has. Full names stay.

    Raises:
        InDIError: unknown name.
    """
    if name in _ALIASES:
        choices = _ALIASES[name]
        return next((choice for choice in choices if not _METRICS[choice].absent()), choices[0])
    if name not in _METRICS:
        raise unknown("metric", name, [*_METRICS, *_ALIASES])
    return name


def describe(name: str) -> Metric:
    """The entry of a metric, whether or not it can run here: label, unit, direction.

    Raises:
        InDIError: unknown name.
    """
    return _METRICS[resolve(name)]


def per_image(names: Iterable[str] | None = None, size: tuple[int, int] | None = None) -> dict[str, Metric]:
    """The metrics that can run here, by full name: functions (restored, truth) -> (B,).

    Args:
        names: full names or "lpips"; None is `DEFAULT`. Those that cannot run are left out:
            `missing` says which and why.
        size: height and width of the images, where known, to leave out metrics that need
            larger ones.

    Raises:
        InDIError: an unknown name, or a distance between sets.
    """
    entries = _entries(DEFAULT if names is None else names)
    for entry in entries:
        if entry.function is None:
            raise InDIError(f"{entry.label} has no value per image: use set_distance({entry.name!r}, ...).")
    return {entry.name: entry for entry in entries if not entry.absent(size)}


def missing(names: Iterable[str] | None = None, size: tuple[int, int] | None = None) -> dict[str, str]:
    """The metrics that cannot run here, by full name, and why: what a table calls "not measured".

    Arguments as `per_image`; distances between sets are allowed.

    Raises:
        InDIError: an unknown name.
    """
    entries = _entries(DEFAULT if names is None else names)
    return {entry.name: reason for entry in entries if (reason := entry.absent(size))}


def _entries(names: Iterable[str]) -> list[Metric]:
    return [_METRICS[resolve(name)] for name in names]
