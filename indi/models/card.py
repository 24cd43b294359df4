"""The card of a trained model: what it is, what it was trained on, how well it does, and its limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from indi import evaluation
from indi.data.datasets import SOURCES
from indi.errors import InDIError
from indi.evaluation import metrics, protocols
from indi.records import results
from indi.training import Trained, recipes
from indi.training.recipes import Recipe, as_dict, recipe_hash

_WHAT = {
    "motion": "removes the blur of camera shake",
    "defocus": "removes the blur of a lens out of focus",
    "jpeg": "removes the marks of JPEG compression",
    "super_resolution": "makes an image sharp that was enlarged four times, bilinearly",
    "generation": "makes an image from pure noise",
}
_Y = {
    "motion": "x blurred along a random path of the camera, in linear light: a simulation, not recorded shakes",
    "defocus": "x blurred by discs whose radius follows a random smooth depth map, in linear light: a "
    "simulation, not recorded blur",
    "jpeg": "x after JPEG compression (quality 15 unless the recipe says otherwise)",
    "super_resolution": "x scaled down four times (antialiased bicubic, 8 bits) and up again (bilinear)",
    "generation": "standard normal noise, independent of x and not clipped",
}
_LIMITS = {
    "motion": "It knows simulated camera shake whose path extends over 3 to 12 pixels. Stronger shake and "
    "moving objects were not in its training, and no noise or compression was added to y.",
    "defocus": "It knows simulated blur of up to 8 pixels radius with smooth depth. Depth edges were not in "
    "its training, and no noise or compression was added to y.",
    "jpeg": "It knows one JPEG quality. Other qualities, repeated compression and images that were scaled "
    "after compression were not in its training.",
    "super_resolution": "It knows one way of scaling down, by four. Images that are small for another reason "
    "(a camera, another filter, compression) were not in its training.",
    "generation": "It makes small pictures of low quality, of the kind it was trained on. Where that is faces, "
    "a sample may resemble one of them. It is not to be used to identify, imitate or judge persons, nor to "
    "make pictures that pass for photographs of someone.",
}


def card(trained: Trained, record: dict[str, Any]) -> str:
    """The model card of a training, Markdown.

    Args:
        trained: the finished training.
        record: its done.json.
    """
    recipe = trained.recipe
    sections = [
        f"# InDI, {recipe.task}, profile {recipe.profile}\n\nA network F that {_WHAT[recipe.task]}, trained with "
        "*Inversion by Direct Iteration* (Delbracio and Milanfar, TMLR 2023). It belongs to a "
        "reproduction of that paper and is not the authors' model.",
        f"## What F is\n\n{_network(trained)}",
        f"## Recipe\n\n{_recipe(recipe)}",
        f"## Training\n\n{_training(trained, record)}",
        f"## Measured\n\n{_measured(trained)}",
        f"## How to use it\n\n{_use(recipe)}",
        f"## Limits\n\n{_limits(recipe)}",
    ]
    return "\n\n".join(sections) + "\n"


def _network(trained: Trained) -> str:
    recipe = trained.recipe
    # weights that are loaded ask for no gradient: `unet.parameter_count` would not see them
    parameters = sum(p.numel() for p in trained.F.parameters())
    noise = ""
    if recipe.eps:
        noise = (
            f" + t eps_t n, with n standard normal noise, eps = {recipe.eps:g}, schedule {recipe.schedule!r}"
        )
    return (
        f"F(x_t, t) estimates the clean image x from x_t = (1 - t) x + t y{noise}. Here y is "
        f"{_Y[recipe.task]}.\n\n"
        "- x_t: float32 (B, 3, H, W), RGB, images in [-1, 1] (-1 is black, 1 is white). Any H and W; trained at "
        f"{recipe.crop}x{recipe.crop}.\n"
        "- t: float32 (B,), from 1 (y) to 0 (x).\n"
        "- F(x_t, t): float32 (B, 3, H, W), not clipped.\n"
        f"- Network: U-Net, {parameters:,} parameters.\n"
        "- `weights.safetensors`: the average of the weights over training, in half precision, the recipe in "
        f"its header. SHA-256 `{trained.checkpoint}`."
    )


def _recipe(recipe: Recipe) -> str:
    rows = [(f"`{name}`", f"`{value}`") for name, value in as_dict(recipe).items() if value not in (None, [])]
    return _table(("field", "value"), [*rows, ("hash", f"`{recipe_hash(recipe)}`")])


def _training(trained: Trained, record: dict[str, Any]) -> str:
    recipe, log = trained.recipe, trained.log
    rows = [(f"`{name}`", SOURCES[name].title, SOURCES[name].licence) for name in recipe.data.split("+")]
    last = log.tail(-(-len(log) // 10))
    power = "absolute" if recipe.loss_p == 1 else "squared"
    first = int(log["step"].iloc[-len(last) - 1]) + 1 if len(last) < len(log) else 1
    return (
        f"Trained on the training split of:\n\n{_table(('set', 'what', 'licence'), rows)}\n\n"
        f"- {recipe.steps:,} steps of {recipe.batch_size} crops of {recipe.crop}x{recipe.crop} pixels.\n"
        f"- Loss at the end: {last['loss'].mean():.4f}, the mean {power} error over steps {first:,} to "
        f"{int(log['step'].iloc[-1]):,}, images in [-1, 1], t from {recipe.p_t}.\n"
        f"- Wall time: {_duration(trained.seconds)}. Machine: {_machine(record.get('machine') or {})}.\n"
        f"- Code: commit `{record.get('commit') or 'unknown'}`"
        f"{', with changes that were not committed' if record.get('dirty') else ''}; "
        f"versions of the numbers: {_versions(trained)}.\n"
        f"- Hash of the training images: `{trained.data}`."
    )


def _versions(trained: Trained) -> str:
    return ", ".join(f"{room} {version}" for room, version in trained.numerics.items())


def _measured(trained: Trained) -> str:
    recipe = trained.recipe
    name = "generation_sets" if recipe.task == "generation" else recipe.task
    again = f"`indi ship {recipe.task} --profile {recipe.profile}` writes this card anew once they are."
    try:
        stored = results.load(name, recipe.profile)
    except InDIError:
        return f"Not measured: the tables of this task were not stored when the card was written. {again}"
    checkpoints = [training.get("checkpoint") for training in stored.provenance.get("trainings", [])]
    if checkpoints != [trained.checkpoint]:
        return f"Not measured: the stored tables rest on other weights. {again}"
    found = stored.rows if recipe.task == "generation" else _means(stored.rows)
    if found.empty:
        return "Not measured: the weights of the metrics were not there when the tables were made."
    data = protocols.evaluation(recipe.task, recipe.profile).data
    made = f"Table `{name}` of this profile, commit `{stored.provenance.get('commit') or 'unknown'}`"
    if stored.stale:
        made += f"; since then changed: {', '.join(stored.changes)}"
    if recipe.task == "generation":
        what = f"Samples against images of `{data}` (split evaluate), distances between the two sets"
    else:
        what = f"Images of `{data}` (split evaluate), means over images"
    return (
        f"{what}, with 95 % bootstrap intervals over images. N is the number of steps, that is of calls of F. "
        f"{made}.\n\n{_numbers(found, recipe)}\n\nAll this rests on one training: a second one may move the "
        "numbers by more than their intervals."
    )


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """Means of PSNR and LPIPS in the columns of the set tables."""
    wanted = rows[(rows["metric"] == "psnr") | rows["metric"].str.startswith("lpips")]
    wanted = wanted[wanted["sampler"].isin([evaluation.INPUT, "indi"])]
    return evaluation.summary(wanted).rename(columns={"mean": "value", "n": "images"})


def _numbers(found: pd.DataFrame, recipe: Recipe) -> str:
    """A row each for the input and InDI at the least and the largest N; a column a metric."""
    by_indi = found[found["sampler"] == "indi"]
    counts = sorted(by_indi["steps"].unique())
    start = "pure noise" if recipe.task == "generation" else "input y"
    wanted = [(start, evaluation.INPUT, 0), *((f"InDI, N = {n}", "indi", n) for n in {counts[0], counts[-1]})]
    wanted.sort(key=lambda row: row[2])
    names = list(dict.fromkeys(found["metric"]))
    rows = []
    for label, sampler, steps in wanted:
        part = found[(found["sampler"] == sampler) & (found["steps"] == steps)].set_index("metric")
        if part.empty:
            continue
        cells = [_interval(part.loc[name]) if name in part.index else "not measured" for name in names]
        rows.append((label, *cells, str(int(part["images"].max()))))
    return _table(("", *map(_head, names), "images"), rows)


def _head(name: str) -> str:
    metric = metrics.describe(name)
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{metric.label}{unit} ({metric.direction} is better)"


def _interval(row: pd.Series) -> str:
    return f"{row['value']:#.4g} [{row['low']:#.4g}, {row['high']:#.4g}]"


def _use(recipe: Recipe) -> str:
    generates, enlarges = recipe.task == "generation", recipe.task == "super_resolution"
    modules = ["recipes", "samplers", "training", *([] if generates else ["images"])]
    modules += ["degradations"] if enlarges else []
    changed = _changes(recipe)
    lines = [
        "import torch",
        f"from indi import {', '.join(sorted(modules))}",
        "",
        f'F = training.load(recipes.recipe("{recipe.task}", "{recipe.profile}"{changed})).F',
        "generator = torch.Generator().manual_seed(0)",
    ]
    if generates:
        lines.append("y = torch.randn(4, 3, 64, 64, generator=generator)")
    else:
        lines.append('y = images.from_arrays([images.read_image("degraded.png")])  # (1, 3, H, W) in [-1, 1]')
    lines += ["y = degradations.upscale(y, 4)"] if enlarges else []
    noise = f'eps={recipe.eps:g}, schedule="{recipe.schedule}", generator=generator'
    lines.append(f"x = samplers.indi(F, y, samplers.uniform_times(10), {noise})  # not clipped")
    parts = ["In the project, with its environment active:", "```python\n" + "\n".join(lines) + "\n```"]
    if not generates and not changed:  # the command takes the profile's recipe
        parts += [
            "From the command line:",
            f"    indi restore {recipe.task} degraded.png -o restored.png --profile {recipe.profile} --steps 10",
        ]
    parts.append(
        "`training.load` takes a complete training in `runs/` before the shipped one, and checks the SHA-256."
    )
    return "\n\n".join(parts)


def _changes(recipe: Recipe) -> str:
    plain = recipes.recipe(recipe.task, recipe.profile)
    changed = {n: getattr(recipe, n) for n in as_dict(recipe) if getattr(recipe, n) != getattr(plain, n)}
    return "".join(f", {name}={value!r}" for name, value in changed.items())


def _limits(recipe: Recipe) -> str:
    licences = {name: SOURCES[name].licence for name in recipe.data.split("+")}
    bound = [n for n, text in licences.items() if "non-commercial" in text or "academic" in text]
    terms = (
        f"- The terms of {' and '.join(f'`{n}`' for n in bound)} allow non-commercial research only. Use "
        "weights that were trained on them for nothing else.\n"
        if bound
        else ""
    )
    paper = recipes.recipe(recipe.task, "paper")
    less = [
        f"{have:,} {what} (`paper` profile: {full:,})"
        for what, have, full in (
            ("steps", recipe.steps, paper.steps),
            ("images per step", recipe.batch_size, paper.batch_size),
            ("channels", recipe.channels, paper.channels),
        )
        if have < full
    ]
    short = f"Trained with less than the `paper` profile: {', '.join(less)}. " if less else ""
    if recipe.task == "generation":
        truth = "A generated image shows nobody and nothing that exists."
    else:
        truth = (
            "A restored image is an estimate. Its details may never have been there: do not use it as "
            "evidence, for measurement or for diagnosis."
        )
    return (
        f"- {_LIMITS[recipe.task]}\n"
        f"- {short}Its numbers are not the paper's and do not stand beside them.\n"
        f"{terms}"
        f"- {truth}"
    )


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"


def _machine(machine: dict[str, Any]) -> str:
    memory = machine.get("memory_gib")
    parts = [machine.get("system"), machine.get("cpu")]
    parts += [f"{machine['cores']} cores" if machine.get("cores") else None]
    parts += [f"{memory:g} GiB of memory" if memory else None, machine.get("gpu") or "no GPU"]
    return ", ".join(part for part in parts if part)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
