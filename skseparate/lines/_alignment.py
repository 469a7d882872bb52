"""Where in a recording a score is: features of both, warped onto each other."""

from dataclasses import dataclass

import numpy as np

from skseparate._recording import describe, n_samples_of, read, sample_rate_of
from skseparate.lines._dtw import best_excerpt, warping_path

HOP = 0.04  # seconds from one frame to the next
FRAME = 0.12  # seconds: tells semitones apart from about 140 Hz on
BLOCK = 500  # frames that are computed at once
PITCHES = np.arange(28, 109)  # MIDI numbers of the bands
N_BANDS = len(PITCHES)
N_HARMONICS = 8  # of a written note
DECAY = 0.8  # from each of them to the next
SILENCE = 0.03  # what is softer than this share of the loud frames counts as silent
ONSETS = 1.0  # weight of what begins, beside what sounds
ATTACK = 0.04  # seconds that a note takes to be heard
# Semitones above a note, and strength.
_HARMONICS = np.array([(12 * np.log2(h), DECAY ** (h - 1)) for h in range(1, N_HARMONICS + 1)])
_GAPS = np.array([(12 * np.log2(h + 0.5), DECAY ** (h - 0.5)) for h in range(1, N_HARMONICS)])


@dataclass(frozen=True)
class Alignment:
    """When the beats of a score are played.

    Attributes
    ----------
    beats : ndarray of float64 of shape (n_anchors,)
        In quarter notes, increasing.
    seconds : ndarray of float64 of shape (n_anchors,)
        In the recording, never decreasing.
    mismatch : float, default=0.0
        Mean distance between what is written and what is heard, from 0 to 2: the right score has about 0.6 to 0.8, one
        of another piece more than 0.8 as a rule.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.lines import Alignment
    >>> Alignment(np.array([0.0, 4.0]), np.array([1.5, 3.5])).at([1.0]).tolist()
    [2.0]
    """

    beats: np.ndarray
    seconds: np.ndarray
    mismatch: float = 0.0

    def at(self, beats):
        """Seconds of any beats, ``(n_beats,)``; the first and last anchor beyond them."""
        return np.interp(beats, self.beats, self.seconds)


def align_score(recording, score, sample_rate=None, excerpt=None):
    """Align a score with a recording of it by dynamic time warping.

    Spectra in semitones of the recording are matched with combs of harmonics of the written notes; what begins
    counts beside what sounds. Silence before and after is found; repeats and cuts that the score has not are not.

    Parameters
    ----------
    recording : Recording or array of shape (n_samples,)
        Of all the parts, or of most.
    score : Score
        As `skseparate.datasets.rendering.read_score` reads it.
    sample_rate : float, default=None
        Of a plain array, in Hz.
    excerpt : bool, default=None
        Whether the recording holds only some of the score; then it is played at half to double the score's tempo. By
        default, what matches better.

    Returns
    -------
    alignment : Alignment
        An anchor at each onset of any part, and at the end.

    Raises
    ------
    ValueError
        If the recording is silent or its sample rate is unknown, or the score has no notes.

    Notes
    -----
    On rendered quartets whose tempo is distorted, half of the onsets are found within a frame of 40 ms:
    ``benchmarks/score_informed.py``.

    References
    ----------
    .. [1] S. Ewert, M. Müller and P. Grosche, "High resolution audio synchronization using chroma onset features",
           ICASSP 2009.

    Examples
    --------
    >>> from skseparate.datasets.rendering import read_score
    >>> from skseparate.lines import align_score
    >>> align_score(recording, read_score("quartet.musicxml"))  # doctest: +SKIP
    """
    rate = sample_rate_of(recording, sample_rate)
    if rate is None:
        raise ValueError(f"{describe(recording)} does not know its sample rate: give sample_rate in Hz.")
    heard = heard_bands(recording, rate)
    loudness = heard.sum(axis=1)
    if not (sounding := np.flatnonzero(loudness > SILENCE * np.quantile(loudness, 0.95))).size:
        raise ValueError(f"{describe(recording)} is silent: no score can be aligned with it.")
    features, length = features_of(heard), HOP * (sounding[-1] + 1 - sounding[0])
    whole = nominal_times(score)
    choices = [whole] if not excerpt else []
    choices += [_excerpt(score, *whole, features)] if excerpt in (True, None) else []
    aligned = [_aligned(score, beats, seconds * length / seconds[-1], features) for beats, seconds in choices]
    return min(aligned, key=lambda alignment: alignment.mismatch)


def _aligned(score, beats, seconds, heard):
    """The alignment of anchors that come at about these times, counted from the first."""
    written = features_of(_written(score, beats, seconds))
    path = warping_path(written, heard)
    mismatch = np.square(written[path[:, 0]] - heard[path[:, 1]]).sum(axis=1).mean()
    return _anchored(path, beats, seconds, float(mismatch))


