"""JPEG through a real codec."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from torch import Tensor

from indi.data.degradations.base import Degradation
from indi.data.images import from_arrays, to_arrays
from indi.errors import InDIError


def compress(image: np.ndarray, quality: int) -> bytes:
    """The JPEG file of a uint8 (H, W, 3) image: baseline, 4:2:0 chroma, libjpeg's scaling of the tables."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def jpeg(quality: int = 15) -> Degradation:
    """JPEG compression at a quality factor of 1 to 100 (Sec. 5.4 of the paper: 15).

    The image is rounded to 8 bits, coded by Pillow's libjpeg(-turbo) with 4:2:0 chroma subsampling
    (every second chroma sample in both directions; the paper does not say, this is every codec's
    default) and decoded again. The 8x8 block grid starts at the upper left corner.
    """
    if not isinstance(quality, int) or not 1 <= quality <= 100:
        raise InDIError(f"jpeg: quality is a whole number from 1 to 100, not {quality!r}.")

    def degrade(x: Tensor) -> Tensor:
        decoded = [
            np.asarray(Image.open(io.BytesIO(compress(image, quality))).convert("RGB"))
            for image in to_arrays(x)
        ]
        return from_arrays(decoded).to(device=x.device, dtype=x.dtype)

    return Degradation(
        name="jpeg",
        apply=degrade,
        stage="loader",
        source="ITU-T T.81 (JPEG), libjpeg quality scale, 4:2:0; InDI Sec. 5.4",
    )
