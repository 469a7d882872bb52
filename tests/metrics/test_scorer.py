"""Scoring a separator on recordings."""

from functools import partial

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate

from skseparate.baseline import MixtureSeparator
from skseparate.datasets import ArrayRecording, Mixture, Stems
from skseparate.metrics import separation_scorer, si_sdr, si_sdr_improvement


def make_recordings(n_parts=(2, 3, 2, 4), n_samples=(700, 500, 600, 501)):
    """Mixtures and solos as arrays, of several numbers of parts and lengths."""
    rng = np.random.default_rng(0)
    y = [rng.normal(size=shape) for shape in zip(n_parts, n_samples, strict=True)]
    return [solos.sum(axis=0) for solos in y], y


class Oracle(BaseEstimator):
    """Predicts solos it was given, one way or the other: changed, or by blocks."""

    def __init__(self, noise=0.1, order=1, n_more=0):
        self.noise, self.order, self.n_more = noise, order, n_more

    def fit(self, X, y):
        return self

    def tell(self, X, y):
        self.solos_ = {np.asarray(x).tobytes(): np.asarray(solos) for x, solos in zip(X, y, strict=True)}
        return self

    def predict(self, X):
        rng, estimates = np.random.default_rng(1), []
        for x in X:
            solos = self.solos_[np.asarray(x).tobytes()][:: self.order]
            estimates.append(solos + self.noise * rng.normal(size=solos.shape))
            if self.n_more:
                estimates[-1] = np.concatenate([estimates[-1], np.ones((self.n_more, solos.shape[1]))])
        return estimates


class Streaming(Oracle):
    """The same, block by block."""

    def iter_predict(self, recording, n_parts=None):
        solos = self.predict([recording])[0]
        yield from np.array_split(solos, [1, 200, 333], axis=-1)


def by_hand(estimates, X, y):
    improvements = [si_sdr_improvement(s, e, x).mean() for x, s, e in zip(X, y, estimates, strict=True)]
    return np.mean(improvements), np.mean([si_sdr(s, e).mean() for s, e in zip(y, estimates, strict=True)])


@pytest.mark.parametrize("estimator", [Oracle(), Streaming()], ids=["whole", "blocks"])
def test_is_the_mean_over_recordings_of_the_mean_over_parts(estimator):
    X, y = make_recordings()
    estimator.tell(X, y)
    scores = separation_scorer(estimator, X, y)
    improvement, absolute = by_hand([estimator.predict([x])[0] for x in X], X, y)
    assert set(scores) == {"si_sdr_improvement", "si_sdr"}
    assert scores["si_sdr_improvement"] == pytest.approx(improvement)
    assert scores["si_sdr"] == pytest.approx(absolute)


def test_the_mixture_scores_nothing():
    X, y = make_recordings(n_parts=(3, 3), n_samples=(700, 500))
    assert separation_scorer(MixtureSeparator().fit(X, y), X, y)["si_sdr_improvement"] == 0


def test_the_order_of_estimates_matters_unless_it_means_nothing():
    X, y = make_recordings()
    straight, reverse = Oracle().tell(X, y), Oracle(order=-1).tell(X, y)
    expected = separation_scorer(straight, X, y)["si_sdr_improvement"]
    assert separation_scorer(reverse, X, y)["si_sdr_improvement"] < expected - 10
    permuted = separation_scorer(reverse, X, y, permutation=True)["si_sdr_improvement"]
    assert permuted == pytest.approx(expected, abs=0.5)  # the noise falls on other parts


def test_silent_parts_count_as_no_improvement():
    X, y = make_recordings(n_parts=(2,), n_samples=(500,))
    y[0][1], X[0] = 0, y[0][0]
    X[0] = X[0] + 0.5 * np.random.default_rng(1).normal(size=500)
    oracle = Oracle().tell(X, y)
    only = si_sdr_improvement(y[0][:1], oracle.predict(X)[0][:1], X[0])[0]
    assert separation_scorer(oracle, X, y)["si_sdr_improvement"] == pytest.approx(only / 2)


