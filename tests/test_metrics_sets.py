"""Distances between sets: closed forms for Gaussians, the polynomial MMD by hand, patches, folders."""

from __future__ import annotations

import dataclasses
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import linalg
from skimage import data
from torch import Tensor, nn

from indi.data.images import from_arrays, read_image
from indi.errors import InDIError
from indi.evaluation import metrics
from indi.evaluation.metrics import sets, weights
from indi.files import sha256

RNG = np.random.default_rng(0)


def with_moments(n: int, mean: NDArray, covariance: NDArray) -> NDArray:
    """Samples whose own mean and covariance are exactly these."""
    raw = RNG.normal(size=(n, len(mean)))
    raw -= raw.mean(0)
    whiten = np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(raw, rowvar=False))))
    return raw @ whiten.T @ np.linalg.cholesky(covariance).T + mean


def test_frechet_is_the_closed_form_for_gaussians() -> None:
    a = with_moments(50, np.array([1.0, -2, 0, 3]), np.diag([1.0, 4, 9, 0.25]))
    b = with_moments(80, np.array([0.0, 0, 0, 3]), np.diag([4.0, 1, 9, 1]))
    expected = (1 + 4) + (1 - 2) ** 2 + (2 - 1) ** 2 + 0 + (0.5 - 1) ** 2
    assert metrics.frechet(a, b) == pytest.approx(expected, rel=1e-9)
    assert metrics.frechet(a, a) == pytest.approx(0, abs=1e-9)


def test_frechet_of_correlated_gaussians() -> None:
    """For 2x2 matrices Tr sqrt(AB) = sqrt(Tr AB + 2 sqrt(det AB))."""
    p, q = np.array([[2.0, 0.6], [0.6, 1.0]]), np.array([[1.0, -0.3], [-0.3, 0.5]])
    root = np.sqrt(np.trace(p @ q) + 2 * np.sqrt(np.linalg.det(p @ q)))
    a, b = with_moments(40, np.zeros(2), p), with_moments(30, np.zeros(2), q)
    expected = np.trace(p) + np.trace(q) - 2 * root
    assert metrics.frechet(a, b) == pytest.approx(expected, rel=1e-9)


def nuclear(x: NDArray, y: NDArray) -> float:
    """The same by singular values: Tr sqrt(AB) is the nuclear norm of the samples' product."""
    cx, cy = ((z - z.mean(0)) / np.sqrt(len(z) - 1) for z in (x, y))
    cross = np.linalg.svd(cx @ cy.T, compute_uv=False).sum()
    shift = ((x.mean(0) - y.mean(0)) ** 2).sum()
    return float(shift + (cx**2).sum() + (cy**2).sum() - 2 * cross)


@pytest.mark.parametrize("distinct", [2, 3, 10])
def test_frechet_of_repeated_rows_is_that_of_their_moments(distinct: int) -> None:
    """A bootstrap resample of few images: clean-fid's matrix square root alone fails on some."""
    x = RNG.gamma(0.3, 50, size=(distinct, 40))[np.arange(60) % distinct]
    y = x + RNG.normal(size=x.shape)
    assert metrics.frechet(x, y) == pytest.approx(nuclear(x, y), rel=1e-9)
    assert metrics.frechet(y, x) == pytest.approx(nuclear(x, y), rel=1e-9)
    constant = np.repeat(x[:1], 5, axis=0)
    expected = ((x[0] - x.mean(0)) ** 2).sum() + x.var(axis=0, ddof=1).sum()
    assert metrics.frechet(constant, x) == pytest.approx(expected, rel=1e-9)


def by_square_root(x: NDArray, y: NDArray) -> float:
    """As clean-fid and everybody else: SciPy's square root of the product of the covariances."""
    a, b = (np.cov(z, rowvar=False) for z in (x, y))
    root = linalg.sqrtm(a @ b)
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * np.trace(root).real)


