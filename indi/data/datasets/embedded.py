"""Photographs that come inside installed packages, so that a first run downloads nothing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from indi.data.datasets.image_set import ImageSet, Split
from indi.data.images import read_image
from indi.errors import InDIError

LICENCE = (
    "astronaut, rocket: public domain (NASA, SpaceX); chelsea, coffee: CC0; motorcycle: Middlebury "
    "stereo 2014, distributed with permission; china, flower: CC BY 2.0 (flickr: danielbuechele, vultilion)"
)
SOURCE = "files inside the scikit-image (skimage/data) and scikit-learn (sklearn/datasets/images) packages"

_SKIMAGE = ("skimage", "data")
_SKLEARN = ("sklearn", "datasets", "images")

# Split by scene: the two views of the motorcycle stay together. Of the packages' other colour
# pictures, the retina, the stained tissue and the Hubble field are no everyday photographs, as the
# paper's sets hold them, and are left out.
_FILES: dict[Split, dict[str, tuple[tuple[str, ...], str]]] = {
    "train": {
        "astronaut": (_SKIMAGE, "astronaut.png"),
        "china": (_SKLEARN, "china.jpg"),
        "coffee": (_SKIMAGE, "coffee.png"),
        "motorcycle_left": (_SKIMAGE, "motorcycle_left.png"),
        "motorcycle_right": (_SKIMAGE, "motorcycle_right.png"),
    },
    "evaluate": {
        "chelsea": (_SKIMAGE, "chelsea.png"),
        "flower": (_SKLEARN, "flower.jpg"),
        "rocket": (_SKIMAGE, "rocket.jpg"),
    },
}


def load(split: Split) -> ImageSet:
    """The embedded photographs of a split: 5 to train on, 3 other scenes to evaluate on.

    The files are read where the packages lie: scikit-image's downloader is never called. Those that
    are stored as JPEG (china, flower, rocket; 640x427) are halved with a Lanczos filter to 320x213,
    since rocket and flower show an 8x8 grid at full size, and a truth with compression marks
    would falsify the JPEG task.
    """
    pictures = {name: _read(package, file) for name, (package, file) in _FILES[split].items()}
    return ImageSet(
        name="embedded",
        split=split,
        names=tuple(pictures),
        images=tuple(pictures.values()),
        inputs=None,
        licence=LICENCE,
        source=SOURCE,
    )


def _read(package: tuple[str, ...], file: str) -> np.ndarray:
    # the folder is found without importing the package, which would take seconds
    spec = find_spec(package[0])
    if spec is None or not spec.submodule_search_locations:
        raise InDIError(f"the package {package[0]} is not installed; it holds the photograph {file}.")
    picture = read_image(Path(spec.submodule_search_locations[0], *package[1:], file))
    if not file.endswith(".jpg"):
        return picture
    height, width = picture.shape[:2]
    half = Image.fromarray(picture).resize((width // 2, height // 2), Image.Resampling.LANCZOS)
    return np.array(half)
