"""The ledger of the paper's claims: each with its rule, its numbers and its verdict, computed from results.

Outcomes are "reproduced", "not reproduced", "inconclusive" and "not tested". Differences are paired over images,
those of distances between sets over common resamples of the images; intervals are Student's with fewer than 30
images. A claim is judged by the metric that the paper's sentence names first (LPIPS where it names none); the others
stand beside it. Where any of k comparisons could decide a verdict, their intervals are widened to 1 - 0.05 / k
(Bonferroni); where all must agree, as for "they do not differ", those of 95 % suffice (intersection-union test). So
a claim has a chance of at most 5 % to be decided wrongly by the choice of images, as far as the intervals cover what
they should; `Entry.corrected` is what stands when all claims together are to have it (Holm). Where a
recipe was trained with several seeds, intervals cover other images and other seeds (a two-way analysis of variance);
with one, they cover the choice of images alone. The smoke profile decides no empirical claim, nor do fewer than
10 images.
"""

from indi.claims.evidence import MARGINS, Evidence, Measured, NotTested, Number, Outcome, Verdict, collect
from indi.claims.ledger import CLAIMS
from indi.claims.report import Entry, as_json, exit_code, holm, judge, save, text
from indi.evaluation.metrics.intervals import FEWEST_IMAGES

__all__ = [
    "CLAIMS",
    "FEWEST_IMAGES",
    "MARGINS",
    "Entry",
    "Evidence",
    "Measured",
    "NotTested",
    "Number",
    "Outcome",
    "Verdict",
    "as_json",
    "collect",
    "exit_code",
    "holm",
    "judge",
    "save",
    "text",
]
