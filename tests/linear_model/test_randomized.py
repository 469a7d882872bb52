"""The randomized solver of the low-rank ridge: the exact solution's, from a few passes."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skseparate.linear_model import LowRankRidge, _low_rank_ridge, _randomized, _solvers

SHAPES = [(60, 8, 5), (60, 8, 20), (12, 30, 5), (12, 30, 40), (40, 200, 1)]


def make_tables(n_rows, n_features, n_targets, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)) * rng.uniform(0.3, 3, size=n_features) + offset
    Y = X @ rng.normal(size=(n_features, n_targets)) + rng.normal(size=(n_rows, n_targets)) - 2 * offset
    return X, Y


def make_music(n_rows=250, n_features=400, n_targets=300, seed=0):
    """Rows whose spectrum falls as that of spectrograms does, and targets that are part of them."""
    rng = np.random.default_rng(seed)
    n = min(n_rows, n_features)
    left, right = (np.linalg.qr(rng.normal(size=(m, n)))[0] for m in (n_rows, n_features))
    X = left * (30 / np.arange(1, n + 1) ** 0.8) @ right.T
    return X, X[:, :n_targets] * rng.uniform(size=n_targets) + 0.02 * rng.normal(size=(n_rows, n_targets))


def objective(X, Y, model):
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    fit = X @ model.x_factors_ @ model.y_factors_.T
    return np.sum((Y - fit) ** 2) + model.alpha * np.sum(model.x_factors_**2)


def excess(X, Y, alpha, rank, **sketch):
    exact = LowRankRidge(alpha, rank, "dual").fit(X, Y)
    model = LowRankRidge(alpha, rank, "randomized", random_state=0, **sketch).fit(X, Y)
    return objective(X, Y, model) / objective(X, Y, exact) - 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha", [0.0, 1.0, 50.0])
@pytest.mark.parametrize("rank", [1, 3, 100])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_iter", [0, 2])
def test_a_sketch_of_all_rows_gives_the_exact_solution(shape, alpha, rank, fit_intercept, n_iter):
    X, Y = make_tables(*shape, offset=3.0 if fit_intercept else 0.0)
    exact = LowRankRidge(alpha, rank, "dual", fit_intercept).fit(X, Y)
    model = LowRankRidge(alpha, rank, "randomized", fit_intercept, n_iter=n_iter, random_state=0).fit(X, Y)
    assert model.rank_ == exact.rank_ and model.solver_ == "randomized"
    assert_allclose(model.coef_, exact.coef_, atol=1e-5)
    assert_allclose(model.intercept_, exact.intercept_, atol=1e-4)
    assert_allclose(model.y_factors_.T @ model.y_factors_, np.eye(model.rank_), atol=1e-8)


@pytest.mark.parametrize("offset", [100.0, -1000.0])
def test_data_far_from_zero_are_centred_first(offset):
    X, Y = make_music()
    near = LowRankRidge(1.0, 8, "randomized", random_state=0).fit(X, Y)
    far = LowRankRidge(1.0, 8, "randomized", random_state=0).fit(X + offset, Y - offset)
    assert_allclose(far.predict(X + offset) + offset, near.predict(X), atol=1e-4)


@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0])
def test_the_objective_is_never_below_the_optimum_and_falls_with_the_sketch(alpha):
    X, Y = make_music()
    by_iter = [excess(X, Y, alpha, 16, n_oversamples=8, n_iter=n) for n in (0, 1, 2, 4)]
    by_size = [excess(X, Y, alpha, 16, n_oversamples=n, n_iter=0) for n in (0, 16, 64, 128, 250)]
    for errors in (by_iter, by_size):
        assert min(errors) > -1e-9
        assert np.all(np.diff(errors) < 0)
    assert by_iter[-1] < 0.02 and by_size[-1] < 1e-9


@pytest.mark.parametrize(("alpha", "bound"), [(0.1, 0.02), (1.0, 2e-3), (10.0, 2e-4)])
def test_the_defaults_come_near(alpha, bound):
    assert 0 <= excess(*make_music(), alpha, 16) < bound


def test_better_than_ridge_cut_to_its_leading_directions():
    """The rank is that of the reduced-rank regression, not of the coefficients."""
    X, Y = make_music()
    model = LowRankRidge(1.0, 8, "randomized", random_state=0).fit(X, Y)
    U, s, Vt = np.linalg.svd(Ridge(1.0).fit(X, Y).coef_.T, full_matrices=False)
    cut = LowRankRidge(1.0, 8, "dual").fit(X, Y)
    cut.x_factors_, cut.y_factors_ = U[:, :8] * s[:8], Vt[:8].T
    assert objective(X, Y, model) < objective(X, Y, cut)


def test_single_precision_is_close_to_double():
    X, Y = make_music()
    model = LowRankRidge(1.0, 8, "randomized", n_oversamples=250, random_state=0)  # of all rows: nothing else differs
    double, single = clone(model).fit(X, Y), model.fit(X.astype(np.float32), Y.astype(np.float32))
    assert single.x_factors_.dtype == np.float64
    assert_allclose(single.predict(X.astype(np.float32)), double.predict(X), atol=1e-3 * abs(Y).max())


# --------------------------------------------------------------------------------------------- rows


class Counted:
    """Lazy rows that count passes over all of them and remember their largest block."""

    ndim = 2

    def __init__(self, table):
        self.table, self.shape, self.dtype = table, table.shape, table.dtype
        self.n_passes, self.largest = 0, 0

    def __len__(self):
        return len(self.table)

    def blocks(self, n_rows):
        for start in range(0, len(self), n_rows):
            self.largest = max(self.largest, n_rows)
            yield self.table[start : start + n_rows]
        self.n_passes += 1


@pytest.mark.parametrize("n_iter", [0, 1, 3])
def test_lazy_rows_are_read_as_often_as_is_said_and_never_whole(monkeypatch, n_iter):
    X, Y = make_music()
    monkeypatch.setattr(_randomized, "SKETCH_BYTES", 50 * 8 * 400)
    monkeypatch.setattr(_solvers, "SKETCH_BYTES", 50 * 8 * 400)
    rows, targets = Counted(X), Counted(Y)
    sketch = (1.0, 8, 8, n_iter, True)
    lazy = _randomized.solve_randomized(rows, targets, *sketch, np.random.RandomState(0))
    assert (rows.n_passes, targets.n_passes) == (n_iter + 3, n_iter + 2)
    monkeypatch.undo()
    plain = _randomized.solve_randomized(X, Y, *sketch, np.random.RandomState(0))
    assert_allclose(lazy[0] @ lazy[2].T, plain[0] @ plain[2].T, atol=1e-5)
    for i in (1, 3):
        assert_allclose(lazy[i], plain[i], atol=1e-12)


def test_nothing_of_features_by_targets_or_rows_by_features_is_held():
    """3,000 rows of 4,000 features and as many targets take 48 MB each, features by targets 64 MB or more."""

    class Made:
        ndim, shape, dtype = 2, (3000, 4000), np.dtype("float32")
        base = np.random.default_rng(0).standard_normal((100, 4000), np.float32)

        def __len__(self):
            return 3000

        def blocks(self, n_rows):
            for i in range(30):
                yield np.roll(self.base, 37 * i, axis=1)

    tracemalloc.start()
    LowRankRidge(1.0, 4, "randomized", n_oversamples=4, n_iter=1, random_state=0).fit(Made(), Made())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e7


# ---------------------------------------------------------------------------------------------- corners


def test_same_seed_same_model():
    X, Y = make_music()
    model = LowRankRidge(1.0, 8, "randomized", random_state=3)
    assert_array_equal(model.fit(X, Y).coef_, clone(model).fit(X, Y).coef_)
    other = clone(model).set_params(random_state=4, n_oversamples=0, n_iter=0)
    assert not np.array_equal(other.fit(X, Y).coef_, model.coef_)


@pytest.mark.parametrize("constant", ["X", "Y", "both"])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_constant_data_predicts_the_mean(constant, alpha):
    X, Y = make_tables(30, 4, 3)
    X = np.full_like(X, 2.0) if constant != "Y" else X
    Y = np.full_like(Y, 3.0) if constant != "X" else Y
    ridge = LowRankRidge(alpha, solver="randomized", random_state=0).fit(X, Y)
    assert_allclose(ridge.predict(X + 1), np.tile(Y.mean(axis=0), (30, 1)), atol=1e-8)


def test_one_row():
    X, Y = make_tables(1, 4, 3)
    assert_allclose(LowRankRidge(solver="randomized").fit(X, Y).predict(2 * X), Y, atol=1e-12)


def test_without_a_rank_it_is_refused():
    with pytest.raises(ValueError, match="needs a rank"):
        LowRankRidge(rank=None, solver="randomized").fit(*make_tables(12, 30, 5))


@pytest.mark.parametrize("parameters", [{"n_oversamples": -1}, {"n_iter": 1.5}, {"random_state": "one"}])
def test_parameters_are_checked(parameters):
    with pytest.raises(ValueError, match=f"'{next(iter(parameters))}' parameter"):
        LowRankRidge(solver="randomized", **parameters).fit(*make_tables(20, 8, 5))


def test_partial_fit_is_not_for_it():
    assert not hasattr(LowRankRidge(solver="randomized"), "partial_fit")
    model = LowRankRidge(rank=3, solver="randomized").fit(*make_tables(12, 30, 5))
    with pytest.raises(ValueError, match="a fit by the randomized solver"):
        model.set_params(solver="primal").partial_fit(*make_tables(12, 30, 5))


@pytest.mark.parametrize(
    ("limits", "parameters", "solver"),
    [
        ({}, {}, "dual"),
        ({"MAX_DUAL_ROWS": 10, "MAX_PRIMAL_BYTES": 10}, {}, "randomized"),
        ({"MAX_DUAL_ROWS": 10, "MAX_PRIMAL_BYTES": 10}, {"rank": None}, "dual"),
        ({"MAX_DUAL_ROWS": 10}, {}, "primal"),
        ({"MAX_DUAL_FLOPS": 1e3}, {"rank": 1, "n_oversamples": 1, "n_iter": 0}, "randomized"),
        ({"MAX_DUAL_FLOPS": 1e3}, {"rank": 64}, "dual"),
    ],
)
def test_auto_takes_it_where_the_exact_ones_cannot_or_take_longer(monkeypatch, limits, parameters, solver):
    for name, value in limits.items():
        monkeypatch.setattr(_low_rank_ridge, name, value)
    X, Y = make_tables(12, 30, 5)
    assert LowRankRidge(**parameters)._choose_solver(X, Y) == solver


def test_in_a_pipeline_and_a_search():
    X, Y = make_music()
    model = make_pipeline(StandardScaler(with_std=False), LowRankRidge(solver="randomized", random_state=0))
    search = GridSearchCV(model, {"lowrankridge__rank": [2, 16], "lowrankridge__n_iter": [1, 2]}, cv=2).fit(X, Y)
    assert search.best_params_["lowrankridge__rank"] == 16
