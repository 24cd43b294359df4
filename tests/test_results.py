"""The store refuses what was edited, tells what is stale, and keeps what it was given."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from indi import numerics
from indi.data import datasets
from indi.errors import InDIError
from indi.records import results

ROWS = pd.DataFrame({"sampler": ["indi", "naive, raw"], "steps": [1, 20], "psnr": [23.814159265358979, None]})


@pytest.fixture
def stored(project: Path) -> Path:
    return results.save("sweep", ROWS, "smoke", notebook="04_jpeg", seed=3, data="abc", seconds=1.5)


def test_round_trip(stored: Path, project: Path) -> None:
    assert stored == project / "results" / "smoke" / "tables" / "sweep.csv"
    table = results.load("sweep", "smoke")
    pd.testing.assert_frame_equal(table.rows, ROWS, check_exact=True)
    assert not table.stale
    record = table.provenance
    assert (record["notebook"], record["seed"], record["data"], record["rows"]) == ("04_jpeg", 3, "abc", 2)
    assert record["numerics"] == numerics.versions()


def test_measured_values_keep_nine_digits(project: Path) -> None:
    rows = pd.DataFrame({"metric": ["psnr"], "value": [23.814159265358979]})
    path = results.save("measured", rows, "smoke", notebook="04_jpeg")
    assert path.read_text().splitlines() == ["metric,value", "psnr,23.8141593"]


def test_an_edited_table_is_refused(stored: Path) -> None:
    stored.write_text(stored.read_text().replace("23.8", "33.8"))
    with pytest.raises(
        InDIError, match=r"sweep\.csv is not the file.*indi run notebooks/04_jpeg\.ipynb --profile smoke"
    ):
        results.load("sweep", "smoke")


def test_a_cut_table_is_refused(stored: Path) -> None:
    stored.write_bytes(stored.read_bytes()[:-5])
    with pytest.raises(InDIError, match="cut short"):
        results.load("sweep", "smoke")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"notebook": "x"}'])
def test_a_damaged_record_is_refused(stored: Path, content: str) -> None:
    stored.with_suffix(".json").write_text(content)
    with pytest.raises(InDIError, match=r"sweep\.json is not a provenance record"):
        results.load("sweep", "smoke")


def test_other_code_makes_it_stale(stored: Path) -> None:
    record = json.loads(stored.with_suffix(".json").read_text())
    stored.with_suffix(".json").write_text(json.dumps(record | {"numerics": {"method": 0}}))
    table = results.load("sweep", "smoke")
    assert table.stale
    pd.testing.assert_frame_equal(table.rows, ROWS)


def test_a_table_is_stale_when_one_it_read_is_another_or_was_missing(project: Path) -> None:
    results.save("first", ROWS, "smoke", notebook="01")
    results.load("first", "smoke")
    with pytest.raises(InDIError):
        results.load("absent", "smoke")
    results.save("second", ROWS, "smoke", notebook="02")
    results.save("own", ROWS, "smoke", notebook="02")
    results.load("own", "smoke")
    results.save("own", ROWS.head(1), "smoke", notebook="02")
    assert results.load("second", "smoke").changes == ()
    with results.not_counted():
        assert not results.load("own", "smoke").stale
        with pytest.raises(InDIError):
            results.load("judged", "smoke")
    results.save("third", ROWS, "smoke", notebook="03")
    assert "judged" not in results.load("third", "smoke").provenance["reads"]

    results.save("absent", ROWS, "smoke", notebook="01")
    assert results.load("second", "smoke").changes == ("the table absent",)
    results.save("first", ROWS.head(1), "smoke", notebook="01")
    assert set(results.load("second", "smoke").changes) == {"the table first", "the table absent"}


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_a_missing_file_is_named(stored: Path, suffix: str) -> None:
    stored.with_suffix(suffix).unlink()
    with pytest.raises(InDIError, match=r"no table 'sweep' under profile 'smoke' .*run the chapter"):
        results.load("sweep", "smoke")


def test_profiles_are_apart(stored: Path) -> None:
    with pytest.raises(InDIError, match="under profile 'laptop'"):
        results.load("sweep", "laptop")


def test_a_failed_write_leaves_the_good_table(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InDIError, match="no space left"):
        results.save("sweep", ROWS, "smoke", notebook="04_jpeg")
    monkeypatch.undo()
    assert sorted(p.name for p in stored.parent.iterdir()) == ["sweep.csv", "sweep.json"]


def test_the_record_names_no_machine_and_no_folder(stored: Path, project: Path) -> None:
    text = stored.with_suffix(".json").read_text()
    assert str(project) not in text
    assert str(Path.home()) + "/" not in text


def test_a_figure_and_its_data(project: Path) -> None:
    files = []
    for _ in range(2):
        figure, ax = plt.subplots()
        ax.plot([1, 2], [3, 4])
        path = results.save_figure("curve", figure, "smoke", ROWS)
        plt.close(figure)
        files.append(path.read_bytes())
    assert path == project / "results" / "smoke" / "figures" / "curve.svg"
    assert b"<svg" in files[0]
    assert b"<dc:date>" not in files[0]
    pd.testing.assert_frame_equal(pd.read_csv(path.with_suffix(".csv")), ROWS)


def test_embedded_images_become_smaller_and_look_the_same() -> None:
    pixels = datasets.load("embedded", "evaluate").images[0][64:192, 128:256]
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([pixels, np.full((128, 128), 255, np.uint8)])).save(buffer, "PNG")
    svg = f'<svg><image xlink:href="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"/></svg>'
    small = results.compact(svg)
    assert len(small) < 0.9 * len(svg)
    found = re.search('image/webp;base64,(.*)"/></svg>', small)
    assert found
    again = Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB")
    error = np.asarray(again).astype(float) - pixels
    assert 10 * np.log10(255**2 / np.square(error).mean()) > 35


def test_coordinates_are_rounded_and_nothing_else() -> None:
    svg = '<g id="x.12345" transform="scale(0.015625)"><path d="M 7.2001 -0.0049 L 100.126 3"/><use x="1.999"/></g>'
    small = '<g id="x.12345" transform="scale(0.015625)"><path d="M 7.2 -0 L 100.13 3"/><use x="2"/></g>'
    assert results.compact(svg) == small


def test_resamples_are_stored_beside_their_distances(project: Path) -> None:
    rows = pd.DataFrame(
        {
            "sampler": ["indi", "naive"], "steps": 2, "metric": "fid", "value": [3.0, 4.0], "low": 2.0, "high": 5.0,
            "images": 12, "patches": 24, "floor": 1.0, "resamples": ["3.1 2.9", "4.1 3.9"], "eps": 0.1,
        }
    )  # fmt: skip
    results.save("jpeg_sets", rows, "smoke", notebook="04_jpeg")
    stored = results.load("jpeg_sets", "smoke").rows
    pd.testing.assert_frame_equal(stored, rows.drop(columns=["floor", "resamples"]), check_dtype=False)
    beside = results.load("jpeg_sets_resamples", "smoke")
    assert list(beside.rows) == ["sampler", "steps", "metric", "floor", "resamples", "eps"]
    assert beside.rows["resamples"].tolist() == ["3.1 2.9", "4.1 3.9"]
    assert beside.provenance["notebook"] == "04_jpeg"


def test_a_large_table_is_packed_and_a_small_one_is_not(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project / "results/smoke/tables"
    for limit, suffix in ((10, ".csv.gz"), (10_000, ".csv"), (10, ".csv.gz")):
        monkeypatch.setattr(results, "LARGE", limit)
        path = results.save("sweep", ROWS, "smoke", notebook="04_jpeg")
        assert {p.name for p in folder.iterdir()} == {f"sweep{suffix}", "sweep.json"}
        assert path == results.csv_path(folder, "sweep")
        assert results.names(folder) == ["sweep"]
        table = results.load("sweep", "smoke")
        pd.testing.assert_frame_equal(table.rows, ROWS, check_dtype=False)
        assert hashlib.sha256(results.content(path)).hexdigest() == table.provenance["sha256"]
    assert hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() == table.provenance["sha256"]
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InDIError, match=r"sweep\.csv\.gz is not the file"):
        results.load("sweep", "smoke")
    with pytest.raises(InDIError, match=r"sweep\.csv\.gz is no table"):
        results.rows_of(path)
