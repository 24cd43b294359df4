"""The claims of the paper, one entry each: its words, where they stand, and the rule that judges them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from indi import profiles
from indi.claims import exact, steps, trainings
from indi.claims.evidence import BLOCKS, MARGINS, Evidence, Verdict

Kind = Literal["exact", "empirical"]

OURS = "ours"
"""The place of a claim that is not the paper's."""


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        id: "<claim>" or "<claim>/<task>".
        title: in a few words.
        words: the paper's, verbatim if `quoted`, else ours for what it prints as numbers or a formula.
        place: where they stand in the review version; `OURS` of a claim of ours.
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

    @property
    def chapters(self) -> tuple[str, ...]:
        """Those that are about it: the one that computes it, and its task's."""
        return (self.chapter, profiles.TASKS[self.task].chapter) if self.task else (self.chapter,)


_IN_GENERAL = (
    "In general, a single step reconstruction with our model, will lead to an estimate that minimizes "
    "the average point distortion (e.g., PSNR) but this can be only done to the detriment of the "
    "perceptual quality."
)
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
    "jpeg": (_IN_GENERAL, "Sec. 5, Fig. 7"),
    "super_resolution": (_IN_GENERAL, "Sec. 5, Table 5"),
}


def _sets(*names: str) -> tuple[str, ...]:
    """Tables of distances between sets, with their resamples: read where they are there."""
    return tuple(f"{name}_sets{part}" for name in names for part in ("", "_resamples"))


def _many(task: str) -> tuple[str, ...]:
    return f"{task}_many", *_sets(f"{task}_many")


_BESIDE = "NIQE, FD and KD are shown beside it, if they were measured."


def _per_task(
    name: str,
    title: str,
    test: str,
    rule: Callable[..., Verdict],
    quote: str = "",
    place: str = "",
    also: Callable[[str], tuple[str, ...]] = lambda task: (),
) -> list[Claim]:
    """A claim about each of the four tasks; of the words on one step, the paper has others for each."""
    return [
        Claim(
            f"{name}/{task}",
            title,
            quote or _ONE_STEP[task][0],
            place or _ONE_STEP[task][1],
            test,
            partial(rule, task=task),
            (task,),
            profiles.TASKS[task].chapter if not quote else "09_samplers",
            also=also(task),
        )
        for task in profiles.RESTORATION
    ]


def _untested(
    id: str, title: str, words: str, place: str, why: str, tables: tuple[str, ...], chapter: str
) -> Claim:
    test = "None: what the test needs is not available here."
    return Claim(id, title, words, place, test, partial(trainings.cannot, why=why), tables, chapter)