def test_slots_beyond_the_parts_are_dropped():
    X, y = make_recordings()
    assert separation_scorer(Oracle(n_more=2).tell(X, y), X, y) == separation_scorer(Oracle().tell(X, y), X, y)


class Wrong(BaseEstimator):
    """Predicts solos of one shape."""

    def __init__(self, shape):
        self.shape = shape

    def predict(self, X):
        return [np.ones(self.shape) for _ in X]


@pytest.mark.parametrize("shape", [(1, 600), (2, 601)], ids=["too few", "too long"])
def test_solos_of_another_shape_are_refused(shape):
    X, y = make_recordings(n_parts=(2,), n_samples=(600,))
    with pytest.raises(ValueError, match=r"has solos of shape \(2, 600\)"):
        separation_scorer(Wrong(shape), X, y)


@pytest.mark.parametrize("n_samples", [599, 300, 0])
def test_solos_that_are_too_short_are_refused(n_samples):
    X, y = make_recordings(n_parts=(2,), n_samples=(600,))
    with pytest.raises(ValueError, match=r"has solos of shape \(2, 600\)"):
        separation_scorer(Wrong((2, n_samples)), X, y)


@pytest.mark.parametrize(("n_recordings", "n_solos"), [(2, 1), (1, 2)])
def test_as_many_solos_as_recordings(n_recordings, n_solos):
    X, y = make_recordings()
    with pytest.raises(ValueError, match=f"X has {n_recordings} recordings and y has solos for {n_solos}"):
        separation_scorer(Oracle(), X[:n_recordings], y[:n_solos])


def test_nothing_cannot_be_scored():
    with pytest.raises(ValueError, match="X holds no recording"):
        separation_scorer(Oracle(), [], [])


def test_lazy_recordings_are_scored_as_arrays_are():
    _, y = make_recordings()
    lazy_solos = [Stems([ArrayRecording(s, 8000) for s in solos]) for solos in y]
    lazy = [Mixture(solos) for solos in lazy_solos]
    X = [np.asarray(x) for x in lazy]
    oracle = Streaming().tell(X, y)
    assert separation_scorer(oracle, lazy, lazy_solos) == pytest.approx(separation_scorer(oracle, X, y))


class Counting(MixtureSeparator):
    """Counts what it separates, in every clone."""

    separated = []  # noqa: RUF012 - shared on purpose

    def __init__(self, gain=1.0):
        self.gain = gain

    def iter_predict(self, recording, n_parts=None):
        self.separated.append((self.gain, recording.song))
        for block in super().iter_predict(recording, n_parts):
            yield self.gain * block


@pytest.mark.parametrize("scoring", [separation_scorer, partial(separation_scorer, permutation=True)])
def test_a_search_with_several_measures_predicts_each_fold_once(duos, scoring, monkeypatch):
    X, y, songs = duos
    monkeypatch.setattr(Counting, "separated", [])
    grid = {"gain": [0.5, 1.0, 2.0]}
    search = GridSearchCV(
        Counting(), grid, cv=GroupKFold(2), scoring=scoring, refit="si_sdr_improvement", error_score="raise"
    ).fit(X, y, groups=songs)
    assert sorted(Counting.separated) == sorted((gain, song) for gain in grid["gain"] for song in songs)
    assert set(search.cv_results_) >= {"mean_test_si_sdr", "mean_test_si_sdr_improvement"}


def test_cross_validation_reports_both_measures(duos):
    X, y, songs = duos
    scores = cross_validate(MixtureSeparator(), X, y, groups=songs, cv=GroupKFold(4), scoring=separation_scorer)
    assert (scores["test_si_sdr_improvement"] == 0).all()
    of_mixtures = [si_sdr(np.asarray(solos), np.asarray(x)).mean() for x, solos in zip(X, y, strict=True)]
    assert sorted(scores["test_si_sdr"]) == pytest.approx(sorted(of_mixtures), abs=1e-4)
