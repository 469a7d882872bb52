"""The checks that every estimator of the library passes, and checks of the checks."""

import importlib
import pkgutil

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import skseparate
from skseparate import Separator
from skseparate.baseline import SupervisedNMF
from skseparate.linear_model import LowRankRidge, LowRankRidgeCV
from skseparate.neural_network import NeuralRegressor
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, OverlapAdd, Segmenter
from skseparate.utils.estimator_checks import check_invertible, check_separator

# ------------------------------------------------------------------------------- estimators over tables

TABLE_ESTIMATORS = [
    LowRankRidge(),
    LowRankRidge(rank=1),
    LowRankRidge(rank=None, alpha=0.1),
    LowRankRidge(solver="dual"),
    LowRankRidge(solver="primal", fit_intercept=False),
    LowRankRidge(solver="randomized", random_state=0),
    LowRankRidge(solver="randomized", rank=1, n_oversamples=0, n_iter=1, random_state=0),
    LowRankRidgeCV(),
    LowRankRidgeCV(ranks=[1, 2], cv=3),
    LowRankRidgeCV(alphas=[1.0], ranks=[2], fit_intercept=False),
    NeuralRegressor(max_epochs=10),
    Segmenter(duration=2, sample_rate=1),
    Segmenter(duration=3, overlap=0, sample_rate=1),
    Segmenter(duration=8, overlap=0.75, sample_rate=1),
    Segmenter(duration=50, sample_rate=2),
    STFT(frame=2, hop=1, sample_rate=1),
    STFT(frame=8, hop=2, window="hamming", sample_rate=1),
    STFT(frame=4, hop=4, window="boxcar", sample_rate=1),
    FrequencyTruncation(sample_rate=16000),
    FrequencyTruncation(max_frequency=1, sample_rate=4),
    FrequencyTruncation(max_frequency=0, sample_rate=4),
    FrequencyTruncation(max_frequency=1, fill="zero", sample_rate=4),
    Magnitude(),
    Magnitude(compression=0.5),
    Magnitude(compression="decibel"),
]


@parametrize_with_checks(TABLE_ESTIMATORS, xfail_strict=True)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# ---------------------------------------------------------------------------------------- transformers

INVERTIBLE = {
    "segments": (Segmenter(duration=0.05), {}),
    "segments without overlap": (Segmenter(duration=0.05, overlap=0), {}),
    "segments of three quarters overlap": (Segmenter(duration=0.01, overlap=0.75), {}),
    "one segment": (Segmenter(duration=1.0), {}),
    "stft": (STFT(frame=0.02, hop=0.01), {}),
    "stft of small hop": (STFT(frame=0.02, hop=0.0025), {}),
    "stft of hop that does not divide": (STFT(frame=0.01, hop=0.003), {}),
    "stft hamming": (STFT(frame=0.02, hop=0.005, window="hamming"), {}),
    "stft kaiser": (STFT(frame=0.02, hop=0.01, window=("kaiser", 8.0)), {}),
    "stft boxcar": (STFT(frame=0.02, hop=0.02, window="boxcar"), {}),
    "all bins": (FrequencyTruncation(), {"domain": "spectrogram"}),
    "few bins": (FrequencyTruncation(max_frequency=1000), {"domain": "spectrogram", "lossless": False}),
    "hard cut": (FrequencyTruncation(1000, fill="zero"), {"domain": "spectrogram", "lossless": False}),
    "magnitude": (Magnitude(), {"domain": "spectrogram", "lossless": False}),
    "root": (Magnitude(compression=0.5), {"domain": "spectrogram", "lossless": False}),
    "decibel": (Magnitude(compression="decibel"), {"domain": "spectrogram", "lossless": False}),
    "representation": (
        make_pipeline(Segmenter(duration=0.05, sample_rate=8000), STFT(0.02, 0.01, sample_rate=8000)),
        {},
    ),
    "features": (
        make_pipeline(FrequencyTruncation(1000, sample_rate=8000), Magnitude(compression=0.5)),
        {"domain": "spectrogram", "lossless": False},
    ),
}


def invertible_checks():
    for name, (transformer, options) in INVERTIBLE.items():
        for check in check_invertible(transformer, generate_only=True, **options):
            yield pytest.param(transformer, check, id=f"{name}-{check.__name__}")


@pytest.mark.parametrize(("transformer", "check"), list(invertible_checks()))
def test_invertible_checks(transformer, check):
    check(transformer)


# ------------------------------------------------------------------------------------------ separators

REGRESSORS = [
    DummyRegressor(),
    LowRankRidge(),
    LowRankRidgeCV(),
    Ridge(),
    KernelRidge(),
    PLSRegression(),
    MLPRegressor(hidden_layer_sizes=(8,), max_iter=5, random_state=0),
    RandomForestRegressor(3, max_depth=3, random_state=0),
]


