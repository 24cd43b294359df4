"""The network against the sizes of Table 2, counted by hand where that is possible."""

from __future__ import annotations

import pytest
import torch

from indi.errors import InDIError
from indi.method import unet


def build(channels: int, multipliers: tuple[int, ...], in_channels: int = 3) -> unet.UNet:
    with torch.device("meta"):  # no memory for the weights
        return unet.UNet(channels, multipliers, in_channels)


@pytest.fixture(scope="module")
def small() -> unet.UNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return unet.UNet(channels=8, zero_init=False).eval()


@pytest.mark.parametrize(
    ("channels", "multipliers", "in_channels", "count"),
    [
        (64, (1, 2, 3, 4), 3, 27_677_123),
        (64, (1, 2, 4, 4), 3, 33_573_059),
        (96, (1, 2, 3, 4), 3, 62_254_755),
        (64, (1, 2, 3, 4), 6, 27_678_851),
        (32, (1, 2, 3, 4), 6, 6_926_403),  # DvSR's denoiser
    ],
)
def test_parameter_counts(channels: int, multipliers: tuple[int, ...], in_channels: int, count: int) -> None:
    assert unet.parameter_count(build(channels, multipliers, in_channels)) == count


def test_dvsr_predictor() -> None:
    """The same network without the time path has the size published by Whang et al. (2022)."""
    model = build(64, (1, 2, 3, 4))
    time = sum(p.numel() for name, p in model.named_parameters() if "time" in name.split("."))
    assert unet.parameter_count(model) - time == 26_065_027


@pytest.mark.parametrize(
    ("channels", "multipliers", "at_128", "at_256"),
    [
        (64, (1, 2, 3, 4), "85.1", "340"),
        (64, (1, 2, 4, 4), "99.3", "397"),
        (96, (1, 2, 3, 4), "191", "765"),
    ],
)
def test_flops(channels: int, multipliers: tuple[int, ...], at_128: str, at_256: str) -> None:
    model = build(channels, multipliers)
    counted = [unet.forward_flops(model, size, size) / 1e9 for size in (128, 256)]
    assert [f"{value:.3g}" for value in counted] == [at_128, at_256]


def test_flops_by_hand() -> None:
    """One level of one channel, 8 x 8: 2 FLOPs a multiply-add of each convolution and linear layer."""
    model = build(4, (1,))
    pixels, convs, linears = 64, 0, 0
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            convs += module.weight.numel()
        if isinstance(module, torch.nn.Linear):
            linears += module.weight.numel()
    assert unet.forward_flops(model, 8, 8) == 2 * (pixels * convs + linears)


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 8), (16, 24), (33, 17)])
def test_any_size(small: unet.UNet, size: tuple[int, int], generator: torch.Generator) -> None:
    x = torch.randn(2, 3, *size, generator=generator)
    with torch.no_grad():
        F = small(x, torch.tensor([0.0, 1.0]))
    assert F.shape == x.shape
    assert bool(torch.isfinite(F).all())


def test_padding_is_replication_to_the_right_and_below(small: unet.UNet, generator: torch.Generator) -> None:
    """7 x 9 gives what the 8 x 16 image with repeated borders gives, cropped."""
    x, t = torch.randn(1, 3, 7, 9, generator=generator), torch.tensor([0.4])
    padded = torch.cat([x, x[:, :, -1:]], dim=2)
    padded = torch.cat([padded, padded[..., -1:].expand(-1, -1, -1, 7)], dim=3)
    with torch.no_grad():
        torch.testing.assert_close(small(x, t), small(padded, t)[..., :7, :9], rtol=0, atol=1e-6)


def test_multiples_of_8_are_not_padded(small: unet.UNet, generator: torch.Generator) -> None:
    seen: list[torch.Size] = []
    handle = small.conv_in.register_forward_hook(
        lambda module, inputs, output: seen.append(output.shape[-2:])
    )
    with torch.no_grad():
        small(torch.randn(1, 3, 16, 24, generator=generator), torch.ones(1))
        small(torch.randn(1, 3, 17, 24, generator=generator), torch.ones(1))
    handle.remove()
    assert seen == [(16, 24), (24, 24)]


