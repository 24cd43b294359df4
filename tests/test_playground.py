"""The playground computes what `closed_form`, `samplers` and `solvers` compute, and a reader can use it.

Its script runs in a Chromium without a window, on the page as the book's theme makes it, opened as a file.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from indi.method import closed_form, samplers, solvers

pytestmark = pytest.mark.browser

BOOK = Path(__file__).resolve().parent.parent / "book"
TOLERANCE = 1e-6
SAMPLERS: dict[str, samplers.Sampler] = samplers.SAMPLERS | {
    name: solvers.SOLVERS[name].sample for name in ("multistep", "heun")
}
STEPS = (1, 2, 3, 5, 10, 50, 200)
MODES = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]], dtype=torch.float64)
H = {"toy_a": [1.0, 1.0], "toy_b": [1.0, 0.0], "gaussian": [1.0], "lost": [1.0, 0.0]}


def tensor(values: Any) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def case(sigma: float = 0.0, eps: float = 0.0, correlation: float = 0.5) -> dict[str, float]:
    return {"sigma": sigma, "eps": eps, "correlation": correlation}


#: model -> parameters of the comparison
CASES = {
    "toy_a": [case(sigma, eps) for sigma, eps in product((0.4, 1.0, 2.0), (0.0, 0.3))],
    "toy_b": [case(sigma, eps) for sigma, eps in product((0.2, 0.4, 1.0), (0.0, 0.3))],
    "gaussian": [case(sigma, eps) for sigma, eps in product((0.2, 1.0, 2.0), (0.0, 0.06, 1.0))],
    "lost": [case(0, eps, r) for eps, r in product((0.0, 0.01, 0.06, 1.0), (-0.95, 0.0, 0.5, 0.95))],
}


def restorer(model: str, p: dict[str, float]) -> samplers.Restorer:
    """F of the same model, from closed_form."""
    matrix = torch.diag(tensor(H[model]))
    if model == "lost":
        covariance = tensor([[1, p["correlation"]], [p["correlation"], 1]])
        return lambda x, t: closed_form.linear_gaussian_posterior_mean(
            x, t, torch.zeros(2, dtype=torch.float64), covariance, matrix, t * p["eps"]
        )
    noise = math.hypot(p["sigma"], p["eps"])
    if model == "gaussian":
        return lambda x, t: x * tensor([closed_form.gaussian_gain(v, 1, noise) for v in t.tolist()])[:, None]
    equal = torch.full((4,), 0.25, dtype=torch.float64)
    return lambda x, t: closed_form.mixture_posterior_mean(x, t, MODES, equal, matrix, noise)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, small_book: Callable[..., Path]) -> str:
    """The page, in a book of two pages."""
    folder = tmp_path_factory.mktemp("book")
    shutil.copy(BOOK / "playground.md", folder)
    return (small_book(folder, "playground") / "playground.html").as_uri()


Open = Callable[..., Any]


@pytest.fixture
def open_page(open_at: Open, address: str) -> Open:
    return partial(open_at, address)


@pytest.fixture(scope="module")
def calculator(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Calls a function of window.indiPlayground."""
    page = browser.new_page()
    page.goto(address)
    yield lambda name, *arguments: page.evaluate(
        "([name, inputs]) => window.indiPlayground[name](...inputs)", [name, list(arguments)]
    )
    page.close()


def test_gains_are_those_of_closed_form(calculator: Callable[..., Any]) -> None:
    one = torch.ones(1, 1, dtype=torch.float64)
    for s, sigma in product((0.5, 1.0, 2.0), (0.2, 1.0, 2.0)):
        for name in samplers.SAMPLERS:
            wanted = closed_form.limit_gain(name, s, sigma)
            assert calculator("limitGain", name, s, sigma) == pytest.approx(wanted, abs=TOLERANCE)
        for name, n in product(SAMPLERS, STEPS):
            if name in samplers.SAMPLERS:
                g = closed_form.sampler_gain(name, n, s, sigma)
            else:
                F = restorer("gaussian", case(sigma / s))  # the gain depends on sigma / s alone
                g = SAMPLERS[name](F, one, samplers.uniform_times(n)).item()
            assert calculator("gain", name, n, s, sigma) == pytest.approx(g, abs=TOLERANCE), (name, n)
            for ours, theirs in (
                ("outputVariance", closed_form.output_variance),
                ("meanSquaredError", closed_form.mean_squared_error),
            ):
                assert calculator(ours, g, s, sigma) == pytest.approx(theirs(g, s, sigma), abs=TOLERANCE)


