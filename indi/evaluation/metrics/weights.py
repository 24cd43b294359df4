"""The weights that learned metrics need: where they are looked for, and how to get them.

Nothing is downloaded behind the reader's back: a metric whose weights are absent is absent, with
the reason. `fetch` downloads on request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.error import URLError
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from indi import paths
from indi.errors import InDIError, unknown
from indi.files import replacing


@dataclass(frozen=True)
class Weights:
    """A file of weights: accepted names (`fetch` writes the first), source and size in MB.

    sha256: the start of the file's SHA-256, where its publisher states it.
    """

    what: str
    files: tuple[str, ...]
    url: str
    megabytes: float
    sha256: str | None = None


KNOWN: Mapping[str, Weights] = {
    "alex": Weights(
        "AlexNet (torchvision)",
        ("alexnet-owt-7be5be79.pth",),
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        233,
        "7be5be79",
    ),
    "squeeze": Weights(
        "SqueezeNet 1.1 (torchvision)",
        ("squeezenet1_1-b8a52dc0.pth", "squeezenet1_1-features.pth"),
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        4.7,
        "b8a52dc0",
    ),
    "inception": Weights(
        "Inception v3 (TorchScript, as clean-fid uses it)",
        ("inception-2015-12-05.pt",),
        "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
        92,
    ),
    "niqe": Weights(
        "the pristine model of NIQE (BasicSR)",
        ("niqe_pris_params.npz",),
        "https://github.com/XPixelGroup/BasicSR/raw/master/basicsr/metrics/niqe_pris_params.npz",
        0.02,
    ),
}


def find(name: str) -> Path | None:
    """The file of the weights `name`, in the weights root or in torch's own cache, or None.

    Raises:
        InDIError: unknown name.
    """
    if name not in KNOWN:
        raise unknown("weights", name, KNOWN)
    for folder in (paths.weights_root(), Path(torch.hub.get_dir()) / "checkpoints"):
        for file in KNOWN[name].files:
            if (folder / file).is_file():
                return folder / file
    return None


def absence(name: str) -> str:
    """One line why the weights `name` are missing and what to do; empty if they are there."""
    if find(name) is not None:
        return ""
    known = KNOWN[name]
    return (
        f"no weights of {known.what}: {' or '.join(known.files)} is not in {paths.weights_root()} "
        f"(INDI_WEIGHTS); `indi data weights fetch {name}` downloads {known.megabytes:g} MB."
    )


def require(name: str) -> Path:
    """The file of the weights `name`.

    Raises:
        InDIError: it is missing (the message of `absence`), or the name is unknown.
    """
    file = find(name)
    if file is None:
        raise InDIError(absence(name))
    return file


def fetch(name: str) -> Path:
    """Download the weights `name` into the weights root unless they are there; the file.

    Raises:
        InDIError: unknown name, no connection, or a file with another checksum than published.
    """
    if (present := find(name)) is not None:
        return present
    known = KNOWN[name]
    target = paths.weights_root() / known.files[0]
    try:
        with replacing(target) as partial:
            torch.hub.download_url_to_file(known.url, str(partial), hash_prefix=known.sha256)
    except (URLError, TimeoutError, ConnectionError, RuntimeError) as error:
        raise InDIError(
            f"could not download {known.what} from {known.url} ({error}): download it elsewhere "
            f"and put it at {target}."
        ) from error
    return target


@lru_cache
def load_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a .pth file, on the CPU, without running code from it; classifiers left out.

    Keys are those of torchvision's `features`: "0.weight", "3.squeeze.weight", ...

    Raises:
        InDIError: the file is damaged.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can end in any of a dozen
        raise _damaged(file) from error
    return {
        key.removeprefix("features."): value
        for key, value in state.items()
        if not key.startswith("classifier.")
    }


@lru_cache
def load_arrays(file: Path) -> dict[str, NDArray[np.float64]]:
    """The float64 arrays of an .npz file, without running code from it.

    Raises:
        InDIError: the file is damaged.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {key: np.asarray(arrays[key], dtype=np.float64) for key in arrays.files}
    except (BadZipFile, ValueError, EOFError, OSError) as error:
        raise _damaged(file) from error


def fill(module: nn.Module, state: Mapping[str, Tensor], file: Path) -> nn.Module:
    """`module` with the tensors of `state`, for evaluation only.

    Raises:
        InDIError: the file does not hold the tensors that the module has.
    """
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise _damaged(file) from error
    return module.eval().requires_grad_(False)


def _damaged(file: Path) -> InDIError:
    return InDIError(f"{file} is damaged or not the weights its name promises: delete it and fetch it again.")
