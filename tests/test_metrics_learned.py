"""LPIPS and NIQE against published values; the registry with and without weights."""

from __future__ import annotations

import hashlib
import inspect
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lpips import LPIPS
from PIL import Image
from scipy import ndimage, stats
from scipy.special import gamma
from skimage import data
from torch import Tensor

from indi.errors import InDIError
from indi.evaluation import metrics
from indi.evaluation.metrics import naturalness, weights


def as_tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weights root and an empty torch cache."""
    monkeypatch.setenv("INDI_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "weights"


def test_lpips_is_the_value_of_torchmetrics_documentation(
    weights_root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(123)
    a, b = (torch.rand(10, 3, 100, 100) * 2 - 1 for _ in range(2))
    before = torch.get_rng_state()
    values = metrics.lpips(a, b, net="squeeze")
    assert values.shape == (10,)
    assert values.mean().item() == pytest.approx(0.1008, abs=5e-5)
    # building the network neither prints nor moves the global random numbers
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), before)


def test_lpips_of_a_pair_does_not_depend_on_the_batch_and_is_zero_for_one_image(
    weights_root: Path,
) -> None:
    x = as_tensor(data.astronaut()[:64, 180:244])
    blurred = as_tensor(ndimage.gaussian_filter(data.astronaut(), (2, 2, 0))[:64, 180:244])
    assert metrics.lpips(x, x, net="squeeze").item() == 0
    far = metrics.lpips(blurred, x, net="squeeze").item()
    assert far > 0.1
    both = metrics.lpips(torch.cat([x, blurred]), torch.cat([x, x]), net="squeeze")
    assert both.tolist() == pytest.approx([0, far], abs=1e-6)


@pytest.fixture
def any_weights(no_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weights root whose files are taken as if nobody had published a checksum."""
    for name, known in weights.KNOWN.items():
        monkeypatch.setitem(weights.KNOWN, name, replace(known, files=dict.fromkeys(known.files, "")))
    no_weights.mkdir()
    return no_weights


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_one_flipped_bit_of_published_weights_is_refused(weights_root: Path, no_weights: Path) -> None:
    no_weights.mkdir()
    for name, file in (("squeeze", "squeezenet1_1-features.pth"), ("niqe", "niqe_pris_params.npz")):
        whole = (weights_root / file).read_bytes()
        (no_weights / file).write_bytes(whole)
        assert weights.require(name) == no_weights / file
        for k, at in enumerate(np.random.default_rng(0).integers(len(whole), size=10)):
            (no_weights / file).write_bytes(flipped(whole, int(at)))
            os.utime(no_weights / file, ns=(k, k))  # whatever the clock's grain
            with pytest.raises(InDIError, match=f"{file} is damaged"):
                weights.require(name)
    assert {p.name for p in no_weights.iterdir()} == {"squeezenet1_1-features.pth", "niqe_pris_params.npz"}


def test_without_a_published_checksum_the_first_use_is_trusted(any_weights: Path) -> None:
    file = any_weights / "inception-2015-12-05.pt"
    file.write_bytes(bytes(1000))
    assert weights.require("inception") == file
    record = any_weights / "inception-2015-12-05.pt.sha256"
    assert record.read_text().strip() == hashlib.sha256(bytes(1000)).hexdigest()
    file.write_bytes(flipped(bytes(1000), 500))
    os.utime(file, ns=(1, 1))
    with pytest.raises(InDIError, match=r"inception-2015-12-05\.pt is damaged .* first use"):
        weights.require("inception")


def test_lpips_heads_are_checked() -> None:
    folder = Path(inspect.getfile(LPIPS)).parent / "weights" / "v0.1"
    for net, digest in weights.LPIPS_HEADS.items():
        weights.verify(folder / f"{net}.pth", digest)


def test_lpips_prefers_alexnet_where_its_weights_are(any_weights: Path) -> None:
    """With random features in place of AlexNet's, against torchvision's own forward pass."""
    from torchvision.models import alexnet

    net = alexnet(weights=None)
    torch.save(net.state_dict(), any_weights / "alexnet-owt-7be5be79.pth")
    assert metrics.resolve("lpips") == "lpips_alex"
    assert list(metrics.per_image(["lpips"])) == ["lpips_alex"]
    heads = Path(inspect.getfile(LPIPS)).parent / "weights" / "v0.1" / "alex.pth"
    linear = list(torch.load(heads, map_location="cpu", weights_only=True).values())
    a, b = (torch.rand(2, 3, 64, 64) * 2 - 1 for _ in range(2))
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1)
    x, y, expected = (a - shift) / scale, (b - shift) / scale, torch.zeros(2)
    with torch.inference_mode():
        for layer in net.features:
            x, y = layer(x), layer(y)
            if isinstance(layer, torch.nn.ReLU):
                u, v = (z / z.norm(dim=1, keepdim=True) for z in (x, y))
                head = linear.pop(0)
                expected += torch.nn.functional.conv2d((u - v) ** 2, head).mean(dim=(1, 2, 3))
    assert metrics.lpips(a, b).tolist() == pytest.approx(expected.tolist(), rel=1e-4)