@pytest.mark.parametrize("model", CASES)
def test_every_sampler_ends_where_python_ends(calculator: Callable[..., Any], model: str) -> None:
    """The same starts through both; N, sigma, eps and the correlation over a grid, all samplers."""
    d, worst = len(H[model]), 0.0
    for seed, p in enumerate(CASES[model]):
        start = calculator("draw", model, p, 30, seed)["start"]
        y = tensor(start).view(-1, d)
        F = restorer(model, p)
        for name, n in product(SAMPLERS, STEPS):
            found = calculator("restore", model, p, name, n, y.flatten().tolist())
            wanted = SAMPLERS[name](F, y, samplers.uniform_times(n))
            # relative where naive steps run away from a lost coordinate
            scale = max(1.0, float(wanted.abs().max()))
            difference = float((tensor(found).view(-1, d) - wanted).abs().max()) / scale
            assert difference < TOLERANCE, (name, n, p)
            worst = max(worst, difference)
    print(f"{model}: largest difference {worst:.1e}")


def lost_in_python(name: str, n: int, p: dict[str, float]) -> dict[str, float]:
    """Variance and squared error of the lost coordinate: covariances carried through the linear map."""
    F, matrix = restorer("lost", p), torch.diag(tensor(H["lost"]))
    covariance = tensor([[1, p["correlation"]], [p["correlation"], 1]])
    A = SAMPLERS[name](F, torch.eye(2, dtype=torch.float64), samplers.uniform_times(n)).T
    end = A @ (matrix @ covariance @ matrix.T + p["eps"] ** 2 * torch.eye(2)) @ A.T
    cross = A @ matrix @ covariance
    return {"variance": end[1, 1].item(), "mse": (end - 2 * cross + covariance)[1, 1].item()}


def toy_in_python(model: str, name: str, n: int, p: dict[str, float]) -> dict[str, float]:
    """The same for the toy: Gauss's rule on panels that get finer where the map jumps, at 0."""
    noise, h = math.hypot(p["sigma"], p["eps"]), H[model][1]
    edges = [0.0, *np.geomspace(1e-9, h + 9 * noise, 60)]
    nodes, weights = np.polynomial.legendre.leggauss(20)
    y = np.concatenate([(a + b) / 2 + (b - a) / 2 * nodes for a, b in pairwise(edges)])
    w = np.concatenate([(b - a) / 2 * weights for a, b in pairwise(edges)])
    points = torch.stack([torch.full((len(y),), 0.3, dtype=torch.float64), tensor(y)], dim=1)
    x_0 = SAMPLERS[name](restorer(model, p), points, samplers.uniform_times(n))[:, 1].numpy()
    density = {c: np.exp(-(((y - c * h) / noise) ** 2) / 2) / noise / math.sqrt(2 * math.pi) for c in (1, -1)}
    return {
        "variance": float(w @ ((density[1] + density[-1]) * x_0**2)),
        "mse": float(w @ (density[1] * (x_0 - 1) ** 2 + density[-1] * (x_0 + 1) ** 2)),
        "gain": float(w @ ((density[1] + density[-1]) * x_0 * y)) / (h**2 + noise**2),
    }


