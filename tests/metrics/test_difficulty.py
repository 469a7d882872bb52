"""How much parts overlap: properties, and that it tells how well systems do."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skseparate.baseline import HumSeparator
from skseparate.datasets import make_ensembles
from skseparate.evaluation import evaluate
from skseparate.metrics import overlap_difficulty

RATE = 8000
TIME = np.arange(2 * RATE) / RATE


def sine(frequency, level=1.0):
    return level * np.sin(2 * np.pi * frequency * TIME)


@pytest.fixture
def noises():
    return np.random.default_rng(0).normal(size=(3, 2 * RATE))


def test_apart_in_frequency_or_in_time_it_is_easy():
    assert overlap_difficulty([sine(440), sine(1200)], RATE) < 1e-3
    first = sine(440) * (TIME < 0.9)
    assert overlap_difficulty([first, sine(440) * (TIME > 1.1)], RATE) < 0.02


def test_alike_it_is_as_hard_as_can_be(noises):
    for n in (2, 3, 5):
        assert_allclose(overlap_difficulty([noises[0] * gain for gain in range(1, n + 1)], RATE), 1, atol=1e-9)


def test_order_and_a_common_gain_do_not_count(noises):
    solos = noises * np.array([[1.0], [0.3], [2.0]])
    expected = overlap_difficulty(solos, RATE)
    assert_allclose(overlap_difficulty(solos[::-1], RATE), expected)
    assert_allclose(overlap_difficulty(1e-3 * solos, RATE), expected)
    assert 0.5 < expected < 1


def test_silent_parts_do_not_count(noises):
    assert overlap_difficulty([noises[0], 0 * noises[0]], RATE) == 0
    assert overlap_difficulty(np.zeros((3, 50)), RATE) == 0
    with_silence = [*noises[:2], 0 * noises[0]]
    assert_allclose(overlap_difficulty(with_silence, RATE), overlap_difficulty(noises[:2], RATE))


def test_the_more_they_share_the_harder():
    solos = [[sine(440) + share * sine(900), sine(900)] for share in (0.0, 0.2, 0.5, 1.0)]
    assert (np.diff([overlap_difficulty(pair, RATE) for pair in solos]) > 0).all()


def test_lazy_solos_are_read_block_by_block():
    solos = make_ensembles(1, 3, duration=9.0, random_state=0)[0].solos()
    assert_allclose(overlap_difficulty(solos, 16000), overlap_difficulty(np.asarray(solos), 16000), rtol=1e-6)


@pytest.mark.parametrize("solos", [np.zeros(10), np.zeros((0, 5)), np.zeros((2, 0)), np.full((2, 9), np.nan)])
def test_what_are_no_solos_is_refused(solos):
    with pytest.raises(ValueError, match="solos must be"):
        overlap_difficulty(solos, RATE)


def test_rates_and_frames_without_a_sample_are_refused(noises):
    with pytest.raises(ValueError, match="sample_rate"):
        overlap_difficulty(noises, 0)
    with pytest.raises(ValueError, match="hold no sample"):
        overlap_difficulty(noises, RATE, hop=1e-9)


def test_it_foretells_what_is_scored():
    """One who can hum scores less where it is harder, and so does the ideal mask."""
    X, y, songs = make_ensembles(6, (2, 4), duration=3.0, random_state=1).power_set()
    evaluation = evaluate({"hum": HumSeparator().fit()}, X, y, groups=songs, bss=False)
    assert all(0 < row["difficulty"] < 1 for row in evaluation.rows)
    found = {row["system"]: row for row in evaluation.correlate(measure="si_sdr")}
    assert found["hum"]["n_recordings"] == len(X)
    assert found["hum"]["correlation"] < -0.2 and found["ideal ratio mask"]["correlation"] < -0.6
