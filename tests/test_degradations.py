"""Degradations held to closed forms, to scipy and Pillow, and to published figures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, JpegImagePlugin
from scipy import integrate, ndimage
from skimage.metrics import structural_similarity
from torch import Tensor

from indi.data import datasets, degradations
from indi.data.degradations import blur, defocus, motion
from indi.data.degradations.jpeg import compress
from indi.data.images import from_arrays, from_uint8, to_arrays, to_uint8, write_image
from indi.errors import InDIError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def photographs(size: int, count: int = 8) -> Tensor:
    """Crops of the embedded photographs, (count, 3, size, size)."""
    rng = np.random.default_rng(0)
    images = datasets.load("embedded", "train").images
    crops = []
    for i in range(count):
        image = images[i % len(images)]
        top, left = (int(rng.integers(0, n - size + 1)) for n in image.shape[:2])
        crops.append(image[top : top + size, left : left + size])
    return from_arrays(crops)


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Per image, for the range [-1, 1]."""
    return -10 * ((x - y) / 2).square().mean(dim=(1, 2, 3)).log10()


# ---- all of them


def test_names_and_options() -> None:
    expected = ("defocus", "jpeg", "motion", "noise", "super_resolution")
    assert degradations.names() == expected
    with pytest.raises(InDIError, match=r"unknown degradation 'jpg'.*'jpeg'"):
        degradations.get("jpg")
    with pytest.raises(InDIError, match=r"unknown option of jpeg 'qualty'.*'quality'"):
        degradations.get("jpeg", qualty=3)
    with pytest.raises(InDIError, match="1 to 100"):
        degradations.get("jpeg", quality=0)
    with pytest.raises(InDIError, match="extent"):
        degradations.get("motion", extent=(5, 2))
    with pytest.raises(InDIError, match="extent"):
        degradations.get("motion", extent=4)
    with pytest.raises(InDIError, match="strength"):
        degradations.get("defocus", strength=(-1, 2))
    with pytest.raises(InDIError, match="factor"):
        degradations.get("super_resolution", factor=1.5)


@pytest.mark.parametrize("name", degradations.names())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_dtype_range_and_determinism(name: str, dtype: torch.dtype) -> None:
    degradation = degradations.get(name)
    x = photographs(48, count=3)[:, :, :, :44].to(dtype)
    before = x.clone()
    y = degradation(x, seeded(1))
    assert y.shape == x.shape
    assert y.dtype == dtype
    assert torch.equal(x, before)
    assert torch.equal(y, degradation(x, seeded(1)))
    if name != "noise":
        assert y.abs().max() <= 1
    if name in ("motion", "defocus", "noise"):
        assert not torch.equal(y, degradation(x, seeded(2)))


@pytest.mark.parametrize("name", ["motion", "defocus", "jpeg", "super_resolution"])
def test_constant_images_are_fixed_points(name: str) -> None:
    # JPEG quantises the mean as well; 128 is its zero
    level = 128 if name == "jpeg" else 97
    grey = from_uint8(torch.full((2, 3, 32, 40), level, dtype=torch.uint8))
    y = degradations.get(name)(grey, seeded())
    assert torch.equal(to_uint8(y), to_uint8(grey))