@pytest.mark.parametrize("model", CASES)
def test_theory_is_that_of_python(calculator: Callable[..., Any], model: str) -> None:
    for p, name, n in product(CASES[model], SAMPLERS, (1, 3, 20, 200)):
        found = calculator("theory", model, name, n, p)
        if model == "lost":
            wanted = lost_in_python(name, n, p)
        elif model != "gaussian":
            wanted = toy_in_python(model, name, n, p)
        else:
            g, noise = found["gain"], math.hypot(p["sigma"], p["eps"])
            if name in samplers.SAMPLERS:
                g = closed_form.sampler_gain(name, n, 1, noise)
            wanted = {
                "gain": g,
                "variance": closed_form.output_variance(g, 1, noise),
                "mse": closed_form.mean_squared_error(g, 1, noise),
            }
        for key, value in wanted.items():
            assert found[key] == pytest.approx(value, abs=TOLERANCE, rel=TOLERANCE), (key, name, n, p)


def test_the_facts_of_the_deterministic_case(calculator: Callable[..., Any]) -> None:
    found = [calculator("theory", "lost", "indi", n, case(eps=0.06))["variance"] for n in (1, 10, 100, 1000)]
    assert [round(v, 2) for v in found] == [0.25, 0.44, 0.91, 0.99]
    for name, n in product(SAMPLERS, STEPS):
        assert calculator("theory", "lost", name, n, case())["variance"] == pytest.approx(0.25)


@pytest.mark.parametrize("model", CASES)
def test_what_is_measured_fits_the_theory(calculator: Callable[..., Any], model: str) -> None:
    """Over particles, within five standard errors; a gain of a linear sampler exactly."""
    for p, name in product(CASES[model], SAMPLERS):
        found = calculator("experiment", model, p, name, 20, 2000, 7)
        wanted = calculator("theory", model, name, 20, p)
        for key in ("gain", "variance", "mse"):
            if key == "gain" and model == "lost" and p["eps"] == 0:
                assert found[key] is None or math.isnan(found[key])
                continue
            near = 5 * found["error"][key] + TOLERANCE * max(1, abs(wanted[key]))
            assert abs(found[key] - wanted[key]) < near, (key, name, p)
            if key == "gain" and not model.startswith("toy"):
                assert found["error"][key] < TOLERANCE * max(1, abs(wanted[key]))


def test_the_random_numbers_are_normal_and_the_same_each_time(calculator: Callable[..., Any]) -> None:
    first, again, other = (np.array(calculator("normals", seed, 20_000)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first, other)[0, 1]) < 0.03
    assert abs(first.mean()) < 0.03
    assert abs(first.std() - 1) < 0.02
    assert abs((first**4).mean() - 3) < 0.3


# ---------------------------------------------------------------- the page


def picture(page: Any, canvas: str = "plane") -> str:
    return page.evaluate(f"document.getElementById('pg-{canvas}').toDataURL()")


def progress(page: Any) -> int:
    return int(page.input_value("#pg-time"))


def test_play_pause_and_scrub_move_the_particles(open_page: Open) -> None:
    page = open_page()
    before = picture(page)
    page.click("#pg-play")
    page.wait_for_function("Number(document.getElementById('pg-time').value) > 450")
    assert page.inner_text("#pg-play") == "Pause"
    page.click("#pg-play")
    paused, still = progress(page), picture(page)
    assert still != before
    page.wait_for_timeout(250)
    assert (progress(page), picture(page)) == (paused, still)
    page.locator("#pg-time").fill("900")
    assert "step 18 of 20" in page.inner_text("#pg-clock")
    assert picture(page) != still
    page.click("#pg-forward")
    assert "step 19 of 20" in page.inner_text("#pg-clock")
    page.click("#pg-back")
    page.click("#pg-back")
    assert "step 17 of 20" in page.inner_text("#pg-clock")
    page.locator("#pg-time").fill("1000")
    page.click("#pg-play")  # at the end, it starts again
    page.wait_for_function("Number(document.getElementById('pg-time').value) < 500")


