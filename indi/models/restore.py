"""Photographs from files restored by a trained model into other files, in tiles where memory is short."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from indi import training
from indi.data import degradations
from indi.data.images import SUFFIXES, from_arrays, pictures_in, read_picture, to_arrays, write_image
from indi.errors import InDIError, printable
from indi.files import writable
from indi.method.samplers import Restorer, sampler, uniform_times
from indi.method.unet import BLOCKS_PER_LEVEL
from indi.profiles import RESTORATION
from indi.progress import progress
from indi.training.recipes import Recipe

BYTES_PER_PIXEL_AND_CHANNEL = 70
"""What a pass of F takes for each pixel and each unit of `channels`, float32; measured: 62."""

BYTES_PER_STATE_PIXEL = 120
"""What the sampler and the files take for each pixel of the whole picture: ten float32 images of 3 channels."""

SMALLEST_TILE = 128


@dataclass(frozen=True)
class Restored:
    """What `restore` did.

    Attributes:
        path: the file written. height, width: its size in pixels.
        tile: side of the squares that went through the network, pixels; None where it was the whole image.
        seconds: wall time of the sampler.
    """

    path: Path
    height: int
    width: int
    tile: int | None
    seconds: float


def restore(recipe: Recipe, source: Path, output: Path, **options: Any) -> Restored:
    """Restore the one picture in `source` into `output`; arguments and errors as of `restore_all`."""
    (done,) = restore_all(recipe, [(source, output)], **options)
    if isinstance(done, InDIError):
        raise done
    return done


def restore_all(
    recipe: Recipe,
    pairs: Sequence[tuple[Path, Path]],
    *,
    steps: int = 10,
    method: str = "indi",
    seed: int = 0,
    enlarged: bool = False,
    tile: int | None = None,
    accelerator: str = "auto",
) -> Iterator[Restored | InDIError]:
    """Restore pictures with the trained or shipped model of `recipe`: what was done with each, or why not.

    Computed in float32, clipped and rounded to 8 bits at the end. The perturbation has the recipe's eps
    and schedule. It is drawn on the CPU for the whole picture, so that another device or tile changes the
    result by no more than rounding. A picture is turned upright as its EXIF orientation says; its RGB
    colour profile goes into the output; no other metadata does.

    Args:
        recipe: whose model is taken.
        pairs: (source, output) of each picture. The source is degraded as the training images were, of any
            kind that `images.read_picture` takes; the output is a PNG, written whole or not at all, and
            none of the sources.
        steps: number of steps N, that is of calls of F.
        method: name of the sampler.
        seed: of the perturbation, the same for each picture; without effect where eps = 0.
        enlarged: for super_resolution: the pictures have their final size already. Otherwise they are
            first enlarged bilinearly by the recipe's factor, 4, as the training images were.
        tile: side in pixels of the squares that go through the network, see `tiled`; 0 for the whole
            picture at once, None for the greatest that half of the free memory holds.
        accelerator: "auto" (CUDA where there is one, else the CPU), "cpu", "cuda" or "mps".

    Raises:
        InDIError: before the first picture: the task restores no image, no model is there or it is
            damaged, or an argument is wrong. Yielded, one for each picture: it cannot be read, its output
            would replace a source or cannot be written, or the memory does not suffice.
    """
    if recipe.task == "generation":
        choices = ", ".join(RESTORATION)
        raise InDIError(f"generation starts from pure noise and restores no image. Choices: {choices}.")
    if recipe.method != "indi":
        raise InDIError(
            f"a model of {recipe.method} is not sampled with InDI: choose a recipe of method 'indi'."
        )
    if tile is not None and tile != 0 and tile < SMALLEST_TILE:
        raise InDIError(f"tile {tile}: a tile has at least {SMALLEST_TILE} pixels a side, or 0 for none.")
    sample, times = sampler(method), uniform_times(steps)
    device = _device(accelerator)
    _check_outputs(pairs)
    network = training.load(recipe).F.to(device)
    enlarge = recipe.task == "super_resolution" and not enlarged

    def one(source: Path, output: Path, number: int) -> Restored:
        picture = read_picture(source)
        writable(output.parent)  # before the work, not after it
        y = from_arrays([picture.pixels])
        if enlarge:
            y = degradations.upscale(y, dict(recipe.degradation_options).get("factor", 4))
        y = y.to(device)
        height, width = y.shape[2:]
        side = _side(tile, height, width, recipe, device)
        halo, stride = halo_of(side, recipe), _stride(recipe)
        calls = steps * math.prod(len(_windows(size, side, halo, stride)) for size in (height, width))
        title = f"{number}/{len(pairs)} {printable(source.name)}"
        with progress(total=calls, desc=title, unit="tile", leave=False) as bar:
            F = tiled(network, side, halo, stride, bar.update)
            generator = torch.Generator().manual_seed(seed)
            started = time.perf_counter()
            x = sample(F, y, times, recipe.eps, recipe.schedule, generator)
            if not x.isfinite().all():
                raise InDIError(f"{source}: the model of {recipe.task} gives no numbers here: train it anew.")
            (restored,) = to_arrays(x)
            seconds = time.perf_counter() - started
        write_image(output, restored, picture.profile)
        return Restored(output, height, width, side if side < max(height, width) else None, seconds)

    for number, (source, output) in enumerate(pairs, 1):
        try:
            yield one(source, output, number)
        except InDIError as error:
            yield error
        except OSError as error:
            yield InDIError(f"{output}: cannot be written ({error.strerror or error}).")
        except (MemoryError, RuntimeError) as error:
            # torch.OutOfMemoryError on a GPU; on a CPU a RuntimeError of the allocator
            if not isinstance(error, MemoryError) and "memory" not in str(error):
                raise
            yield InDIError(
                f"{source}: too little memory on {device.type}: choose a smaller --tile (from {SMALLEST_TILE}) "
                "or another accelerator, or cut the image into parts."
            )


def tiled(
    F: Restorer, tile: int, halo: int, stride: int = 8, after: Callable[[], object] = lambda: None
) -> Restorer:
    """F computed in squares of at most tile x tile pixels, of which `halo` pixels at each inner side are dropped.

    Where F sees no farther than `halo` pixels, the result is that of F to rounding, up to the borders: the
    sides of a square that are borders of the picture are padded by F as the picture itself is. It holds for
    each call, and so for any number of steps.

    Args:
        F: the restorer. tile, halo: pixels, tile >= 2 halo + stride.
        stride: of the coarsest level of F, pixels; squares begin at its multiples, as does halo.
        after: called after each square.
    """

    def restored(x: Tensor, t: Tensor) -> Tensor:
        result = torch.empty_like(x)
        for top, bottom, above, below in _windows(x.shape[2], tile, halo, stride):
            for left, right, before, behind in _windows(x.shape[3], tile, halo, stride):
                part = x[:, :, above:below, before:behind].contiguous(memory_format=torch.channels_last)
                centre = F(part, t)[:, :, top - above : bottom - above, left - before : right - before]
                result[:, :, top:bottom, left:right] = centre
                after()
        return result

    return restored


def _windows(size: int, tile: int, halo: int, stride: int) -> list[tuple[int, int, int, int]]:
    """(start, stop) of each piece of an axis and, around it, (start, stop) of what F is to see for it."""
    if size <= tile:
        return [(0, size, 0, size)]
    largest = (tile - 2 * halo) // stride * stride
    pieces = -(-size // largest)
    centre = -(-size // (pieces * stride)) * stride  # pieces of about one length
    starts = range(0, size, centre)
    return [
        (start, min(start + centre, size), max(start - halo, 0), min(start + centre + halo, size))
        for start in starts
    ]


def receptive_radius(recipe: Recipe) -> int:
    """The distance in pixels beyond which an input of the recipe's network changes no output.

    3x3 convolutions reach one pixel of their level: two in each block, two in the middle blocks and one at
    both ends. Averages and enlargements reach on to the edge of a coarse pixel.
    """
    strides = [2**level for level in range(len(recipe.multipliers))]
    blocks = 2 * BLOCKS_PER_LEVEL + 1  # the decoder has one more at each level
    radius = 2 + 2 * blocks * sum(strides) + 4 * strides[-1] + strides[-1] - 1
    radius += 2 * sum(strides[1:]) + 2 * sum(strides[:-1])  # the blocks that halve, and those that double
    return radius + (sum(strides[1:]) if recipe.upsample == "bilinear" else 0)


def halo_of(tile: int, recipe: Recipe) -> int:
    """Pixels that a tile of that side overlaps its neighbours by, to each side; a multiple of the stride.

    The receptive radius (rounded up, 296 pixels for the paper's networks) where the tile is four times as
    large, 1184: the result is then exact. Smaller tiles would be all halo. They have 128 pixels, but no more
    than a quarter of the tile: a network uses far less than it could see. Measured on photographs with the
    shipped models of motion, defocus, jpeg and super_resolution; see tests/test_tiles.py.
    """
    stride = _stride(recipe)
    exact = -(-receptive_radius(recipe) // stride) * stride
    return exact if tile >= 4 * exact else min(128, tile // 4) // stride * stride


def _stride(recipe: Recipe) -> int:
    return 2 ** (len(recipe.multipliers) - 1)


def _side(tile: int | None, height: int, width: int, recipe: Recipe, device: torch.device) -> int:
    """The side of the tiles; that of the whole picture where it goes at once."""
    whole = max(height, width)
    if tile == 0:
        return whole
    if tile is None:
        per_pixel = BYTES_PER_PIXEL_AND_CHANNEL * recipe.channels
        budget = free_memory(device) / 2 - BYTES_PER_STATE_PIXEL * height * width
        if per_pixel * height * width <= budget:
            return whole
        tile = max(2 * SMALLEST_TILE, math.isqrt(max(0, int(budget / per_pixel))))
    return min(tile, whole)


def free_memory(device: torch.device) -> int:
    """Bytes that can still be had on a device; on the CPU within the limit of a container or cluster job."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = int(psutil.virtual_memory().available)
    try:
        own = Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2].lstrip("/")
    except OSError:
        return free
    group = Path("/sys/fs/cgroup", own)
    for folder in (group, *group.parents):
        try:
            limit = (folder / "memory.max").read_text().strip()
            # pages of files are given back when they are asked for: not so those of processes
            (used,) = (
                int(line.split()[1])
                for line in (folder / "memory.stat").read_text().splitlines()
                if line.startswith("anon ")
            )
        except (OSError, ValueError):
            continue
        if limit.isdigit():
            free = min(free, max(0, int(limit) - used))
    return free


