"""Recordings of single notes: where they begin, what their pitch is, and how they can be held."""

from dataclasses import dataclass

import numpy as np
from scipy import signal

MISTUNED = 60  # Cents by which a recording may miss the pitch of its name.
PERIODIC = 0.6  # Least correlation of a note with itself a period later.
HALVED = 0.98  # Correlation half a period later, against that a period later, of a note an octave higher than named.
LONGEST = 2.0  # Seconds of attack and loop that are kept; the release adds up to RELEASE.
SHORTEST = 0.35  # Seconds that must sound.
RELEASE = 0.45
LEAD = 0.03  # Seconds kept before the onset: breath and bow noise.
LOOP_FADE = 0.05
HOP = 0.005  # Seconds between the values of an envelope.


@dataclass(frozen=True)
class Note:
    """A recording of one note.

    Attributes
    ----------
    pitch : float
        MIDI number as it sounds.
    level : float
        Dynamic in dB; 0 is mezzo-forte.
    samples : ndarray of int16
        Attack and loop, then the release.
    gain : float
        What brings the samples to an RMS of 1 while they are held.
    onset, loop_start, loop_stop : int
        Where the note begins to sound, and the loop, whose end goes over into its start; the release follows it.
    """

    pitch: float
    level: float
    samples: np.ndarray
    gain: float
    onset: int
    loop_start: int
    loop_stop: int


def make_note(samples, sample_rate, pitch, level):
    """Prepare a recording.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        Mono.
    sample_rate : int
        In Hz.
    pitch : int
        MIDI number that it is said to be.
    level : float
        Dynamic in dB.

    Returns
    -------
    note : Note or None
        None where it is too short, noisy, or another pitch.
    """
    samples = np.asarray(samples, np.float64)
    body = _body(samples, sample_rate)
    if body is None:
        return None
    onset, steady, end, fall = body
    fade = int(LOOP_FADE * sample_rate)
    first, last = steady + fade, min(end, onset + int(LONGEST * sample_rate))
    if last - first < 2 * fade:
        return None
    found, clarity = measure_pitch(samples[steady:last], sample_rate, pitch)
    if abs(found - pitch) > MISTUNED / 100 or clarity < PERIODIC:
        return None
    held, start = _looped(samples[:last], first, fade)
    begin = max(0, onset - int(LEAD * sample_rate))
    return _packed(found, level, held[begin:], _release(samples, fall, sample_rate), onset - begin, start - begin)


