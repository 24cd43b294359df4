"""LPIPS, the perceptual distance of Zhang et al. (CVPR 2018), through the `lpips` package."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from indi.errors import InDIError, unknown
from indi.evaluation.metrics import weights

NETWORKS = ("alex", "squeeze")
SMALLEST = 32  # pixels a side; the last pooling layers vanish below


@torch.inference_mode()
def lpips(a: Tensor, b: Tensor, net: str = "alex") -> Tensor:
    """LPIPS of each pair, (B,) float32: 0 for identical images, larger for less similar ones.

    Args:
        a, b: images (B, 3, H, W) in [-1, 1], at least 32x32 pixels; computed where `a` is.
        net: "alex" or "squeeze", the network whose features are compared, with the linear heads
            v0.1 of the authors.

    Raises:
        InDIError: unknown network, missing weights, shapes that differ or are too small.
    """
    if net not in NETWORKS:
        raise unknown("LPIPS network", net, NETWORKS)
    if a.shape != b.shape or a.ndim != 4 or a.shape[1] != 3 or min(a.shape[2:]) < SMALLEST:
        raise InDIError(
            f"LPIPS compares two batches (B, 3, H, W) of one shape with at least "
            f"{SMALLEST}x{SMALLEST} pixels, not {tuple(a.shape)} and {tuple(b.shape)}: "
            "crop or stack the images first."
        )
    model = _model(net, weights.require(net), a.device)
    distance: Tensor = model(a.float(), b.to(a.device).float())
    return distance.flatten()


@lru_cache(maxsize=4)
def _model(net: str, file: Path, device: torch.device) -> nn.Module:
    """The LPIPS module with the features of `file`; downloads, prints and warns about nothing."""
    import lpips as package  # here, so that importing indi.metrics stays fast

    heads = Path(package.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
    weights.verify(heads, weights.LPIPS_HEADS[net])
    # Built with random features (`pnet_rand`), else it downloads; forked, else that would advance
    # the global random numbers. torchvision warns about the old arguments the package passes.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model: nn.Module = package.LPIPS(net=net, pnet_rand=True, verbose=False)
    # lpips cuts the features into slices and keeps the layers' numbers: "slice2.3.weight" is
    # "3.weight" of torchvision
    features = weights.load_state(file)
    trunk = cast(nn.Module, model.net)
    keys = {key: key.split(".", 1)[1] for key in trunk.state_dict()}
    weights.fill(trunk, {key: features[k] for key, k in keys.items() if k in features}, file)
    return model.requires_grad_(False).eval().to(device)
