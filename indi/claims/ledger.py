"""The claims of the paper, one entry each: its words, where they stand, and the rule that judges them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from indi import profiles
from indi.claims import exact, steps, trainings
from indi.claims.evidence import MARGINS, Evidence, Verdict

Kind = Literal["exact", "empirical"]


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        id: "<claim>" or "<claim>/<task>".
        title: in a few words.
        words: the paper's, verbatim if `quoted`, else ours for what it prints as numbers or a formula.
        place: where they stand in the review version.
        test: the rule in words.
        rule: evidence -> verdict; may raise NotTested.
        tables: that the rule reads.
        also: that it reads where they are there.
        chapter: the notebook that computes them.
        quoted: whether `words` are verbatim.
        kind: "exact" claims are judged alike in every profile; "empirical" ones need real trainings.
    """

    id: str
    title: str
    words: str
    place: str
    test: str
    rule: Callable[[Evidence], Verdict]
    tables: tuple[str, ...]
    chapter: str
    kind: Kind = "empirical"
    quoted: bool = True
    also: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """The task, or "" where the claim is about no single one."""
        return self.id.partition("/")[2]


CHAPTERS = {task: profiles.TASKS[task][0] for task in profiles.RESTORATION}

_ONE_STEP = {
    "motion": (
        "While doing a reconstruction on a single step (e.g., direct regression) produces the best PSNR, "
        "the perceptual metrics are significantly improved when the number of steps is larger than one.",
        "Sec. 5.1, Fig. 3",
    ),
    "defocus": (
        "As in the other experiments the best PSNR is obtained with a single step (direct regression), "
        "while the best perceptual metrics are obtained when the restoration is done in multiple steps.",
        "Sec. 5.3, Table 3",
    ),
    "jpeg": (
        "In general, a single step reconstruction with our model, will lead to an estimate that minimizes "
        "the average point distortion (e.g., PSNR) but this can be only done to the detriment of the "
        "perceptual quality.",
        "Sec. 5, Fig. 7",
    ),
    "super_resolution": (
        "In general, a single step reconstruction with our model, will lead to an estimate that minimizes "
        "the average point distortion (e.g., PSNR) but this can be only done to the detriment of the "
        "perceptual quality.",
        "Sec. 5, Table 5",
    ),
}


_MARGINS = f"{MARGINS['psnr']:g} dB of PSNR and {MARGINS['lpips_alex']:g} of LPIPS"


def _rows(task: str) -> tuple[str, ...]:
    return (task,)


def _pair(task: str) -> tuple[str, ...]:
    return task, f"{task}_sets"


def _many(task: str) -> tuple[str, ...]:
    return f"{task}_many", f"{task}_many_sets"


