"""What a trained model is tried on, how it is measured, and what the rows come to."""

from indi.evaluation.measure import (
    INPUT,
    TRUTH,
    Evaluated,
    Method,
    changes,
    difference,
    evaluate,
    in_precision,
    pairs,
    summary,
)
