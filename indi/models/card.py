"""The card of a trained model: what it is, what it was trained on, how well it does, and its limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from string import Template
from typing import Any

import pandas as pd

from indi import evaluation
from indi.data.datasets import SOURCES
from indi.data.degradations.motion import EXTENT
from indi.errors import InDIError
from indi.evaluation import INPUT, metrics, protocols
from indi.figures import interval
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
    "motion": "It knows simulated camera shake whose path extends over {least:g} to {greatest:g} pixels. Stronger "
    "shake and moving objects were not in its training, and no noise or compression was added to y.",
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
    """The model card of a training, Markdown: the template card.md, filled in.

    Args:
        trained: the finished training.
        record: its done.json.
    """
    recipe, log = trained.recipe, trained.log
    sets = {name: SOURCES[name] for name in recipe.data.split("+")}
    fields = {name: f"`{value}`" for name, value in as_dict(recipe).items() if value not in (None, [])}
    last = log.tail(-(-len(log) // 10))
    first = int(log["step"].iloc[-len(last) - 1]) + 1 if len(last) < len(log) else 1
    noise = f" + t eps_t n, with n standard normal noise, eps = {recipe.eps:g}, schedule {recipe.schedule!r}"
    generates = recipe.task == "generation"
    least, greatest = dict(recipe.degradation_options).get("extent", EXTENT)
    template = Template(resources.files("indi.models").joinpath("card.md").read_text(encoding="utf-8"))
    return template.substitute(
        task=recipe.task,
        pipeline="unconditional-image-generation" if generates else "image-to-image",
        profile=recipe.profile,
        what=_WHAT[recipe.task],
        noise=noise if recipe.eps else "",
        y=_Y[recipe.task],
        crop=recipe.crop,
        # weights that are loaded ask for no gradient: `unet.parameter_count` would not see them
        parameters=f"{sum(p.numel() for p in trained.F.parameters()):,}",
        checkpoint=trained.checkpoint,
        recipe=_table(
            ("field", "value"),
            [*((f"`{name}`", value) for name, value in fields.items()), ("hash", f"`{recipe_hash(recipe)}`")],
        ),
        sets=_table(
            ("set", "what", "licence"), [(f"`{name}`", s.title, s.licence) for name, s in sets.items()]
        ),
        steps=f"{recipe.steps:,}",
        batch_size=recipe.batch_size,
        loss=f"{last['loss'].mean():.4f}",
        power="absolute" if recipe.loss_p == 1 else "squared",
        first=f"{first:,}",
        last=f"{int(log['step'].iloc[-1]):,}",
        p_t=recipe.p_t,
        duration=_duration(trained.seconds),
        machine=_machine(record.get("machine") or {}),
        commit=record.get("commit") or "unknown",
        dirty=", with changes that were not committed" if record.get("dirty") else "",
        numerics=", ".join(f"{room} {version}" for room, version in trained.numerics.items()),
        images=trained.data,
        measured=_measured(trained),
        **_use(recipe),
        eps=f"{recipe.eps:g}",
        schedule=recipe.schedule,
        limits=_LIMITS[recipe.task].format(least=least, greatest=greatest),
        short=_short(recipe),
        terms=_terms(recipe),
        truth="A generated image shows nobody and nothing that exists."
        if generates
        else "A restored image is an estimate. Its details may never have been there: do not use it as evidence, "
        "for measurement or for diagnosis.",
    )


def _measured(trained: Trained) -> str:
    recipe = trained.recipe
    generates = recipe.task == "generation"
    name = "generation_sets" if generates else recipe.task
    again = f"`indi ship {recipe.task} --profile {recipe.profile}` writes this card anew once they are."
    try:
        stored = results.load(name, recipe.profile)
    except InDIError:
        return f"Not measured: the tables of this task were not stored when the card was written. {again}"
    checkpoints = [training.get("checkpoint") for training in stored.provenance.get("trainings", [])]
    if checkpoints != [trained.checkpoint]:
        return f"Not measured: the stored tables rest on other weights. {again}"
    rows = stored.rows
    if not generates:
        rows = rows[(rows["metric"] == "psnr") | rows["metric"].str.startswith("lpips")]
        rows = evaluation.summary(rows).rename(columns={"mean": "value", "n": "images"})
    if rows.empty:
        return "Not measured: the weights of the metrics were not there when the tables were made."
    data = protocols.evaluation(recipe.task, recipe.profile).data
    what = f"Images of `{data}` (split evaluate), means over images"
    if generates:
        what = f"Samples against images of `{data}` (split evaluate), distances between the two sets"
    changed = f"; since then changed: {', '.join(stored.changes)}" if stored.stale else ""
    return (
        f"{what}, with 95 % bootstrap intervals over images. N is the number of steps, that is of calls of F. "
        f"Table `{name}` of this profile, commit `{stored.provenance.get('commit') or 'unknown'}`{changed}.\n\n"
        f"{_numbers(rows, 'pure noise' if generates else 'input y')}\n\nAll this rests on one training: a second "
        "one may move the numbers by more than their intervals."
    )


def _numbers(found: pd.DataFrame, start: str) -> str:
    """A row each for the input and InDI at the least and the largest N; a column a metric."""
    counts = found.loc[found["sampler"] == "indi", "steps"]
    names = list(dict.fromkeys(found["metric"]))
    rows = []
    for sampler, steps in dict.fromkeys([(INPUT, 0), ("indi", counts.min()), ("indi", counts.max())]):
        part = found[(found["sampler"] == sampler) & (found["steps"] == steps)].set_index("metric")
        if part.empty:
            continue
        numbers = part[["value", "low", "high"]]
        cells = [interval(numbers.loc[n], n) if n in part.index else "not measured" for n in names]
        label = start if sampler == INPUT else f"InDI, N = {steps}"
        rows.append((label, *cells, str(int(part["images"].max()))))
    return _table(("", *map(_head, names), "images"), rows)


def _head(name: str) -> str:
    metric = metrics.describe(name)
    unit = f", {metric.unit}" if metric.unit else ""
    return f"{metric.label}{unit} ({metric.direction} is better)"


def _use(recipe: Recipe) -> dict[str, str]:
    """The lines that restore or generate: what they import, which recipe, from which y; and the command."""
    plain = recipes.recipe(recipe.task, recipe.profile)
    changed = {n: getattr(recipe, n) for n in as_dict(recipe) if getattr(recipe, n) != getattr(plain, n)}
    modules, command = ["recipes", "samplers", "training"], ""
    if recipe.task == "generation":
        start = "torch.randn(4, 3, 64, 64, generator=generator)"
    else:
        modules.append("images")
        start = 'images.from_arrays([images.read_image("degraded.png")])  # (1, 3, H, W) in [-1, 1]'
        if not changed:  # the command takes the profile's recipe
            command = (
                f"\nFrom the command line:\n\n    indi restore {recipe.task} degraded.png -o restored.png "
                f"--profile {recipe.profile} --steps 10\n"
            )
    if recipe.task == "super_resolution":
        modules.append("degradations")
        start += "\ny = degradations.upscale(y, 4)"
    return {
        "modules": ", ".join(sorted(modules)),
        "changes": "".join(f", {name}={value!r}" for name, value in changed.items()),
        "start": start,
        "command": command,
    }


def _terms(recipe: Recipe) -> str:
    licences = {name: SOURCES[name].licence for name in recipe.data.split("+")}
    bound = [f"`{n}`" for n, text in licences.items() if "non-commercial" in text or "academic" in text]
    if not bound:
        return ""
    return (
        f"- The terms of {' and '.join(bound)} allow non-commercial research only. Use weights that were trained "
        "on them for nothing else.\n"
    )


def _short(recipe: Recipe) -> str:
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
    return f"Trained with less than the `paper` profile: {', '.join(less)}. " if less else ""


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
