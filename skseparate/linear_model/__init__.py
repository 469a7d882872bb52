"""Linear regressors for tables too large for dense coefficients."""

from skseparate.linear_model._low_rank_ridge import LowRankRidge
from skseparate.linear_model._low_rank_ridge_cv import LowRankRidgeCV

__all__ = ["LowRankRidge", "LowRankRidgeCV"]