def small_separator(regressor=None):
    """A separator of short segments and few bins, for the data of the checks."""
    return Separator(
        representation=make_pipeline(Segmenter(0.1), STFT(0.02, 0.01)),
        features=make_pipeline(FrequencyTruncation(1000), Magnitude()),
        regressor=regressor,
    )


def separator_checks():
    for regressor in REGRESSORS:
        name = type(regressor).__name__
        for scaled in (False, True):
            separator = small_separator(make_pipeline(StandardScaler(), regressor) if scaled else regressor)
            for check in check_separator(separator, generate_only=True):
                yield pytest.param(separator, check, id=f"{'scaled ' * scaled}{name}-{check.__name__}")
    nmf = SupervisedNMF(4, representation=small_separator().representation, max_iter=20, random_state=0)
    for check in check_separator(nmf, generate_only=True):
        yield pytest.param(nmf, check, id=f"SupervisedNMF-{check.__name__}")


@pytest.mark.parametrize(("separator", "check"), list(separator_checks()))
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:Maximum number of iterations reached:sklearn.exceptions.ConvergenceWarning")
def test_separator_checks(separator, check):
    check(separator)


# -------------------------------------------------------------------------------------- nobody is missed

# Public estimators that neither kind of check reaches, and where they are tested instead.
COVERED_ELSEWHERE = {
    "SignalTransformer": "an abstract base; its subclasses are checked",
    "IdealMask": "needs recordings that know their sources: tests/baseline",
    "OracleEqualiser": "needs recordings that know their sources: tests/baseline",
    "HumSeparator": "needs recordings that know their lines: tests/baseline",
    "ScoreInformedSeparator": "needs recordings that know their lines: tests/test_cli_lines.py",
    "MixtureSeparator": "has neither mask nor sample_rate: tests/baseline",
}


def public_estimators():
    """Names of the estimators in the `__all__` of the package and of its packages."""
    names = set()
    found = [info.name for info in pkgutil.walk_packages(skseparate.__path__, "skseparate.")]
    public = [name for name in found if not any(part.startswith("_") for part in name.split("."))]
    for module in [skseparate, *map(importlib.import_module, public)]:
        for name in getattr(module, "__all__", ()):
            member = getattr(module, name)
            if isinstance(member, type) and issubclass(member, BaseEstimator):
                names.add(name)
    return {name for name in names if not name.startswith(("_", "Base"))}


def test_every_public_estimator_is_checked():
    checked = {type(estimator).__name__ for estimator in TABLE_ESTIMATORS} | {"Separator", "SupervisedNMF"}
    checked |= {type(transformer).__name__ for transformer, _ in INVERTIBLE.values()}
    missed = public_estimators() - checked - set(COVERED_ELSEWHERE)
    assert not missed, f"no check covers {sorted(missed)}"


def test_every_estimator_listed_as_covered_elsewhere_exists():
    assert set(COVERED_ELSEWHERE) <= public_estimators()


def test_the_walk_finds_estimators_of_every_package():
    assert {"Separator", "LowRankRidge", "STFT", "IdealMask"} <= public_estimators()


# ----------------------------------------------------------------- the checks catch what they are meant to


def failures(checks, estimator):
    """Names of the checks that an estimator fails."""
    names = set()
    for check in checks:
        try:
            check(estimator)
        except (AssertionError, RuntimeError, ValueError):  # ours, clone's, and refusals; a mistyped check is none
            names.add(check.__name__)
    return names


class WrongAxis(FrequencyTruncation):
    """Cuts frames instead of bins."""

    def _forward(self, spectrograms):
        return spectrograms[..., :1, :]


class Overwriting(Magnitude):
    """Works in place."""

    def _forward(self, spectrograms):
        if isinstance(spectrograms, np.ndarray):
            spectrograms[...] = abs(spectrograms)
        return abs(spectrograms)


class OverwritingBack(Magnitude):
    """Works in place on the way back."""

    def _backward(self, features):
        if isinstance(features, np.ndarray):
            features[features < 0] = 0
            features.sort(axis=-1)
        return features


class WithoutWeights(Segmenter):
    """Overlap-adds without dividing by the sum of the weights."""

    def _backward(self, segments):
        overlap_add = OverlapAdd(self.segment_length_, self.segment_hop_)
        overlap_add._fade = np.ones(self.segment_length_)
        head = overlap_add.push(segments[..., : self.segment_length_])
        return np.concatenate([2 * head, overlap_add.flush()], axis=-1)


class HalfInverse(Magnitude):
    """Forgets to undo the compression."""

    def _backward(self, features):
        return features.clip(0, None)


class Credulous(Magnitude):
    """Takes anything."""

    def _validated(self, X, reset):
        return [np.asarray(x) for x in X] if isinstance(X, list) else np.asarray(X)