def test_lpips_refuses_what_it_cannot_do(weights_root: Path) -> None:
    x = torch.zeros(1, 3, 64, 64)
    with pytest.raises(InDIError, match=r"unknown LPIPS network 'alexnet'.*'alex'"):
        metrics.lpips(x, x, net="alexnet")
    with pytest.raises(InDIError, match="at least 32x32"):
        metrics.lpips(x[..., :16], x[..., :16], net="squeeze")


def test_niqe_is_matlabs_value_of_the_baboon(weights_root: Path, data_root: Path) -> None:
    """5.72957338 by the authors' code in MATLAB R2021a, as BasicSR documents it."""
    file = data_root / "set14" / "001.png"
    if not file.is_file():
        pytest.skip("set14 is not in the data root")
    with Image.open(file) as image:
        x = as_tensor(np.array(image.convert("RGB")))
    assert metrics.niqe(x).item() == pytest.approx(5.72957338, abs=1e-6)


def plain_niqe(grey: np.ndarray, root: Path) -> float:
    """The algorithm written down again, block by block, with SciPy alone."""
    with np.load(root / "niqe_pris_params.npz") as model:
        mean, covariance = model["mu_pris_param"][0], model["cov_pris_param"]
        window = model["gaussian_window"]
    alphas = np.arange(0.2, 10.001, 0.001)
    ratios = gamma(2 / alphas) ** 2 / (gamma(1 / alphas) * gamma(3 / alphas))

    def fit(x: np.ndarray) -> tuple[float, float, float]:
        left, right = np.sqrt((x[x < 0] ** 2).mean()), np.sqrt((x[x > 0] ** 2).mean())
        r = left / right
        moment = np.abs(x).mean() ** 2 / (x**2).mean() * (r**3 + 1) * (r + 1) / (r**2 + 1) ** 2
        alpha = alphas[np.argmin((ratios - moment) ** 2)]
        scale = np.sqrt(gamma(1 / alpha) / gamma(3 / alpha))
        return alpha, left * scale, right * scale

    per_scale = []
    for side in (96, 48):
        blurred = ndimage.convolve(grey, window, mode="nearest")
        variance = ndimage.convolve(grey**2, window, mode="nearest") - blurred**2
        deviation = np.where(np.abs(grey - blurred) < 1e-9, 0, grey - blurred)
        normal = deviation / (np.sqrt(np.abs(variance)) + 1)
        rows = []
        for top in range(0, grey.shape[0], side):
            for begin in range(0, grey.shape[1], side):
                block = normal[top : top + side, begin : begin + side]
                alpha, left, right = fit(block)
                row = [alpha, (left + right) / 2]
                for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
                    alpha, left, right = fit(block * np.roll(block, shift, axis=(0, 1)))
                    row += [
                        alpha,
                        (right - left) * gamma(2 / alpha) / gamma(1 / alpha),
                        left,
                        right,
                    ]
                rows.append(row)
        per_scale.append(np.array(rows))
        # the cubic kernel (a = -1/2) at twice its width, sampled at -3.5, ..., 3.5
        d = np.abs(np.arange(8) - 3.5) / 2
        inner, outer = 1.5 * d**3 - 2.5 * d**2 + 1, -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
        taps = np.where(d <= 1, inner, outer) / 2
        for axis in (0, 1):
            padded = np.pad(grey, [(4, 4) if i == axis else (0, 0) for i in (0, 1)], "symmetric")
            n = grey.shape[axis]
            picks = [np.take(padded, np.arange(1 + k, 1 + k + n, 2), axis) for k in range(8)]
            grey = sum(t * p for t, p in zip(taps, picks, strict=True))
    blocks = np.concatenate(per_scale, axis=1)
    difference = mean - blocks.mean(0)
    pooled = np.linalg.pinv((covariance + np.cov(blocks, rowvar=False)) / 2)
    return float(np.sqrt(difference @ pooled @ difference))


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_niqe_is_that_of_a_second_implementation(weights_root: Path, name: str) -> None:
    pixels = getattr(data, name)()[:200, 100:400]
    grey = np.floor(pixels @ [65481, 128553, 24966] / 255000 + 16.5)[:192, :288]
    expected = plain_niqe(grey, weights_root)
    assert metrics.niqe(as_tensor(pixels)).item() == pytest.approx(expected, rel=1e-6)


def test_niqe_is_worse_for_blur_and_noise_and_independent_of_the_batch(weights_root: Path) -> None:
    truth = data.astronaut()[:192, 100:388]
    noise = np.random.default_rng(0).normal(0, 25, truth.shape)
    worse = [
        ndimage.gaussian_filter(truth, (2, 2, 0)),
        (truth + noise).clip(0, 255).astype(np.uint8),
    ]
    batch = torch.cat([as_tensor(x) for x in (truth, *worse)])
    values = metrics.niqe(batch)
    assert values[1] > values[0] + 0.5
    assert values[2] > values[0] + 0.5
    assert metrics.niqe(batch[1:2]).item() == pytest.approx(values[1].item(), rel=1e-9)


