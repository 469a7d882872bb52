"""How much parts overlap: the properties that the documentation promises."""

import numpy as np
import pytest

from skseparate.datasets import ArrayRecording, Stems
from skseparate.metrics import overlap_difficulty

RATE = 8000


@pytest.fixture
def noises():
    return np.random.default_rng(0).normal(size=(3, 2 * RATE))


def test_order_and_a_common_gain_do_not_count(noises):
    difficulty = overlap_difficulty(noises, RATE)
    assert 0 < difficulty < 1
    assert overlap_difficulty(noises[::-1], RATE) == pytest.approx(difficulty)
    assert overlap_difficulty(100 * noises, RATE) == pytest.approx(difficulty)


def test_apart_in_time_or_in_frequency_is_easy_and_alike_is_hard(noises):
    apart = noises[:2].copy()
    apart[0, RATE - 500 :] = 0
    apart[1, : RATE + 500] = 0
    assert overlap_difficulty(apart, RATE) == pytest.approx(0, abs=1e-6)
    assert overlap_difficulty([noises[0], 0.3 * noises[0]], RATE) == pytest.approx(1)
    time = np.arange(RATE) / RATE
    low, near, high = (np.sin(2 * np.pi * frequency * time) for frequency in (440, 444, 1200))
    assert overlap_difficulty([low, high], RATE) < 0.01 < overlap_difficulty([low, near], RATE)


def test_silent_parts_do_not_count(noises):
    with_silence = np.concatenate([noises, np.zeros((2, noises.shape[1]))])
    assert overlap_difficulty(with_silence, RATE) == pytest.approx(overlap_difficulty(noises, RATE))
    assert overlap_difficulty(np.zeros((3, RATE)), RATE) == overlap_difficulty(noises[:1], RATE) == 0


def test_lazy_solos_score_as_arrays_do(noises):
    noises = np.tile(noises, 10)  # several blocks
    lazy = Stems([ArrayRecording(noise, RATE) for noise in noises], ["vn", "va", "vc"])
    assert overlap_difficulty(lazy, RATE) == pytest.approx(overlap_difficulty(noises, RATE), rel=1e-5)


@pytest.mark.parametrize("solos", [np.ones(8), np.ones((2, 0)), np.full((2, 8000), np.nan)])
def test_bad_solos_are_refused(solos):
    with pytest.raises(ValueError, match="solos must"):
        overlap_difficulty(solos, RATE)
