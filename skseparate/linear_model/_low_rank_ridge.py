"""Ridge regression whose coefficients are kept as two thin factors."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from skseparate.linear_model._randomized import solve_randomized
from skseparate.linear_model._solvers import (
    DualPath,
    Moments,
    center_gram,
    gram,
    near_mean,
    primal_from_dual,
    row_blocks,
    rows_per_block,
    solve_primal,
)

MAX_COEF_BYTES = 2**30
MAX_DUAL_ROWS = 20_000
# What the products of the dual may cost before "auto" looks for a cheaper solver: minutes on one core.
MAX_DUAL_FLOPS = 1e13
MAX_PRIMAL_BYTES = 2**32
BLOCK_BYTES = 2**25


def _keeps_moments(model):
    if model.solver not in ("primal", "auto"):
        raise AttributeError("partial_fit needs solver='primal' (or 'auto'): the others keep no second moments.")
    return True


class BaseLowRank(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """What the low-rank models share: rows that may be lazy, and prediction by the factors."""

    def predict(self, X):
        """Predict.

        Parameters
        ----------
        X : array or Segments of shape (n_rows, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_rows, n_targets) or (n_rows,)
            In float64.
        """
        check_is_fitted(self)
        X = self._validated(X, reset=False)
        predicted = np.empty((len(X), len(self.y_factors_)))
        for where, block in row_blocks(X, rows_per_block(X, BLOCK_BYTES)):
            np.matmul(block @ self.x_factors_, self.y_factors_.T, out=predicted[where])
        predicted += self._intercept
        return predicted[:, 0] if self._one_target else predicted

    @property
    def _intercept(self):
        return self.y_mean_ - self.y_factors_ @ (self.x_mean_ @ self.x_factors_)

    @property
    def intercept_(self):
        """ndarray of shape (n_targets,) or float: The constant of each target."""
        return self._intercept[0] if self._one_target else self._intercept

    @property
    def coef_(self):
        """ndarray of shape (n_targets, n_features) or (n_features,): The coefficients, made when asked for.

        Raises MemoryError where they would take more than 1 GiB.
        """
        n_bytes = 8 * len(self.x_factors_) * len(self.y_factors_)
        if n_bytes > MAX_COEF_BYTES:
            raise MemoryError(
                f"coef_ would be a dense matrix of {n_bytes / 1e9:.1f} GB: use predict, or its factors "
                "y_factors_ @ x_factors_.T."
            )
        coef = self.y_factors_ @ self.x_factors_.T
        return coef[0] if self._one_target else coef

    def _validated(self, X, y="no_validation", reset=True):
        """Lazy rows pass as they are, everything else through scikit-learn's validation."""
        if not hasattr(X, "blocks"):
            if isinstance(y, str):
                return validate_data(self, X, reset=reset, dtype=(np.float64, np.float32))
            if hasattr(y, "blocks"):
                y = np.asarray(y)
            X, y = validate_data(
                self, X, y, reset=reset, dtype=(np.float64, np.float32), multi_output=True, y_numeric=True
            )
            return X, y if y.dtype in (np.float32, np.float64) else y.astype(np.float64)
        if reset:
            self.n_features_in_ = X.shape[1]
        elif X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                "features as input."
            )
        return X if isinstance(y, str) else (X, y)

    def _set_targets(self, y):
        """Remember whether y is 1-D; return it 2-D."""
        self._one_target = y.ndim == 1
        return y[:, None] if y.ndim == 1 else y

    def _set_dual(self, X, y, coefficients, targets):
        """Factors and means from dual coefficients: one pass over each side."""
        if self.fit_intercept:  # the passes read rows that are not centred
            coefficients, targets = coefficients - coefficients.mean(axis=0), targets - targets.mean(axis=0)
        self._set_factors(*primal_from_dual(X, coefficients), *primal_from_dual(y, targets))

    def _set_factors(self, x_factors, x_mean, y_factors, y_mean):
        self.x_factors_, self.y_factors_ = x_factors, y_factors
        self.x_mean_ = x_mean if self.fit_intercept else np.zeros_like(x_mean)
        self.y_mean_ = y_mean if self.fit_intercept else np.zeros_like(y_mean)


