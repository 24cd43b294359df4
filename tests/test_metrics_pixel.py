"""PSNR, SSIM and Y held to scikit-image, the detail ratio to its closed forms, blockiness to its paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import data
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from indi import evaluation
from indi.data import datasets, degradations
from indi.errors import InDIError
from indi.evaluation import metrics, protocols


def photo(side: int = 96) -> NDArray[np.uint8]:
    """A crop of scikit-image's astronaut, with flat and detailed parts."""
    return np.ascontiguousarray(data.astronaut()[40 : 40 + side, 160 : 160 + side])


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float64)).permute(2, 0, 1)[None] / 127.5 - 1


def noisy(pixels: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return (pixels + rng.normal(0, sigma, pixels.shape)).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma", [1, 10, 60])
def test_psnr_and_ssim_are_those_of_scikit_image_on_the_8_bit_files(sigma: float) -> None:
    truth, restored = photo(), noisy(photo(), sigma)
    a, b = as_tensor(restored), as_tensor(truth)
    psnr = peak_signal_noise_ratio(truth, restored, data_range=255)
    ssim = structural_similarity(
        truth,
        restored,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=2,
    )
    assert metrics.psnr(a, b).item() == pytest.approx(psnr, abs=1e-9)
    assert metrics.ssim(a, b).item() == pytest.approx(ssim, abs=1e-9)
    # float32 input is summed in float64
    assert metrics.ssim(a.float(), b.float()).item() == pytest.approx(ssim, abs=1e-6)


def test_a_batch_gives_one_value_per_image_of_a_non_square_size() -> None:
    truth = photo()[:40]
    pairs = [(noisy(truth, sigma), truth) for sigma in (5, 20, 50)]
    a = torch.cat([as_tensor(r) for r, _ in pairs])
    b = torch.cat([as_tensor(t) for _, t in pairs])
    for function in (metrics.psnr, metrics.ssim, metrics.detail_ratio):
        alone = [function(as_tensor(r), as_tensor(t)).item() for r, t in pairs]
        assert function(a, b).tolist() == pytest.approx(alone, rel=1e-12)


def test_y_is_matlabs_and_scores_as_an_8_bit_grey_image() -> None:
    truth, restored = photo(), noisy(photo(), 15)
    # MATLAB rounds halves up; the small term because scikit-image's sum is not exact
    y_truth, y_restored = (np.floor(rgb2ycbcr(x)[..., 0] + 0.5 + 1e-9) for x in (truth, restored))
    ours = (metrics.luma(as_tensor(truth))[0, 0] + 1) * 127.5
    assert np.abs(ours.numpy() - y_truth).max() < 1e-9
    inner = (slice(4, -4), slice(4, -4))
    a, b = as_tensor(restored), as_tensor(truth)
    psnr = peak_signal_noise_ratio(y_truth[inner], y_restored[inner], data_range=255)
    ssim = structural_similarity(
        y_truth[inner],
        y_restored[inner],
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert metrics.psnr(a, b, channel="y", border=4).item() == pytest.approx(psnr, abs=1e-9)
    assert metrics.ssim(a, b, channel="y", border=4).item() == pytest.approx(ssim, abs=1e-9)


def test_the_range_is_two_whatever_the_image_contains() -> None:
    """A known fault elsewhere: the prediction's maximum as the range."""
    a = torch.full((1, 3, 16, 16), 0.25)
    b = a + 0.125
    for scale in (1.0, 0.1):
        expected = 20 * np.log10(2 / (0.125 * scale))
        assert metrics.psnr(a * scale, b * scale).item() == pytest.approx(expected, abs=1e-5)


def test_identical_images() -> None:
    x = as_tensor(photo(32))
    assert metrics.psnr(x, x).item() == float("inf")
    assert metrics.ssim(x, x).item() == 1
    assert metrics.detail_ratio(x, x).item() == 1


def test_quantise_gives_the_values_of_a_png_and_changes_nothing_twice() -> None:
    x = torch.tensor([-1.7, -1.0, -0.998, 0.0, 0.5, 1.0, 3.0])
    levels = (metrics.quantise(x) + 1) * 127.5
    # 0 is 127.5, halfway; torch rounds halves to even
    assert levels.round().tolist() == [0, 0, 0, 128, 191, 255, 255]
    assert (levels - levels.round()).abs().max() < 1e-4
    every = as_tensor(np.arange(256, dtype=np.uint8).reshape(1, 256, 1)).float()
    assert torch.equal(metrics.quantise(metrics.quantise(every)), metrics.quantise(every))
    assert (metrics.quantise(every) - every).abs().max() < 1e-6


def test_what_is_no_number_is_black_and_what_is_too_large_is_white() -> None:
    nan, inf = float("nan"), float("inf")
    assert metrics.quantise(torch.tensor([nan, -inf, inf, 2.0])).tolist() == [-1, -1, 1, 1]


def test_a_sampler_that_diverges_beyond_float32_is_measured_on_every_image() -> None:
    images = datasets.load("embedded", "evaluate")
    settings = protocols.evaluation("jpeg", "smoke", images=3, step_counts=(2,), crop=64)
    found = evaluation.evaluate(
        lambda x, t: x * torch.nan,
        images,
        degradations.get("jpeg"),
        settings,
        samplers=("naive",),
        set_names=("fd",),
    )
    diverged = found.rows[found.rows["sampler"] == "naive"]
    assert diverged["value"].notna().all()
    assert (diverged.loc[diverged["metric"] == "psnr", "value"] < 15).all()
    assert found.sets["value"].notna().all()


@pytest.mark.parametrize("gain", [0.1, 0.5, 1.5])
def test_detail_ratio_of_a_scaled_image_is_the_square_of_the_gain(gain: float) -> None:
    g = torch.Generator().manual_seed(1)
    noise = torch.randn(2, 3, 48, 65, generator=g, dtype=torch.float64)
    expected = pytest.approx([gain**2] * 2, rel=1e-12)
    assert metrics.detail_ratio(gain * noise + 0.3, noise).tolist() == expected


def test_detail_ratio_of_independent_white_noise_is_the_ratio_of_variances() -> None:
    g = torch.Generator().manual_seed(2)
    a, b = (torch.randn(8, 3, 128, 128, generator=g, dtype=torch.float64) for _ in range(2))
    # about 128^2 * 3 / 2 frequencies each, fewer independent ones under the window
    assert metrics.detail_ratio(0.7 * a, b).mean().item() == pytest.approx(0.49, rel=0.02)


def test_detail_ratio_sees_the_top_octave_only() -> None:
    """A wave below 1/4 cycle per pixel has no such detail, one above has all of it."""
    n = torch.arange(64, dtype=torch.float64)

    def wave(frequency: float) -> Tensor:
        return torch.sin(2 * torch.pi * frequency * n).expand(1, 3, 64, 64)

    truth = wave(3 / 8)
    assert metrics.detail_ratio(wave(1 / 8), truth).item() < 1e-6
    assert metrics.detail_ratio(wave(1 / 8) + 0.5 * truth, truth).item() == pytest.approx(0.25, rel=1e-5)


def test_detail_ratio_of_a_low_passed_photograph_is_nearly_zero() -> None:
    truth = as_tensor(photo())
    spectrum = torch.fft.fft2(truth)
    radius = torch.hypot(torch.fft.fftfreq(96)[:, None], torch.fft.fftfreq(96))
    smooth = torch.fft.ifft2(spectrum * (radius < 0.15)).real
    assert metrics.detail_ratio(smooth, truth).item() < 1e-3


def test_detail_ratio_of_flat_images_is_not_invented() -> None:
    flat, textured = torch.full((1, 3, 16, 16), 0.3), as_tensor(photo(16))
    assert metrics.detail_ratio(flat, flat).isnan().item()
    assert metrics.detail_ratio(flat, textured.float()).item() == 0
    assert metrics.detail_ratio(textured.float(), flat).isinf().item()


def features_of_wang_sheikh_bovik(plane: NDArray[np.float64]) -> tuple[float, float]:
    """B and A as printed, of horizontal differences; indices of the paper, from 1."""
    rows, columns = plane.shape
    d = {
        (i, j): abs(plane[i - 1, j] - plane[i - 1, j - 1])
        for i in range(1, rows + 1)
        for j in range(1, columns)
    }
    blocks = columns // 8
    b = sum(d[i, 8 * j] for i in range(1, rows + 1) for j in range(1, blocks)) / (rows * (blocks - 1))
    return b, (8 / (rows * (columns - 1)) * sum(d.values()) - b) / 7


@pytest.mark.parametrize("size", [(16, 16), (40, 51)])
def test_blockiness_is_that_of_the_printed_features(size: tuple[int, int]) -> None:
    pixels = noisy(photo()[: size[0], : size[1]], 20)
    plane = metrics.luma(as_tensor(pixels))[0, 0].numpy()
    both = [features_of_wang_sheikh_bovik(p) for p in (plane, plane.T)]
    expected = np.mean([b / a for b, a in both])
    assert float(metrics.blockiness(as_tensor(pixels))) == pytest.approx(expected, rel=1e-9)


def test_blockiness_sees_the_grid_of_jpeg_where_evaluation_has_it() -> None:
    truth = as_tensor(photo())
    compressed = degradations.get("jpeg")(truth, torch.Generator())
    assert float(metrics.blockiness(truth)) == pytest.approx(1, abs=0.1)
    assert float(metrics.blockiness(compressed)) > 1.5
    # a crop that does not begin on the grid is measured in the wrong places
    assert float(metrics.blockiness(compressed[..., 4:, 4:])) < 1
    # the evaluation crops first and compresses then: the grid begins at the corner of what is measured
    images = datasets.load("embedded", "evaluate")
    settings = protocols.Evaluation("embedded", 96, 3, (1,))
    _, x, y = next(evaluation.pairs(images, degradations.get("jpeg"), settings))
    assert (metrics.blockiness(y) > metrics.blockiness(x) + 0.5).all()


def test_blockiness_of_a_flat_image_is_not_invented() -> None:
    assert torch.isnan(metrics.blockiness(torch.zeros(1, 3, 16, 16)))
    with pytest.raises(InDIError, match="16x16"):
        metrics.blockiness(torch.zeros(1, 3, 15, 32))


def test_bad_input_is_named() -> None:
    x = torch.zeros(1, 3, 16, 16)
    with pytest.raises(InDIError, match=r"one shape, not \(1, 3, 16, 16\) and \(1, 3, 16, 15\)"):
        metrics.psnr(x, x[..., :15])
    with pytest.raises(InDIError, match="of one shape"):
        metrics.ssim(x[:, :1], x[:, :1])
    with pytest.raises(InDIError, match=r"unknown channel 'Y'.*Valid: rgb, y"):
        metrics.psnr(x, x, channel="Y")
    with pytest.raises(InDIError, match=r"border of 4 leave 8x8.*needs 11x11"):
        metrics.ssim(x, x, border=4)


def noise_image(side: int = 128, seed: int = 0) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_first_octave_is_the_detail_ratio() -> None:
    a, b = noise_image(), noise_image(seed=1).cumsum(-1)
    ratio = metrics.octave_powers(a)[:, 0] / metrics.octave_powers(b)[:, 0]
    torch.testing.assert_close(ratio, metrics.detail_ratio(a, b))


@pytest.mark.parametrize("k", range(4))
def test_a_wave_lies_in_its_octave(k: int) -> None:
    """A cosine of 0.75 of an octave's top frequency; the Hann window spreads it by two bins only."""
    wave = torch.cos(2 * torch.pi * 0.75 * 2.0 ** -(k + 1) * torch.arange(128)).expand(1, 3, 128, 128)
    power = metrics.octave_powers(wave)[0]
    assert power[k] / power.sum() > 0.999


def test_the_spectrum_error_counts_in_octaves() -> None:
    x = noise_image()
    assert metrics.per_image(["spectrum_gap"])["spectrum_gap"](x / 2, x).tolist() == pytest.approx([2, 2])
    assert metrics.per_image(["spectrum_gap"])["spectrum_gap"](x, x).tolist() == [0, 0]
