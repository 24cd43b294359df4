"""The weights that learned metrics need: where they are looked for, and how to get them.

Nothing is downloaded behind the reader's back: a metric whose weights are absent is absent, with
the reason. `fetch` downloads on request.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from indi import paths
from indi.data.datasets.fetch import resume
from indi.errors import InDIError, unknown
from indi.files import replacing, sha256, writable


@dataclass(frozen=True)
class Weights:
    """A file of weights: what it is, where `fetch` gets it, its size in MB.

    files: accepted name -> its SHA-256, "" where nobody publishes one. `fetch` writes the first. PyTorch publishes
        the first eight digits, in the names; the whole ones, and that of Inception, are those that other projects
        check (k-diffusion's for Inception).
    """

    what: str
    files: Mapping[str, str]
    url: str
    megabytes: float


KNOWN: dict[str, Weights] = {
    "alex": Weights(
        "AlexNet (torchvision)",
        {"alexnet-owt-7be5be79.pth": "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"},
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        233,
    ),
    "squeeze": Weights(
        "SqueezeNet 1.1 (torchvision)",
        {
            "squeezenet1_1-b8a52dc0.pth": "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
            # without the classifier
            "squeezenet1_1-features.pth": "435cedb387e95bc8291893f61a3a64f0345b8c23a05139aceef43947efb3d52d",
        },
        "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
        4.7,
    ),
    "inception": Weights(
        "Inception v3 (TorchScript, as clean-fid uses it)",
        {"inception-2015-12-05.pt": "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"},
        "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
        92,
    ),
    "niqe": Weights(
        "the pristine model of NIQE (BasicSR)",
        # as in the package basicsr 1.4.2
        {"niqe_pris_params.npz": "2a7c182a68c9e7f1b2e2e5ec723279d6f65d912b6fcaf37eb2bf03d7367c4296"},
        "https://github.com/XPixelGroup/BasicSR/raw/master/basicsr/metrics/niqe_pris_params.npz",
        0.02,
    ),
}

#: The linear heads v0.1 inside the lpips package, by network, as its wheels hold them.
LPIPS_HEADS: Mapping[str, str] = {
    "alex": "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    "squeeze": "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76",
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
    """The file of the weights `name`, which is the one that was published, or else the one first used here.

    Raises:
        InDIError: it is missing (the message of `absence`), it is another one, or the name is unknown.
    """
    file = find(name)
    if file is None:
        raise InDIError(absence(name))
    verify(file, KNOWN[name].files[file.name])
    return file


def verify(file: Path, published: str) -> None:
    """Make sure that `file` has the SHA-256 that begins as `published`.

    Where that is not all of it, the SHA-256 of the first use counts, too. It is recorded beside the file, if
    files can be written there.

    Raises:
        InDIError: it has another one.
    """
    state = file.stat()
    _verify(file, published, state.st_size, state.st_mtime_ns)


@lru_cache
def _verify(file: Path, published: str, size: int, changed: int) -> None:
    """Once per state of a file: metrics ask for every batch."""
    found = sha256(file)
    record = file.with_name(f"{file.name}.sha256")
    first = record.read_text().strip() if len(published) < 64 and record.is_file() else ""
    for expected, whose in ((published, "published"), (first, f"recorded in {record.name} at the first use")):
        if not found.startswith(expected):
            raise InDIError(
                f"{file} is damaged or not the weights its name promises: its SHA-256 begins {found[:8]}, the "
                f"one {whose} {expected[:8]}. Delete it, and its record if there is one, and fetch it again."
            )
    if len(published) < 64 and not first:
        with suppress(InDIError), replacing(record) as partial:  # the folder may be read-only
            partial.write_text(found + "\n")


def fetch(name: str) -> Path:
    """Download the weights `name` into the weights root unless they are there; the file.

    An interrupted download continues where it stopped.

    Raises:
        InDIError: unknown name, no connection, or a file with another checksum than published.
    """
    if (present := find(name)) is not None:
        return present
    known = KNOWN[name]
    file, published = next(iter(known.files.items()))
    target = writable(paths.weights_root()) / file
    part = target.with_name(f"{file}.part")
    try:
        resume(known.url, part)
    except InDIError as error:
        raise InDIError(f"{error} Or get it elsewhere and put it at {target}.") from error
    if not sha256(part).startswith(published):
        part.unlink()
        raise InDIError(
            f"{known.url}: what came is not {known.what} (another SHA-256), and was deleted: run the same command "
            f"again, or get it elsewhere and put it at {target}."
        )
    os.replace(part, target)
    verify(target, published)  # the first one counts where nothing is published
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