class DoublePrecision(Magnitude):
    """Turns everything into float64."""

    def _forward(self, spectrograms):
        if isinstance(spectrograms, np.ndarray):
            spectrograms = spectrograms.astype(complex)
        return abs(spectrograms)


class MixesSignals(Magnitude):
    """Lets one signal look at the others."""

    def _forward(self, spectrograms):
        magnitude = abs(spectrograms)
        return magnitude / magnitude.max()


@pytest.mark.parametrize(
    ("broken", "options", "caught_by"),
    [
        (WrongAxis(), {"domain": "spectrogram"}, "check_round_trip"),
        (Overwriting(), {"domain": "spectrogram", "lossless": False}, "check_input_is_left_alone"),
        (OverwritingBack(), {"domain": "spectrogram", "lossless": False}, "check_input_is_left_alone"),
        (WithoutWeights(0.05), {}, "check_round_trip"),
        (HalfInverse(0.5), {"domain": "spectrogram", "lossless": False}, "check_round_trip"),
        (Credulous(), {"domain": "spectrogram", "lossless": False}, "check_hostile_signals"),
        (DoublePrecision(), {"domain": "spectrogram", "lossless": False}, "check_single_precision"),
        (MixesSignals(), {"domain": "spectrogram", "lossless": False}, "check_leading_axes"),
        (FrequencyTruncation(1000), {"domain": "spectrogram", "lossless": True}, "check_round_trip"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseEstimator) else None,
)
def test_broken_transformers_are_caught(broken, options, caught_by):
    checks = check_invertible(broken, generate_only=True, **options)
    assert caught_by in failures(checks, broken)
    with pytest.raises((AssertionError, ValueError)):
        check_invertible(broken, **options)


class Louder(Separator):
    """Solos that do not sum to the mixture."""

    def iter_predict(self, recording, n_parts=None):
        for block in super().iter_predict(recording, n_parts):
            yield 1.5 * block


class Longer(Separator):
    """Keeps the padding of the last block."""

    def iter_predict(self, recording, n_parts=None):
        yield from super().iter_predict(recording, n_parts)
        yield np.zeros((n_parts or len(recording.parts), 7))


class Listing(Separator):
    """Returns a list."""

    def predict(self, X):
        return list(super().predict(X))


class Moody(Separator):
    """Never predicts the same twice."""

    def iter_predict(self, recording, n_parts=None):
        for block in super().iter_predict(recording, n_parts):
            yield block + 1e-6 * np.random.default_rng().normal(size=block.shape)


class Gullible(Separator):
    """Fits on as many recordings as there are solos."""

    def fit(self, X, y):
        n_pairs = min(len(X), len(y))
        return super().fit([X[i] for i in range(n_pairs)], [y[i] for i in range(n_pairs)])


class Hoarder(Separator):
    """Keeps everything until the end."""

    def iter_predict(self, recording, n_parts=None):
        yield np.concatenate(list(super().iter_predict(recording, n_parts)), axis=-1)


class Unconventional(Separator):
    """Copies a parameter in its constructor."""

    def __init__(self, representation=None, features=None, regressor=None, mask="ratio", cache_size=500):
        super().__init__(representation, features, clone(regressor), mask, cache_size=cache_size)


class TwoFaced(Separator):
    """Predicts by another way than it streams."""

    def predict(self, X):
        solos = super().predict(X)
        for k in range(len(solos)):
            solos[k] = solos[k][::-1]
        return solos


class Flattering(Separator):
    """A score of its own."""

    def score(self, X, y):
        return super().score(X, y) + 1


@pytest.mark.parametrize(
    ("broken", "caught_by"),
    [
        (Louder, "check_solos_sum_to_mixture"),
        (Longer, "check_prediction"),
        (Listing, "check_prediction"),
        (Moody, "check_repeatable"),
        (Gullible, "check_hostile_recordings"),
        (Hoarder, "check_memory"),
        (Unconventional, "check_clone"),
        (TwoFaced, "check_streaming"),
        (Flattering, "check_score"),
    ],
)
def test_broken_separators_are_caught(broken, caught_by):
    params = small_separator(DummyRegressor()).get_params(deep=False)
    separator = broken(**{name: value for name, value in params.items() if name in broken._get_param_names()})
    (check,) = (c for c in check_separator(separator, generate_only=True) if c.__name__ == caught_by)
    assert failures([check], separator) == {caught_by}


class Amnesiac(RegressorMixin, BaseEstimator):
    """Predicts NaN."""

    def fit(self, X, y):
        self.n_targets_ = y.shape[1]
        return self

    def predict(self, X):
        return np.full((len(X), self.n_targets_), np.nan)


def test_a_regressor_that_predicts_nan_is_caught():
    separator = small_separator(Amnesiac())
    with pytest.raises(ValueError, match="Amnesiac predicted values that are not finite"):
        check_separator(separator)
