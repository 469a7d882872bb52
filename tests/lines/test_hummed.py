"""Lines that somebody hums: the octave, a late start and poor tuning are forgiven."""

import numpy as np
import pytest

from skseparate.baseline import HumSeparator
from skseparate.datasets import ArrayRecording
from skseparate.lines import Line, hummed_line, with_lines
from skseparate.lines import _hummed as module
from skseparate.metrics import si_sdr

RATE = 16000
TIMES = np.arange(0, 15, 0.01)


def sung(line, octaves, late, seed=0, cents=30, unsteady=0.05):
    """The frequencies of a voice that follows a line: late, octaves away, out of tune and time."""
    rng = np.random.default_rng(seed)
    grid = np.arange(0, TIMES[-1] + 1, 0.4)
    wander = np.interp(TIMES, grid, rng.normal(0, unsteady, len(grid)))
    tuning = np.interp(TIMES, grid, rng.normal(0, cents, len(grid)))
    return line.at(TIMES - late + wander) * 2.0 ** (octaves + tuning / 1200)


@pytest.fixture
def tracked(monkeypatch):
    """pYIN takes a while: a voice is given by its frequencies instead."""
    monkeypatch.setattr(module, "pyin_line", lambda hummed, *_: Line(TIMES, hummed))


def agreement(line, true):
    """Share of the time at which a line sounds the true note, where that sounds."""
    found, wanted = line.at(TIMES, hold=0.1), true.at(TIMES)
    sounding = wanted > 0
    return np.mean(abs(12 * np.log2(np.maximum(found[sounding], 1) / wanted[sounding])) < 0.5)


@pytest.mark.parametrize("octaves, late", [(0, 0.0), (-1, 0.8), (-2, 2.5), (1, -1.0)])
@pytest.mark.parametrize("k", [0, 3])
def test_wrong_octaves_and_late_starts_are_forgiven(quartet, tracked, k, octaves, late):
    ensemble, _ = quartet
    true = ensemble.stems[k].line
    line = hummed_line(ensemble.mixture(), sung(true, octaves, late, seed=k), pitches=(36, 96))
    assert agreement(line, true) > 0.6  # next to nothing in another octave, or elsewhere


def test_the_part_is_taken_out(quartet, tracked):
    ensemble, _ = quartet
    mixture, solo = np.asarray(ensemble.mixture()), np.asarray(ensemble.stems[0])
    line = hummed_line(ensemble.mixture(), sung(ensemble.stems[0].line, -1, 0.6))
    told = with_lines(ArrayRecording(mixture, RATE), [line])
    found, rest = HumSeparator(rest=True).fit().predict([told])[0]
    np.testing.assert_allclose(found + rest, mixture, atol=1e-5)
    assert si_sdr(solo, found) > si_sdr(solo, mixture) + 3


def test_the_range_of_an_instrument_rules_octaves_out(quartet, tracked):
    ensemble, _ = quartet
    true = ensemble.stems[3].line
    pitch = 69 + 12 * np.log2(true.frequencies[true.frequencies > 0] / 440)
    line = hummed_line(ensemble.mixture(), sung(true, 2, 0.3), pitches=(int(pitch.min()) - 2, int(pitch.max()) + 2))
    assert agreement(line, true) > 0.75


def test_silence_is_refused(quartet, tracked):
    with pytest.raises(ValueError, match="nothing is hummed"):
        hummed_line(quartet[0].mixture(), np.zeros(len(TIMES)))


def test_a_voice_is_cut_into_notes():
    frequencies = np.concatenate([np.zeros(20), np.full(50, 220.0), np.full(50, 246.9), np.zeros(9), np.full(4, 300.0)])
    onset, offset, pitch = module._notes(Line(0.01 * np.arange(len(frequencies)), frequencies))
    np.testing.assert_allclose([onset, offset, pitch], [[0.2, 0.7], [0.7, 1.2], [57, 59]], atol=0.02)


def test_a_real_voice_through_pyin(quartet):
    """The whole way once: samples of a voice, an octave too low and late."""
    pytest.importorskip("librosa")
    ensemble, _ = quartet
    k = int(np.argmax([stem.line.frequencies.max() for stem in ensemble.stems]))
    true = ensemble.stems[k].line
    frequency = np.interp(np.arange(6 * RATE) / RATE, TIMES, sung(true, -1, 0.5))
    sounding = frequency > 50
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    voice = 0.1 * sounding * sum(0.6**h * np.sin(h * phase) for h in range(1, 7))
    line = hummed_line(ArrayRecording(ensemble.mixture().read(0, 6 * RATE), RATE), ArrayRecording(voice, RATE))
    times = np.arange(0.5, 5.0, 0.01)
    found, wanted = line.at(times, hold=0.15), true.at(times)
    both = (found > 0) & (wanted > 0)
    assert both.mean() > 0.6
    assert np.mean(abs(12 * np.log2(found[both] / wanted[both])) < 0.5) > 0.7