@pytest.mark.parametrize(("rows", "columns"), [(200, 30), (60, 50), (400, 120)])
def test_frechet_equals_the_matrix_square_root(rows: int, columns: int) -> None:
    x = RNG.gamma(0.5, size=(rows, columns))
    y = x[::-1] + 0.3 * RNG.normal(size=x.shape)
    assert metrics.frechet(x, y) == pytest.approx(by_square_root(x, y), rel=1e-8)


@pytest.mark.parametrize("rank", [3, 20])
def test_frechet_of_deficient_rank_equals_the_square_root_in_the_range(rank: int) -> None:
    """Both sides in one subspace: the distance is that of their coordinates there, of full rank."""
    x, y = RNG.normal(size=(90, rank)), 1.3 * RNG.normal(size=(90, rank)) + 0.2
    axes = np.linalg.qr(RNG.normal(size=(64, rank)))[0].T
    assert metrics.frechet(x @ axes, y @ axes) == pytest.approx(by_square_root(x, y), rel=1e-8)


def test_resamples_are_the_distances_of_repeated_rows() -> None:
    x = [features(RNG.gamma(0.5, size=(24, 7)), 2) for _ in range(2)]
    truth = features(RNG.gamma(0.5, size=(24, 7)), 2)
    counts = metrics.draws(12, 5)
    assert (counts.sum(1) == 12).all()
    assert (counts == metrics.draws(12, 5)).all()
    rows = [np.repeat(np.arange(24), np.repeat(some, 2)) for some in counts]
    for name, distance in (("fd_squeeze", metrics.frechet), ("kd_squeeze", metrics.kernel)):
        found = metrics.resampled(name, x, truth, counts)
        expected = [[distance(s.values[r], truth.values[r]) for s in x] for r in rows]
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    with pytest.raises(InDIError, match="same images"):
        metrics.resampled("fd_squeeze", [features(np.zeros((6, 7)), 1)], truth, counts)


def test_pairing_sees_what_independent_intervals_hide() -> None:
    """Two settings that differ by little, of the same images: the difference has a far smaller error."""
    truth = RNG.normal(size=(60, 4)) * RNG.gamma(2, size=(60, 1))
    one = features(1.5 * truth, 1)
    two = features(1.5 * truth + 0.05 * RNG.normal(size=truth.shape), 1)
    found = metrics.resampled("fd_squeeze", [one, two], features(truth, 1), metrics.draws(60, 300))
    assert (found[:, 1] - found[:, 0]).std() < 0.3 * np.hypot(*found.std(axis=0))


def test_the_floor_is_that_of_disjoint_halves() -> None:
    truth = features(RNG.normal(size=(400, 3)), 4)
    found = metrics.floor("kd_squeeze", truth)
    assert (found.interval.n, found.patches) == (50, (200, 200))
    assert abs(found.interval.mean) < 0.05  # unbiased, of one distribution
    assert 0 < metrics.floor("fd_squeeze", truth).interval.mean < 0.2
    with pytest.raises(InDIError, match="at least four"):
        metrics.floor("fd_squeeze", features(np.zeros((3, 2)), 1))


def by_hand(x: NDArray, y: NDArray) -> float:
    """The unbiased estimate, pair by pair."""

    def k(u: NDArray, v: NDArray) -> float:
        return float((u @ v / len(u) + 1) ** 3)

    own = sum(np.mean([k(z[i], z[j]) for i, j in permutations(range(len(z)), 2)]) for z in (x, y))
    return float(own - 2 * np.mean([k(u, v) for u, v in product(x, y)]))


def test_kernel_distance_is_the_polynomial_mmd() -> None:
    x, y = RNG.normal(size=(9, 5)), RNG.normal(size=(9, 5)) + 0.7
    assert metrics.kernel(x, y) == pytest.approx(by_hand(x, y), rel=1e-12)
    # unequal sides: clean-fid averages subsets, seeded here, and the global numbers stay
    np.random.seed(7)  # noqa: NPY002
    state = np.random.get_state()[1].tolist()  # type: ignore[index] # noqa: NPY002
    more = RNG.normal(size=(30, 5))
    assert metrics.kernel(more, y, seed=1) == metrics.kernel(more, y, seed=1)
    assert metrics.kernel(more, y) == pytest.approx(by_hand(more, y), rel=0.3)
    assert np.random.get_state()[1].tolist() == state  # type: ignore[index] # noqa: NPY002


