"""How estimates of the sources share out the mixture."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skseparate._masks import masks


def magnitudes(*shape, seed=0):
    return np.random.default_rng(seed).uniform(size=shape)


@pytest.mark.parametrize("kind", ["ratio", "wiener"])
@pytest.mark.parametrize("n_parts", [1, 2, 5])
@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-30, 1.0, 1e30, 1e200, 1e300])
def test_shares_sum_to_one_at_every_scale(kind, n_parts, scale):
    gains = masks(scale * magnitudes(n_parts, 3, 4, 5), None, kind)
    assert_allclose(gains.sum(axis=0), 1, atol=1e-12)
    assert (gains >= 0).all()
    assert_allclose(gains, masks(magnitudes(n_parts, 3, 4, 5), None, kind), rtol=1e-6)


@pytest.mark.parametrize("kind", ["ratio", "wiener"])
@pytest.mark.parametrize("scale", [1e-38, 1e-25, 1.0, 1e25, 1e38])
def test_shares_sum_to_one_in_single_precision(kind, scale):
    gains = masks((scale * magnitudes(3, 4, 5)).astype(np.float32), None, kind)
    assert gains.dtype == np.float32
    assert_allclose(gains.sum(axis=0), 1, atol=1e-6)


def test_shares_are_in_proportion():
    estimates = np.array([[3.0], [1.0]])
    assert_allclose(masks(estimates, None, "ratio"), [[0.75], [0.25]])
    assert_allclose(masks(estimates, None, "wiener"), [[0.9], [0.1]])


@pytest.mark.parametrize("kind", ["ratio", "wiener"])
def test_where_nothing_is_estimated_shares_are_equal(kind):
    estimates = np.array([[0.0, -1.0, 2.0], [0.0, -3.0, 0.0], [0.0, 0.0, 0.0]])
    gains = masks(estimates, None, kind)
    assert_allclose(gains, [[1 / 3, 1 / 3, 1], [1 / 3, 1 / 3, 0], [1 / 3, 1 / 3, 0]])


@pytest.mark.parametrize("kind", ["ratio", "wiener", "direct"])
def test_negative_estimates_count_as_zero(kind):
    estimates = magnitudes(3, 4, 5) - 0.5
    view = magnitudes(4, 5, seed=1)
    assert_array_equal(masks(estimates, view, kind), masks(estimates.clip(0), view, kind))


def test_direct_gains_give_each_part_its_estimate():
    estimates, view = magnitudes(3, 4, 5), magnitudes(4, 5, seed=1)
    assert_allclose(masks(estimates, view, "direct") * view, estimates, atol=1e-12)


def test_direct_gains_are_zero_where_the_mixture_is_silent():
    gains = masks(np.ones((2, 3)), np.array([0.0, 1e-310, 2.0]), "direct")
    assert_array_equal(gains, [[0, 0, 0.5], [0, 0, 0.5]])


@pytest.mark.parametrize("kind", ["ratio", "wiener", "direct"])
def test_estimates_are_left_alone(kind):
    estimates, view = magnitudes(3, 4, 5) - 0.5, magnitudes(4, 5)
    before = estimates.copy()
    masks(estimates, view, kind)
    assert_array_equal(estimates, before)