def outputs(
    images: Sequence[Path], output: Path, overwrite: bool = False
) -> list[tuple[Path, Path | InDIError]]:
    """Where each picture goes: (source, file to write), or why it cannot be.

    One picture goes to `output` where that ends in .png. Otherwise `output` is a folder, and pictures go into
    it by their names, ending in .png. A folder among `images` stands for the pictures in it, without
    sub-folders; its links that lead out of it are not followed.

    Raises:
        InDIError: a folder that cannot be listed or holds no picture, several pictures for one file, two
            pictures of one name, or an `output` that is neither a PNG file nor a folder.
    """
    sources: list[tuple[Path, InDIError | None]] = []
    for image in images:
        if not _is_folder(image):
            sources.append((image, None))
            continue
        inside, outside = pictures_in(image)
        if not inside and not outside:
            raise InDIError(f"{image}: no pictures in this folder (endings: {', '.join(SUFFIXES)}).")
        sources += [(path, None) for path in inside]
        sources += [
            (path, InDIError(f"{path}: a link out of the folder; name its picture itself to restore it."))
            for path in outside
        ]
    if not _is_folder(output):
        if output.suffix.lower() == ".png":
            if len(sources) > 1 or _is_folder(images[0]):
                raise InDIError(f"{output} is one file: name a folder for several pictures.")
            return [(sources[0][0], output)]
        if output.suffix.lower() in SUFFIXES:
            raise InDIError(f"{output}: images are written as PNG; end the name in .png.")
        if os.path.lexists(output):
            raise InDIError(f"{output} is a file: name a folder, or a file that ends in .png.")
    taken: dict[str, Path] = {}
    chosen: list[tuple[Path, Path | InDIError]] = []
    for path, problem in sources:
        goal = output / f"{path.stem}.png"
        if (other := taken.setdefault(goal.name.casefold(), path)) != path:
            raise InDIError(f"{other} and {path} would both be written to {goal}: restore them apart.")
        if problem is None and os.path.lexists(goal) and not overwrite:
            problem = InDIError(f"{goal} is there already: choose another folder, or --overwrite.")
        chosen.append((path, problem or goal))
    return chosen


def _is_folder(path: Path) -> bool:
    """`Path.is_dir`, and False where the name is too long, or the way to it is closed or a loop."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _check_outputs(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Refuse early what could not, or must not, be written at the end."""
    sources = {key: source for source, _ in pairs for key in _identity(source)}
    for _, output in pairs:
        if output.suffix.lower() != ".png":
            raise InDIError(f"{output}: images are written as PNG; end the name in .png.")
        if _is_folder(output):
            raise InDIError(f"{output} is a folder: name a file to write.")
        for source in (sources[key] for key in _identity(output) if key in sources):
            raise InDIError(
                f"{output} is the image to restore, {source}, which is not overwritten: choose another output."
            )


def _identity(path: Path) -> list[object]:
    """What two names of one file share: the path without links, and the number of the file where it is there."""
    try:
        found = path.stat()
    except OSError:
        return [os.path.realpath(path)]
    return [os.path.realpath(path), (found.st_dev, found.st_ino)]


def _device(accelerator: str) -> torch.device:
    if accelerator == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(accelerator, False):
        usable = ", ".join(["auto", *(name for name, ok in there.items() if ok)])
        raise InDIError(f"accelerator {accelerator!r} cannot be used here. Choices: {usable}.")
    return torch.device(accelerator)
