"""A whole grid of penalties and ranks from one pass over the data."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, ShuffleSplit
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate.linear_model import LowRankRidge, LowRankRidgeCV, _low_rank_ridge
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

ALPHAS, RANKS = [0.0, 0.1, 1.0, 30.0], [1, 2, 4, 50]


def make_tables(n_rows=40, n_features=12, n_targets=9, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)) + 3
    Y = X @ rng.normal(size=(n_features, 2)) @ rng.normal(size=(2, n_targets)) + rng.normal(size=(n_rows, n_targets))
    return X, Y


def brute_force(X, Y, folds, fit_intercept):
    """Mean squared error of a target of a row left out, fit by fit."""
    errors = np.zeros((len(ALPHAS), len(RANKS)))
    for train, test in folds:
        for i, alpha in enumerate(ALPHAS):
            for j, rank in enumerate(RANKS):
                ridge = LowRankRidge(alpha, rank, fit_intercept=fit_intercept).fit(X[train], Y[train])
                errors[i, j] += np.sum((Y[test] - ridge.predict(X[test])) ** 2)
    return errors / sum(len(test) for _, test in folds) / Y.shape[1]


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(40, 12, 9), (20, 40, 30), (41, 5, 60)])
def test_errors_are_those_of_brute_force(shape, fit_intercept):
    X, Y = make_tables(*shape)
    model = LowRankRidgeCV(ALPHAS, RANKS, cv=KFold(4), fit_intercept=fit_intercept).fit(X, Y)
    expected = brute_force(X, Y, list(KFold(4).split(X)), fit_intercept)
    assert model.cv_errors_.shape == (4, 4)
    assert_allclose(model.cv_errors_, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_chooses_the_least_error_and_fits_on_all_rows(fit_intercept):
    X, Y = make_tables()
    model = LowRankRidgeCV(ALPHAS, RANKS, fit_intercept=fit_intercept).fit(X, Y)
    i, j = np.unravel_index(model.cv_errors_.argmin(), model.cv_errors_.shape)
    assert model.alpha_ == ALPHAS[i]
    final = LowRankRidge(ALPHAS[i], RANKS[j], fit_intercept=fit_intercept).fit(X, Y)
    assert model.rank_ == final.rank_
    assert_allclose(model.predict(X), final.predict(X), atol=1e-6)
    assert_allclose(model.coef_, final.coef_, atol=1e-6)
    assert_allclose(model.intercept_, final.intercept_, atol=1e-6)


def test_finds_the_true_rank():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 20))
    Y = X @ rng.normal(size=(20, 3)) @ rng.normal(size=(3, 30)) + 3 * rng.normal(size=(200, 30))
    assert LowRankRidgeCV(ranks=[1, 2, 3, 5, 10, 20]).fit(X, Y).rank_ == 3


@pytest.mark.parametrize("cv", [None, 2, 4])
def test_numbers_are_folds_of_neighbouring_rows(cv):
    X, Y = make_tables()
    model = LowRankRidgeCV(ALPHAS, RANKS, cv=cv).fit(X, Y)
    expected = brute_force(X, Y, list(KFold(cv or 5).split(X)), True)
    assert_allclose(model.cv_errors_, expected, rtol=1e-6)


@pytest.mark.parametrize("n_songs", [2, 3, 7])
@pytest.mark.parametrize("cv", [None, 3])
def test_groups_are_folds_by_song(n_songs, cv):
    X, Y = make_tables()
    groups = np.random.default_rng(0).integers(n_songs, size=len(X))
    model = LowRankRidgeCV(ALPHAS, RANKS, cv=cv).fit(X, Y, groups=groups)
    folds = list(GroupKFold(min(cv or 5, n_songs)).split(X, groups=groups))
    assert_allclose(model.cv_errors_, brute_force(X, Y, folds, True), rtol=1e-6)


def test_a_splitter_by_group():
    X, Y = make_tables()
    groups = np.arange(len(X)) % 4
    model = LowRankRidgeCV(ALPHAS, RANKS, cv=LeaveOneGroupOut()).fit(X, Y, groups=groups)
    folds = list(LeaveOneGroupOut().split(X, groups=groups))
    assert_allclose(model.cv_errors_, brute_force(X, Y, folds, True), rtol=1e-6)


def test_folds_may_be_given_one_by_one():
    X, Y = make_tables()
    folds = list(KFold(3, shuffle=True, random_state=0).split(X))
    model = LowRankRidgeCV(ALPHAS, RANKS, cv=iter(folds)).fit(X, Y)
    assert_allclose(model.cv_errors_, brute_force(X, Y, folds, True), rtol=1e-6)


def test_errors_are_means_also_where_a_splitter_leaves_out_few_rows():
    X, Y = make_tables()
    cv = ShuffleSplit(3, test_size=5, random_state=0)
    model = LowRankRidgeCV(ALPHAS, RANKS, cv=cv).fit(X, Y)
    assert_allclose(model.cv_errors_, brute_force(X, Y, list(cv.split(X)), True), rtol=1e-6)


class Keep(BaseEstimator):
    """A regressor that keeps what it is given."""

    def fit(self, X, y):
        self.X_, self.y_ = X, y
        return self

    def predict(self, X):
        return np.zeros((len(X), self.y_.shape[1]))


def rows_of(X, y):
    """Lazy rows and targets."""
    separator = Separator(
        make_pipeline(Segmenter(0.05), STFT(0.02, 0.01)),
        make_pipeline(FrequencyTruncation(500), Magnitude()),
        Keep(),
    ).fit(X, y)
    return separator.regressor_.X_, separator.regressor_.y_


@pytest.fixture
def folds_seen(monkeypatch):
    """The folds that are scored while a test runs."""
    seen, errors = [], LowRankRidgeCV._errors

    def spying(self, K, G, alphas, ranks, train, test):
        seen.append((train, test))
        return errors(self, K, G, alphas, ranks, train, test)

    monkeypatch.setattr(LowRankRidgeCV, "_errors", spying)
    return seen


@pytest.mark.parametrize("cv", [None, 2, 3])
def test_no_song_stands_on_both_sides(duos, folds_seen, cv):
    rows, targets = rows_of(*duos[:2])
    LowRankRidgeCV(ranks=[2], cv=cv).fit(rows, targets)
    assert len(folds_seen) == (cv or 4)
    for train, test in folds_seen:
        assert not set(rows.songs[train]) & set(rows.songs[test])
    assert_array_equal(np.sort(np.concatenate([test for _, test in folds_seen])), np.arange(len(rows)))


def test_given_groups_go_before_what_the_rows_know(duos, folds_seen):
    rows, targets = rows_of(*duos[:2])
    groups = np.arange(len(rows)) // 10
    LowRankRidgeCV(ranks=[2]).fit(rows, targets, groups=groups)
    for train, test in folds_seen:
        assert not set(groups[train]) & set(groups[test])


def test_lazy_rows_give_what_arrays_give(duos):
    rows, targets = rows_of(*duos[:2])
    lazy = LowRankRidgeCV(alphas=[1e-6, 1e-4], ranks=[2, 5]).fit(rows, targets)
    plain = LowRankRidgeCV(alphas=[1e-6, 1e-4], ranks=[2, 5]).fit(
        np.asarray(rows), np.asarray(targets), groups=rows.songs
    )
    assert_allclose(lazy.cv_errors_, plain.cv_errors_, rtol=1e-5)
    assert_allclose(lazy.predict(rows), plain.predict(np.asarray(rows)), atol=1e-6)


def test_one_song_is_warned_of():
    X, Y = make_tables()
    with pytest.warns(UserWarning, match="all rows are of one song"):
        model = LowRankRidgeCV(ALPHAS, RANKS).fit(X, Y, groups=np.zeros(len(X)))
    assert_allclose(model.cv_errors_, brute_force(X, Y, list(KFold(5).split(X)), True), rtol=1e-6)


def test_a_separator_on_one_song_warns(duos):
    X, y, _ = duos
    with pytest.warns(UserWarning, match="all rows are of one song"):
        Separator(make_pipeline(Segmenter(0.1), STFT(0.02, 0.01)), regressor=LowRankRidgeCV()).fit(X[:1], y[:1])


def test_too_many_rows_are_refused(monkeypatch):
    monkeypatch.setattr(_low_rank_ridge, "MAX_DUAL_ROWS", 10)
    with pytest.raises(ValueError, match="stops at 10 rows"):
        LowRankRidgeCV().fit(*make_tables())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alphas": []}, "alphas must hold penalties of at least 0"),
        ({"alphas": [1.0, -1.0]}, "alphas must hold penalties of at least 0"),
        ({"ranks": []}, "ranks must hold whole numbers of at least 1"),
        ({"ranks": [0, 1]}, "ranks must hold whole numbers of at least 1"),
        ({"ranks": [1.5]}, "ranks must hold whole numbers of at least 1"),
        ({"cv": "five"}, "'cv' parameter"),
        ({"cv": 1}, "n_splits|at least 2|one"),
    ],
)
def test_parameters_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        LowRankRidgeCV(**parameters).fit(*make_tables())


def test_a_penalty_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="alphas"):
        LowRankRidgeCV(alphas=[1.0, np.nan]).fit(*make_tables())


def test_one_row_is_refused():
    with pytest.raises(ValueError, match="at least 2 rows"):
        LowRankRidgeCV().fit(*make_tables(1))


def test_one_target_may_be_one_dimensional():
    X, Y = make_tables(n_targets=1)
    flat = LowRankRidgeCV(ALPHAS, [1]).fit(X, Y[:, 0])
    assert flat.predict(X).shape == (40,) and flat.coef_.shape == (12,)
    assert_allclose(flat.cv_errors_, LowRankRidgeCV(ALPHAS, [1]).fit(X, Y).cv_errors_)


def test_clones_and_pickles():
    X, Y = make_tables()
    model = LowRankRidgeCV(ALPHAS, RANKS).fit(X, Y)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    assert_array_equal(clone(model).fit(X, Y).predict(X), model.predict(X))