def nominal_times(score):
    """Onsets of the score and its end, in quarter notes, and when they come by its own tempo, in seconds.

    Returns
    -------
    beats, seconds : ndarray of shape (n_anchors,)

    Raises
    ------
    ValueError
        If there are no notes.
    """
    sounding = [part for part in score.parts if len(part.onset)]
    if not sounding:
        raise ValueError(f"the score {score.name} has no notes to align.")
    end = max(float((part.onset + part.duration).max()) for part in sounding)
    beats = np.unique(np.concatenate([[0.0, end], *(part.onset for part in sounding)]))
    changes, tempi = score.tempo[:, 0], score.tempo[:, 1]
    starts = np.concatenate([[0.0], np.cumsum(np.diff(changes) * 60 / tempi[:-1])])
    which = (np.searchsorted(changes, beats, side="right") - 1).clip(0)
    return beats, starts[which] + (beats - changes[which]) * 60 / tempi[which]


def _excerpt(score, beats, seconds, features):
    """The anchors that the recording holds, counted from where it begins in the score."""
    first, last = best_excerpt(features_of(_written(score, beats, seconds)), features)
    start, stop = (min(max(0.0, (row - 1) * HOP), seconds[-1]) for row in (first, last))
    inside = (seconds > start) & (seconds < stop)
    ends = np.interp([start, stop], seconds, beats)
    return np.concatenate([ends[:1], beats[inside], ends[1:]]), np.concatenate(
        [[0], seconds[inside] - start, [stop - start]]
    )


def heard_bands(recording, rate):
    """Magnitudes in semitone bands, ``(n_frames, n_pitches)``; frame i is centred on ``i * HOP``."""
    length, half = 2 * round(FRAME * rate / 2), round(FRAME * rate / 2)
    n_samples = n_samples_of(recording)
    bands, window = _bands(length, rate), np.hanning(length + 1)[:-1]
    centres = np.round(np.arange(0, n_samples / rate, HOP) * rate).astype(int)
    found = []
    for first in range(0, len(centres), BLOCK):
        block = centres[first : first + BLOCK]
        start = max(0, block[0] - half)
        samples = np.asarray(read(recording, start, block[-1] + half), np.float64)
        left = start - (block[0] - half)
        samples = np.pad(samples, (left, max(0, block[-1] - block[0] + length - left - len(samples))))
        frames = np.lib.stride_tricks.sliding_window_view(samples, length)[block - block[0]]
        found.append(abs(np.fft.rfft(frames * window)) @ bands)
    return np.concatenate(found)


def _bands(length, rate):
    """Weight of each bin in each semitone: triangles, no narrower than a bin, ``(n_bins, n_pitches)``."""
    bins = np.fft.rfftfreq(length, 1 / rate)[:, None]
    centres = 440 * 2 ** ((PITCHES - 69) / 12)
    widths = np.maximum(rate / length, centres * (2 ** (1 / 12) - 1))
    return np.maximum(0, 1 - abs(bins - centres) / widths)


def _written(score, beats, seconds):
    """What the recording's features would be, played at given times; a frame of silence at both ends."""
    n_frames = int(seconds[-1] / HOP) + 3
    rolled = np.zeros((n_frames, N_BANDS))
    for part in score.parts:
        ends = part.onset + part.duration
        played = (part.onset < beats[-1]) & (ends > beats[0])
        first, last = (1 + np.interp(t[played], beats, seconds) / HOP for t in (part.onset, ends))
        rolled += written_bands(first, last, part.pitch[played], n_frames)
    return rolled


def written_bands(first, last, pitch, n_frames, between=False):
    """Harmonics of notes in semitone bands, ``(n_frames, n_pitches)``, from frame to frame; or the gaps between."""
    rolled, teeth = np.zeros((n_frames, N_BANDS)), _GAPS if between else _HARMONICS
    first, last = np.rint(first).astype(int), np.rint(last).astype(int)
    for number, start, stop in zip(pitch, first, last, strict=True):
        bands = np.rint(float(number) + teeth[:, 0]).astype(int) - PITCHES[0]
        kept = (bands >= 0) & (bands < N_BANDS)
        rolled[start : max(stop, start + 1), bands[kept]] += teeth[kept, 1]
    return rolled


def features_of(bands):
    """What sounds and what begins, each of length at most 1 in every frame; silence is near 0."""
    root = np.sqrt(bands)
    rise = np.maximum(0, np.diff(root, axis=0, prepend=root[:1], append=root[-1:])).reshape(-1, root.shape[1])
    rise = (rise[:-1] + rise[1:]) / 2
    return np.hstack([_scaled(root), ONSETS * _scaled(rise)]) / np.hypot(1, ONSETS)


def _scaled(features):
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    usual = np.quantile(lengths, 0.9)
    return features / np.maximum(lengths, 0.3 * usual + 1e-12)


def _anchored(path, beats, seconds, mismatch):
    """Times of the onsets: means of the frames that the path gives to theirs."""
    frames = 1 + seconds / HOP
    rows, first = np.unique(path[:, 0], return_index=True)
    counts = np.diff(np.append(first, len(path)))
    heard = np.add.reduceat(path[:, 1], first) / counts
    found = np.maximum.accumulate(HOP * np.interp(frames, rows, heard) - ATTACK).clip(0, None)
    return Alignment(beats, found, mismatch)
