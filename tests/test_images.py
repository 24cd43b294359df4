"""Reading and writing pictures: every kind a user may have, and every kind of damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from indi.data.images import from_arrays, from_uint8, read_image, to_arrays, to_uint8, write_image
from indi.errors import InDIError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (13, 17, 3), dtype=np.uint8)


def test_uint8_round_trip_is_exact_for_all_levels() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    x = from_uint8(levels)
    assert x.min() == -1
    assert x.max() == 1
    assert torch.equal(to_uint8(x), levels)
    assert to_uint8(torch.tensor([-7.0, 7.0])).tolist() == [0, 255]


def test_arrays_round_trip_and_keep_channel_order() -> None:
    x = from_arrays([COLOUR])
    assert x.shape == (1, 3, 13, 17)
    assert x[0, 2, 5, 7].item() == pytest.approx(COLOUR[5, 7, 2] / 127.5 - 1, abs=1e-6)
    np.testing.assert_array_equal(to_arrays(x)[0], COLOUR)


def test_written_png_is_read_back(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", COLOUR)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOUR)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("path", "image"),
    [("a.png", COLOUR.astype(float)), ("a.png", COLOUR[..., 0]), ("a.jpg", COLOUR)],
)
def test_write_refuses_what_it_would_spoil(tmp_path: Path, path: str, image: np.ndarray) -> None:
    with pytest.raises(InDIError, match=path):
        write_image(tmp_path / path, image)
    assert not list(tmp_path.iterdir())


def test_grey_is_repeated(tmp_path: Path) -> None:
    Image.fromarray(COLOUR[..., 0]).save(tmp_path / "g.png")
    np.testing.assert_array_equal(read_image(tmp_path / "g.png"), COLOUR[..., :1].repeat(3, 2))


def test_sixteen_bit_grey_keeps_the_high_byte(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (9, 9)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "d.png")
    np.testing.assert_array_equal(read_image(tmp_path / "d.png")[..., 1], deep >> 8)


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    rgba = np.dstack([COLOUR, np.full((13, 17), 255, np.uint8)])
    rgba[0, 0, 3] = 0
    rgba[0, 1] = (100, 0, 200, 128)
    Image.fromarray(rgba).save(tmp_path / "t.png")
    got = read_image(tmp_path / "t.png")
    assert got[0, 0].tolist() == [255, 255, 255]
    expected = [round(v * 128 / 255 + 255 * (1 - 128 / 255)) for v in (100, 0, 200)]
    np.testing.assert_allclose(got[0, 1], expected, atol=1)
    np.testing.assert_array_equal(got[1:], COLOUR[1:])


def test_palette_is_looked_up(tmp_path: Path) -> None:
    picture = Image.fromarray(COLOUR).quantize(16)
    picture.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_image(tmp_path / "p.png"), np.array(picture.convert("RGB")))


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(COLOUR).save(tmp_path / "e.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "e.png"), np.rot90(COLOUR, -1))


def test_damage_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    write_image(tmp_path / "whole.png", RNG.integers(0, 256, (99, 99, 3), dtype=np.uint8))
    whole = (tmp_path / "whole.png").read_bytes()
    Image.fromarray(np.tile(COLOUR, (5, 5, 1))).save(tmp_path / "whole.jpg")
    jpeg = (tmp_path / "whole.jpg").read_bytes()
    cases = {
        "truncated.png": whole[: len(whole) // 2],
        "truncated.jpg": jpeg[: len(jpeg) // 2],
        "empty.png": b"",
        "text.png": b"not an image at all",
        "flipped.png": whole[:60] + bytes(40) + whole[100:],
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InDIError) as caught:
            read_image(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InDIError, match="no such file"):
        read_image(tmp_path / "absent.png")


def test_colour_spaces_without_one_meaning_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.dstack([COLOUR, COLOUR[..., 0]]), mode="CMYK").save(tmp_path / "c.jpg")
    with pytest.raises(InDIError, match=r"c\.jpg: colour mode CMYK"):
        read_image(tmp_path / "c.jpg")
    Image.fromarray(COLOUR[..., 0].astype(np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(InDIError, match=r"f\.tif: colour mode F"):
        read_image(tmp_path / "f.tif")