def features(values: NDArray, per_image: int, network: str = "squeeze") -> metrics.Features:
    return metrics.Features(values, np.arange(len(values)) // per_image, network)


def test_set_distance_by_names_with_fewer_patches_than_features() -> None:
    x = RNG.gamma(0.5, size=(24, 100))
    y = x + 0.3 * RNG.normal(size=x.shape)
    expected = nuclear(x, y)
    result = metrics.set_distance("fd_squeeze", features(x, 4), features(y, 4), resamples=20)
    assert result.interval.mean == pytest.approx(expected, rel=1e-9)
    assert result.interval.low < result.interval.mean < result.interval.high
    assert result.interval.n == 6
    assert result.patches == (24, 24)
    kd = metrics.set_distance("kd_squeeze", features(x, 4), features(y, 4), resamples=0)
    assert kd.interval.mean == pytest.approx(by_hand(x, y), rel=1e-9)
    assert np.isnan(kd.interval.low)


def test_the_interval_is_the_spread_over_new_images() -> None:
    """The standard error of the bootstrap against that of truly new draws, for a 2-D Gaussian."""

    def draw(n: int) -> NDArray:
        return RNG.normal(0.8, 1.5, size=(n, 2))

    reference = with_moments(500, np.zeros(2), np.eye(2))
    repeated = np.std([sets.frechet(draw(200), reference) for _ in range(200)])
    result = metrics.set_distance("fd_squeeze", features(draw(200), 1), features(reference, 1), resamples=200)
    half = (result.interval.high - result.interval.low) / 2
    assert half == pytest.approx(1.96 * repeated, rel=0.3)


def test_patches_of_gopro_are_fifteen_and_in_order() -> None:
    assert metrics.patch_size(720, 1280) == (240, 256)
    image = torch.arange(720 * 1280, dtype=torch.float32).view(1, 1, 720, 1280).expand(2, 3, -1, -1)
    tiles = metrics.patches(image, 240, 256)
    assert tiles.shape == (30, 3, 240, 256)
    assert torch.equal(tiles[6], image[0, :, 240:480, 256:512])
    assert torch.equal(tiles[15], image[1, :, :240, :256])


@pytest.mark.parametrize(
    ("size", "patch", "count"),
    [((321, 481), (96, 96), 15), ((192, 192), (64, 64), 9), ((50, 60), (50, 60), 1)],
)
def test_patches_of_other_sizes(size: tuple[int, int], patch: tuple[int, int], count: int) -> None:
    assert metrics.patch_size(*size) == patch
    image = torch.arange(size[0] * size[1]).view(1, 1, *size).expand(1, 3, -1, -1)
    tiles = metrics.patches(image, *patch)
    assert len(tiles) == count
    assert len(tiles[:, 0].unique()) == count * patch[0] * patch[1]  # no pixel twice
    top, bottom = tiles.min() // size[1], size[0] - 1 - tiles.max() // size[1]
    assert abs(int(top - bottom)) <= 1  # centred
    with pytest.raises(InDIError, match="hold no patch"):
        metrics.patches(torch.zeros(1, 3, 32, 32), 33, 32)


def photographs() -> Tensor:
    crops = [data.astronaut()[:128, 150:278], data.coffee()[50:178, 200:328]]
    crops += [data.chelsea()[50:178, 100:228], data.rocket()[150:278, 250:378]]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_squeeze_features_from_images_and_from_folders_agree(weights_root: Path, tmp_path: Path) -> None:
    truth = photographs()
    blurred = nn.functional.avg_pool2d(truth, 5, 1, 2, count_include_pad=False)
    for name, batch in (("truth", truth), ("blurred", metrics.quantise(blurred))):
        (tmp_path / name).mkdir()
        for i, image in enumerate(batch):
            pixels = ((image + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    a = metrics.extract(truth, "squeeze")
    assert (a.images, a.patches, a.values.shape[1]) == (4, 16, 512)
    assert (a.values >= 0).all()  # averages after a ReLU
    assert np.allclose((a.values**2).mean(1), 1)
    one = metrics.extract([truth[2]], "squeeze", batch_size=3)
    assert np.allclose(one.values, a.values[8:12], atol=1e-4)
    folder = metrics.set_distance("fd_squeeze", tmp_path / "blurred", tmp_path / "truth", resamples=0)
    memory = metrics.set_distance("fd_squeeze", blurred, a, resamples=0)
    assert folder.interval.mean == pytest.approx(memory.interval.mean, rel=1e-4)
    assert memory.interval.mean > 10 * abs(
        metrics.set_distance("fd_squeeze", truth, a, resamples=0).interval.mean
    )


class Fake(nn.Module):
    """In place of Inception: 2048 features that are the three channel means, and zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = Means()

    def forward(self, x: Tensor) -> Tensor:
        return x


class Means(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x.mean(dim=(2, 3)), [0, 2045])


def fake_inception(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Fake` in the place of Inception, as if its hash were the one published."""
    file = folder / "inception-2015-12-05.pt"
    torch.jit.script(Fake()).save(str(file))
    monkeypatch.setenv("INDI_WEIGHTS", str(folder))
    known = dataclasses.replace(weights.KNOWN["inception"], files={file.name: sha256(file)})
    monkeypatch.setitem(weights.KNOWN, "inception", known)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_fid_goes_through_clean_fids_network_and_resizing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_inception(tmp_path, monkeypatch)
    assert metrics.resolve("fd") == "fid"
    levels = torch.tensor([[0, 10, 20], [50, 40, 60], [255, 200, 100], [9, 8, 7]])
    images = (levels.float() / 127.5 - 1)[..., None, None].expand(-1, -1, 64, 64)
    seen = metrics.extract(images, "inception").values
    assert np.allclose(seen[:, :3], (levels.numpy() - 128) / 128, atol=1e-6)
    assert seen.shape == (4, 2048)
    shifted = metrics.set_distance("fid", (images + 0.5).clamp(-1, 1), images, resamples=0)
    assert shifted.interval.mean > 0


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_files_are_read_as_everywhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 bits and transparency, where Pillow's own convert("RGB") clips to white and drops alpha."""
    fake_inception(tmp_path, monkeypatch)
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(np.full((64, 64), 100 * 256, np.uint16)).save(folder / "a_grey16.png")
    Image.fromarray(np.full((64, 64, 4), (200, 0, 0, 51), np.uint8)).save(folder / "b_rgba.png")
    Image.fromarray(np.full((64, 64), 30, np.uint8)).save(folder / "c_grey.pgm")
    seen = metrics.extract(folder, "inception").values
    levels = [[100] * 3, [244, 204, 204], [30] * 3]  # 255 - (255 - v) / 5 over white
    assert np.allclose(seen[:, :3], (np.array(levels) - 128) / 128, atol=1e-6)
    arrays = [read_image(file) for file in sorted(folder.iterdir())]
    assert np.array_equal(seen, metrics.extract(from_arrays(arrays), "inception").values)


def test_bad_sets_are_named(weights_root: Path, tmp_path: Path) -> None:
    with pytest.raises(InDIError, match=r"unknown distance between sets 'fid_squeeze'"):
        metrics.set_distance("fid_squeeze", tmp_path, tmp_path)
    with pytest.raises(InDIError, match="no folder"):
        metrics.extract(tmp_path / "none", "squeeze")
    with pytest.raises(InDIError, match="no images in"):
        metrics.extract(tmp_path, "squeeze")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(InDIError, match=r"broken\.png: "):
        metrics.extract(tmp_path, "squeeze")
    few = features(np.zeros((1, 4)), 1)
    with pytest.raises(InDIError, match="two patches a side at least, not 1 and 1"):
        metrics.set_distance("fd_squeeze", few, few)
    with pytest.raises(InDIError, match="compares squeeze features, not inception"):
        metrics.set_distance("kd_squeeze", features(np.zeros((3, 4)), 1, "inception"), few)