def centred_grams(X, y, fit_intercept):
    """Gram matrices of rows and targets, centred where there is an intercept."""
    if len(X) > MAX_DUAL_ROWS:
        raise ValueError(
            f"solver='dual' holds {len(X)} x {len(X)} matrices, and stops at {MAX_DUAL_ROWS} rows: use longer "
            "segments, fewer recordings, solver='randomized', or solver='primal' with fewer features."
        )
    if not fit_intercept:
        return gram(X), gram(y)
    everything = np.arange(len(X))
    return tuple(center_gram(gram(rows, near_mean(rows)), everything) for rows in (X, y))


class LowRankRidge(BaseLowRank):
    """Ridge regression of limited rank: the linear benchmark, at a size where dense coefficients kill the machine.

    Minimises ``|Y - X W V'|^2 + alpha |W V'|^2`` over factors W and V of rank at most `rank` [1]_, and
    stores the factors only: with 328,000 features and as many targets they take 0.17 GB at rank 64,
    where `sklearn.linear_model.Ridge` would need 430 GB. Lazy rows are streamed.

    Parameters
    ----------
    alpha : float, default=1.0
        Penalty on the squared coefficients, as in `Ridge`.
    rank : int or None, default=64
        The most directions that the prediction may use; None for all, which is ridge regression.
    solver : {"auto", "dual", "primal", "randomized"}, default="auto"
        "dual" works on matrices of rows by rows: up to 20,000 rows of any width. "primal" works on
        features by features (and by targets): few features and any number of rows. Both are exact.
        "randomized" sketches rows and targets in a few passes over tables of any size: see Notes.
        "auto" takes the smaller of the exact ones, and "randomized" where neither fits or the dual
        would take minutes and the sketch less.
    fit_intercept : bool, default=True
        Whether to centre the data.
    n_oversamples : int, default=64
        Directions that are sketched beyond `rank`; for "randomized" only.
    n_iter : int, default=2
        Power passes over rows and over targets; for "randomized" only.
    random_state : int, RandomState instance or None, default=None
        Makes the sketch; pass an int for the same model at every call. For "randomized" only.

    Attributes
    ----------
    x_factors_ : ndarray of shape (n_features, rank)
        W.
    y_factors_ : ndarray of shape (n_targets, rank)
        V, orthonormal columns, the most telling direction first.
    rank_ : int
        Rank of the solution: less than `rank` where the data has less.
    solver_ : {"dual", "primal", "randomized"}
        Solver used.
    x_mean_ : ndarray of shape (n_features,)
        Mean of the rows, or zeros without an intercept.
    y_mean_ : ndarray of shape (n_targets,)
        Mean of the targets, or zeros without an intercept.
    n_features_in_ : int
        Features seen at `fit`.

    See Also
    --------
    LowRankRidgeCV : Chooses alpha and rank in one pass over the data.
    sklearn.linear_model.Ridge : Full rank, dense coefficients.

    Notes
    -----
    The solver "randomized" takes ``n_iter + 3`` passes over the rows and ``n_iter + 2`` over the targets,
    each with one or two products with a matrix of ``rank + n_oversamples`` columns, in the dtype of the
    rows and summed in float64. It holds a few matrices of features (or targets) by that many columns, and
    a block of rows. It starts from a sketch of the targets [2]_ and looks for the same minimum in the
    block Krylov space that the power passes span [3]_, so its objective lies above that of the exact
    solvers by an excess that falls with `n_oversamples`, `n_iter` and `alpha`, and is zero where
    ``rank + n_oversamples`` reaches the number of rows. With the defaults it was 5 % at alpha 1 and 0.1 %
    at alpha 10, for 1,500 rows of 42,000 square roots of magnitudes and as many targets.

    References
    ----------
    .. [1] A. Mukherjee and J. Zhu, "Reduced rank ridge regression and its kernel extensions",
           Statistical Analysis and Data Mining 4(6), 2011.
    .. [2] N. Halko, P. G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM Review
           53(2), 2011.
    .. [3] C. Musco and C. Musco, "Randomized block Krylov methods for stronger and faster approximate
           singular value decomposition", NeurIPS 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.linear_model import LowRankRidge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 20))
    >>> Y = X @ rng.normal(size=(20, 2)) @ rng.normal(size=(2, 30))
    >>> ridge = LowRankRidge(alpha=1e-3, rank=2).fit(X, Y)
    >>> ridge.x_factors_.shape, ridge.y_factors_.shape
    ((20, 2), (30, 2))
    >>> round(ridge.score(X, Y), 3)
    1.0
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        "alpha": [Interval(Real, 0, None, closed="left")],
        "rank": [Interval(Integral, 1, None, closed="left"), None],
        "solver": [StrOptions({"auto", "dual", "primal", "randomized"})],
        "fit_intercept": ["boolean"],
        "n_oversamples": [Interval(Integral, 0, None, closed="left")],
        "n_iter": [Interval(Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        alpha=1.0,
        rank=64,
        solver="auto",
        fit_intercept=True,
        *,
        n_oversamples=64,
        n_iter=2,
        random_state=None,
    ):
        self.alpha = alpha
        self.rank = rank
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.n_oversamples = n_oversamples
        self.n_iter = n_iter
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Fit the factors.

        Parameters
        ----------
        X : array or Segments of shape (n_rows, n_features)
            Rows.
        y : array or Segments of shape (n_rows, n_targets) or (n_rows,)
            Targets.

        Returns
        -------
        self : LowRankRidge
        """
        X, y = self._validated(X, y)
        y = self._set_targets(y)
        self._moments = None
        self.solver_ = self._choose_solver(X, y)
        if self.solver_ == "primal":
            return self._update_moments(X, y)
        if self.solver_ == "dual":
            self._set_dual(X, y, *self._dual_coefficients(X, y))
        else:
            self._fit_randomized(X, y)
        self.rank_ = self.x_factors_.shape[1]
        return self

    @available_if(_keeps_moments)
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y):
        """Add rows to those seen; the result is that of one `fit` on all of them. Primal solver only.

        Parameters
        ----------
        X : array or Segments of shape (n_rows, n_features)
            Rows.
        y : array or Segments of shape (n_rows, n_targets) or (n_rows,)
            Targets.

        Returns
        -------
        self : LowRankRidge
        """
        if getattr(self, "solver_", "primal") != "primal":
            raise ValueError(
                f"partial_fit cannot go on from a fit by the {self.solver_} solver: fit with solver='primal' first."
            )
        started = getattr(self, "_moments", None) is not None
        X, y = self._validated(X, y, reset=not started)
        if not started:
            self._moments = None
        elif (1 if y.ndim == 1 else y.shape[1]) != len(self.y_factors_):
            raise ValueError(f"y has shape {y.shape}, but the rows seen before had {len(self.y_factors_)} targets.")
        return self._update_moments(X, self._set_targets(y))

    def _update_moments(self, X, y):
        if self._moments is None:
            self._moments = Moments(X.shape[1], y.shape[1], self.fit_intercept)
        n_rows = rows_per_block(y, BLOCK_BYTES)
        for (_, rows), (_, targets) in zip(row_blocks(X, n_rows), row_blocks(y, n_rows), strict=True):
            self._moments.update(rows, targets)
        moments = self._moments
        self.x_factors_, self.y_factors_ = solve_primal(moments.xx, moments.xy, self.alpha, self.rank)
        self.x_mean_, self.y_mean_ = moments.x_mean, moments.y_mean
        self.solver_, self.rank_ = "primal", self.x_factors_.shape[1]
        return self

    def _choose_solver(self, X, y):
        if self.solver != "auto":
            return self.solver
        n_rows, n_features, n_targets = *X.shape, y.shape[1]
        fits = 8 * n_features * (n_features + n_targets) <= MAX_PRIMAL_BYTES
        if fits and (n_features <= n_rows or n_rows > MAX_DUAL_ROWS):
            return "primal"
        dual_flops = n_rows**2 * (n_features + n_targets)
        dear = n_rows > MAX_DUAL_ROWS or dual_flops > max(MAX_DUAL_FLOPS, self._sketch_flops(X, y))
        return "randomized" if dear and self.rank is not None else "dual"

    def _sketch_flops(self, X, y):
        size = (self.rank or len(X)) + self.n_oversamples
        return 4 * (self.n_iter + 1) * len(X) * size * (X.shape[1] + y.shape[1])

    def _fit_randomized(self, X, y):
        if self.rank is None:
            raise ValueError("solver='randomized' needs a rank: rank=None is for the exact solvers.")
        sketch = (self.n_oversamples, self.n_iter, self.fit_intercept, check_random_state(self.random_state))
        self._set_factors(*solve_randomized(X, y, self.alpha, self.rank, *sketch))

    def _dual_coefficients(self, X, y):
        path = DualPath(*centred_grams(X, y, self.fit_intercept), np.finfo(X.dtype).eps)
        return path.coefficients(self.alpha, self.rank)
