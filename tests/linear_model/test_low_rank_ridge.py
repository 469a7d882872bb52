"""Ridge regression of limited rank."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate.linear_model import LowRankRidge, _low_rank_ridge, _solvers
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

SHAPES = [(60, 8, 5), (60, 8, 20), (12, 30, 5), (12, 30, 40), (20, 20, 20)]


def make_tables(n_rows, n_features, n_targets, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)) * rng.uniform(0.3, 3, size=n_features) + offset
    Y = X @ rng.normal(size=(n_features, n_targets)) + rng.normal(size=(n_rows, n_targets)) - 2 * offset
    return X, Y


def reference_coefficients(X, Y, alpha, rank):
    """Ridge on augmented data, then projected on the right singular vectors of what it fits."""
    n_features = X.shape[1]
    augmented = np.vstack([X, np.sqrt(alpha) * np.eye(n_features)])
    coefficients = np.linalg.lstsq(augmented, np.vstack([Y, np.zeros((n_features, Y.shape[1]))]), rcond=None)[0]
    directions = np.linalg.svd(augmented @ coefficients)[2][:rank].T
    return coefficients @ directions @ directions.T


def objective(X, Y, coefficients, alpha):
    return np.sum((Y - X @ coefficients) ** 2) + alpha * np.sum(coefficients**2)


@pytest.mark.parametrize("solver", ["auto", "dual", "primal"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha", [0.01, 1.0, 50.0])
def test_full_rank_is_kernel_ridge_without_intercept(shape, alpha, solver):
    X, Y = make_tables(*shape)
    ridge = LowRankRidge(alpha, rank=None, solver=solver, fit_intercept=False).fit(X, Y)
    expected = KernelRidge(alpha=alpha, kernel="linear").fit(X, Y).predict(X)
    assert_allclose(ridge.predict(X), expected, atol=1e-6)
    assert_allclose(ridge.intercept_, 0, atol=1e-12)


@pytest.mark.parametrize("solver", ["auto", "dual", "primal"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("alpha", [0.01, 1.0, 50.0])
def test_full_rank_is_ridge_with_intercept(shape, alpha, solver):
    X, Y = make_tables(*shape, offset=5.0)
    ridge, expected = LowRankRidge(alpha, rank=None, solver=solver).fit(X, Y), Ridge(alpha).fit(X, Y)
    assert_allclose(ridge.predict(X), expected.predict(X), atol=1e-6)
    assert_allclose(ridge.coef_, expected.coef_, atol=1e-6)
    assert_allclose(ridge.intercept_, expected.intercept_, atol=1e-6)


@pytest.mark.parametrize("solver", ["dual", "primal"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_below_full_rank_it_is_the_optimum(shape, rank, solver, fit_intercept):
    X, Y = make_tables(*shape, offset=3.0)
    ridge = LowRankRidge(2.0, rank, solver, fit_intercept).fit(X, Y)
    x_mean, y_mean = (X.mean(axis=0), Y.mean(axis=0)) if fit_intercept else (0, 0)
    expected = reference_coefficients(X - x_mean, Y - y_mean, 2.0, rank)
    assert_allclose(ridge.coef_, expected.T, atol=1e-6)
    assert_allclose(ridge.predict(X), (X - x_mean) @ expected + y_mean, atol=1e-6)
    assert ridge.rank_ == rank and ridge.solver_ == solver


@pytest.mark.parametrize("solver", ["dual", "primal"])
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_beats_truncating_the_coefficients(solver, rank):
    X, Y = make_tables(60, 8, 20)
    ridge = LowRankRidge(5.0, rank, solver, fit_intercept=False).fit(X, Y)
    U, s, Vt = np.linalg.svd(Ridge(5.0, fit_intercept=False).fit(X, Y).coef_.T, full_matrices=False)
    truncated = (U[:, :rank] * s[:rank]) @ Vt[:rank]
    assert objective(X, Y, ridge.coef_.T, 5.0) < 0.999 * objective(X, Y, truncated, 5.0)
    assert abs(ridge.coef_.T - truncated).max() > 1e-3


@pytest.mark.parametrize("solver", ["dual", "primal"])
def test_no_small_step_lowers_the_objective(solver):
    X, Y = make_tables(40, 6, 9)
    ridge = LowRankRidge(1.0, 2, solver, fit_intercept=False).fit(X, Y)
    best, rng = objective(X, Y, ridge.coef_.T, 1.0), np.random.default_rng(0)
    for _ in range(100):
        x_factors = ridge.x_factors_ + 1e-3 * rng.normal(size=ridge.x_factors_.shape)
        y_factors = ridge.y_factors_ + 1e-3 * rng.normal(size=ridge.y_factors_.shape)
        assert objective(X, Y, x_factors @ y_factors.T, 1.0) >= best


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [1, 3, None])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_dual_equals_primal(shape, rank, alpha):
    X, Y = make_tables(*shape, offset=1.0)
    dual, primal = (LowRankRidge(alpha, rank, solver).fit(X, Y) for solver in ("dual", "primal"))
    assert_allclose(dual.coef_, primal.coef_, atol=1e-6)
    assert_allclose(dual.intercept_, primal.intercept_, atol=1e-6)
    assert dual.rank_ == primal.rank_


@pytest.mark.parametrize("solver", ["dual", "primal"])
def test_directions_are_orthonormal_and_the_most_telling_comes_first(solver):
    X, Y = make_tables(60, 8, 20)
    ridge = LowRankRidge(1.0, 4, solver).fit(X, Y)
    assert_allclose(ridge.y_factors_.T @ ridge.y_factors_, np.eye(4), atol=1e-10)
    for rank in (1, 2, 3):
        fewer = LowRankRidge(1.0, rank, solver).fit(X, Y)
        assert_allclose(fewer.coef_, ridge.y_factors_[:, :rank] @ ridge.x_factors_[:, :rank].T, atol=1e-8)
        assert fewer.score(X, Y) < ridge.score(X, Y)


# --------------------------------------------------------------------------------------------- corners


@pytest.mark.parametrize("solver", ["dual", "primal"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rank", [2, None])
@pytest.mark.parametrize("offset", [10.0, 100.0, -1000.0])
def test_data_far_from_zero_are_centred_first(shape, rank, offset, solver):
    """Decibels lie around -80: their mean must not drown the rest."""
    X, Y = make_tables(*shape)
    near = LowRankRidge(1.0, rank, "primal").fit(X, Y)
    far = LowRankRidge(1.0, rank, solver).fit(X + offset, Y - offset)
    assert_allclose(far.predict(X + offset) + offset, near.predict(X), atol=1e-5)
    assert_allclose(far.coef_, near.coef_, atol=1e-5)
    assert far.rank_ == near.rank_


@pytest.mark.parametrize("solver", ["dual", "primal"])
@pytest.mark.parametrize("shape", SHAPES)
def test_without_penalty_it_is_least_squares_of_least_norm(shape, solver):
    X, Y = make_tables(*shape)
    ridge = LowRankRidge(0.0, None, solver).fit(X, Y)
    assert_allclose(ridge.predict(X), LinearRegression().fit(X, Y).predict(X), atol=1e-6)
    centred = np.linalg.pinv(X - X.mean(axis=0)) @ (Y - Y.mean(axis=0))
    assert_allclose(ridge.coef_, centred.T, atol=1e-6)


@pytest.mark.parametrize("solver", ["dual", "primal"])
@pytest.mark.parametrize("alpha", [0.0, 1e-3])
def test_a_rank_above_that_of_the_data_is_lowered(solver, alpha):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 10))
    Y = X @ rng.normal(size=(10, 2)) @ rng.normal(size=(2, 15)) + 4
    ridge = LowRankRidge(alpha, 64, solver).fit(X, Y)
    assert ridge.rank_ == ridge.x_factors_.shape[1] == ridge.y_factors_.shape[1] == 2
    assert ridge.score(X, Y) > 0.999


@pytest.mark.parametrize("solver", ["dual", "primal"])
@pytest.mark.parametrize("constant", ["X", "Y", "both"])
def test_constant_data_predicts_the_mean(solver, constant):
    X, Y = make_tables(30, 4, 3)
    X = np.full_like(X, 2.0) if constant != "Y" else X
    Y = np.full_like(Y, 3.0) if constant != "X" else Y
    ridge = LowRankRidge(solver=solver).fit(X, Y)
    assert_allclose(ridge.predict(X + 1), np.tile(Y.mean(axis=0), (30, 1)), atol=1e-8)


@pytest.mark.parametrize("solver", ["dual", "primal"])
def test_one_row(solver):
    X, Y = make_tables(1, 4, 3)
    assert_allclose(LowRankRidge(solver=solver).fit(X, Y).predict(2 * X), Y, atol=1e-12)


@pytest.mark.parametrize("solver", ["dual", "primal"])
def test_one_target_may_be_one_dimensional(solver):
    X, Y = make_tables(40, 6, 1)
    column = LowRankRidge(solver=solver).fit(X, Y)
    flat = LowRankRidge(solver=solver).fit(X, Y[:, 0])
    assert flat.predict(X).shape == (40,) and flat.coef_.shape == (6,) and np.ndim(flat.intercept_) == 0
    assert column.predict(X).shape == (40, 1) and column.coef_.shape == (1, 6)
    assert_allclose(flat.predict(X), Ridge().fit(X, Y[:, 0]).predict(X), atol=1e-6)
    assert flat.score(X, Y[:, 0]) == pytest.approx(column.score(X, Y))


@pytest.mark.parametrize("solver", ["dual", "primal"])
def test_single_precision_is_close_to_double(solver):
    X, Y = make_tables(50, 10, 7, offset=10.0)
    single = LowRankRidge(1.0, 3, solver).fit(X.astype(np.float32), Y.astype(np.float32))
    double = LowRankRidge(1.0, 3, solver).fit(X, Y)
    assert_allclose(single.predict(X.astype(np.float32)), double.predict(X), atol=1e-3 * abs(Y).max())
    assert single.predict(X).dtype == np.float64


def test_whole_numbers_are_targets_too():
    X, Y = make_tables(40, 6, 3)
    whole = Y.round().astype(int)
    assert_allclose(LowRankRidge().fit(X, whole).coef_, LowRankRidge().fit(X, whole.astype(float)).coef_)


@pytest.mark.parametrize(("shape", "solver"), [((60, 8, 5), "primal"), ((12, 30, 5), "dual"), ((20, 20, 20), "primal")])
def test_auto_takes_the_smaller_side(shape, solver):
    assert LowRankRidge().fit(*make_tables(*shape)).solver_ == solver


def test_auto_takes_the_dual_where_moments_would_not_fit(monkeypatch):
    monkeypatch.setattr(_low_rank_ridge, "MAX_PRIMAL_BYTES", 100)
    assert LowRankRidge().fit(*make_tables(60, 8, 5)).solver_ == "dual"


def test_auto_takes_the_primal_where_rows_are_too_many_for_the_dual(monkeypatch):
    monkeypatch.setattr(_low_rank_ridge, "MAX_DUAL_ROWS", 10)
    assert LowRankRidge().fit(*make_tables(12, 30, 5)).solver_ == "primal"


def test_too_many_rows_for_the_dual_are_refused(monkeypatch):
    monkeypatch.setattr(_low_rank_ridge, "MAX_DUAL_ROWS", 10)
    with pytest.raises(ValueError, match="stops at 10 rows: use longer segments"):
        LowRankRidge(solver="dual").fit(*make_tables(12, 30, 5))


def test_dense_coefficients_are_refused_where_they_would_be_huge(monkeypatch):
    ridge = LowRankRidge().fit(*make_tables(20, 8, 5))
    assert ridge.coef_.shape == (5, 8)
    monkeypatch.setattr(_low_rank_ridge, "MAX_COEF_BYTES", 8 * 40 - 1)
    with pytest.raises(MemoryError, match="use predict, or its factors"):
        _ = ridge.coef_


@pytest.mark.parametrize(
    "parameters", [{"alpha": -1}, {"rank": 0}, {"rank": 2.5}, {"solver": "svd"}, {"fit_intercept": "yes"}]
)
def test_parameters_are_checked(parameters):
    with pytest.raises(ValueError, match=f"'{next(iter(parameters))}' parameter"):
        LowRankRidge(**parameters).fit(*make_tables(20, 8, 5))


def test_other_numbers_of_features_are_refused():
    ridge = LowRankRidge().fit(*make_tables(20, 8, 5))
    with pytest.raises(ValueError, match="7 features, but LowRankRidge is expecting 8"):
        ridge.predict(np.ones((3, 7)))


@pytest.mark.parametrize("solver", ["dual", "primal"])
def test_clones_and_pickles(solver):
    X, Y = make_tables(20, 8, 5)
    ridge = LowRankRidge(0.5, 3, solver).fit(X, Y)
    assert_array_equal(pickle.loads(pickle.dumps(ridge)).predict(X), ridge.predict(X))
    copy = clone(ridge)
    assert copy.get_params() == ridge.get_params() and not hasattr(copy, "x_factors_")
    assert_array_equal(copy.fit(X, Y).predict(X), ridge.predict(X))


# ---------------------------------------------------------------------------------------------- blocks


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gram_matrices_do_not_depend_on_the_blocks(monkeypatch, dtype):
    X = make_tables(37, 23, 1)[0].astype(dtype)
    monkeypatch.setattr(_solvers, "GRAM_BYTES", 5 * 23 * X.itemsize)
    monkeypatch.setattr(_solvers, "N_COLUMNS", 4)
    products = _solvers.gram(X)
    assert_allclose(
        products, X.astype(float) @ X.T.astype(float), rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-4
    )
    assert_array_equal(products, products.T)
    assert products.dtype == np.float64


@pytest.mark.parametrize("solver", ["dual", "primal"])
def test_results_do_not_depend_on_the_blocks(monkeypatch, solver):
    X, Y = make_tables(50, 10, 7, offset=100.0)
    whole = LowRankRidge(1.0, 3, solver).fit(X, Y)
    monkeypatch.setattr(_solvers, "GRAM_BYTES", 800)
    monkeypatch.setattr(_low_rank_ridge, "BLOCK_BYTES", 800)
    pieces = LowRankRidge(1.0, 3, solver).fit(X, Y)
    assert_allclose(pieces.coef_, whole.coef_, atol=1e-8)
    assert_allclose(pieces.predict(X), whole.predict(X), atol=1e-7)


class Keep(BaseEstimator):
    """A regressor that keeps what it is given."""

    def fit(self, X, y):
        self.X_, self.y_ = X, y
        return self

    def predict(self, X):
        return np.zeros((len(X), self.y_.shape[1]))


@pytest.fixture(scope="module")
def lazy_rows(duos):
    """Lazy rows and targets of four mixes."""
    X, y, _ = duos
    separator = Separator(
        make_pipeline(Segmenter(0.05), STFT(0.02, 0.01)),
        make_pipeline(FrequencyTruncation(500), Magnitude()),
        Keep(),
    ).fit(X, y)
    return separator.regressor_.X_, separator.regressor_.y_


@pytest.mark.parametrize("solver", ["dual", "primal"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_lazy_rows_give_what_arrays_give(lazy_rows, solver, fit_intercept, monkeypatch):
    X, Y = lazy_rows
    monkeypatch.setattr(_solvers, "GRAM_BYTES", 7 * X.shape[1] * 4)
    monkeypatch.setattr(_low_rank_ridge, "BLOCK_BYTES", 11 * Y.shape[1] * 4)
    lazy = LowRankRidge(1e-4, 5, solver, fit_intercept).fit(X, Y)
    plain = LowRankRidge(1e-4, 5, solver, fit_intercept).fit(np.asarray(X), np.asarray(Y))
    assert_allclose(lazy.predict(X), plain.predict(np.asarray(X)), atol=1e-6)
    assert_allclose(lazy.coef_, plain.coef_, atol=1e-4 * abs(plain.coef_).max())
    exact = LowRankRidge(1e-4, 5, solver, fit_intercept).fit(np.asarray(X, float), np.asarray(Y, float))
    assert_allclose(lazy.predict(X), exact.predict(np.asarray(X, float)), atol=1e-5)


def test_lazy_targets_of_plain_rows(lazy_rows):
    X, Y = lazy_rows
    mixed = LowRankRidge(rank=5).fit(np.asarray(X), Y)
    assert_allclose(mixed.predict(X), LowRankRidge(rank=5).fit(np.asarray(X), np.asarray(Y)).predict(X), atol=1e-6)


def test_plain_targets_of_lazy_rows(lazy_rows):
    X, Y = lazy_rows
    mixed = LowRankRidge(rank=5).fit(X, np.asarray(Y))
    assert_allclose(mixed.predict(X), LowRankRidge(rank=5).fit(np.asarray(X), np.asarray(Y)).predict(X), atol=1e-6)


def test_lazy_rows_of_another_width_are_refused(lazy_rows):
    X, Y = lazy_rows
    ridge = LowRankRidge().fit(X, Y)
    with pytest.raises(ValueError, match=f"{Y.shape[1]} features, but LowRankRidge is expecting {X.shape[1]}"):
        ridge.predict(Y)


# ----------------------------------------------------------------------------------------- partial_fit


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("cuts", [[30], [1, 2, 59], [10, 20, 30, 40, 50]])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_rows_in_pieces_give_what_one_fit_gives(fit_intercept, cuts, offset):
    X, Y = make_tables(60, 8, 5, offset=offset if fit_intercept else 0.0)
    model = LowRankRidge(1.0, 3, fit_intercept=fit_intercept, solver="primal")
    pieces = clone(model)
    for rows, targets in zip(np.split(X, cuts), np.split(Y, cuts), strict=True):
        pieces.partial_fit(rows, targets)
    whole = model.fit(X, Y)
    assert_allclose(pieces.coef_, whole.coef_, atol=1e-7)
    assert_allclose(pieces.predict(X), whole.predict(X), rtol=1e-7, atol=1e-7)


def test_partial_fit_goes_on_after_fit():
    X, Y = make_tables(60, 8, 5)
    model = LowRankRidge(rank=3).fit(X[:40], Y[:40]).partial_fit(X[40:], Y[40:])
    assert_allclose(model.coef_, LowRankRidge(rank=3).fit(X, Y).coef_, atol=1e-8)


def test_partial_fit_never_forgets_the_rows_of_a_fit_in_the_dual():
    """Where "auto" took the dual there are no moments to go on from: all rows, or a refusal."""
    X, Y = make_tables(24, 30, 5)
    model = LowRankRidge(rank=3).fit(X[:12], Y[:12])
    assert model.solver_ == "dual"
    try:
        model.partial_fit(X[12:], Y[12:])
    except (ValueError, AttributeError):
        return
    assert_allclose(model.coef_, LowRankRidge(rank=3, solver="primal").fit(X, Y).coef_, atol=1e-8)


def test_partial_fit_never_mixes_in_the_rows_of_an_earlier_fit():
    """fit starts afresh, also where it took the primal first and the dual then."""
    old, (X, Y) = make_tables(60, 30, 5, seed=1), make_tables(24, 30, 5)
    model = LowRankRidge(rank=3).fit(*old)
    assert model.solver_ == "primal"
    assert model.fit(X[:12], Y[:12]).solver_ == "dual"
    try:
        model.partial_fit(X[12:], Y[12:])
    except (ValueError, AttributeError):
        return
    assert_allclose(model.coef_, LowRankRidge(rank=3, solver="primal").fit(X, Y).coef_, atol=1e-8)


def test_fit_starts_afresh():
    X, Y = make_tables(60, 8, 5)
    model = LowRankRidge(rank=3).fit(*make_tables(60, 8, 5, seed=1)).fit(X, Y)
    assert_allclose(model.coef_, LowRankRidge(rank=3).fit(X, Y).coef_)


def test_partial_fit_needs_the_primal():
    assert hasattr(LowRankRidge(), "partial_fit")
    assert not hasattr(LowRankRidge(solver="dual"), "partial_fit")


@pytest.mark.parametrize("first", [(5, (5,)), (5, (5, 3)), (5, (5, 1))])
@pytest.mark.parametrize("then", [(5, (5,)), (5, (5, 3)), (5, (5, 1))])
def test_partial_fit_refuses_other_targets(first, then):
    rng = np.random.default_rng(0)
    model = LowRankRidge(solver="primal").partial_fit(rng.normal(size=(5, 8)), rng.normal(size=first[1]))
    X, y = rng.normal(size=(5, 8)), rng.normal(size=then[1])
    if np.prod(first[1]) == np.prod(then[1]):
        model.partial_fit(X, y)
    else:
        with pytest.raises(ValueError):
            model.partial_fit(X, y)


def test_partial_fit_refuses_other_features():
    model = LowRankRidge(solver="primal").partial_fit(np.ones((5, 8)), np.ones((5, 2)))
    with pytest.raises(ValueError, match="7 features, but LowRankRidge is expecting 8"):
        model.partial_fit(np.ones((5, 7)), np.ones((5, 2)))
