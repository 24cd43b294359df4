"""Forward states beside a sampler's own, and F's answer to errors, where both are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from indi.errors import InDIError
from indi.evaluation import diagnosis, metrics
from indi.method import process, samplers
from indi.method.unet import UNet


def images(seed: int, side: int = 64) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 0.3


def test_with_an_oracle_own_states_are_forward_states() -> None:
    """F = x: InDI stays on the forward path x_t = (1 - t) x + t (y + eps n)."""
    x, y, noise = images(0), images(1), images(2)
    found = diagnosis.states(lambda z, t: x, x, y, noise, samplers.uniform_times(10), [0.9, 0.5, 0.1], 0.2)
    for t, s in found.items():
        torch.testing.assert_close(s.own, (1 - t) * x + t * (y + 0.2 * noise), rtol=0, atol=1e-6)
        torch.testing.assert_close(s.own, s.forward, rtol=0, atol=1e-6)
    rows = diagnosis.compare(found, x, ("a", "b"))
    same = rows[rows["quantity"].isin(["power of x_t", "power of F"])]
    assert same["own"].to_numpy() == pytest.approx(same["forward"].to_numpy(), rel=1e-4)
    assert len(rows) == 2 * 3 * (2 + 3 * diagnosis.OCTAVES)


def test_the_deficit_of_a_shrinking_F_is_the_closed_form() -> None:
    """F = c x_t: after one step of 1/2 the own state is (1 + c)/2 y, whose power is that of y times its square."""
    x, y, c = images(0), images(1), 0.4
    found = diagnosis.states(lambda z, t: c * z, x, y, images(2), samplers.uniform_times(2), [0.5])
    torch.testing.assert_close(found[0.5].own, (1 + c) / 2 * y)
    torch.testing.assert_close(found[0.5].forward, (x + y) / 2)
    rows = diagnosis.compare(found, x, ("a", "b"))
    power = rows[(rows["quantity"] == "power of x_t") & (rows["octave"] == 0)].set_index("image")["own"]
    ratio = metrics.octave_powers(y, 1) / metrics.octave_powers(x, 1)
    assert power.tolist() == pytest.approx(((1 + c) ** 2 / 4 * ratio[:, 0]).tolist(), rel=1e-5)


def test_times_that_are_not_there_and_noise_on_the_way_are_refused() -> None:
    x = images(0)
    with pytest.raises(InDIError, match=r"\[0.25\]"):
        diagnosis.states(lambda z, t: z, x, x, x, samplers.uniform_times(10), [0.5, 0.25])
    with pytest.raises(InDIError, match="constant"):
        diagnosis.states(lambda z, t: z, x, x, x, [1.0, 0.0], [1.0], 0.1, "brownian")


def test_octaves_are_disjoint_parts() -> None:
    x = images(3)
    parts = [diagnosis.octave(x, k) for k in range(diagnosis.OCTAVES)]
    for k, part in enumerate(parts):
        torch.testing.assert_close(diagnosis.octave(part, k), part, rtol=0, atol=1e-6)
        for other in range(k):
            assert diagnosis.octave(part, other).abs().max() < 1e-6
    rest = x - sum(parts, torch.zeros(()))
    assert all(diagnosis.octave(rest, k).abs().max() < 1e-6 for k in range(diagnosis.OCTAVES))


def test_response_of_a_linear_F_by_hand() -> None:
    x_t, e = images(0), images(1)
    share, size = diagnosis.response(lambda z, t: 0.7 * z + 3, x_t, 0.5, e)
    assert share.tolist() == pytest.approx([0.7, 0.7])
    assert size.tolist() == pytest.approx([0.7, 0.7])
    share, size = diagnosis.response(lambda z, t: z.roll(1, -1), x_t, 0.5, e)  # another place, the same size
    assert share.abs().max() < 0.05
    assert size.tolist() == pytest.approx([1, 1])


def test_response_of_a_network_is_a_difference_quotient() -> None:
    torch.manual_seed(0)
    F = UNet(8, (1, 2), zero_init=False).double()
    x_t, e, h = images(0, 16).double(), images(1, 16).double(), 1e-5
    quotient = (samplers.predict(F, x_t + h * e, 0.6) - samplers.predict(F, x_t - h * e, 0.6)) / (2 * h)
    share, size = diagnosis.response(F, x_t, 0.6, e)
    e, quotient = e.flatten(1), quotient.detach().flatten(1)
    torch.testing.assert_close(share, (quotient * e).sum(1) / e.square().sum(1), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(size, quotient.norm(dim=1) / e.norm(dim=1), rtol=1e-6, atol=1e-8)


def test_shifted_times_by_hand() -> None:
    """F(x, r) = x - r v has the velocity v at every r: any shift walks the same straight line."""
    asked: list[float] = []
    y, v = images(0), images(1)

    def F(z: Tensor, t: Tensor) -> Tensor:
        asked.append(float(t[0]))
        return z - t.view(-1, 1, 1, 1) * v

    x_0 = diagnosis.shifted(0.5)(F, y, [1.0, 0.64, 0.0])
    assert asked == pytest.approx([1, 0.8])
    torch.testing.assert_close(x_0, y - v)
    unshifted = diagnosis.shifted(1.0)(lambda z, t: z.tanh(), y, samplers.uniform_times(5))
    torch.testing.assert_close(unshifted, samplers.indi(lambda z, t: z.tanh(), y, samplers.uniform_times(5)))


def test_matched_states_have_the_power_of_forward_states() -> None:
    """A shrinking F loses power; on the calibration images the corrected states have none too little."""
    x, y, noise, seen = images(0), images(1), images(2), []

    def F(z: Tensor, t: Tensor) -> Tensor:
        seen.append((float(t[0]), z))
        return 0.5 * z

    sample = diagnosis.matched(F, x, y, 0.0, noise, largest=4)
    sample(F, y, samplers.uniform_times(3))
    for t, state in seen[-2:]:  # the last run; its first state is y
        forward = process.interpolate(x, y, torch.full((2,), t))
        ours, right = (metrics.octave_powers(z).mean(0) for z in (state, forward))
        torch.testing.assert_close(ours, right, rtol=0.1, atol=0)  # the window mixes coarse octaves a little
