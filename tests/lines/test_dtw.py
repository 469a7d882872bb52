"""Dynamic time warping finds the warps that were made."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skseparate.lines._dtw import best_excerpt, warping_path


def sequence(n, seed=0, length=5):
    """Features that change every few frames, no two stretches alike."""
    rng = np.random.default_rng(seed)
    states = np.abs(rng.normal(size=(n // length + 1, 12)))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    return np.repeat(states, length, axis=0)[:n]


def warped(features, rate):
    """The same, played at a rate that may change: frame i of the result is where of the original."""
    places = np.cumsum(rate) - rate[0]
    places = places[places <= len(features) - 1]
    return features[np.rint(places).astype(int)], places


@pytest.mark.parametrize("n", [3, 15, 300])
def test_of_a_sequence_with_itself_it_is_the_diagonal(n):
    features = sequence(n, length=1)
    assert_array_equal(warping_path(features, features), np.column_stack([np.arange(n)] * 2))


@pytest.mark.parametrize("seed", range(4))
def test_it_never_goes_back_and_leaves_nothing_out(seed):
    rng = np.random.default_rng(seed)
    a, b = (np.abs(rng.normal(size=(rng.integers(1, 200), 5))) for _ in range(2))
    path = warping_path(a, b)
    assert_array_equal(path[[0, -1]], [[0, 0], [len(a) - 1, len(b) - 1]])
    steps = np.diff(path, axis=0)
    assert (steps >= 0).all() and (steps <= 1).all() and (steps.sum(axis=1) >= 1).all()


@pytest.mark.parametrize("rates", [(1.6, 1.6), (0.6, 0.6), (0.6, 1.6)])
def test_known_warps_are_found(rates):
    original = sequence(800)
    there, places = warped(original, np.linspace(*rates, 3000))
    path = warping_path(original, there)
    assert np.median(abs(path[:, 0] - places[path[:, 1]])) <= 3
    assert np.quantile(abs(path[:, 0] - places[path[:, 1]]), 0.95) <= 6


def test_exchanged_sequences_give_the_same_path_turned():
    a, (b, _) = sequence(300), warped(sequence(300), np.full(500, 0.8))
    there, back = warping_path(a, b), warping_path(b, a)
    late = np.interp(np.arange(300), there[:, 0], there[:, 1]) - np.interp(np.arange(300), back[:, 1], back[:, 0])
    assert abs(late).max() <= 5


@pytest.mark.parametrize("rate", [0.55, 1.0, 1.8])
@pytest.mark.parametrize("first", [0, 640, 1500])
def test_an_excerpt_is_found_at_any_tempo(first, rate):
    whole = sequence(2400)
    part, places = warped(whole[first:], np.full(400, rate))
    start, stop = best_excerpt(whole, part)
    assert abs(start - first) <= 24 and abs(stop - first - places[-1]) <= 24


def test_slow_playing_is_no_cheaper():
    """Frames of the recording that the score waits for cost as much as any: else half the tempo always wins."""
    rng = np.random.default_rng(1)
    whole = sequence(2400)
    part = whole[1000:1400] + 0.25 * np.abs(rng.normal(size=(400, 12)))
    start, stop = best_excerpt(whole, part)
    assert abs(start - 1000) <= 24 and abs(stop - 1400) <= 24