@pytest.mark.parametrize("name", ["motion", "defocus", "super_resolution"])
def test_a_margin_makes_a_crop_independent_of_what_is_outside(name: str) -> None:
    """Two images that agree on the crop and its margin give the same crop."""
    degradation = degradations.get(name)
    m = degradation.margin
    x = photographs(64 + 4 * m, count=2)
    other = torch.rand(x.shape, generator=seeded(9)) * 2 - 1
    other[:, :, m:-m, m:-m] = x[:, :, m:-m, m:-m]
    inner = slice(2 * m, -2 * m)
    a, b = (degradation(v, seeded(3))[:, :, inner, inner] for v in (x, other))
    torch.testing.assert_close(a, b, atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", degradations.names())
def test_same_on_a_gpu(name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    x = photographs(64)
    degradation = degradations.get(name)
    y = degradation(x.cuda(), seeded())
    assert y.device.type == "cuda"
    # 8-bit rounding inside the 4x chain may tip over by one level
    tolerance = 2 / 255 + 1e-3 if name == "super_resolution" else 1e-3
    torch.testing.assert_close(y.cpu(), degradation(x, seeded()), atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", degradations.names())
def test_shares_of_a_batch_are_those_of_one_process(name: str) -> None:
    x, degradation = photographs(48, count=6), degradations.get(name)
    whole = degradation(x, seeded())
    for world in (2, 3):
        for rank in range(world):
            part = degradation(x[rank::world], seeded(), (rank, world))
            torch.testing.assert_close(part, whole[rank::world], atol=1e-5, rtol=0)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(InDIError, match=r"\(B, 3, H, W\)"):
        degradations.get("jpeg")(torch.zeros(1, 1, 8, 8), seeded())
    with pytest.raises(InDIError, match=r"multiples of 4.*12x8"):
        degradations.get("super_resolution")(torch.zeros(1, 3, 14, 9), seeded())


# ---- JPEG


@pytest.mark.parametrize("quality", [5, 15, 90])
def test_jpeg_is_what_pillow_writes(quality: int) -> None:
    x = photographs(40)
    y = degradations.get("jpeg", quality=quality)(x, seeded())
    for source, got in zip(to_arrays(x), to_arrays(y), strict=True):
        file = io.BytesIO()
        # subsampling 2 is Pillow's number for 4:2:0
        Image.fromarray(source).save(file, "JPEG", quality=quality, subsampling=2)
        assert file.getvalue() == compress(source, quality)
        opened = Image.open(file)
        assert isinstance(opened, JpegImagePlugin.JpegImageFile)
        assert JpegImagePlugin.get_sampling(opened) == 2
        np.testing.assert_array_equal(got, np.asarray(opened))


def test_jpeg_quality_15_tables_follow_libjpeg() -> None:
    """Quality q < 50 scales the standard table by 50 / q; its first entry is 16."""
    opened = Image.open(io.BytesIO(compress(np.zeros((8, 8, 3), np.uint8), 15)))
    assert isinstance(opened, JpegImagePlugin.JpegImageFile)
    assert opened.quantization[0][0] == (16 * (5000 // 15) + 50) // 100


# ---- linear light and convolution


def test_srgb_transfer_has_the_standard_values_and_inverts() -> None:
    # IEC 61966-2-1: mid-grey 0.5 is 0.21404 in linear light, the linear toe has slope 1/12.92
    got = blur.to_linear(torch.tensor([-1.0, 0.0, 1.0, 2 * 0.04 - 1], dtype=torch.float64))
    expected = torch.tensor([0.0, 0.2140411, 1.0, 0.04 / 12.92], dtype=torch.float64)
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)
    x = torch.linspace(-1, 1, 1001, dtype=torch.float64)
    torch.testing.assert_close(blur.from_linear(blur.to_linear(x)), x, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(20, 31), (5, 3), (1, 2)])
def test_convolution_is_scipys_with_mirrored_borders(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    image, kernel = rng.random(shape), rng.random((9, 9))
    convolution = blur.Convolution(*shape, 4, torch.device("cpu"))
    spectrum = convolution.spectrum(convolution.extend(torch.from_numpy(image)))
    got = convolution.image(spectrum * convolution.kernel(torch.from_numpy(kernel)))
    expected = ndimage.convolve(image, kernel, mode="mirror")
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-12)


# ---- motion


def test_kernels_sum_to_one_and_centre_on_the_mean_displacement() -> None:
    path = motion.trajectories(32, (3, 12), seeded())[..., :2].double()
    kernels = motion.rasterise(path, motion.RADIUS)
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(32, dtype=torch.float64))
    at = torch.arange(-motion.RADIUS, motion.RADIUS + 1, dtype=torch.float64)
    centre = torch.stack([(kernels.sum(2) * at).sum(1), (kernels.sum(1) * at).sum(1)], dim=1)
    torch.testing.assert_close(centre, path.mean(1))


def test_paths_have_the_extent_asked_for_and_rest_at_mid_exposure() -> None:
    path = motion.trajectories(500, (3, 12), seeded())
    box = (path[..., :2].amax(1) - path[..., :2].amin(1)).norm(dim=1)
    assert box.min() >= 3 - 1e-4
    assert box.max() <= 12 + 1e-4
    # log-uniform: the median is the geometric mean
    assert box.median().item() == pytest.approx(6, rel=0.15)
    assert (path[:, motion.POINTS // 2] == 0).all()


def test_no_path_is_the_identity_and_a_resting_shift_is_a_shift() -> None:
    x = photographs(64, count=2)
    centre = torch.full((2, 2), 31.5)
    still = torch.zeros(2, motion.POINTS, 3)
    torch.testing.assert_close(motion.shake(x, still, centre), x, atol=1e-4, rtol=0)
    moved = still.clone()
    moved[..., 0], moved[..., 1] = 3, -5
    y = motion.shake(x, moved, centre)
    expected = x[:, :, 20 - 3 : 40 - 3, 20 + 5 : 40 + 5]
    torch.testing.assert_close(y[:, :, 20:40, 20:40], expected, atol=1e-4, rtol=0)


def test_shake_is_the_average_of_the_moving_cameras_frames() -> None:
    """Against the definition: every frame resampled on its own, averaged in linear light."""
    x = from_arrays([datasets.load("embedded", "evaluate").images[0][:200, :280]])
    path = motion.trajectories(1, (8, 10), seeded(5))
    height, width = x.shape[2:]
    centre = torch.tensor([[90.0, 160.0]])
    light = blur.to_linear(x)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    total = torch.zeros_like(x)
    for down, right, roll in path[0]:
        at_row = rows - down - roll * (columns - centre[0, 1])
        at_column = columns - right + roll * (rows - centre[0, 0])
        grid = torch.stack([2 * at_column / (width - 1) - 1, 2 * at_row / (height - 1) - 1], -1)
        total += F.grid_sample(light, grid[None], padding_mode="reflection", align_corners=True)
    exact = blur.from_linear(total / len(path[0]))
    y = motion.shake(x, path, centre)
    assert psnr(exact, y).item() > 38
    assert psnr(exact, x).item() < 28


def test_the_blur_varies_over_the_image() -> None:
    """Impulses in two corners are drawn with different strokes when the camera rolls."""
    x = -torch.ones(1, 3, 193, 193)
    x[:, :, 96, 96] = x[:, :, 20, 20] = 1
    path = torch.zeros(1, motion.POINTS, 3)
    path[0, :, 2] = torch.linspace(-0.05, 0.05, motion.POINTS)
    light = blur.to_linear(motion.shake(x, path, torch.tensor([[96.0, 96.0]])))[0, 0]
    near, far = light[76:117, 76:117], light[:41, :41]
    assert near.max() > 5 * far.max()
    # light is neither lost nor made
    assert near.sum().item() == pytest.approx(1, abs=0.02)


def test_motion_is_as_strong_as_gopros(data_root: Path) -> None:
    """GoPro's test inputs have 25.6 dB on average; most lie between 22 and 30 dB."""
    images = datasets.load("bsds500", "evaluate", data_root).images[::4]
    degradation, generator = degradations.get("motion"), seeded()
    values = []
    for image in images:
        x = from_arrays([image])
        values.append(psnr(x, degradation(x, generator)).item())
    low, middle, high = np.percentile(values, [25, 50, 75])
    assert low > 21
    assert 24 < middle < 27.5
    assert high < 30


def test_recorded_kernels(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    kernel = rng.random((7, 7))
    x = photographs(48, count=2)
    single = degradations.get("motion", kernels=torch.from_numpy(kernel)[None])
    assert single.margin == 3
    light = blur.to_linear(x).double().numpy()
    expected = ndimage.convolve(light, (kernel / kernel.sum())[None, None], mode="mirror")
    got = blur.to_linear(single(x, seeded()))
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-4)

    delta = np.zeros((5, 5, 3), np.uint8)
    delta[2, 2] = 255
    write_image(tmp_path / "kernel1.png", delta)
    write_image(tmp_path / "kernel2.png", np.full((9, 9, 3), 10, np.uint8))
    both = degradations.get("motion", kernels=tmp_path)
    assert both.margin == 4
    y = both(x[:1].expand(16, -1, -1, -1), seeded())
    unchanged = ((y - x[:1]).abs().amax((1, 2, 3)) < 1e-4).sum().item()
    assert 2 < unchanged < 14

    write_image(tmp_path / "kernel3.png", np.full((8, 9, 3), 10, np.uint8))
    with pytest.raises(InDIError, match=r"odd sides.*kernel3\.png"):
        degradations.get("motion", kernels=tmp_path)
    with pytest.raises(InDIError, match="no kernel pictures"):
        degradations.get("motion", kernels=tmp_path / "absent")


def test_levins_kernels_are_read(data_root: Path) -> None:
    kernels = motion.read_kernels(data_root / "levin" / "kernels")
    assert kernels.shape == (8, 27, 27)
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(8))


# ---- defocus


@pytest.mark.parametrize("radius", [1.0, 2.5, 6.0, 8.0])
def test_disc_is_the_share_of_each_pixels_area(radius: float) -> None:
    def covered(row: int, column: int) -> float:
        """Area of the disc within the unit pixel centred on (row, column), by quadrature."""

        def chord(y: float) -> float:
            half = np.sqrt(max(radius**2 - y**2, 0.0))
            return max(0.0, min(column + 0.5, half) - max(column - 0.5, -half))

        return float(integrate.quad(chord, row - 0.5, row + 0.5, limit=200, epsabs=1e-5)[0])

    kernel = defocus.disc(radius, 9)
    assert kernel.sum().item() == pytest.approx(1, abs=1e-5)
    quarter = np.array([[covered(i, j) for j in range(10)] for i in range(10)])
    expected = quarter / (np.pi * radius**2)
    np.testing.assert_allclose(kernel[9:, 9:].numpy(), expected, atol=2e-2 / (np.pi * radius**2))
    assert torch.equal(kernel, kernel.flip(0))
    assert torch.equal(kernel, kernel.T)


def test_blend_weights_interpolate_the_second_moment() -> None:
    radius = torch.linspace(0, 12, 100, dtype=torch.float64).reshape(1, 10, 10)
    weights = defocus.blend_weights(radius)
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(1), torch.ones_like(radius))
    squares = torch.tensor(defocus.LEVELS, dtype=torch.float64).square()[:, None, None]
    torch.testing.assert_close((weights[0] * squares).sum(0), radius[0].clamp(max=8).square())
    assert (weights > 0).sum(1).max() <= 2


@pytest.mark.parametrize("level", [0, 2, 6])
def test_a_level_radius_everywhere_is_a_convolution_with_its_disc(level: int) -> None:
    x = photographs(48, count=1)
    radius = defocus.LEVELS[level]
    y = blur.to_linear(defocus.blur(x, torch.full((1, 48, 48), radius)))
    kernel = defocus.disc(radius, defocus.RADIUS).numpy()[None, None]
    expected = ndimage.convolve(blur.to_linear(x).numpy(), kernel, mode="mirror")
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-4)


def test_pixels_are_blurred_by_their_own_radius() -> None:
    """Sharp where the radius is 0, whatever its neighbours."""
    x = photographs(48, count=4)[3:]
    radius = torch.zeros(1, 48, 48)
    radius[:, :, 24:] = 4
    y = defocus.blur(x, radius)
    torch.testing.assert_close(y[..., :24], x[..., :24], atol=1e-4, rtol=0)
    assert (y[..., 24:] - x[..., 24:]).abs().mean() > 0.02


def test_depth_maps_are_standardised_and_smooth() -> None:
    maps = defocus.depth_maps(defocus.waves(800, seeded()), 24, 24)
    assert maps.mean().item() == pytest.approx(0, abs=0.08)
    assert maps.var().item() == pytest.approx(1, abs=0.1)
    # the steepest wave rises by 2 pi / 150 of its amplitude a pixel
    steepest = 2 * np.pi / 150 * np.sqrt(2 / defocus.WAVES) * defocus.WAVES
    assert maps.diff(dim=1).abs().max().item() <= steepest + 1e-4


# ---- super-resolution


def test_downscale_is_pillows_bicubic() -> None:
    x = photographs(96, count=4)
    got = to_arrays(degradations.downscale(x))
    for small, source in zip(got, to_arrays(x), strict=True):
        for channel in range(3):  # in float: Pillow's 8-bit path rounds between its two passes
            picture = Image.fromarray(source[..., channel].astype(np.float32))
            exact = np.asarray(picture.resize((24, 24), Image.Resampling.BICUBIC)).clip(0, 255)
            np.testing.assert_allclose(small[..., channel], exact, atol=0.5 + 1e-3)
    with pytest.raises(InDIError, match="no multiple of 4"):
        degradations.downscale(torch.zeros(1, 3, 10, 8))


def test_upscale_is_bilinear_between_pixel_centres() -> None:
    ramp = torch.linspace(-1, 1, 8).expand(1, 3, 8, 8)
    big = degradations.upscale(ramp)
    # pixel i of the large image lies at (i + .5) / 4 - .5 of the small one
    at = (torch.arange(32) + 0.5) / 4 - 0.5
    expected = (at.clamp(0, 7) / 7 * 2 - 1).expand(1, 3, 32, 32)
    torch.testing.assert_close(big, expected)
    with pytest.raises(InDIError, match="bilinear or bicubic"):
        degradations.upscale(ramp, mode="lanczos")


def luminance(image: np.ndarray) -> np.ndarray:
    """MATLAB's rgb2ycbcr: BT.601 luma in 16..235, rounded."""
    weights = np.array([65.481, 128.553, 24.966]) / 255
    return np.round(16 + image.astype(float) @ weights)[4:-4, 4:-4]


@pytest.mark.parametrize(
    ("name", "decibels", "ssim", "tolerance"),
    [("set5", 28.42, 0.8104, 0.01), ("set14", 26.0, 0.703, 0.11)],
)
def test_bicubic_x4_matches_the_published_figures(
    data_root: Path, name: str, decibels: float, ssim: float, tolerance: float
) -> None:
    """Bicubic down and up, Y channel, 4-pixel border. Set14's copies differ, hence the tolerance."""
    ratios, similarities = [], []
    for image in datasets.load(name, "evaluate", data_root).images:
        height, width = (n // 4 * 4 for n in image.shape[:2])
        truth = image[:height, :width]
        small = degradations.downscale(from_arrays([truth]))
        restored = to_arrays(degradations.upscale(small, mode="bicubic"))[0]
        a, b = luminance(truth), luminance(restored)
        ratios.append(10 * np.log10(255**2 / np.square(a - b).mean()))
        similarities.append(
            structural_similarity(
                a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
        )
    assert np.mean(ratios) == pytest.approx(decibels, abs=tolerance)
    assert np.mean(similarities) == pytest.approx(ssim, abs=0.002)


# ---- noise


def test_noise_is_standard_normal_and_independent_of_x() -> None:
    degradation = degradations.get("noise")
    x = photographs(64)
    y = degradation(x, seeded())
    assert y.mean().item() == pytest.approx(0, abs=0.02)
    assert y.std().item() == pytest.approx(1, abs=0.02)
    assert y.abs().max() > 3
    assert torch.equal(y, degradation(-x, seeded()))
