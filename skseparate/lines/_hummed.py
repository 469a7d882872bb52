"""Lines that somebody hums along with a recording: in another octave, a little late, a little out of tune."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from skseparate._recording import sample_rate_of
from skseparate.lines._alignment import HOP, N_BANDS, features_of, heard_bands, written_bands
from skseparate.lines._line import STEP
from skseparate.lines._pyin import pyin_line
from skseparate.lines._score_lines import tuned_line

LOWEST, HIGHEST = 60.0, 1100.0  # Hz that people hum or whistle
OCTAVES = (0, -1, 1, -2, 2)
LATEST = 5.0  # seconds that somebody may begin late, or early
SHORTEST = 0.08  # seconds of a note
STRAY = 0.8  # semitones that a voice may leave a note by and still sing it
OUTSIDE = 0.2  # share of the time that a line may lie outside its instrument's range: trackers err at their limits
GAPS = 0.3  # weight of what sounds between a note's harmonics, against it: there lie those of the octave below


def hummed_line(recording, hummed, sample_rate=None, pitches=None, *, octave=None, late=None):
    """The line of a part that somebody hums along with a recording.

    The pitch of the voice is tracked by pYIN and cut into notes. They may all be some octaves too low or too high and
    some seconds late or early: unless that is told, where their harmonics and onsets are most like the recording's is
    where they belong. Then each note is tuned to the recording, as a score's are.

    Parameters
    ----------
    recording : Recording or array of shape (n_samples,)
        The mixture.
    hummed : Recording or array of shape (n_samples,)
        The voice, from about the same beginning.
    sample_rate : float, default=None
        Of plain arrays, in Hz.
    pitches : (int, int), default=None
        Lowest and highest MIDI number of the part's instrument, where it is known: it rules octaves out.
    octave : int, default=None
        By how many octaves the part lies above the voice; by default found.
    late : float, default=None
        By how many seconds the voice is late, negative where it is early; by default found.

    Returns
    -------
    line : Line
        Of the part in the recording.

    Raises
    ------
    ValueError
        If nothing is hummed, librosa is missing, or a sample rate is unknown.

    References
    ----------
    .. [1] P. Smaragdis and G. J. Mysore, "Separation by 'humming': user-guided sound extraction from monophonic
           mixtures", WASPAA 2009.

    Examples
    --------
    >>> from skseparate.datasets import AudioFile
    >>> from skseparate.lines import hummed_line
    >>> line = hummed_line(AudioFile("quartet.wav"), AudioFile("hummed.wav"))  # doctest: +SKIP
    """
    return placed_line(recording, hummed, sample_rate, pitches, octave, late)[0]


def placed_line(recording, hummed, sample_rate=None, pitches=None, octave=None, late=None):
    """What `hummed_line` finds, and where: the line, the octave and the seconds."""
    rate = sample_rate_of(recording, sample_rate)
    if rate is None:
        raise ValueError("the sample rate of the recording is unknown: give sample_rate in Hz.")
    onset, offset, pitch = _notes(pyin_line(hummed, LOWEST, HIGHEST, sample_rate))
    if not len(onset):
        raise ValueError("nothing is hummed: a voice that sounds longer than a moment, and alone, is needed.")
    octaves = [octave] if octave is not None else _octaves(onset, offset, pitch, pitches)
    lags = np.arange(-round(LATEST / HOP), round(LATEST / HOP) + 1) if late is None else np.array([round(late / HOP)])
    lag, octave = _place(features_of(heard_bands(recording, rate)), onset, offset, pitch, octaves, lags)
    late = HOP * lag if late is None else late
    onset, offset = (onset - late).clip(0, None), (offset - late).clip(0, None)
    sounding = offset > onset
    if not sounding.any():
        raise ValueError(f"nothing is hummed after the recording begins, with late={late:g} s.")
    line = tuned_line(recording, rate, onset[sounding], offset[sounding], (pitch + 12 * octave)[sounding])
    return line, octave, late


def _notes(line):
    """Notes of a voice: onsets and offsets in seconds, and MIDI numbers that need not be whole."""
    frequencies = line.frequencies
    pitch = 69 + 12 * np.log2(np.where(frequencies > 0, frequencies, 440) / 440)
    notes, start = [], 0
    for i in range(len(pitch) + 1):
        ends = i == len(pitch) or not frequencies[i] or abs(pitch[i] - np.median(pitch[start : i + 1])) > STRAY
        if ends:
            if i > start and (i - start) * STEP >= SHORTEST:
                notes.append((line.times[start], line.times[i - 1] + STEP, np.median(pitch[start:i])))
            start = i if i < len(pitch) and frequencies[i] else i + 1
    return np.array(notes).reshape(-1, 3).T


def _octaves(onset, offset, pitch, pitches):
    """Octaves up in which an instrument can play nearly all of the line; all where there is none."""
    if pitches is None:
        return OCTAVES
    seconds = offset - onset

    def outside(moved):
        return seconds[(moved < pitches[0] - 0.5) | (moved > pitches[1] + 0.5)].sum() / seconds.sum()

    return [octave for octave in OCTAVES if outside(pitch + 12 * octave) < OUTSIDE] or OCTAVES


def _place(heard, onset, offset, pitch, octaves, lags):
    """By how many frames notes are late, and by how many octaves too low."""
    n_frames = int(offset[-1] / HOP) + 2
    size = next_fast_len(len(heard) + n_frames + abs(lags).max(), real=True)
    spectrum, found = rfft(heard, size, axis=0).conj(), []
    for octave in octaves:
        notes = onset / HOP, offset / HOP, pitch + 12 * octave, n_frames
        written = features_of(written_bands(*notes))
        written -= GAPS * features_of(written_bands(*notes, between=True)) * (np.arange(written.shape[1]) < N_BANDS)
        likeness = irfft((rfft(written, size, axis=0) * spectrum).sum(axis=1), size)[lags]
        best = int(likeness.argmax())
        found.append((likeness[best], int(lags[best]), octave))
    return max(found)[1:]
