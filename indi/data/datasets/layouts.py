"""The folder layouts of the known sets."""

from __future__ import annotations

import re
from pathlib import Path

from indi.data.datasets.image_set import Split
from indi.data.datasets.listing import (
    Entry,
    Layout,
    Listing,
    centre_crop_64,
    decode_upscaled,
    in_order,
    matched,
    merged,
    pictures,
    plain,
)

_LEVIN = re.compile(r"(im\d+)_kernel\d+_img")

#: CelebA's own partition: training 1-162770, validation to 182637, test to 202599.
_CELEBA_TRAIN, _CELEBA_TEST = 162_770, 182_638

#: Of the 8,000 reduced faces the last 1,000 are for evaluation.
_REDUCED_TRAIN = 7_000


def _gopro(base: Path, split: Split) -> Listing:
    folder = base / ("train" if split == "train" else "test")
    scenes = sorted(p for p in folder.iterdir() if (p / "sharp").is_dir() or (p / "blur").is_dir())
    pairs = [matched(base, pictures(s / "blur"), pictures(s / "sharp"), prefix=f"{s.name}/") for s in scenes]
    return merged(base, pairs)


def _div2k(base: Path, split: Split) -> Listing:
    return plain(base, pictures(base / ("DIV2K_train_HR" if split == "train" else "DIV2K_valid_HR")))


def _div2k_x4(base: Path, split: Split) -> Listing:
    part = "train" if split == "train" else "valid"
    return matched(
        base,
        pictures(base / f"DIV2K_{part}_LR_bicubic" / "X4"),
        pictures(base / f"DIV2K_{part}_HR"),
        key=lambda path: path.stem.removesuffix("x4"),
    )


def _dpdd(base: Path, split: Split) -> Listing:
    folder = base / ("train_c" if split == "train" else "test_c")
    return in_order(base, pictures(folder / "source"), pictures(folder / "target"))


def _numbered(base: Path, first: int, last: int) -> Listing:
    numbered = [p for p in pictures(base) if p.stem.isdigit() and first <= int(p.stem) <= last]
    return plain(base, numbered)


def _celeba(base: Path, split: Split) -> Listing:
    train = split == "train"
    return _numbered(base, *((1, _CELEBA_TRAIN) if train else (_CELEBA_TEST, 202_599)))


def _celeba_reduced(base: Path, split: Split) -> Listing:
    train = split == "train"
    return _numbered(base, *((1, _REDUCED_TRAIN) if train else (_REDUCED_TRAIN + 1, 8_000)))


def _bsds500(base: Path, split: Split) -> Listing:
    if split == "train":
        return plain(base, pictures(base / "train") + pictures(base / "test"))
    return plain(base, pictures(base / "val"))


def _flat(base: Path, split: Split) -> Listing:
    return plain(base, pictures(base))


def _levin(base: Path, split: Split) -> Listing:
    # eight blurred images share a sharp one: imI_kernelK_img.png is imI.png blurred
    sharp = {p.stem: p for p in pictures(base / "sharp")}
    entries, lonely = [], []
    for path in pictures(base / "blurred"):
        found = _LEVIN.fullmatch(path.stem)
        if found and found[1] in sharp:
            entries.append(Entry(path.stem.removesuffix("_img"), sharp[found[1]], path))
        else:
            lonely.append(str(path))
    used = {entry.target for entry in entries}
    lonely += [str(p) for p in sharp.values() if p not in used]
    return Listing(base, tuple(entries), tuple(lonely))


def _lytro(base: Path, split: Split) -> Listing:
    return matched(base, pictures(base / "blurred"), pictures(base / "sharp"))


_EVALUATE: tuple[Split, ...] = ("evaluate",)
_DIV2K_FOLDERS = ("", "DIV2K", "div2k")
_SR_FOLDERS = ("benchmark/{}/HR", "{}/HR", "{}/original", "{}")


def _benchmark(name: str) -> Layout:
    folders = tuple(f.format(n) for n in (name, name.lower()) for f in _SR_FOLDERS)
    return Layout(folders, {}, _flat, splits=_EVALUATE)


LAYOUTS: dict[str, Layout] = {
    "gopro": Layout(
        ("GoPro", "gopro", "GOPRO_Large", "GOPRO"),
        {"train": "train", "evaluate": "test"},
        _gopro,
    ),
    "div2k": Layout(_DIV2K_FOLDERS, {"train": "DIV2K_train_HR", "evaluate": "DIV2K_valid_HR"}, _div2k),
    "div2k_x4": Layout(
        _DIV2K_FOLDERS,
        {"train": "DIV2K_train_LR_bicubic/X4", "evaluate": "DIV2K_valid_LR_bicubic/X4"},
        _div2k_x4,
        decode=decode_upscaled,
        decoding="bilinear_x4",
    ),
    "dpdd": Layout(
        (
            "DPDD",
            "dpdd",
            "dd_dp_dataset_png",
            "dd_dp_dataset_canon",
            "dd_dp_dataset_canon/dd_dp_dataset_png",
        ),
        {"train": "train_c", "evaluate": "test_c"},
        _dpdd,
    ),
    "celeba": Layout(
        ("img_align_celeba", "celeba/img_align_celeba", "CelebA/img_align_celeba"),
        {},
        _celeba,
        decode=centre_crop_64(140),
        decoding="crop140_64",
    ),
    "celeba_reduced": Layout(
        ("celeba", "celeba_reduced"),
        {},
        _celeba_reduced,
        decode=centre_crop_64(89),
        decoding="crop89_64",
    ),
    "bsds500": Layout(
        ("bsds500", "BSDS500/data/images", "BSDS500-master/BSDS500/data/images", "BSDS500"),
        {"train": "train", "evaluate": "val"},
        _bsds500,
    ),
    "photos": Layout(("photos",), {}, _flat, splits=("train",)),
    "set5": _benchmark("Set5"),
    "set14": _benchmark("Set14"),
    "levin": Layout(("levin",), {"evaluate": "blurred"}, _levin, splits=_EVALUATE),
    "lytro": Layout(("lytro",), {"evaluate": "blurred"}, _lytro, splits=_EVALUATE),
}
