"""Metrics: one value per image, or one per pair of sets of images, and their intervals.

Every restored image goes through `quantise` first, as if it had been saved as a PNG. `per_image`
gives the metrics that can run here, `missing` the others and why.
"""

from indi.evaluation.metrics.features import Features, extract, join, patch_size, patches
from indi.evaluation.metrics.intervals import (
    Interval,
    bootstrap_interval,
    bootstrap_statistic,
    interval_of_mean,
    interval_over_seeds,
    paired_difference,
    two_way,
)
from indi.evaluation.metrics.naturalness import niqe
from indi.evaluation.metrics.perceptual import lpips
from indi.evaluation.metrics.pixel import blockiness, detail_ratio, luma, octave_powers, psnr, quantise, ssim
from indi.evaluation.metrics.registry import DEFAULT, Metric, describe, missing, per_image, resolve
from indi.evaluation.metrics.sets import (
    SetDistance,
    draws,
    feature_network,
    floor,
    frechet,
    kernel,
    resampled,
    set_distance,
)
from indi.evaluation.metrics.weights import fetch as fetch_weights