def test_niqe_of_flat_and_small_images(weights_root: Path) -> None:
    assert metrics.niqe(torch.full((1, 3, 96, 192), 0.2)).isnan().item()
    with pytest.raises(InDIError, match=r"two 96x96 blocks.*100x150 pixels hold 1"):
        metrics.niqe(torch.zeros(1, 3, 100, 150))


@pytest.mark.parametrize("shape", [0.8, 2.0])
def test_the_fit_recovers_a_generalised_gaussian(shape: float) -> None:
    samples = stats.gennorm(shape, scale=1.5).rvs(96 * 96 * 20, random_state=1)
    alpha, left, right = naturalness._fit(torch.from_numpy(samples).view(1, 1, 96 * 20, 96))
    assert alpha.item() == pytest.approx(shape, rel=0.03)
    assert left.item() == pytest.approx(1.5, rel=0.03)
    assert right.item() == pytest.approx(1.5, rel=0.03)


def test_without_weights_metrics_are_absent_and_say_why(no_weights: Path) -> None:
    assert list(metrics.per_image()) == ["psnr", "ssim", "detail_ratio"]
    reasons = metrics.missing()
    assert set(reasons) == {"lpips_alex", "niqe"}
    assert str(no_weights) in reasons["niqe"]
    assert "indi data weights fetch alex" in reasons["lpips_alex"]
    assert set(metrics.missing(["fid", "kd", "psnr"])) == {"fid", "kid"}
    x = torch.zeros(1, 3, 96, 192)
    with pytest.raises(InDIError, match="no weights of the pristine model"):
        metrics.niqe(x)
    with pytest.raises(InDIError, match="no weights of AlexNet"):
        metrics.lpips(x, x)
    assert metrics.resolve("lpips") == "lpips_alex"


def test_with_weights_the_network_travels_with_the_name(weights_root: Path) -> None:
    name = metrics.resolve("lpips")
    entry = metrics.per_image(["lpips"])[name]
    assert entry.label == f"LPIPS ({name.removeprefix('lpips_')})"
    assert entry.direction == "lower"
    x = torch.zeros(2, 3, 64, 64)
    assert entry(x, x).tolist() == [0, 0]
    assert "niqe" in metrics.missing(size=(64, 64))
    assert "niqe" not in metrics.per_image(size=(64, 64))
    assert "niqe" in metrics.per_image(size=(192, 192))


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(InDIError, match=r"unknown metric 'psrn'. Did you mean 'psnr'"):
        metrics.per_image(["psrn"])
    with pytest.raises(InDIError, match=r"KD-squeeze has no value per image.*set_distance"):
        metrics.per_image(["kd_squeeze"])
    with pytest.raises(InDIError, match=r"unknown weights 'vgg'"):
        weights.find("vgg")


def test_y_metrics_of_the_registry_cut_the_border_of_4() -> None:
    x = as_tensor(data.astronaut()[:48, 180:228])
    y = x.clone()
    y[..., :4, :] = 0  # lies wholly inside the border
    entries = metrics.per_image(["psnr_y", "ssim_y", "psnr"])
    assert entries["psnr_y"](y, x).item() == float("inf")
    assert entries["ssim_y"](y, x).item() == pytest.approx(1, abs=1e-12)
    assert entries["psnr"](y, x).item() < 40


def test_a_damaged_file_is_named(no_weights: Path) -> None:
    no_weights.mkdir()
    for name in ("squeezenet1_1-features.pth", "niqe_pris_params.npz"):
        (no_weights / name).write_bytes(b"half a download")
    x = torch.zeros(1, 3, 96, 192)
    with pytest.raises(InDIError, match=r"squeezenet1_1-features\.pth is damaged"):
        metrics.lpips(x, x, net="squeeze")
    with pytest.raises(InDIError, match=r"niqe_pris_params\.npz is damaged"):
        metrics.niqe(x)
    torch.save({"0.weight": torch.zeros(2)}, no_weights / "squeezenet1_1-b8a52dc0.pth")
    with pytest.raises(InDIError, match=r"squeezenet1_1-b8a52dc0\.pth is damaged or not the weights"):
        metrics.lpips(x, x, net="squeeze")


def test_weights_of_the_whole_network_serve_as_well(weights_root: Path, any_weights: Path) -> None:
    """torchvision's own file has a classifier and the prefix `features.`."""
    state = weights.load_state(weights_root / "squeezenet1_1-features.pth")
    whole = {f"features.{key}": value for key, value in state.items()}
    torch.save({**whole, "classifier.1.bias": torch.zeros(9)}, any_weights / "squeezenet1_1-b8a52dc0.pth")
    torch.manual_seed(123)
    a, b = (torch.rand(10, 3, 100, 100) * 2 - 1 for _ in range(2))
    assert metrics.lpips(a, b, net="squeeze").mean().item() == pytest.approx(0.1008, abs=5e-5)
    assert metrics.resolve("fd") == "fd_squeeze"
