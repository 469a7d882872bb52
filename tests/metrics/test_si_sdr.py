"""Scale-invariant signal-to-distortion ratio."""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skseparate.metrics import best_permutation, si_sdr, si_sdr_improvement
from skseparate.metrics._si_sdr import InnerProducts


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def by_definition(reference, estimate):
    """Energy of the projection on the reference, over the energy of the rest."""
    target = (estimate @ reference) / (reference @ reference) * reference
    rest = estimate - target
    return 10 * np.log10((target @ target) / (rest @ rest))


@pytest.mark.parametrize("level", [-40, -20, 0, 20, 40])
@pytest.mark.parametrize("n_samples", [2, 10, 1000])
def test_equals_its_definition(level, n_samples):
    for seed in range(20):
        reference, other = noise(2, n_samples, seed=seed)
        estimate = reference + 10 ** (-level / 20) * other
        assert_allclose(si_sdr(reference, estimate), np.clip(by_definition(reference, estimate), -60, 60), atol=1e-6)


@pytest.mark.parametrize("level", [-50, -20, 0, 3, 20, 50])
def test_is_the_ratio_of_orthogonal_parts(level):
    reference, other = np.array([1.0, 1.0, 1.0, 1.0]), np.array([1.0, -1.0, 1.0, -1.0])
    assert si_sdr(reference, reference + 10 ** (-level / 20) * other) == pytest.approx(level, abs=1e-6)


@pytest.mark.parametrize("factor", [1e-30, 1e-6, -1.0, 3.0, 1e6, 1e30])
def test_does_not_depend_on_scales(factor):
    reference, estimate = noise(2, 500)
    expected = si_sdr(reference, estimate)
    assert si_sdr(reference, factor * estimate) == pytest.approx(expected, abs=1e-8)
    assert si_sdr(factor * reference, estimate) == pytest.approx(expected, abs=1e-8)


def test_the_sign_of_the_estimate_does_not_matter():
    reference = noise(500)
    assert si_sdr(reference, -reference) == si_sdr(reference, reference) == 60


def test_any_leading_shape_broadcasts():
    reference, estimate = noise(2, 1, 3, 100), noise(4, 3, 100, seed=1)
    scores = si_sdr(reference, estimate)
    assert scores.shape == (2, 4, 3)
    for i, j, k in np.ndindex(2, 4, 3):
        assert scores[i, j, k] == pytest.approx(by_definition(reference[i, 0, k], estimate[j, k]), abs=1e-8)


def test_one_signal_gives_one_number():
    assert np.ndim(si_sdr(noise(100), noise(100, seed=1))) == 0


def test_silence_is_defined():
    silence, sound = np.zeros(100), noise(100)
    assert si_sdr(silence, sound) == 0
    assert si_sdr(silence, silence) == 0
    assert si_sdr(sound, silence) == -60
    assert si_sdr(sound, sound) == 60


def test_silence_among_sounds_is_defined():
    reference, estimate = noise(3, 100), noise(3, 100, seed=1)
    reference[0] = estimate[1] = 0
    scores = si_sdr(reference, estimate)
    assert scores[0] == 0 and scores[1] == -60
    assert scores[2] == pytest.approx(by_definition(reference[2], estimate[2]))


@pytest.mark.parametrize("limit", [10.0, 30.0, 100.0])
def test_scores_are_cut_at_the_limit(limit):
    reference = noise(100)
    orthogonal = np.zeros(100)
    orthogonal[:2] = reference[1], -reference[0]
    assert si_sdr(reference, reference, limit=limit) == limit
    assert si_sdr(reference, orthogonal, limit=limit) == -limit
    assert si_sdr(reference, 0 * reference, limit=limit) == -limit


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int16, list])
def test_any_numbers_are_computed_in_double(dtype):
    reference, estimate = (100 * noise(2, 3, 400)).round()
    convert = np.ndarray.tolist if dtype is list else (lambda x: x.astype(dtype))
    assert_allclose(si_sdr(convert(reference), convert(estimate)), si_sdr(reference, estimate), atol=1e-12)


def test_improvement_is_the_difference_from_the_mixture():
    solos = noise(2, 3, 400)
    estimates, mixture = solos + 0.3 * noise(2, 3, 400, seed=1), solos.sum(axis=1)
    improvement = si_sdr_improvement(solos, estimates, mixture)
    assert improvement.shape == (2, 3)
    for i, k in np.ndindex(2, 3):
        expected = by_definition(solos[i, k], estimates[i, k]) - by_definition(solos[i, k], mixture[i])
        assert improvement[i, k] == pytest.approx(expected, abs=1e-8)


def test_the_mixture_improves_nothing():
    solos = noise(3, 400)
    solos[1] = 0
    mixture = solos.sum(axis=0)
    assert_array_equal(si_sdr_improvement(solos, np.tile(mixture, (3, 1)), mixture), 0)


def test_a_silent_part_improves_by_nothing():
    solos = noise(2, 400)
    solos[1] = 0
    assert si_sdr_improvement(solos, noise(2, 400, seed=1), solos.sum(axis=0))[1] == 0


@pytest.mark.parametrize("n_parts", [1, 2, 3, 5, 7])
def test_a_permutation_is_recovered(n_parts):
    solos = noise(n_parts, 300)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(n_parts)
        estimates = (solos + 0.1 * noise(n_parts, 300, seed=seed))[order]
        found = best_permutation(solos, estimates)
        assert_array_equal(order[found], np.arange(n_parts))


def test_the_best_permutation_is_the_best_of_all():
    for seed in range(10):
        solos, estimates = noise(2, 4, 8, seed=seed)
        scores = {p: si_sdr(solos, estimates[list(p)]).mean() for p in permutations(range(4))}
        found = tuple(best_permutation(solos, estimates))
        assert scores[found] == pytest.approx(max(scores.values()), abs=1e-8)


@pytest.mark.parametrize("function", [si_sdr, best_permutation])
def test_signals_that_cannot_be_compared_are_refused(function):
    for reference, estimate, message in (
        (np.zeros((2, 0)), np.zeros((2, 0)), "at least one sample"),
        (np.zeros((2, 5)), np.zeros((2, 4)), r"equally long, got \[5, 4\]"),
        (1.0, 1.0, "at least one sample"),
    ):
        with pytest.raises(ValueError, match=message):
            function(reference, estimate)
    with pytest.raises(ValueError, match=r"equally long, got \[5, 5, 4\]"):
        si_sdr_improvement(np.zeros((2, 5)), np.zeros((2, 5)), np.zeros(4))
    with pytest.raises(ValueError, match="at least one sample"):
        si_sdr_improvement(np.zeros((2, 0)), np.zeros((2, 0)), np.zeros(0))


@pytest.mark.parametrize("cuts", [[], [1], [500], [100, 101, 900]])
@pytest.mark.parametrize("permutation", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_over_blocks_give_what_the_whole_gives(cuts, permutation, dtype):
    solos = noise(3, 1000).astype(dtype)
    estimates, mixture = (solos + noise(3, 1000, seed=1))[[1, 2, 0]].astype(dtype), solos.sum(axis=0)
    products = InnerProducts()
    for block in zip(*(np.split(x, cuts, axis=-1) for x in (estimates, solos, mixture)), strict=True):
        products.add(*block)
    absolute, of_mixture = products.si_sdr(permutation)
    order = best_permutation(solos, estimates) if permutation else np.arange(3)
    assert_allclose(absolute, si_sdr(solos, estimates[order]), atol=1e-9)
    assert_allclose(absolute - of_mixture, si_sdr_improvement(solos, estimates[order], mixture), atol=1e-9)