def test_every_control_works_from_the_keyboard(open_page: Open) -> None:
    page = open_page()
    reached = []
    page.focus("[data-experiment='0']")
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.name || ''"))
    for control in (
        "model",
        "sampler",
        "n",
        "sigma",
        "eps",
        "play",
        "back",
        "forward",
        "time",
        "follow",
        "metric",
    ):
        assert f"pg-{control}" in reached, control

    shown = picture(page)
    for control, key in (
        ("time", "ArrowRight"),
        ("n", "ArrowLeft"),
        ("sigma", "ArrowRight"),
        ("follow", "Enter"),
    ):
        page.focus(f"#pg-{control}")
        for _ in range(20 if control == "time" else 1):
            page.keyboard.press(key)
        assert picture(page) != shown, control
        shown = picture(page)
    page.focus("input[name='pg-sampler']:checked")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.querySelector('input[name=pg-sampler]:checked').value") == "naive"
    assert picture(page) != shown
    page.focus("#pg-play")
    page.keyboard.press("Space")
    assert page.inner_text("#pg-play") == "Pause"


def test_the_numbers_shown_are_those_of_the_experiment(open_page: Open) -> None:
    page = open_page(reduced_motion="reduce")
    page.get_by_text("Naive goes back to y").click()
    g = closed_form.sampler_gain("naive", 100, 1, 1)
    for kind in ("measured", "theory"):
        assert page.inner_text(f"#pg-gain-{kind}") == f"{g:.3f}"
    assert page.inner_text("#pg-variance-theory") == f"{closed_form.output_variance(g, 1, 1):.3f}"
    assert page.inner_text("#pg-mse-theory") == f"{closed_form.mean_squared_error(g, 1, 1):.3f}"
    assert page.inner_text("#pg-gain-reference") == "0.707"
    assert "of variance 2.00" in page.inner_text("#pg-verdict")
    curve = picture(page, "curve")
    page.get_by_label("squared error").check()
    assert picture(page, "curve") != curve
    for experiment in page.query_selector_all("[data-experiment]"):
        experiment.click()
        assert "NaN" not in page.inner_text("#indi-playground")
        assert "undefined" not in page.inner_text("#indi-playground")


def test_a_tap_follows_the_particle_under_the_finger(open_page: Open) -> None:
    page = open_page(390, 844, has_touch=True)
    before = picture(page)
    box = page.locator("#pg-plane").bounding_box()
    page.tap("#pg-plane", position={"x": box["width"] * 0.68, "y": box["height"] * 0.58})
    assert picture(page) != before


def test_less_motion_means_stills(open_page: Open) -> None:
    page = open_page(reduced_motion="reduce")
    page.get_by_text("InDI: the right spread").click()
    assert progress(page) == 1000, "no film without being asked"
    page.click("#pg-play")
    seen = set()
    for _ in range(20):
        seen.add(progress(page))
        page.wait_for_timeout(60)
    assert len(seen) <= 4


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone_in_both_themes(open_page: Open, theme: str) -> None:
    page = open_page(390, 844, theme=theme, has_touch=True, reduced_motion="reduce")
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    for experiment in page.query_selector_all("[data-experiment]"):
        experiment.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        wide = page.evaluate(
            "[...document.querySelectorAll('#indi-playground *')]"
            ".filter((e) => e.getBoundingClientRect().right > 390.5).map((e) => e.outerHTML.slice(0, 80))"
        )
        assert wide == []
    for button in page.query_selector_all("#indi-playground button"):
        assert button.bounding_box()["height"] >= 24


def test_the_theme_can_change_while_one_watches(open_page: Open) -> None:
    page = open_page()
    before = picture(page), picture(page, "curve")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_timeout(50)
    assert picture(page) != before[0]
    assert picture(page, "curve") != before[1]


def test_without_javascript_a_picture_stands_in(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    assert page.locator(".pg-still img").is_visible()
    page = open_page()
    assert not page.locator(".pg-still").is_visible()


def test_the_script_is_loaded_on_its_page_alone(address: str, browser: Any) -> None:
    page = Path(address.removeprefix("file://"))
    assert page.read_text().count('src="_static/playground.js') == 1
    assert "playground.js" not in page.with_name("other.html").read_text()
    assert "playground.css" not in page.with_name("other.html").read_text()
