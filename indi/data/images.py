"""Image files to and from arrays: stored images are uint8 RGB, the model's are floats in [-1, 1]."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from indi.errors import InDIError
from indi.files import replacing

#: File name endings that are taken for images when a folder is listed (lower case).
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")

# Pillow's names of the same formats. It is asked for no other, whatever a file is called: some of its readers
# start programs (Ghostscript for EPS).
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM")

#: Pictures of more pixels are refused before they are decoded: a file of some kB can claim any size.
MAX_PIXELS = 200_000_000

#: Pillow reports damage as any of these, by format.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error)

_SIXTEEN_BIT_GREY = ("I;16", "I;16L", "I;16B", "I;16N")


def to_uint8(x: Tensor) -> Tensor:
    """Floats in [-1, 1] to the nearest of 256 grey levels, same shape, dtype uint8; values outside are clipped."""
    return ((x.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def from_uint8(x: Tensor) -> Tensor:
    """uint8 levels to float32 in [-1, 1], same shape; `to_uint8` inverts it exactly."""
    return x.to(torch.float32).div_(127.5).sub_(1)


def to_arrays(x: Tensor) -> list[np.ndarray]:
    """(B, 3, H, W) floats in [-1, 1] to B uint8 arrays (H, W, 3)."""
    return list(to_uint8(x).permute(0, 2, 3, 1).contiguous().cpu().numpy())


def from_arrays(images: Sequence[np.ndarray]) -> Tensor:
    """B uint8 arrays (H, W, 3) of one size to a (B, 3, H, W) float tensor in [-1, 1]."""
    return from_uint8(stack(images))


def stack(images: Sequence[np.ndarray]) -> Tensor:
    """B uint8 arrays (H, W, 3) of one size to a (B, 3, H, W) uint8 tensor."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it lies in a file.

    Attributes:
        pixels: uint8 (H, W, 3) RGB.
        profile: its ICC colour profile, which says how the pixels are meant; None where there is none for RGB.
    """

    pixels: np.ndarray
    profile: bytes | None


def read_image(path: Path | str) -> np.ndarray:
    """The pixels of `read_picture`: uint8 (H, W, 3) RGB."""
    return read_picture(path).pixels


def read_picture(path: Path | str) -> Picture:
    """The picture in a PNG, JPEG, WebP, BMP, TIFF or PPM file.

    EXIF orientation is applied. Grey is repeated over three channels; palettes are looked up; 16 bits
    are cut to the high byte (as Pillow does for colour); transparency is laid over white; of several
    frames the first counts; a colour profile is returned and not applied.

    Raises:
        InDIError: missing, empty, truncated, no file, in no format of these, of more than `MAX_PIXELS`
            pixels, or in a colour space (CMYK, Lab, float) that has no single conversion to RGB. One line
            that names the file.
    """
    path = Path(path)
    try:
        if not path.is_file() and path.exists():
            raise InDIError(f"{path}: not a file; name a picture.")
        if path.stat().st_size == 0:
            raise InDIError(f"{path}: empty file (0 bytes); restore or delete it.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # metadata complaints; a damaged picture still raises
            with Image.open(path, formats=_FORMATS) as opened:
                width, height = opened.size
                if width * height > MAX_PIXELS:
                    raise Image.DecompressionBombError
                opened.load()
                turned = ImageOps.exif_transpose(opened)
                return Picture(np.array(_rgb(turned, path)), _rgb_profile(turned.info.get("icc_profile")))
    except InDIError:
        raise
    except Image.DecompressionBombError as error:
        raise InDIError(
            f"{path}: more than the {MAX_PIXELS // 10**6} million pixels that are read; cut it into parts."
        ) from error
    except UnidentifiedImageError as error:
        raise InDIError(
            f"{path}: not an image file that can be read; replace it with a PNG or JPEG."
        ) from error
    except FileNotFoundError as error:
        raise InDIError(f"{path}: no such file.") from error
    except MemoryError as error:
        raise InDIError(f"{path}: too little memory to decode it; cut it into parts.") from error
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.strerror:
            raise InDIError(f"{path}: cannot be read ({error.strerror}).") from error
        reason = " ".join(str(error).split())
        raise InDIError(f"{path}: damaged or unreadable image ({reason}); restore or delete it.") from error


def _rgb_profile(profile: bytes | None) -> bytes | None:
    """`profile` if it is whole and for RGB: that of a grey or CMYK picture does not fit what is made of it."""
    # ICC.1:2022, 7.2: length in bytes 0-3, colour space in 16-19, signature in 36-39
    if profile is None or len(profile) < 128 or int.from_bytes(profile[:4], "big") != len(profile):
        return None
    return profile if (profile[16:20], profile[36:40]) == (b"RGB ", b"acsp") else None


def pictures_in(folder: Path) -> tuple[list[Path], list[Path]]:
    """The image files of a folder by name, and its links to pictures outside of it.

    Files are known by their endings (`SUFFIXES`); hidden ones and sub-folders are left out.

    Raises:
        InDIError: it cannot be listed.
    """
    inside: list[Path] = []
    outside: list[Path] = []
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (names: they need no path yet)
    except OSError as error:
        raise InDIError(f"{folder}: cannot be listed ({error.strerror}).") from error
    home = os.path.realpath(folder)
    for path in (folder / name for name in names):
        if path.name[0] == "." or path.suffix.lower() not in SUFFIXES or path.is_dir():
            continue
        leads_out = path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home)
        (outside if leads_out else inside).append(path)
    return inside, outside


def _rgb(picture: Image.Image, path: Path) -> Image.Image:
    mode = picture.mode
    if mode == "RGB" and "transparency" not in picture.info:
        return picture
    if mode in _SIXTEEN_BIT_GREY or mode == "I":
        levels = np.asarray(picture).astype(np.int64)
        if levels.min() < 0 or levels.max() > 65535:
            raise InDIError(f"{path}: 32-bit grey levels; save it as an 8- or 16-bit PNG.")
        return Image.fromarray((levels >> 8).astype(np.uint8)).convert("RGB")
    if mode in ("1", "L") and "transparency" not in picture.info:
        return picture.convert("RGB")
    if mode in ("1", "L", "P", "RGB", "LA", "PA", "La", "RGBA", "RGBX", "RGBa"):
        colour = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", colour.size, "white"), colour).convert("RGB")
    raise InDIError(f"{path}: colour mode {mode}; convert it to RGB first, for example to an 8-bit PNG.")


def write_image(path: Path | str, image: np.ndarray, profile: bytes | None = None) -> None:
    """Write a uint8 (H, W, 3) RGB array as PNG, with its ICC `profile` if given, whole or not at all.

    Raises:
        InDIError: not uint8 (H, W, 3), a name that does not end in .png, or no space left.
    """
    path = Path(path)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InDIError(f"{path}: an image to write is uint8 (H, W, 3), not {image.dtype} {image.shape}.")
    if path.suffix.lower() != ".png":
        raise InDIError(f"{path}: images are written as PNG; end the name in .png.")
    with replacing(path) as partial:
        Image.fromarray(np.ascontiguousarray(image)).save(partial, format="PNG", icc_profile=profile)
