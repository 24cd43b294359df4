"""Features of image patches, the input of the distances between sets of images."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from indi.data.images import SUFFIXES, from_arrays, read_image, to_arrays
from indi.errors import InDIError, unknown
from indi.evaluation.metrics import weights
from indi.evaluation.metrics.pixel import quantise

NETWORKS = ("inception", "squeeze")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SMALLEST = 32  # pixels a side; SqueezeNet's poolings leave nothing below


@dataclass(frozen=True)
class Features:
    """Features of a set of images, one row per patch.

    values: (patches, D) float64. image: (patches,) which image each patch is of, 0, 1, ..., rising.
    network: what computed them, so that features of two networks are never compared.
    """

    values: NDArray[np.float64]
    image: NDArray[np.int64]
    network: str

    @property
    def patches(self) -> int:
        return len(self.values)

    @property
    def images(self) -> int:
        return int(self.image[-1]) + 1 if len(self.image) else 0


def patch_size(height: int, width: int) -> tuple[int, int]:
    """The patches (height, width) that sets of `height` x `width` images are compared by.

    1280x720 (GoPro): 15 of 256x240, the protocol of DvSR (Whang et al., CVPR 2022) that the paper's
    rows follow. Otherwise our equivalent: 96x96 where the shorter side holds three of them (481x321
    gives 15 again), 64x64 where it holds one, else the whole image.
    """
    if (height, width) == (720, 1280):
        return 240, 256
    shorter = min(height, width)
    side = 96 if shorter >= 288 else 64
    return (side, side) if shorter >= 64 else (height, width)


def patches(images: Tensor, height: int, width: int) -> Tensor:
    """Patches without overlap, image by image: (B, 3, H, W) to (B k, 3, height, width).

    The grid is centred; what does not fill a patch at the borders is cut.

    Raises:
        InDIError: the images are smaller than a patch.
    """
    if images.ndim != 4 or height < 1 or width < 1 or images.shape[2] < height or images.shape[3] < width:
        raise InDIError(
            f"images {tuple(images.shape)} hold no patch of {height}x{width}: use smaller patches."
        )
    channels = images.shape[1]
    top, left = images.shape[2] % height // 2, images.shape[3] % width // 2
    tiles = images[:, :, top:, left:].unfold(2, height, height).unfold(3, width, width)
    return tiles.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels, height, width)


def extract(
    source: Path | str | Tensor | Iterable[Tensor],
    network: str,
    patch: tuple[int, int] | None = None,
    batch_size: int = 64,
    device: torch.device | str | None = None,
) -> Features:
    """Features of all patches of a set of images.

    Args:
        source: a folder (its images in the order of their names, subfolders included, read by
            `images.read_image`), images (B, 3, H, W) in [-1, 1], or an iterable of images (3, H, W) of
            any sizes.
        network: "inception" (2048 features, resized to 299x299 as clean-fid does; FID and KID) or
            "squeeze" (SqueezeNet 1.1, its last 512 feature maps averaged over the patch at its own
            size, the vector scaled to mean square 1).
        patch: height and width of the patches; None: `patch_size` of each image.
        device: None is the GPU where there is one.

    Images are quantised first. Raises:
        InDIError: unknown network, missing weights, no images, an unreadable or too small image.
    """
    if network not in NETWORKS:
        raise unknown("feature network", network, NETWORKS)
    target = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model = _model(network, weights.require(network), target)
    values: list[NDArray[np.float64]] = []
    counts: list[int] = []
    waiting: list[Tensor] = []

    def flush() -> None:
        if waiting:
            values.append(model(torch.cat(waiting)).astype(np.float64))
            waiting.clear()

    for image in _images(source):
        tiles = patches(quantise(image)[None], *(patch or patch_size(*image.shape[1:])))
        if min(tiles.shape[2:]) < SMALLEST:
            raise InDIError(
                f"patches of {tiles.shape[2]}x{tiles.shape[3]} are too small: use at least "
                f"{SMALLEST}x{SMALLEST}."
            )
        counts.append(len(tiles))
        for part in torch.split(tiles, batch_size):
            if waiting and (part.shape[1:] != waiting[0].shape[1:] or sum(map(len, waiting)) >= batch_size):
                flush()
            waiting.append(part)
    flush()
    if not values:
        place = source if isinstance(source, str | Path) else "the set"
        raise InDIError(f"no images in {place}: give at least one image.")
    return Features(np.concatenate(values), np.repeat(np.arange(len(counts)), counts), network)


def _images(source: Path | str | Tensor | Iterable[Tensor]) -> Iterable[Tensor]:
    """The images of a source, (3, H, W) in [-1, 1] each."""
    if not isinstance(source, str | Path):
        yield from source
        return
    folder = Path(source)
    if not folder.is_dir():
        raise InDIError(f"{folder} is no folder: give a folder of images.")
    for file in sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES):
        yield from from_arrays([read_image(file)])


@lru_cache(maxsize=4)
def _model(network: str, file: Path, device: torch.device) -> Callable[[Tensor], NDArray[np.float32]]:
    """Patches (B, 3, H, W) in [-1, 1] to features (B, D)."""
    return _inception(file, device) if network == "inception" else _squeeze(file, device)


def _squeeze(file: Path, device: torch.device) -> Callable[[Tensor], NDArray[np.float32]]:
    from torchvision.models import squeezenet1_1

    with torch.random.fork_rng(devices=[]):  # the random initialisation must not advance the global numbers
        net = squeezenet1_1(weights=None).features
    weights.fill(net, weights.load_state(file), file).to(device)
    mean = torch.tensor(IMAGENET_MEAN, device=device).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=device).view(3, 1, 1)

    @torch.inference_mode()
    def features(x: Tensor) -> NDArray[np.float32]:
        scaled = ((x.to(device, torch.float32) + 1) / 2 - mean) / std
        pooled = net(scaled).mean(dim=(2, 3))
        # Unscaled they reach 190, and the cubic kernel is then all outliers: on 60 photographs KD of
        # a slight blur was 2000 +- 2200, scaled .12 +- .01. LPIPS scales its features likewise.
        size = pooled.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-12)
        result: NDArray[np.float32] = (pooled / size).cpu().numpy()
        return result

    return features


def _inception(file: Path, device: torch.device) -> Callable[[Tensor], NDArray[np.float32]]:
    """clean-fid's own network and resizing ("clean" mode: Pillow bicubic in float, to 299x299)."""
    from cleanfid.inception_torchscript import InceptionV3W
    from cleanfid.resize import build_resizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces the end of TorchScript
        try:
            net = InceptionV3W(str(file.parent), download=False).eval().to(device)
        except RuntimeError as error:
            raise InDIError(f"{file} is damaged: delete it and fetch it again.") from error
    resize = build_resizer("clean")

    @torch.inference_mode()
    def features(x: Tensor) -> NDArray[np.float32]:
        resized = torch.from_numpy(np.stack([resize(p) for p in to_arrays(x)])).permute(0, 3, 1, 2)
        result: NDArray[np.float32] = net(resized.to(device)).cpu().numpy()
        return result

    return features


def join(parts: Sequence[Features]) -> Features:
    """Features of several sets of images as one set, in the given order.

    Raises:
        InDIError: features of different networks, or no part.
    """
    if len({part.network for part in parts}) != 1:
        raise InDIError("join features of one network, at least one set: extract them alike.")
    starts = np.cumsum([0, *(part.images for part in parts[:-1])])
    images = [part.image + start for part, start in zip(parts, starts, strict=True)]
    return Features(np.concatenate([part.values for part in parts]), np.concatenate(images), parts[0].network)
