"""The meta-estimator: separation as regression in an invertible representation."""

from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skseparate._base import (
    BaseSeparator,
    check_pairs,
    default_representation,
    fit_representation,
    iter_solos,
    refuse_unusable,
)
from skseparate._masks import MASKS
from skseparate._recording import as_list, as_pairs, describe, sample_rate_of
from skseparate._remembered import remembering
from skseparate._segments import Chain, Segments, tell_sample_rate
from skseparate.linear_model import LowRankRidge
from skseparate.preprocessing import FrequencyTruncation, Magnitude


class Separator(BaseSeparator):
    """Separate recordings of an ensemble into one solo a part.

    Joins a representation, a view of it and a regressor, as `sklearn.compose.TransformedTargetRegressor`
    joins a regressor and a transformer: a recording goes down into the representation, the regressor
    estimates each solo in the view, the estimates become masks on the mixture, and the same
    representation brings the solos back up to audio, at the recording's rate and with its bandwidth.

    One sample is one recording; its sample rate, parts and song ride on it. `fit` streams rows from
    disk where the regressor can (`LowRankRidge`), and `iter_predict` always does.

    Parameters
    ----------
    representation : Pipeline, default=None
        A `Segmenter`, then invertible transformers to complex spectrograms. By default
        ``make_pipeline(Segmenter(), STFT())``.
    features : Pipeline or transformer, default=None
        Invertible transformers from spectrograms to real features. By default
        ``make_pipeline(FrequencyTruncation(), Magnitude())``.
    regressor : estimator, default=None
        Any scikit-learn multi-output regressor, or a Pipeline that ends in one. By default
        ``LowRankRidge()``.
    mask : {"ratio", "wiener", "direct"}, default="ratio"
        How estimates share out the mixture: in proportion to their magnitudes, or to the squares of
        these; with both the solos sum to the mixture. With "direct" each solo takes the estimated
        magnitude as it is, and the mixture's phase.
    sample_rate : float, default=None
        Rate of plain arrays, in Hz. Recordings that know theirs must not contradict it.
    cache_size : float, default=500
        Spectrograms that `fit` and `score` keep in each process, in MB, for the next pass over the rows and for the
        folds and candidates of a search with the same representation; those used longest ago are let go first. 500
        hold half an hour of mixtures and solos at 16 kHz, ten minutes at 48 kHz, with the default representation.
        They stay after `fit`, and 0 lets go of all and keeps none.

    Attributes
    ----------
    representation_ : Pipeline
        Fitted for the first recording's rate; for other rates a clone is fitted when it is needed.
    features_ : Pipeline or transformer
        Fitted; keeps the number of bins it learned at every rate.
    regressor_ : estimator
        Fitted on the rows of all recordings.
    n_slots_ : int
        The most parts that a recording had at `fit`.
    sample_rate_ : float or None
        Rate of the first recording, in Hz.

    See Also
    --------
    skseparate.linear_model.LowRankRidge : The default regressor.
    skseparate.baseline.IdealMask : How far masks can go.

    Notes
    -----
    Rows of the target hold ``n_slots_`` sources; slot k is the k-th part present, in score order,
    and slots without a part are silent.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skseparate import Separator
    >>> from skseparate.datasets import make_ensembles
    >>> from skseparate.linear_model import LowRankRidge
    >>> from skseparate.preprocessing import STFT, Segmenter
    >>> ensembles = make_ensembles(n_songs=3, n_parts=2, duration=4.0, random_state=0)
    >>> X, y, songs = ensembles.power_set(min_parts=2)
    >>> separator = Separator(
    ...     representation=make_pipeline(Segmenter(duration=0.5), STFT()),
    ...     regressor=LowRankRidge(rank=8),
    ... )
    >>> solos = separator.fit(X[:2], y[:2]).predict(X[2:])
    >>> solos[0].shape
    (2, 64000)
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        "representation": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "features": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "regressor": [HasMethods(["fit", "predict"]), None],
        "mask": [StrOptions(set(MASKS))],
        "sample_rate": [Interval(Real, 0, None, closed="neither"), None],
        "cache_size": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        representation=None,
        features=None,
        regressor=None,
        mask="ratio",
        sample_rate=None,
        cache_size=500,
    ):
        self.representation = representation
        self.features = features
        self.regressor = regressor
        self.mask = mask
        self.sample_rate = sample_rate
        self.cache_size = cache_size

    def fit(self, X, y):
        """Fit the regressor on the rows of all recordings.

        Parameters
        ----------
        X : sequence of recordings
            Mixtures ``(n_samples,)``: a list, 1-D object array, 2-D array or lazy sequence.
        y : sequence of arrays of shape (n_parts, n_samples)
            The solos of each mixture, in score order; lazy in the same way.

        Returns
        -------
        self : Separator

        Raises
        ------
        ValueError
            If recordings and solos do not match, a rate is unknown or contradicted, or a recording is
            shorter than a frame or not finite.
        """
        self._validate_params()
        X, y = as_pairs(X, y)
        check_pairs(X, y)
        with remembering(self.cache_size):
            return self._fit(X, y)

    def _fit(self, X, y):
        self._fit_representation(X[0])
        chains = self._chains(X)
        for i, (recording, chain) in enumerate(zip(X, chains, strict=True)):
            refuse_unusable(recording, chain, i)
        self.n_slots_ = max(solos.shape[0] for solos in y)
        rows, targets = Segments(X, chains), Segments(y, chains, self.n_slots_)
        regressor = LowRankRidge() if self.regressor is None else clone(self.regressor)
        self.regressor_ = regressor.fit(rows, targets)
        return self

    def fine_tune(self, X, y, **params):
        """Go on learning from other recordings, with what `fit` learned to begin with.

        Parameters
        ----------
        X, y : sequence of recordings and of their solos
            As of `fit`; no more parts than it has seen.
        **params : dict
            Parameters of the regressor to change, such as ``time_limit``.

        Returns
        -------
        self : Separator

        Raises
        ------
        ValueError
            If the regressor has no ``warm_start``, or the recordings do not fit.
        """
        check_is_fitted(self, "regressor_")
        if "warm_start" not in self.regressor_.get_params():
            raise ValueError(f"{type(self.regressor_).__name__} cannot be fine-tuned: it has no warm_start.")
        X, y = as_pairs(X, y)
        check_pairs(X, y)
        if (most := max(solos.shape[0] for solos in y)) > self.n_slots_:
            raise ValueError(f"recordings of {most} parts were given, but the separator knows up to {self.n_slots_}.")
        chains = self._chains(X)
        rows, targets = Segments(X, chains), Segments(y, chains, self.n_slots_)
        self.regressor_.set_params(warm_start=True, **params).fit(rows, targets)
        return self

    @property
    def told(self):
        """str: What it is told of each recording beside the mixture, for tables."""
        regressor = getattr(self, "regressor_", self.regressor)
        return "the parts" if getattr(regressor, "is_told", False) else super().told

    def accepts_rate(self, sample_rate):
        """Whether recordings of a sample rate can be separated: the segments have the shape learned at `fit`.

        Parameters
        ----------
        sample_rate : int
            In Hz.

        Returns
        -------
        accepts : bool
        """
        check_is_fitted(self, "regressor_")
        try:
            self._chain(np.zeros(1), sample_rate)
        except ValueError:
            return False
        return True

    def iter_predict(self, recording, n_parts=None, channels=None):
        check_is_fitted(self, "regressor_")
        (recording,) = as_list([recording], "recording")
        (chain,) = self._chains([recording])
        yield from iter_solos(chain, recording, self._estimator(chain, recording, n_parts), self.mask, channels)

    def _estimator(self, chain, recording, n_parts):
        """What `iter_solos` estimates by."""
        rows = Segments([recording], [chain])
        if n_parts is None and getattr(recording, "parts", None) is not None:
            n_parts = len(recording.parts)

        def estimate(first, last, spectrograms):
            features = self._predict_features(rows.take(first, last, spectrograms), n_parts)
            return chain.magnitudes(features, spectrograms.shape[-1])

        return estimate

    def _predict_features(self, rows, n_parts):
        """Features of the parts, ``(n_parts, n_segments, n_frames, n_bins)``."""
        estimates = np.asarray(self.regressor_.predict(rows))
        estimates = estimates.reshape(len(rows), -1, *rows.row_shape)
        n_slots = estimates.shape[1]
        if n_parts is not None and n_parts > n_slots:
            raise ValueError(
                f"{n_parts} parts were asked for, but the regressor gives {n_slots}: it was fitted on recordings of "
                f"at most {self.n_slots_} parts; fit on larger ensembles."
            )
        if not np.isfinite(estimates).all():
            raise ValueError(f"{type(self.regressor_).__name__} predicted values that are not finite.")
        return np.moveaxis(estimates, 1, 0)[:n_parts].astype(rows.dtype, copy=False)

    def _fit_representation(self, recording):
        self._template = clone(default_representation() if self.representation is None else self.representation)
        self.sample_rate_ = sample_rate_of(recording, self.sample_rate, 0)
        self.representation_, spectrograms = fit_representation(self._template, recording, self.sample_rate_)
        features = make_pipeline(FrequencyTruncation(), Magnitude()) if self.features is None else self.features
        features = tell_sample_rate(features, self.sample_rate_, describe(recording, 0))
        self.features_ = features.fit([spectrograms])

    def _chains(self, recordings):
        """The chain of each recording's rate; recordings of one rate share one."""
        by_rate = {}
        for i, recording in enumerate(recordings):
            # plain arrays have the rate of fit, which may also have been told to each step alone
            rate = sample_rate_of(recording, self.sample_rate, i) or self.sample_rate_
            if rate not in by_rate:
                by_rate[rate] = self._chain(recording, rate)
        return [by_rate[sample_rate_of(r) or self.sample_rate_] for r in recordings]

    def _chain(self, recording, rate):
        if rate == self.sample_rate_:
            return Chain(self.representation_, self.features_)
        representation, _ = fit_representation(self._template, recording, rate)
        chain = Chain(representation, self.features_)
        if chain.frame_shape != (expected := Chain(self.representation_, self.features_).frame_shape):
            raise ValueError(
                f"{describe(recording)} at {rate:g} Hz has segments of shape {chain.frame_shape}, but the separator "
                f"was fitted with {expected} at {self.sample_rate_:g} Hz: resample it."
            )
        return chain