def _per_task(
    name: str,
    title: str,
    test: str,
    rule: Callable[..., Verdict],
    tables: Callable[[str], tuple[str, ...]],
    quote: str = "",
    place: str = "",
    also: Callable[[str], tuple[str, ...]] = lambda task: (),
) -> list[Claim]:
    return [
        Claim(
            f"{name}/{task}",
            title,
            quote or _ONE_STEP[task][0],
            place or _ONE_STEP[task][1],
            test,
            partial(rule, task=task),
            tables(task),
            chapter if not quote else "09_samplers",
            also=also(task),
        )
        for task, chapter in CHAPTERS.items()
    ]


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "toy-modes",
        "Iterating reaches the modes",
        "The black (hollow) circles represent the final point in our iterative procedure, always reaching "
        "a valid point in the data manifold (orange points).",
        "Fig. 1",
        f"With exact F and the largest N, in both cases, the 95 % interval of the share of end points at a "
        f"mode lies above {exact.VALID:.0%}.",
        exact.toy,
        ("toy",),
        "01_toy_example",
        "exact",
    ),
    Claim(
        "proposition-4.1",
        "Proposition 4.1",
        "E[xₛ | xₜ] = (1 − s/t) E[x | xₜ] + (s/t) xₜ.",
        "Prop. 4.1, App. A",
        "In Gaussian models, the regression of x_s on x_t equals the right-hand side, the samplers run as "
        f"their closed forms say, and their identities hold, all within {exact.CLOSE:g}.",
        exact.proposition,
        ("gaussian_gains", "identities"),
        "02_closed_forms",
        "exact",
        quoted=False,
    ),
    Claim(
        "table-2-sizes",
        "The sizes of the networks",
        "# params.: 27.68M, 33.57M, 33.57M, 62.25M.",
        "Table 2, App. B",
        "One topology, counted with each row's width and multipliers, gives the printed millions to both "
        "decimals.",
        exact.network,
        ("network",),
        "03_network",
        "exact",
        quoted=False,
    ),
    *_per_task(
        "one-step-psnr",
        "One step has the best PSNR",
        "PSNR of one InDI step is above that of every other N; reversed for any N: not reproduced.",
        steps.one_step_psnr,
        _rows,
    ),
    *_per_task(
        "several-steps",
        "Several steps look better",
        "Some N > 1 has a better LPIPS than N = 1, and some N > 1 a better Fréchet distance; not reproduced "
        "if every N > 1 is worse in either.",
        steps.several_steps,
        _pair,
    ),
    Claim(
        "more-detail/jpeg",
        "More steps, more detail",
        "As more inference steps are used the restored images have more details.",
        "Sec. 5.4, Fig. 7",
        "The power in the top octave of the spectrum, over that of the truth, is larger at every N > 1 than "
        "at N = 1.",
        partial(steps.more_detail, task="jpeg"),
        ("jpeg",),
        "04_jpeg",
    ),
    Claim(
        "falls-again/defocus",
        "Quality falls again",
        "FID 15.68 at 10 steps, 16.53 at 500; LPIPS 0.186 at 50 steps, 0.189 at 500.",
        "Table 3, App. C",
        f"The largest N (at least {steps.MANY}) is worse than some smaller N > 1, in LPIPS and in the Fréchet "
        "distance; not reproduced if it is better than all of them in either.",
        partial(steps.falls_again, tasks=("defocus",)),
        _pair("defocus"),
        "07_defocus",
        quoted=False,
        also=_many("defocus"),
    ),
    Claim(
        "falls-again",
        "Quality falls again somewhere",
        "in some tasks performance degrades after a certain number of steps",
        "Sec. 7",
        "As above, in at least one of the four tasks, corrected for their number.",
        partial(steps.falls_again, tasks=tuple(CHAPTERS)),
        tuple(name for task in CHAPTERS for name in _pair(task)),
        "09_samplers",
        also=tuple(name for task in CHAPTERS for name in _many(task)),
    ),
    *_per_task(
        "naive-few",
        "Naive is good with few steps",
        f"At N = 2 and 3, naive is worse than InDI by less than {_MARGINS}: each 95 % interval; not reproduced if any "
        "interval, corrected for their number, lies beyond.",
        steps.naive_few,
        _rows,
        "In general, the naive sampler produces good results with very few steps (N=2,3) but then diverges.",
        "Sec. 6.2, Fig. 9",
    ),
    *_per_task(
        "naive-diverges",
        "Naive then diverges",
        "At the largest N, naive is worse than InDI and worse than itself at N = 2, in PSNR, LPIPS and the "
        "Fréchet distance.",
        steps.naive_diverges,
        _pair,
        "In general, the naive sampler produces good results with very few steps (N=2,3) but then diverges.",
        "Sec. 6.2, Fig. 9",
    ),
    *_per_task(
        "cold-behind",
        "InDI is better than Cold Diffusion",
        "At the PSNR of each Cold Diffusion point (N > 1), InDI's LPIPS and Fréchet distance, interpolated "
        "between its own points, are lower; means over those points. The line between two whole N lies above a "
        "convex curve, which favours Cold Diffusion: chapter 9 looks there more closely.",
        steps.cold_behind,
        _pair,
        "Our adaptation of Cold Diffusion sampler produces competitive results, while leading to slightly "
        "worse FID scores for the same distortion level than our proposed algorithm.",
        "Sec. 6.2, Fig. 9",
    ),
    *_per_task(
        "cold-steadier",
        "Cold Diffusion is the steadiest",
        f"Between the two largest N (the last at least {steps.MANY}), images change less in PSNR and in LPIPS under "
        "Cold Diffusion than under InDI and naive.",
        steps.cold_steadier,
        _rows,
        "At very large number of steps, Cold Diffusion seems to be the most stable of the three tested samplers.",
        "Fig. 9",
        _many,
    ),
    Claim(
        "time-bias",
        "p(t) biased to t = 1 is best",
        "The best results are obtained when the distribution of t is biased towards t = 1.",
        "Sec. 6.3, Fig. 10",
        "At the N where the uniform p(t) does best, one of bias_t1, linear_0.5 and linear_1.0 is better than "
        "each of linear_0, bias_t0 and bias_t0_t1, in LPIPS and in the Fréchet distance; where there are "
        "several trainings of each, in all of them. Not reproduced if one of the latter beats all three.",
        trainings.time_distribution,
        _pair("time_distribution"),
        "10_time_distribution",
    ),
    Claim(
        "noise-helps/jpeg",
        "A perturbation helps: JPEG",
        "We empirically verified that adding a small amount of noise helps to improve the results as shown in "
        "Figure 11.",
        "Sec. 6.4, Fig. 11",
        "Some ε > 0, at some N > 1, is better than ε = 0 at its own best N, in LPIPS and in the Fréchet "
        "distance; not reproduced if all are worse in either.",
        partial(trainings.noise, table="noise"),
        _pair("noise"),
        "11_noise",
    ),
    Claim(
        "noise-helps/super_resolution",
        "A perturbation helps: 4x",
        "Adding a small amount of noise (ϵ > 0 in Table 5(a)) leads to significant better results in terms of "
        "perceptual quality (e.g., FID score).",
        "Sec. 5.2, Table 5(a)",
        "As for JPEG.",
        partial(trainings.noise, table="super_resolution_noise"),
        _pair("super_resolution_noise"),
        "06_super_resolution",
    ),
    Claim(
        "brownian",
        "Brownian or constant: no matter",
        "We did not observe any practical difference in the two approaches.",
        "Sec. 6.4",
        "An equivalence test: at every ε > 0 and N > 1 with both schedules, the 95 % interval of Brownian "
        f"less constant lies within {_MARGINS}; not reproduced if any, corrected for their number, lies outside.",
        trainings.brownian,
        ("noise",),
        "11_noise",
    ),
    Claim(
        "fewer-steps",
        "Far fewer steps than a conditional DDPM",
        "InDI produces comparable results using significant less number of steps than the vanilla DDPM.",
        "Sec. 6.5, Fig. 12",
        "To the best LPIPS that both reach, which must be better than that of the input, the conditional DDPM "
        "(at each N the best of its schedules) needs more steps than InDI: the 95 % interval of the ratio, "
        "over images, lies above 1; not reproduced if below.",
        trainings.fewer_steps,
        ("conditional_ddpm",),
        "12_conditional_ddpm",
    ),
    Claim(
        "generates",
        "It can generate",
        "the formulation, at its core, can be generative as well",
        "Sec. 6.1, Fig. 8",
        "From noise, the Fréchet distance to the data is lower at some N > 1 than at N = 1, and lower than "
        "that of the noise.",
        steps.generates,
        ("generation_sets",),
        "08_generation",
    ),
    Claim(
        "generation-fid",
        "FID 9.19 at 150 steps",
        "Examples of CelebA 64 × 64 generated samples (FID=9.19, 150 steps).",
        "Fig. 8",
        "Paper profile only: FID at the N nearest to 150 is not above 9.19 by 10 % or more.",
        trainings.generation_fid,
        ("generation_sets",),
        "08_generation",
    ),
    Claim(
        "state-of-the-art/motion",
        "State of the art on GoPro",
        "The proposed iterative reconstruction procedure achieves a new state-of-the-art performance across "
        "perceptual metrics while maintaining competitive PSNR to existing methods.",
        "Sec. 5.1, Table 1",
        "Paper profile only: at one N, LPIPS, NIQE, FID and KID are all below the best of the other methods' "
        'printed numbers, corrected for the numbers of steps. "Competitive PSNR" is not tested.',
        trainings.state_of_the_art,
        _pair("motion"),
        "05_motion",
    ),
)
