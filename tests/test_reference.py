"""Published numbers hold to a direct computation, and a rerun is told from them by construction."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from indi.book import compare as reference
from indi.cli import main
from indi.errors import InDIError
from indi.records import results

VALUES = {
    ("indi", 1): np.random.default_rng(1).normal(25, 3, 20),
    ("indi", 5): np.random.default_rng(2).normal(26, 3, 20),
    ("input", 0): np.random.default_rng(3).normal(22, 3, 20),
}


def sweep(shift: float = 0.0, **columns: object) -> pd.DataFrame:
    """PSNR of 20 images in three settings; `shift` is added to that of InDI at 5 steps."""
    rows = [
        (f"image{i}", sampler, steps, "psnr", value + (shift if steps == 5 else 0))
        for (sampler, steps), values in VALUES.items()
        for i, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["image", "sampler", "steps", "metric", "value"]).assign(**columns)


def sets(**columns: object) -> pd.DataFrame:
    rows = [
        ("indi", 1, "fd_squeeze", 3.25, 3.0, 3.5, 20, 180),
        ("indi", 5, "fd_squeeze", 0, -1e-3, 1e-3, 20, 180),
    ]
    names = ["sampler", "steps", "metric", "value", "low", "high", "images", "patches"]
    return pd.DataFrame(rows, columns=names).assign(**columns)


def store(name: str, rows: pd.DataFrame, minute: int = 0) -> None:
    """A table stored at a minute of a fixed hour."""
    record = results.save(name, rows, "laptop", notebook="04_jpeg").with_suffix(".json")
    made = results.load(name, "laptop").provenance["time"]
    record.write_text(record.read_text().replace(made, f"2026-01-01T00:{minute:02}:00+00:00"))


def states(comparison: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    return {tuple(row[:3]): row[3] for row in comparison[[*reference.KEYS, "state"]].to_numpy().tolist()}


def test_numbers_are_means_over_images_with_the_bootstrap_interval(project: Path) -> None:
    store("jpeg", sweep())
    found = reference.numbers("laptop").set_index("setting")
    assert list(found.index) == ["sampler=indi, steps=1", "sampler=indi, steps=5", "sampler=input, steps=0"]
    for row, values in zip(found.itertuples(), VALUES.values(), strict=True):
        assert (row.table, row.metric, row.n) == ("jpeg", "psnr", 20)
        assert row.value == pytest.approx(np.mean(values), rel=1e-9)  # nine digits are stored
        interval = stats.bootstrap((values,), np.mean, rng=np.random.default_rng(7)).confidence_interval
        # Two bootstraps of 9999 resamples: their bounds differ by about 1 % of the width.
        assert [row.low, row.high] == pytest.approx(list(interval), abs=0.05 * (interval.high - interval.low))


def test_bounds_that_a_table_brings_are_taken_as_they_are(project: Path) -> None:
    store("jpeg_sets", sets(eps=[0.0, 0.06], schedule=["", "brownian"]))
    found = reference.numbers("laptop")
    assert list(found["setting"]) == [
        "sampler=indi, steps=1, eps=0",
        "sampler=indi, steps=5, eps=0.06, schedule=brownian",
    ]
    assert found[["value", "low", "high", "n"]].to_numpy().tolist() == [
        [3.25, 3, 3.5, 20],
        [0, -1e-3, 1e-3, 20],
    ]


def test_every_key_column_tells_settings_apart(project: Path) -> None:
    rows = pd.concat([sweep(eps=e, p_t=p, seed=s) for e in (0.0, 0.06) for p in ("a", "b") for s in (0, 1)])
    store("noise", rows)
    found = reference.numbers("laptop")
    assert len(found) == 3 * 8
    assert set(found["n"]) == {20}
    assert "sampler=indi, steps=5, eps=0.06, p_t=b, seed=1" in set(found["setting"])


def test_what_is_no_number_of_its_own_is_left_out(project: Path) -> None:
    store("toy", pd.DataFrame({"steps": [1], "fraction": [0.5]}))
    store("empty_sets", sets().iloc[:0])
    unmeasured = sweep().assign(metric="niqe", value=math.nan)
    store("jpeg", pd.concat([sweep(), unmeasured]))
    assert set(reference.numbers("laptop")["metric"]) == {"psnr"}
    assert reference.numbers("gpu").empty


def test_two_values_in_one_place_are_refused(project: Path) -> None:
    store("jpeg_sets", pd.concat([sets(), sets()]))
    with pytest.raises(InDIError, match=r"jpeg_sets has several values of sampler=indi, steps=1, fd_squeeze"):
        reference.numbers("laptop")


def test_an_edited_table_is_refused(project: Path) -> None:
    store("jpeg_sets", sets())
    path = project / "results" / "laptop" / "tables" / "jpeg_sets.csv"
    path.write_text(path.read_text().replace("3.25", "3.24"))
    with pytest.raises(InDIError, match="edited"):
        reference.numbers("laptop")


def test_a_rerun_of_the_same_is_the_same(project: Path) -> None:
    store("jpeg", sweep())
    path = reference.publish("laptop")
    assert path == project / "results" / "laptop" / "published.csv"
    first = path.read_bytes()
    reference.publish("laptop")
    assert path.read_bytes() == first, "what does not change is the same file"
    for value in pd.read_csv(path, dtype=str)["value"]:
        assert len(value.replace(".", "").lstrip("0")) <= 6

    found = reference.compare("laptop")
    assert set(found["state"]) == {"same"}
    assert not found["rerun"].any()
    said = reference.text(found)
    assert said.splitlines()[1].split() == ["jpeg", "3", "0", "0", "0", "0", "not", "run", "again"]
    assert said.endswith("nothing was run again: these are the 3 published numbers themselves")

    store("jpeg", sweep(1e-9), minute=1)
    found = reference.compare("laptop")
    assert set(found["state"]) == {"same"}
    assert found["rerun"].all()
    assert reference.text(found).endswith(
        "as published: of 3 numbers 3 are the same and 0 inside their intervals"
    )


def test_states_by_construction(project: Path) -> None:
    store("jpeg", sweep())
    store("jpeg_sets", sets())
    store("gone", sets())
    reference.publish("laptop")
    (project / "results" / "laptop" / "tables" / "gone.csv").unlink()
    store("jpeg", pd.concat([sweep(0.1), sweep().assign(metric="ssim")]), minute=1)
    moved = sets()
    moved["value"] = [3.25 * (1 + 0.9e-5), 2e-3]
    store("jpeg_sets", moved, minute=1)

    found = reference.compare("laptop")
    five, one, none = "sampler=indi, steps=5", "sampler=indi, steps=1", "sampler=input, steps=0"
    assert states(found) == {
        ("gone", one, "fd_squeeze"): "missing",
        ("gone", five, "fd_squeeze"): "missing",
        ("jpeg", one, "psnr"): "same",
        ("jpeg", five, "psnr"): "within",
        ("jpeg", none, "psnr"): "same",
        ("jpeg", one, "ssim"): "new",
        ("jpeg", five, "ssim"): "new",
        ("jpeg", none, "ssim"): "new",
        ("jpeg_sets", one, "fd_squeeze"): "same",
        ("jpeg_sets", five, "fd_squeeze"): "outside",
    }
    assert not reference.as_published(found)
    said = reference.text(found)
    assert "  jpeg_sets, sampler=indi, steps=5, fd_squeeze: 0.002 now, 0 [-0.001, 0.001] published" in said
    assert "of 7 numbers 1 lie outside their intervals and 2 are missing" in said
    assert "not run again" not in said


@pytest.mark.parametrize("beyond", [0.999, 1.001])
def test_an_interval_ends_at_its_bounds(project: Path, beyond: float) -> None:
    store("jpeg", sweep())
    reference.publish("laptop")
    row = reference.numbers("laptop").set_index("setting").loc["sampler=indi, steps=5"]
    store("jpeg", sweep(beyond * (row["high"] - row["value"])))
    state = states(reference.compare("laptop"))["jpeg", "sampler=indi, steps=5", "psnr"]
    assert state == ("within" if beyond < 1 else "outside")


def test_without_an_interval_only_the_same_will_do(project: Path) -> None:
    store("jpeg", sweep().query("image == 'image0'"))
    reference.publish("laptop")
    store("jpeg", sweep(0.01).query("image == 'image0'"), minute=1)
    found = reference.compare("laptop")
    assert list(found["state"]) == ["same", "outside", "same"]
    assert "[no interval] published" in reference.text(found)


def test_the_farthest_outside_come_first(project: Path) -> None:
    rows = pd.DataFrame(
        {"steps": range(15), "metric": "m", "value": 0.0, "low": -1.0, "high": 1.0, "images": 9}
    )
    store("t", rows)
    reference.publish("laptop")
    store("t", rows.assign(value=[-2.0 - i for i in range(15)]), minute=1)
    lines = reference.text(reference.compare("laptop")).splitlines()
    start = lines.index("outside the published interval, the 10 farthest of 15:")
    assert [line.split(":")[0] for line in lines[start + 1 : start + 12]] == [
        *(f"  t, steps={i}, m" for i in range(14, 4, -1)),
        "",
    ]


def test_infinite_numbers_compare(project: Path) -> None:
    store("jpeg", sweep(math.inf))
    reference.publish("laptop")
    assert set(reference.compare("laptop")["state"]) == {"same"}


def test_what_is_missing_names_the_command(project: Path) -> None:
    with pytest.raises(InDIError, match=r"nothing is published .*: indi publish --profile laptop"):
        reference.compare("laptop")
    with pytest.raises(InDIError, match="no numbers under profile 'laptop' to publish"):
        reference.publish("laptop")
    with pytest.raises(InDIError, match="Did you mean 'laptop'"):
        reference.compare("labtop")


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", None])
def test_a_damaged_file_is_refused(project: Path, content: str | None) -> None:
    store("jpeg", sweep())
    path = reference.publish("laptop")
    path.write_text(
        content if content is not None else path.read_text() + path.read_text().splitlines()[1] + "\n"
    )
    with pytest.raises(InDIError, match="restore it with git"):
        reference.compare("laptop")


def test_the_command_line_tells_by_its_exit_code(project: Path) -> None:
    def indi(*words: str) -> tuple[int, str]:
        ran = CliRunner().invoke(main, [*words, "--profile", "laptop"])
        return ran.exit_code, ran.output

    assert indi("compare")[0] == 1
    store("jpeg", sweep())
    assert indi("publish")[0] == 0
    store("jpeg", sweep(0.1), minute=1)
    code, said = indi("compare")
    assert code == 0
    assert said.splitlines()[-1].startswith("as published: of 3 numbers 2 are the same and 1 inside")
    store("jpeg", sweep(5), minute=1)
    code, said = indi("compare")
    assert code == 2
    assert said.splitlines()[-1].startswith("not all as published: of 3 numbers 1 lie outside")