def measure_pitch(samples, sample_rate, pitch):
    """Pitch by autocorrelation within two semitones of ``pitch``.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        Steady sound.
    sample_rate : int
        In Hz.
    pitch : float
        MIDI number that is expected.

    Returns
    -------
    pitch : float
        Median over frames.
    clarity : float
        Median correlation of the sound with itself a period later; 0 where half a period is one as well.
    """
    period = sample_rate / (440 * 2 ** ((pitch - 69) / 12))
    length = min(len(samples), int(max(0.06 * sample_rate, 6 * period)))
    starts = range(0, len(samples) - length + 1, max(1, length // 2))
    periods, clarities = zip(*(_period(samples[i : i + length], period) for i in starts), strict=True)
    found = 69 + 12 * np.log2(sample_rate / (440 * np.median(periods)))
    return float(found), float(np.median(clarities))


def _period(frame, expected):
    """Period in samples, and the correlation there: refined at whole multiples, where a sample is less of it."""
    n = len(frame)
    spectrum = np.fft.rfft(frame - frame.mean(), 2 * n)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[:n]
    energy = np.cumsum(np.square(frame - frame.mean()))
    lags = np.arange(n - 1)
    scale = np.sqrt(energy[n - 1 - lags] * (energy[-1] - np.where(lags > 0, energy[lags - 1], 0)))
    correlation = correlation[:-1] / np.maximum(scale, 1e-12)
    low, high = max(1, int(expected / 1.12)), min(n - 3, int(np.ceil(expected * 1.12)))
    period, clarity = _peak(correlation, low, high)
    if correlation[round(period / 2)] > HALVED * clarity:
        clarity = 0.0
    multiple = 1
    while multiple * 2 * period < n // 2:
        multiple *= 2
        # The estimate is within a fraction of a sample at half the lag, so twice that here.
        period = _peak(correlation, int(multiple * period) - 2, int(multiple * period) + 3)[0] / multiple
    return period, clarity


def _peak(values, low, high):
    """Place and height of the highest value between two places, by a parabola."""
    i = int(np.clip(low + np.argmax(values[low : high + 1]), 1, len(values) - 2))
    left, middle, right = values[i - 1 : i + 2]
    curve = left - 2 * middle + right
    shift = 0.0 if curve >= 0 else float(np.clip(0.5 * (left - right) / curve, -1, 1))
    return i + shift, float(middle)


def _body(samples, sample_rate):
    """Onset, where the attack is over, where it begins to fade and where it falls, in samples; None if too short."""
    hop = int(HOP * sample_rate)
    power = np.convolve(np.square(samples), np.ones(5 * hop) / (5 * hop), "same")[::hop]
    envelope = 10 * np.log10(np.maximum(power, 1e-10))
    plateau = np.median(envelope[envelope > envelope.max() - 12])
    start, stop = _longest_run(envelope > plateau - 18)
    if (stop - start) * HOP < SHORTEST:
        return None
    head = np.median(envelope[start : min(stop, start + int(1 / HOP))])
    steady = start + np.argmax(envelope[start:stop] > head - 3)
    steady = min(steady + int(0.02 / HOP), start + int(0.4 / HOP), (start + stop) // 2)
    tail = np.median(envelope[max(steady, stop - int(1 / HOP)) : stop])
    end, fall = (stop - 1 - np.argmax(envelope[start:stop][::-1] > tail - depth) for depth in (4, 7))
    # The window that smooths the power is centred, so it rises half a window early.
    return int((start + 1) * hop), int(steady * hop), int(max(end - 2, steady) * hop), int(max(fall - 2, steady) * hop)


def _longest_run(flags):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    starts, stops = edges[::2], edges[1::2]
    longest = np.argmax(stops - starts)
    return int(starts[longest]), int(stops[longest])


def _looped(samples, first, fade):
    """Samples whose end goes over into a place after ``first``, and that place."""
    stop = len(samples)
    reach = max(1, (stop - first) // 2)
    pattern = samples[stop - fade :]
    searched = samples[first - fade : first + reach]
    match = signal.correlate(searched, pattern, "valid", method="fft")
    energy = signal.correlate(np.square(searched), np.ones(fade), "valid", method="fft")
    match /= np.sqrt(np.maximum(energy, 1e-12) * max(pattern @ pattern, 1e-12))
    start = first + int(np.argmax(match))
    samples = _levelled(samples, start, fade)
    # What comes before the loop's start is faded in before its end; correlated sounds add to more power.
    ramp, same = np.linspace(0, 1, fade), float(np.clip(match.max(), 0, 1))
    mixed = (1 - ramp) * samples[stop - fade :] + ramp * samples[start - fade : start]
    samples[stop - fade :] = mixed / np.sqrt(ramp**2 + (1 - ramp) ** 2 + 2 * same * ramp * (1 - ramp))
    return samples, start


def _levelled(samples, start, fade):
    """A copy whose loop ends as loud as it starts: a note that fades would pulse."""
    length = min(3 * fade, (len(samples) - start) // 2)
    before, after = (np.mean(np.square(samples[place : place + length])) for place in (start, len(samples) - length))
    change = np.clip(0.5 * np.log(max(before, 1e-12) / max(after, 1e-12)), -1.4, 1.4)
    samples = samples.copy()
    samples[start:] *= np.exp(change * np.linspace(0, 1, len(samples) - start))
    return samples


def _release(samples, end, sample_rate):
    """How the note ends, faded out where the recording breaks off."""
    release = samples[end : end + int(RELEASE * sample_rate)].copy()
    length = (len(release) + 1) // 2
    release[len(release) - length :] *= np.square(np.cos(np.linspace(0, np.pi / 2, length)))
    return release


def _packed(pitch, level, held, release, onset, start):
    """The note in 16 bits, at full scale."""
    fade = max(1, onset // 4)
    held[:fade] *= np.linspace(0, 1, fade)
    samples = np.concatenate([held, release])
    scale = 32000 / max(np.abs(samples).max(), 1e-9)
    gain = 1 / max(np.sqrt(np.mean(np.square(scale * held[start:]))), 1e-9)
    return Note(pitch, level, np.round(scale * samples).astype(np.int16), float(gain), onset, start, len(held))
