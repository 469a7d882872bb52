"""Measures of separation."""

from skseparate.metrics._scorer import separation_scorer
from skseparate.metrics._si_sdr import best_permutation, si_sdr, si_sdr_improvement

__all__ = ["best_permutation", "separation_scorer", "si_sdr", "si_sdr_improvement"]
