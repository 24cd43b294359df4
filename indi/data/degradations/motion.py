"""Camera shake: the scene averaged over a random path of the camera, in linear light."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from indi.data.degradations.base import Degradation, bounds
from indi.data.degradations.blur import Convolution, from_linear, to_linear
from indi.data.images import read_image
from indi.errors import InDIError

#: Points on a path: less than half a pixel apart on the longest ones.
POINTS = 96
#: The displacement, in pixels, that no path exceeds; also the margin.
RADIUS = 16
#: Side, in pixels, of the frame that a crop is thought to be cut from.
FRAME = 480
#: Distance, in pixels, between the places whose kernels are computed.
SPACING = 96
#: A roll that moves a point this far (pixels) from the axis as much as the sideways motion does.
ROLL_ARM = 400.0
#: Least and greatest extent of a path, in pixels, unless said otherwise.
EXTENT = (3.0, 12.0)


def trajectories(count: int, extent: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Camera paths over one exposure: (count, POINTS, 3), columns down, right (pixels) and roll (radians).

    The velocity of each coordinate starts at random and then wanders as a Brownian motion whose
    strength is random too (0 to 4 times the initial velocity over the exposure), so that paths range
    from straight strokes to hooks. The sideways path is scaled to an extent (the diagonal of its
    bounding box) drawn log-uniformly from `extent`. Every path passes through 0 at mid-exposure: the sharp
    image is the middle one of those that are averaged, as in GoPro.
    """
    device = generator.device
    start = torch.randn((count, 1, 3), generator=generator, device=device)
    wander = torch.randn((count, POINTS, 3), generator=generator, device=device) / math.sqrt(POINTS)
    draws = torch.rand((count, 2), generator=generator, device=device)
    # a product with a triangle of ones is a cumulative sum that is the same on every device and run
    ones = torch.ones((POINTS, POINTS), device=device).tril()
    velocity = start + 4 * draws[:, :1, None] * (ones @ wander)
    path = ones @ velocity / POINTS
    sideways = path[..., :2].amax(1) - path[..., :2].amin(1)
    low, high = math.log(extent[0]), math.log(extent[1])
    wanted = torch.exp(low + (high - low) * draws[:, 1])
    path = path * (wanted / sideways.norm(dim=1).clamp(min=1e-6))[:, None, None]
    path = path - path[:, POINTS // 2 : POINTS // 2 + 1]
    return path / path.new_tensor([1.0, 1.0, ROLL_ARM])


def rasterise(path: Tensor, radius: int) -> Tensor:
    """(B, T, 2) displacements in pixels, at most `radius`, to (B, 2R+1, 2R+1) kernels of sum 1.

    Every point is spread bilinearly over its four neighbours.
    """
    grid = torch.arange(-radius, radius + 1, device=path.device, dtype=path.dtype)
    hats = (1 - (path[:, None] - grid[:, None, None]).abs()).clamp(min=0)  # (B, 2R+1, T, 2)
    return hats[..., 0] @ hats[..., 1].transpose(1, 2) / path.shape[1]


def node_weights(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Places about SPACING apart along `size` pixels, (N,), and hats around them that sum to 1, (N, size)."""
    cells = max(1, round(size / SPACING))
    nodes = torch.linspace(0, size - 1, cells + 1, device=device)
    at = torch.arange(size, device=device, dtype=nodes.dtype)
    step = max((size - 1) / cells, 1.0)
    weights = (1 - (at - nodes[:, None]).abs() / step).clamp(min=0)
    return nodes, weights / weights.sum(0)


def shake(x: Tensor, path: Tensor, centre: Tensor) -> Tensor:
    """Blur x (B, 3, H, W) in [-1, 1] by camera paths (B, T, 3) that roll about `centre` (B, 2), in pixels.

    A roll moves points by an amount that grows with their distance from the centre, so the blur varies
    over the image. As in the efficient filter flow (Hirsch et al., CVPR 2010) kernels are computed at
    the nodes of a grid, and the images blurred by each are blended linearly between the nodes.
    """
    height, width = x.shape[2:]
    rows, row_weights = node_weights(height, x.device)
    columns, column_weights = node_weights(width, x.device)
    down, right = torch.meshgrid(rows, columns, indexing="ij")
    nodes = torch.stack([down.flatten(), right.flatten()], dim=-1)  # (N, 2)
    arm = nodes - centre[:, None]  # (B, N, 2)
    turned = torch.stack([arm[..., 1], -arm[..., 0]], dim=-1)
    moved = path[:, None, :, :2] + path[:, None, :, 2:] * turned[:, :, None]  # (B, N, T, 2)
    longest = moved.abs().amax(dim=(1, 2, 3))
    moved = moved * (RADIUS / longest.clamp(min=RADIUS))[:, None, None, None]

    convolution = Convolution(height, width, RADIUS, x.device)
    spectrum = convolution.spectrum(convolution.extend(to_linear(x)))
    y = torch.zeros_like(x)
    for n in range(len(nodes)):
        transfer = convolution.kernel(rasterise(moved[:, n], RADIUS))[:, None]
        weight = row_weights[n // len(columns), :, None] * column_weights[n % len(columns)]
        y += weight * convolution.image(spectrum * transfer)
    return from_linear(y)


def motion(extent: tuple[float, float] = EXTENT, kernels: str | Path | Tensor | None = None) -> Degradation:
    """Spatially varying camera shake in linear light, at strengths like GoPro's (Sec. 5.1 of the paper).

    Args:
        extent: least and greatest extent of the sideways path, in pixels (log-uniform).
        kernels: instead of random paths, one of these per image, drawn with equal chance: a folder of
            kernel pictures (grey, odd sides), such as Levin's eight recorded shakes, or a tensor (N, h, w).
            Levin's set is itself blurred by these: a net trained on them has seen its kernels.

    The linear light is that of sRGB. Paths are random (see `trajectories`), with a roll about the
    centre of the frame: for a crop, the crop's place within a frame of 480 pixels is drawn too.
    On the first 40 images of BSDS500's val, seed 0, the input PSNR has the median 25.2 dB and the
    quartiles 23.3 and 27.5 dB (GoPro's test set: 25.6 dB on average).
    """
    if kernels is not None:
        return _recorded(kernels)
    low, high = bounds("motion: extent", extent, 0.1, 2 * RADIUS)

    def draw(count: int, height: int, width: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        path = trajectories(count, (low, high), generator)
        size = path.new_tensor([height, width])
        place = torch.rand((count, 2), generator=generator, device=generator.device) - 0.5
        return path, (size - 1) / 2 + place * (FRAME - size).clamp(min=0)

    def degrade(x: Tensor, path: Tensor, centre: Tensor) -> Tensor:
        return shake(x.float(), path.to(x.device), centre.to(x.device)).to(x.dtype)

    return Degradation(
        name="motion",
        apply=degrade,
        draw=draw,
        margin=RADIUS,
        source="frames averaged in linear light: Nah et al., CVPR 2017 (GoPro); random paths after "
        "Boracchi & Foi, IEEE TIP 2012; varying kernels: Hirsch et al., CVPR 2010",
    )


def read_kernels(folder: Path) -> Tensor:
    """The pictures of a folder as kernels (N, 2R+1, 2R+1) of sum 1, in the order of their names.

    Raises:
        InDIError: no picture in the folder, or one is black or has an even side.
    """
    files = sorted(folder.glob("*.png"))
    if not files:
        raise InDIError(f"{folder}: no kernel pictures (*.png); see `indi data check levin`.")
    pictures = [read_image(file)[:, :, 0].astype(np.float32) for file in files]
    bad = [f.name for f, p in zip(files, pictures, strict=True) if _unfit(p)]
    if bad:
        raise InDIError(f"{folder}: kernels need odd sides and some light: {', '.join(bad)}.")
    radius = max(max(p.shape) for p in pictures) // 2
    padded = [np.pad(p, [(radius - n // 2, radius - n // 2) for n in p.shape]) for p in pictures]
    stack = torch.from_numpy(np.stack(padded))
    return stack / stack.sum(dim=(1, 2), keepdim=True)


def _unfit(kernel: np.ndarray) -> bool:
    return bool(kernel.sum() <= 0 or kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0)


def _recorded(kernels: str | Path | Tensor) -> Degradation:
    if isinstance(kernels, Tensor):
        shape = kernels.shape
        if kernels.ndim != 3 or shape[1] != shape[2] or shape[1] % 2 == 0 or kernels.min() < 0:
            raise InDIError(f"motion: kernels are (N, n, n), n odd, not negative; not {tuple(shape)}.")
        stack = kernels.float() / kernels.float().sum(dim=(1, 2), keepdim=True)
    else:
        stack = read_kernels(Path(kernels))
    radius = stack.shape[1] // 2

    def draw(count: int, height: int, width: int, generator: torch.Generator) -> tuple[Tensor]:
        return (torch.randint(len(stack), (count,), generator=generator, device=generator.device),)

    def degrade(x: Tensor, drawn: Tensor) -> Tensor:
        convolution = Convolution(x.shape[2], x.shape[3], radius, x.device)
        kernel = stack[drawn.cpu()].to(x.device)[:, None]
        return from_linear(convolution.blurred(to_linear(x.float()), kernel)).to(x.dtype)

    return Degradation(
        name="motion",
        apply=degrade,
        draw=draw,
        margin=radius,
        source="recorded kernels, by default of use Levin et al., CVPR 2009; in linear light",
    )
