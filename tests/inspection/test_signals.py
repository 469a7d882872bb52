"""Signals streamed into few columns, held against the same done at once."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import get_window

from skseparate.baseline import MixtureSeparator
from skseparate.datasets import ArrayRecording
from skseparate.inspection import MaskDisplay, SeparationDisplay, SpectrogramDisplay, WaveformDisplay, _signals
from skseparate.preprocessing import stft


def cut(x, lengths):
    """Blocks of these lengths, again and again."""
    start, k = 0, 0
    while start < x.shape[-1]:
        yield x[..., start : start + lengths[k % len(lengths)]]
        start, k = start + lengths[k % len(lengths)], k + 1


BLOCKS = [(1,), (7, 1, 100), (1000,), (4096, 3), (10**6,)]


@pytest.mark.parametrize("lengths", BLOCKS)
@pytest.mark.parametrize("ufunc", [np.minimum, np.maximum, np.add])
def test_pooling_by_blocks_is_pooling_at_once(lengths, ufunc):
    x = np.random.default_rng(0).normal(size=(2, 5003))
    pool = _signals.Pool(5003, 37, ufunc)
    for block in cut(x, lengths):
        pool.add(block)
    assert (pool.edges[0], pool.edges[-1], len(pool.edges)) == (0, 5003, 38)
    assert_allclose(pool.values, ufunc.reduceat(x, pool.edges[:-1], axis=-1), atol=1e-12)


@pytest.mark.parametrize("n_samples", [1, 2, 1999, 2000, 2001, 7777])
def test_an_envelope_has_every_extreme(n_samples):
    x = np.random.default_rng(n_samples).normal(size=n_samples)
    envelope = _signals.envelope_of(cut(x, (501, 2)), n_samples, 1000)
    assert envelope.low.min() == x.min() and envelope.high.max() == x.max()
    assert len(envelope.times) == min(n_samples, 2000) and envelope.duration == n_samples / 1000
    assert (np.diff(envelope.times) > 0).all() and 0 <= envelope.times[0] <= envelope.times[-1] < envelope.duration
    if n_samples <= 2000:
        assert_array_equal(envelope.low, x)
        assert_array_equal(envelope.high, x)
        assert_allclose(envelope.times, np.arange(n_samples) / 1000)


def test_a_click_of_one_sample_is_seen():
    x = np.zeros(10**6)
    x[654_321] = -0.9
    envelope = _signals.envelope_of(cut(x, (2**16,)), len(x), 48000)
    (column,) = np.flatnonzero(envelope.low)
    assert envelope.times[column] == pytest.approx(654_321 / 48000, abs=envelope.duration / 2000)
    assert envelope.peak == 0.9


@pytest.mark.parametrize("lengths", BLOCKS[1:])
@pytest.mark.parametrize("n_samples", [5, 400, 4001])
def test_frames_by_blocks_are_those_of_stft(lengths, n_samples):
    x = np.random.default_rng(0).normal(size=(2, n_samples))
    frames = np.concatenate(list(_signals._magnitudes(cut(x, lengths), 20)), axis=-2)
    assert_allclose(frames, np.abs(stft(x, get_window("hann", 80), 20)), atol=1e-12)


@pytest.mark.parametrize("scale", ["log", "linear"])
@pytest.mark.parametrize("rate", [8000, 22050, 48000, 192000])
def test_a_sinusoid_is_where_it_belongs_as_loud_as_it_is(scale, rate):
    frequency = rate / 8
    x = 0.5 * np.sin(2 * np.pi * frequency * np.arange(4 * rate) / rate)
    cells = _signals.cells_of(cut(x, (10**5,)), len(x), rate, 512 / rate, scale, None, np.maximum)
    levels = _signals.decibels(cells.values)
    middle = levels[:, levels.shape[1] // 2]
    row = int(middle.argmax())
    assert cells.frequencies[row] <= frequency <= cells.frequencies[row + 1]
    assert middle[row] == pytest.approx(20 * np.log10(0.5), abs=0.1)
    assert levels.shape == (len(cells.frequencies) - 1, len(cells.times) - 1)
    assert cells.times[0] == 0 and cells.times[-1] == pytest.approx(4)
    assert cells.frequencies[-1] == rate / 2 and (np.diff(cells.frequencies) > 0).all()
    assert (cells.frequencies[0] > 0) == (scale == "log")


def test_a_tone_begins_when_it_begins():
    x = np.zeros(16000)
    x[8000:12000] = np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000)
    cells = _signals.cells_of(cut(x, (999,)), len(x), 8000, 0.04, "linear", None, np.maximum)
    loud = np.flatnonzero(_signals.decibels(cells.values).max(axis=0) > -7)
    assert cells.times[loud[0]] == pytest.approx(1, abs=0.02)
    assert cells.times[loud[-1] + 1] == pytest.approx(1.5, abs=0.02)


def test_means_of_cells():
    x = np.random.default_rng(0).normal(size=300_000)
    cells = _signals.cells_of(cut(x, (10**5,)), len(x), 8000, 0.02, "linear", 1000, np.add)
    frames = np.abs(stft(x, get_window("hann", 160), 40))
    assert cells.frequencies[-1] == 1025 and cells.values.shape == (21, 800)
    edges = np.linspace(0, len(frames), 801).astype(int)
    expected = [frames[a:b, 20].mean() for a, b in pairwise(edges)]
    assert_allclose(cells.values[20], expected)


def test_levels_are_finite_however_quiet():
    levels = _signals.decibels(np.array([0, 1e-300, 0.5, 1e10]))
    assert_allclose(levels, [-200, -200, 0, 206.02], atol=0.01)


def test_names_of_parts(duo):
    assert _signals.part_names(duo[0], 2) == ["vn 1", "vn 2"]
    assert _signals.part_names(np.zeros(3), 2) == ["part 1", "part 2"]
    recording = ArrayRecording(np.zeros(3), 8000, parts=["vn", "va", "vn"])
    assert _signals.part_names(recording, 4) == ["vn 1", "va", "vn 2", "part 4"]


# ------------------------------------------------------------------------------------------ long inputs


DRAW = {
    "waveform": lambda x, y: WaveformDisplay.from_predictions(x, x),
    "spectrogram": lambda x, y: SpectrogramDisplay.from_predictions(x, x),
    "mask": lambda x, y: MaskDisplay.from_predictions(y),
    "separation": lambda x, y: SeparationDisplay.from_estimator(MixtureSeparator().fit([x], [y]), x, y),
}


@pytest.mark.parametrize("kind", DRAW)
def test_long_recordings_take_no_more_memory_than_short_ones(kind, long_recording):
    def peak(seconds):
        x, y = long_recording(seconds), long_recording(seconds, n_parts=2)
        tracemalloc.start()
        display = DRAW[kind](x, y)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert max(x.longest, y.longest) <= _signals.BLOCK_LENGTH
        return used, display

    peak(1)  # what is imported and cached once
    (short, _), (long, display) = peak(40), peak(320)
    assert long < 1.3 * short
    vertices = sum(len(p.vertices) for a in display.figure_.axes for c in a.collections for p in c.get_paths()[:1])
    assert vertices < 50_000