def test_shifts_by_8_shift_the_output(small: unet.UNet, generator: torch.Generator) -> None:
    """Fully convolutional: away from the borders a shift by the stride changes nothing else."""
    x = torch.zeros(1, 3, 8, 1200)
    x[..., 590:600] = torch.randn(1, 3, 8, 10, generator=generator)
    t = torch.tensor([0.5])
    with torch.no_grad():
        here, there = small(x, t), small(x.roll(8, dims=3), t)
    torch.testing.assert_close(here.roll(8, dims=3)[..., 580:620], there[..., 580:620], rtol=0, atol=1e-6)


def test_fault_t_unscaled() -> None:
    """1/100 apart in t must look different to the network, at both ends of [0, 1]; unscaled it does not."""
    for t in (0.0, 0.5, 0.99):
        pair = torch.tensor([t, t + 0.01])
        scaled, unscaled = unet.sinusoid(pair, 64), unet.sinusoid(pair, 64, scale=1.0)
        assert float((scaled[0] - scaled[1]).norm()) > 2
        assert float((unscaled[0] - unscaled[1]).norm()) < 0.05


def test_the_network_scales_t_by_1000(small: unet.UNet, generator: torch.Generator) -> None:
    """Its own weights, fed with the sinusoid of scale 1000, give the time vector that its blocks receive."""
    seen: list[torch.Tensor] = []
    handle = small.time.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    t = torch.tensor([0.3])
    with torch.no_grad():
        small(torch.randn(1, 3, 8, 8, generator=generator), t)
    handle.remove()
    torch.testing.assert_close(seen[0], unet.sinusoid(t, 8, scale=1000.0))


def test_sinusoid_by_hand() -> None:
    e = unet.sinusoid(torch.tensor([0.001]), 4)[0]
    one, tiny = 1.0, 1e-4
    expected = torch.tensor([one, tiny]).sin().tolist() + torch.tensor([one, tiny]).cos().tolist()
    assert e.tolist() == pytest.approx(expected, abs=1e-6)


def test_t_matters_for_each_image_alone(small: unet.UNet, generator: torch.Generator) -> None:
    x = torch.randn(1, 3, 16, 16, generator=generator).expand(2, -1, -1, -1)
    with torch.no_grad():
        F = small(x, torch.tensor([0.1, 0.9]))
        alone = small(x[:1], torch.tensor([0.9]))
    assert float((F[0] - F[1]).abs().max()) > 1e-3
    torch.testing.assert_close(F[1:], alone, rtol=0, atol=1e-5)


def test_every_weight_is_used(small: unet.UNet, generator: torch.Generator) -> None:
    x = torch.randn(1, 3, 16, 16, generator=generator)
    small(x, torch.tensor([0.3])).square().sum().backward()
    unused = [name for name, p in small.named_parameters() if p.grad is None or not bool(p.grad.any())]
    small.zero_grad()
    assert unused == []


def test_outputs_and_their_start(generator: torch.Generator) -> None:
    """With the last convolution at zero: residual and velocity start as the identity, direct at zero."""
    x, t = torch.randn(2, 3, 8, 8, generator=generator), torch.tensor([0.0, 0.7])
    for output, expected in (("residual", x), ("velocity", x), ("direct", torch.zeros_like(x))):
        model = unet.UNet(4, (1, 2), output=output, zero_init=True)  # type: ignore[arg-type]
        torch.testing.assert_close(model(x, t), expected, rtol=0, atol=0)


def test_velocity_is_exact_at_t_0(generator: torch.Generator) -> None:
    x = torch.randn(2, 3, 8, 8, generator=generator)
    F = unet.UNet(4, (1, 2), output="velocity", zero_init=False)(x, torch.tensor([0.0, 0.7]))
    assert torch.equal(F[0], x[0])
    assert not torch.equal(F[1], x[1])


def test_six_channels_predict_three(generator: torch.Generator) -> None:
    """The residual goes to the first three, the noisy image."""
    x = torch.randn(1, 6, 8, 8, generator=generator)
    F = unet.UNet(4, (1, 2), in_channels=6, zero_init=True)(x, torch.ones(1))
    assert torch.equal(F, x[:, :3])


def test_unknown_choices() -> None:
    with pytest.raises(InDIError, match="Did you mean 'residual'"):
        unet.UNet(4, (1,), output="residal")  # type: ignore[arg-type]
    with pytest.raises(InDIError, match="Valid: bilinear, nearest"):
        unet.UNet(4, (1,), upsample="cubic")  # type: ignore[arg-type]
