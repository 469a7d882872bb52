"""Measures of separation."""

from skseparate.metrics._bss_eval import BssEval, bss_eval
from skseparate.metrics._difficulty import overlap_difficulty
from skseparate.metrics._scorer import separation_scorer
from skseparate.metrics._si_sdr import best_permutation, si_sdr, si_sdr_improvement
from skseparate.metrics._swap_rate import swap_rate

__all__ = [
    "BssEval",
    "best_permutation",
    "bss_eval",
    "overlap_difficulty",
    "separation_scorer",
    "si_sdr",
    "si_sdr_improvement",
    "swap_rate",
]