_MARGINS = f"{MARGINS['psnr']:g} dB of PSNR and {MARGINS['lpips_alex']:g} of LPIPS"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "toy-modes",
        "Iterating reaches the modes",
        "The black (hollow) circles represent the final point in our iterative procedure, always reaching "
        "a valid point in the data manifold (orange points).",
        "Fig. 1",
        "Reproduced if, with exact F and the largest N, the 95 % interval of the share of end points at a mode lies "
        f"above {exact.VALID:.0%} in both cases.",
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
        "Reproduced if N = 1 beats every other N in PSNR; not reproduced if any N beats it.",
        steps.one_step_psnr,
    ),
    *_per_task(
        "several-steps",
        "Several steps score better",
        "Reproduced if some N > 1 has a better LPIPS than N = 1; not reproduced if every N > 1 has a worse one. "
        + _BESIDE,
        steps.several_steps,
        also=lambda task: _sets(task),
    ),
    Claim(
        "more-detail/jpeg",
        "More steps, more detail",
        "As more inference steps are used the restored images have more details.",
        "Sec. 5.4, Fig. 7",
        "Reproduced if the detail ratio (the power in the top octave of the spectrum, divided by that of the truth; "
        "geometric means over images) is larger at every N > 1 than at N = 1; not reproduced if it is smaller at any. "
        "Power is not the same as detail: the blocks of JPEG have power, too; see the next claim.",
        partial(steps.more_detail, task="jpeg"),
        ("jpeg",),
        "04_jpeg",
    ),
    Claim(
        "artifacts-away/jpeg",
        "More steps keep the artifacts away",
        "JPEG compression introduces blocking artifacts and lack of high-frequency details. We evaluated the "
        "proposed method on the task of removing strong JPEG compression artifacts (quality factor 15).",
        "Sec. 5.4",
        "Reproduced if the blockiness (Wang, Sheikh & Bovik 2002; 1 without blocks) of every N > 1 is above "
        f"that of N = 1 by less than {BLOCKS:g}, by its 95 % interval; not reproduced if it is above by more "
        "at any N, corrected for their number.",
        partial(steps.artifacts_away, task="jpeg"),
        ("jpeg",),
        "04_jpeg",
    ),
    Claim(
        "falls-again/defocus",
        "Quality falls again",
        "LPIPS 0.186 at 50 steps, 0.189 at 500; FID 15.68 at 10 steps, 16.53 at 500.",
        "Table 3, App. C",
        f"Reproduced if some N of at least {steps.MANY} has a worse LPIPS than some smaller N > 1; not reproduced if "
        "every such N is better than all smaller ones. FD and KD are shown beside it.",
        partial(steps.falls_again, tasks=("defocus",)),
        ("defocus",),
        "07_defocus",
        quoted=False,
        also=(*_sets("defocus"), *_many("defocus")),
    ),
    Claim(
        "falls-again",
        "Quality falls again somewhere",
        "in some tasks performance degrades after a certain number of steps",
        "Sec. 7",
        "The rule of the claim above holds for at least one of the four tasks, corrected for their number.",
        partial(steps.falls_again, tasks=profiles.RESTORATION),
        profiles.RESTORATION,
        "09_samplers",
        also=tuple(name for task in profiles.RESTORATION for name in (*_sets(task), *_many(task))),
    ),
    *_per_task(
        "naive-few",
        "Naive is good with few steps",
        "With one and with two steps naive and InDI are the same. Reproduced if naive's LPIPS, between the "
        f"PSNR of its 2 and of its 3 steps, lies above InDI's curve by less than {MARGINS['lpips_alex']:g} "
        "on average; not reproduced if by more. The differences at N = 3 are shown beside it.",
        steps.naive_few,
        "In general, the naive sampler produces good results with very few steps (N=2,3) but then diverges.",
        "Sec. 6.2, Fig. 9",
    ),
    *_per_task(
        "naive-diverges",
        "Naive then diverges",
        f"Reproduced if, at the largest N (at least {steps.MANY}), naive is worse than InDI and worse than itself at "
        "N = 2, in PSNR and in LPIPS; decided only if the two metrics agree.",
        steps.naive_diverges,
        "In general, the naive sampler produces good results with very few steps (N=2,3) but then diverges.",
        "Sec. 6.2, Fig. 9",
        _many,
    ),
    *_per_task(
        "cold-behind",
        "InDI is better than Cold Diffusion",
        "Reproduced if, over the PSNR that both curves reach, Cold Diffusion's Fréchet distance lies above InDI's on "
        "average (the area between the curves, divided by its width). Two unequal steps give InDI's curve real "
        "points between N = 1 and 2. LPIPS and KD are shown beside it.",
        steps.cold_behind,
        "Our adaptation of Cold Diffusion sampler produces competitive results, while leading to slightly "
        "worse FID scores for the same distortion level than our proposed algorithm.",
        "Sec. 6.2, Fig. 9",
        lambda task: (*_sets(task), "samplers_equal_psnr", *_sets("samplers_equal_psnr")),
    ),
    *_per_task(
        "cold-steadier",
        "Cold Diffusion is the steadiest",
        "Reproduced if Cold Diffusion loses less LPIPS than InDI and than naive, from its own best N to the "
        "largest (at "
        f"least {steps.MANY}). A sampler that is best at the largest N loses nothing. FD and KD are shown beside it.",
        steps.cold_steadier,
        "At very large number of steps, Cold Diffusion seems to be the most stable of the three tested samplers.",
        "Fig. 9",
        lambda task: (*_sets(task), *_many(task)),
    ),
    Claim(
        "time-impact",
        "p(t) has an impact",
        "The impact of the distribution of t used during training has a clear impact on performance.",
        "Sec. 6.3, Fig. 10",
        "Reproduced if two of the six p(t), each at its own best N, differ in LPIPS; not reproduced if no two differ "
        f"by more than {MARGINS['lpips_alex']:g}. FD and KD are shown beside it.",
        trainings.time_impact,
        ("time_distribution",),
        "10_time_distribution",
        also=_sets("time_distribution"),
    ),
    Claim(
        "time-bias",
        "p(t) biased to t = 1 is best",
        "The best results are obtained when the distribution of t is biased towards t = 1.",
        "Sec. 6.3, Fig. 10",
        "Reproduced if one of bias_t1, linear_0.5 and linear_1.0 has a better LPIPS than each of linear_0, "
        "bias_t0 and bias_t0_t1, in two comparisons: each at its own best N, and at equal PSNR. If there are "
        "several trainings of each, it must hold in all of them. Not reproduced if one of the latter beats "
        "all three in both. FD and KD are shown beside it.",
        trainings.time_distribution,
        ("time_distribution",),
        "10_time_distribution",
        also=_sets("time_distribution"),
    ),
    Claim(
        "noise-helps/jpeg",
        "A perturbation helps",
        "We empirically verified that adding a small amount of noise helps to improve the results as shown "
        "in Figure 11.",
        "Sec. 6.4, Fig. 11",
        "Reproduced if some ε > 0, at some N > 1, has a better LPIPS than ε = 0 at its own best N; not "
        "reproduced if all have a worse one. FD and KD are shown beside it.",
        partial(trainings.noise, table="noise", kinds=steps.FREQUENT),
        ("noise",),
        "11_noise",
        also=_sets("noise"),
    ),
    Claim(
        "noise-helps/super_resolution",
        "A perturbation helps",
        "Adding a small amount of noise (ϵ > 0 in Table 5(a)) leads to significant better results in terms "
        "of perceptual quality (e.g., FID score).",
        "Sec. 5.2, Table 5(a)",
        "The rule for JPEG, with the Fréchet distance instead of LPIPS. KD and LPIPS are shown beside it.",
        partial(trainings.noise, table="super_resolution_noise", kinds=steps.BY_FID, exactly=True),
        ("super_resolution_noise", "super_resolution_noise_sets"),
        "06_super_resolution",
        also=("super_resolution_noise_sets_resamples",),
    ),
    Claim(
        "blurry/super_resolution",
        "Without perturbation the result stays blurry",
        "Directly applying the original iterative procedure (without adding noise to the input) leads to a "
        "blurry reconstruction (high PSNR but low FID score, ϵ = 0.0 in Table 5 (a)).",
        "Sec. 5.2, Table 5(a)",
        "Reproduced if, at the largest N, ε = 0 has less power in the top octave (geometric means) and a higher PSNR "
        "than every ε > 0; not reproduced if any ε > 0 has less power or a higher PSNR.",
        partial(trainings.blurry, table="super_resolution_noise"),
        ("super_resolution_noise",),
        "06_super_resolution",
    ),
    Claim(
        "brownian",
        "Brownian and constant noise perform alike",
        "We did not observe any practical difference in the two approaches.",
        "Sec. 6.4",
        "An equivalence test. Reproduced if, at every ε > 0 and N > 1 with both schedules, the 95 % interval "
        f"of Brownian minus constant lies within {_MARGINS}; not reproduced if any interval, corrected for "
        "their number, lies outside.",
        trainings.brownian,
        ("noise",),
        "11_noise",
    ),
    Claim(
        "fewer-steps",
        "Far fewer steps than a conditional DDPM",
        "InDI produces comparable results using significant less number of steps than the vanilla DDPM.",
        "Sec. 6.5, Fig. 12",
        "The number of steps to the best LPIPS that both reach, which must be better than that of the input. "
        "Reproduced if the conditional DDPM (at each N the best of its schedules) needs more steps than "
        "InDI: the 95 % interval of the ratio, over images, lies above 1; not reproduced if it lies below. "
        "Inconclusive unless the DDPM is a fair baseline: at its best N it beats the input in PSNR and comes "
        f"within {trainings.NEAR * MARGINS['lpips_alex']:g} of InDI's LPIPS, and it no longer changes "
        "between its two largest N.",
        trainings.fewer_steps,
        ("conditional_ddpm",),
        "12_conditional_ddpm",
    ),
    Claim(
        "comparable-ddpm",
        "Results comparable to those of a conditional DDPM",
        "Our proposed ReDI algorithm produces comparable results in much less number of steps.",
        "Fig. 12",
        "Reproduced if, each at its best N, InDI's LPIPS is above the conditional DDPM's (the best of its "
        f"schedules) by less than {MARGINS['lpips_alex']:g}; not reproduced if by more. Inconclusive unless "
        "the DDPM is a fair baseline.",
        trainings.comparable,
        ("conditional_ddpm",),
        "12_conditional_ddpm",
    ),
    Claim(
        "generates",
        "It can generate",
        "the formulation, at its core, can be generative as well",
        "Sec. 6.1, Fig. 8",
        "Reproduced if two things hold. The Fréchet distance to the data is lower at some N > 1 than at N = 1. "
        "And the "
        "best N has gone at least half of the way from the noise to the floor, which is the distance of two halves of "
        "the data. Not reproduced if the opposite of either is shown. KD is shown beside it.",
        steps.generates,
        ("generation_sets",),
        "08_generation",
        also=("generation_sets_resamples", *_sets("generation_many")),
    ),
    Claim(
        "generates-best",
        "InDI generates better than the other samplers",
        "Figure 9. shows the FID score of CelebA 64x64 generated images when using the three different "
        "variants of the inference algorithm (sampler).",
        "Sec. 6.2, Fig. 9",
        "Reproduced if the Fréchet distance of InDI at its best N is below those of Cold Diffusion and of naive at "
        "theirs; not reproduced if it is above either. KD is shown beside it.",
        steps.generates_best,
        ("generation_sets",),
        "08_generation",
        also=("generation_sets_resamples", *_sets("generation_many")),
    ),
    Claim(
        "generation-fid",
        "FID 9.19 at 150 steps",
        "Examples of CelebA 64 × 64 generated samples (FID=9.19, 150 steps).",
        "Fig. 8",
        "In the paper profile only: reproduced if FID, at the N nearest to 150, is above 9.19 by less than 10 %.",
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
        "In the paper profile only: reproduced if, at one N, LPIPS, NIQE, FID and KID are all below the best "
        "of the other methods' printed numbers, corrected for the numbers of steps.",
        trainings.state_of_the_art,
        ("motion", "motion_sets"),
        "05_motion",
    ),
    Claim(
        "competitive-psnr/motion",
        "Competitive PSNR",
        "while maintaining competitive PSNR to existing methods",
        "Sec. 5.1, Table 1",
        "None: the paper gives no number for this word.",
        trainings.competitive_psnr,
        ("motion",),
        "05_motion",
    ),
    _untested(
        "as-dvsr/motion",
        "Similar to DvSR",
        "Our results are similar to the ones generated by current conditional diffusion models (DvSR (Whang "
        "et al., 2022)).",
        "Sec. 5.1, Fig. 2",
        "DvSR is not run here (its row of Table 1 is quoted), and nobody was asked whether the images look alike",
        ("motion",),
        "05_motion",
    ),
    _untested(
        "table-5b/super_resolution",
        "Table 5(b)",
        "Table 5(b) summarizes the quantitative results on 4× SR div2k validation dataset.",
        "Sec. 5.2, Table 5(b)",
        "the numbers of Table 5(b) exist only in an image, and the other methods of it are not rerun",
        ("super_resolution",),
        "06_super_resolution",
    ),
    _untested(
        "against-others/super_resolution",
        "Against RRDB, SRFlow and LDL",
        "Our iterative reconstruction leads achieves better reconstruction of detailed textures than RRDB "
        "regression model (Wang et al., 2018), less high-frequency artifacts than SRFlow (Lugmayr et al., "
        "2020) generative normalizing flow, and comparable visual quality than LDL (Liang et al., 2022) a "
        "state-of-the-art customized generative adversarial model.",
        "Sec. 5.2, Fig. 4",
        "none of the three networks is run here, and nobody was asked which image looks better",
        ("super_resolution",),
        "06_super_resolution",
    ),
    _untested(
        "accumulation",
        "The errors accumulate",
        "This is likely due to the accumulation of errors, and will likely require a more robust inference scheme.",
        "Sec. 7",
        "chapter 16 runs F on the sampler's own states and on states as in training, but other causes make these "
        "differ, too (a sampler that invents detail does), so that no number of it decides; with exact F (chapter "
        "2) the law of the result only gets better with N",
        profiles.RESTORATION,
        "09_samplers",
    ),
    _untested(
        "denoising",
        "Denoising",
        "producing high-quality results on a variety of image restoration tasks, including motion and "
        "out-of-focus deblurring, super-resolution, compression artifact removal, and denoising",
        "Abstract",
        "the paper has no experiment on denoising, so there is nothing to hold one against",
        ("gaussian_gains",),
        "02_closed_forms",
    ),
)
