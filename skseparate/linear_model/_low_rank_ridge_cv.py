"""A whole grid of penalties and ranks from one pass over the data."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.base import _fit_context

from skseparate.linear_model._low_rank_ridge import BaseLowRank, centred_grams
from skseparate.linear_model._solvers import DualPath, center_gram


class LowRankRidgeCV(BaseLowRank):
    """`LowRankRidge` that chooses its penalty and rank by cross-validation, in one pass over the data.

    The Gram matrices of rows and targets are made once; every alpha, rank and fold is solved and
    scored from them, without looking at the data again.

    Parameters
    ----------
    alphas : sequence of float, default=(0.01, 0.1, 1.0, 10.0)
        Penalties to try.
    ranks : sequence of int, default=(16, 64)
        Ranks to try.
    cv : int, splitter or iterable, default=None
        Folds of the rows. None, or a number, folds by song where the rows know their songs (so that
        the segments of one mixture never stand on both sides), else by blocks of neighbouring rows.
        None is 5 folds, or fewer where there are fewer songs.
    fit_intercept : bool, default=True
        Whether to centre the data, each time on the training rows.

    Attributes
    ----------
    alpha_ : float
        Penalty chosen.
    rank_ : int
        Rank chosen, or what the data has of it.
    cv_errors_ : ndarray of shape (n_alphas, n_ranks)
        Mean squared error of a target of a row left out.
    x_factors_, y_factors_, x_mean_, y_mean_, n_features_in_
        See `LowRankRidge`.

    See Also
    --------
    LowRankRidge : With penalty and rank given.

    Notes
    -----
    It selects on the error of the features, not on the SI-SDR of the solos: `GridSearchCV` over a
    `Separator` does that, at the price of a fit and a separation for each candidate and fold.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.linear_model import LowRankRidgeCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 20))
    >>> Y = X @ rng.normal(size=(20, 2)) @ rng.normal(size=(2, 30)) + rng.normal(size=(60, 30))
    >>> ridge = LowRankRidgeCV(alphas=[0.1, 1.0, 1000.0], ranks=[1, 2, 10]).fit(X, Y)
    >>> ridge.rank_
    2
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        "alphas": ["array-like"],
        "ranks": ["array-like"],
        "cv": ["cv_object"],
        "fit_intercept": ["boolean"],
    }

    def __init__(self, alphas=(0.01, 0.1, 1.0, 10.0), ranks=(16, 64), cv=None, fit_intercept=True):
        self.alphas = alphas
        self.ranks = ranks
        self.cv = cv
        self.fit_intercept = fit_intercept

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, groups=None):
        """Choose alpha and rank, then fit on all rows.

        Parameters
        ----------
        X : array or Segments of shape (n_rows, n_features)
            Rows.
        y : array or Segments of shape (n_rows, n_targets) or (n_rows,)
            Targets.
        groups : array of shape (n_rows,), default=None
            The song of each row; by default what the rows know.

        Returns
        -------
        self : LowRankRidgeCV
        """
        alphas, ranks = self._grid()
        songs = getattr(X, "songs", None) if groups is None else groups
        X, y = self._validated(X, y)
        y = self._set_targets(y)
        K, G = centred_grams(X, y, self.fit_intercept)
        folds = list(self._folds(len(K), songs))
        errors = [self._errors(K, G, alphas, ranks, *fold) for fold in folds]
        self.cv_errors_ = np.sum(errors, axis=0) / (sum(len(test) for _, test in folds) * y.shape[1])
        best = np.unravel_index(np.argmin(self.cv_errors_), self.cv_errors_.shape)
        self.alpha_ = float(alphas[best[0]])
        self._set_dual(X, y, *DualPath(K, G).coefficients(self.alpha_, int(ranks[best[1]])))
        self.rank_ = self.x_factors_.shape[1]
        return self

    def _grid(self):
        alphas, ranks = np.atleast_1d(self.alphas).astype(float), np.atleast_1d(self.ranks)
        if not len(alphas) or not (alphas >= 0).all():
            raise ValueError(f"alphas must hold penalties of at least 0, got {self.alphas!r}.")
        if not len(ranks) or ranks.dtype.kind not in "iu" or (ranks < 1).any():
            raise ValueError(f"ranks must hold whole numbers of at least 1, got {self.ranks!r}.")
        return alphas, ranks

    def _folds(self, n_rows, songs):
        from sklearn.model_selection import GroupKFold, KFold, check_cv  # slow to import, and `predict` does without

        n_songs = 0 if songs is None else len(set(songs))
        if not (self.cv is None or isinstance(self.cv, Integral)):
            return check_cv(self.cv).split(np.empty(n_rows), groups=songs)
        if n_songs == 1:
            warnings.warn(
                "all rows are of one song: folds are neighbouring rows of it, so errors are low.",
                stacklevel=3,
            )
        n_units = n_songs if n_songs > 1 else n_rows
        if n_units < 2:
            raise ValueError(
                f"cross-validation needs at least 2 rows, got n_samples={n_rows}: 1 sample cannot be split."
            )
        n_folds = min(5 if self.cv is None else self.cv, n_units)
        if n_songs > 1:
            return GroupKFold(n_folds).split(np.empty(n_rows), groups=songs)
        return KFold(n_folds).split(np.empty(n_rows))

    def _errors(self, K, G, alphas, ranks, train, test):
        """Summed squared error of the test rows, ``(n_alphas, n_ranks)``.

        For a prediction ``P = K_test A C' Y`` with orthonormal ``Y' C``, ``|Y_test - P|^2`` is
        ``|Y_test|^2 - 2 sum(K_test A * G_test C) + |K_test A|^2``, and each column adds one rank.
        """
        if self.fit_intercept:
            K, G = center_gram(K, train), center_gram(G, train)
        path = DualPath(K[np.ix_(train, train)], G[np.ix_(train, train)])
        K_test, G_test = K[np.ix_(test, train)], G[np.ix_(test, train)]
        total = np.trace(G[np.ix_(test, test)])
        errors = np.full((len(alphas), len(ranks)), total)
        for i, alpha in enumerate(alphas):
            a, c = path.coefficients(alpha, int(ranks.max()))
            predicted = K_test @ a
            gains = np.cumsum((predicted**2 - 2 * predicted * (G_test @ c)).sum(axis=0))
            if len(gains):
                errors[i] += gains[np.minimum(ranks, len(gains)) - 1]
        return errors
