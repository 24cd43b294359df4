"""What a newcomer meets first says what the committed results say, and its example is InDI."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from indi import images, recipes, samplers, training
from indi.book import readme
from indi.errors import InDIError

CHECKOUT = Path(__file__).resolve().parent.parent


def test_the_readme_shows_the_verdicts_and_numbers_of_the_ledger() -> None:
    """Where it does not, `indi readme` writes it anew."""
    assert readme.section() in (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_a_readme_without_its_marks_is_left_as_it_is(project: Path) -> None:
    (project / "README.md").write_text(readme.END + readme.BEGIN)
    with pytest.raises(InDIError, match="once each"):
        readme.write()
    assert (project / "README.md").read_text() == readme.END + readme.BEGIN


def test_the_example_is_the_sampler_of_the_library_and_its_picture_is_the_committed_one(
    tmp_path: Path,
) -> None:
    source = (CHECKOUT / "example.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 40
    ran = subprocess.run(
        [sys.executable, str(CHECKOUT / "example.py"), "jpeg", str(tmp_path / "a.png")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    picture = images.read_image(tmp_path / "a.png")
    shown = images.read_image(CHECKOUT / readme.PICTURE)
    # another processor rounds otherwise
    assert np.mean(np.abs(picture.astype(int) - shown.astype(int)) > 1) < 0.01

    y, one, ten, x = np.split(picture, 4, axis=1)
    recipe = recipes.recipe("jpeg", "laptop")
    for count, found in ((1, one), (10, ten)):
        restored = samplers.indi(
            training.load(recipe).F,
            images.from_arrays([y]),
            samplers.uniform_times(count),
            recipe.eps,
            recipe.schedule,
            torch.Generator().manual_seed(0),
        )
        assert np.abs(images.to_arrays(restored)[0].astype(int) - found).max() <= 1
    assert np.mean((y.astype(float) - x) ** 2) > np.mean((one.astype(float) - x) ** 2) > 0
