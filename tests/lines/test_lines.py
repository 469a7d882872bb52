"""Lines, their masks, and lines that are tracked."""

import pickle
from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skseparate.lines import LazyLine, Line, harmonic_masks, harmonic_weights, notes_line, pyin_line

RATE = 16000
FRAME = 0.12


def tone(frequency, seconds=1.0, harmonics=10):
    """Samples of a tone whose harmonics decay; the frequency may move from sample to sample."""
    frequency = np.broadcast_to(frequency, round(seconds * RATE))
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    return sum(0.7**h * np.sin(h * phase) for h in range(1, harmonics + 1))


def magnitudes(samples):
    length = round(FRAME * RATE)
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[:: length // 4]
    return abs(np.fft.rfft(frames * np.hanning(length)))


# ------------------------------------------------------------------------------------------------- lines


@pytest.mark.parametrize(
    "times, frequencies, message",
    [
        ([0, 1], [440], "as many"),
        ([[0, 1]], [[440, 440]], "as many"),
        ([0, 0], [440, 440], "increase"),
        ([1, 0], [440, 440], "increase"),
        ([0, np.nan], [440, 440], "increase"),
        ([0, 1], [440, -1], "0 or positive"),
        ([0, 1], [440, np.nan], "0 or positive"),
        ([0, 1], [440, np.inf], "0 or positive"),
    ],
)
def test_what_is_no_line_is_refused(times, frequencies, message):
    with pytest.raises(ValueError, match=message):
        Line(times, frequencies)


def test_between_points_pitch_is_interpolated_and_rests_stay():
    line = Line([0.0, 0.01, 0.02, 0.03, 0.04, 0.05], [220, 440, 0, 0, 0, 330])
    assert_allclose(line.at([0.005]), [np.sqrt(220 * 440)])
    assert_array_equal(line.at([0.03, 0.06, 5.0, -1.0]), np.zeros(4))
    assert_allclose(line.at([0.025, 0.2], hold=1.0), [440, 330])
    assert line.at(np.zeros((2, 3))).shape == (2, 3)


def test_empty_and_silent_lines_are_silent():
    for line in (Line([], []), Line([0.0, 0.1], [0, 0]), notes_line([], [], [])):
        assert_array_equal(line.at(np.arange(5.0), hold=9.0), np.zeros(5))


def test_of_notes_that_overlap_the_later_one_counts():
    line = notes_line([1.0, 0.0], [2.0, 1.5], [330.0, 220.0])
    assert_allclose(line.at([0.5, 1.25, 1.75]), [220, 330, 330])


def test_lazy_lines_are_made_once_and_can_be_sent():
    line = pickle.loads(pickle.dumps(LazyLine(partial(notes_line, [0.0], [1.0], [440.0]))))
    assert_allclose(line.at([0.5]), [440])
    assert line.times is line.times and len(line.frequencies) == len(line.times)


# ------------------------------------------------------------------------------------------------- masks


@pytest.mark.parametrize("low, high", [(220.0, 335.0), (220.0, 331.2), (110.0, 466.0), (196.0, 207.6)])
def test_masks_take_tones_apart(low, high):
    tones = np.stack([magnitudes(tone(f)) for f in (low, high)])
    mixture = magnitudes(tone(low) + tone(high))
    f0 = np.array([[low], [high]]) * np.ones(len(mixture))
    masks = harmonic_masks(mixture, f0, FRAME)
    assert_allclose(masks.sum(axis=0), 1, atol=1e-9)
    for mask, own, other in zip(masks, tones, tones[::-1], strict=True):
        assert (mask * own**2).sum() / (own**2).sum() > 0.8
        assert (mask * other**2).sum() / (other**2).sum() < 0.2


def test_silent_parts_get_nothing_and_silence_is_shared():
    mixture = magnitudes(tone(220.0))
    f0 = np.stack([np.full(len(mixture), 220.0), np.zeros(len(mixture))])
    f0[0, 5:] = 0
    masks = harmonic_masks(mixture, f0, FRAME)
    assert_allclose(masks[1, :5], 0, atol=1e-12)
    assert_allclose(masks[:, 5:], 0.5)
    rest = harmonic_masks(mixture, f0, FRAME, rest=True)
    assert rest.shape[0] == 3
    assert_allclose(rest[:, 5:], np.broadcast_to(np.array([0.0, 0, 1])[:, None, None], rest[:, 5:].shape))


def test_the_rest_takes_what_no_line_explains():
    own, other = magnitudes(tone(220.0)), magnitudes(tone(317.0))
    mixture = magnitudes(tone(220.0) + tone(317.0))
    line, rest = harmonic_masks(mixture, np.full((1, len(mixture)), 220.0), FRAME, rest=True)
    assert (line * own**2).sum() > 0.7 * (own**2).sum()
    assert (rest * other**2).sum() > 0.7 * (other**2).sum()


def test_masks_do_not_depend_on_order_or_level():
    mixture = magnitudes(tone(220.0) + tone(335.0))
    f0 = np.array([[220.0], [335.0]]) * np.ones(len(mixture))
    masks = harmonic_masks(mixture, f0, FRAME)
    assert_allclose(harmonic_masks(mixture, f0[::-1], FRAME), masks[::-1], atol=1e-9)
    assert_allclose(harmonic_masks(1e-3 * mixture, f0, FRAME), masks, atol=1e-6)


def test_weights_are_one_at_harmonics_and_follow_vibrato():
    silence = np.zeros((1, 961))
    (steady,), (moving,) = (
        harmonic_weights(silence, np.array([[250.0]]), FRAME, np.array([[spread]])) for spread in (0.0, 0.02)
    )
    bins = np.rint(250.0 * np.arange(1, 20) * FRAME).astype(int)
    assert_allclose(steady[0, bins], 1, atol=1e-6)
    assert steady[0, bins[:4] + 12].max() < 0.01 < moving[0, bins[3] + 6]
    assert not harmonic_weights(silence, np.zeros((2, 1)), FRAME).any()


# ----------------------------------------------------------------------------------------------- tracking


def test_pyin_tracks_a_gliding_tone():
    pytest.importorskip("librosa")
    seconds = 1.2
    glide = np.geomspace(300, 420, round(seconds * RATE))
    samples = np.concatenate([np.zeros(RATE // 2), tone(glide, seconds), np.zeros(RATE // 2)])
    line = pyin_line(0.1 * samples, low=200, high=800, sample_rate=RATE)
    times = np.arange(0.7, 1.5, 0.05)
    cents = 1200 * np.log2(line.at(times) / np.interp(times - 0.5, np.arange(len(glide)) / RATE, glide))
    assert abs(cents).max() < 30
    assert_array_equal(line.at([0.2, 2.0]), [0, 0])


def test_pyin_needs_a_sample_rate():
    with pytest.raises(ValueError, match="sample_rate"):
        pyin_line(np.zeros(RATE))
