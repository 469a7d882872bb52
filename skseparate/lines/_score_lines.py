"""From a score and its alignment to lines."""

import numpy as np

from skseparate._recording import n_samples_of, read, sample_rate_of
from skseparate.lines._alignment import align_score
from skseparate.lines._line import hertz, notes_line

LONGEST = 1.0  # seconds of a note that its tuning is found by
CENTS = np.arange(-60, 61, 5)  # that a note may be out of tune
N_HARMONICS = 8
WIDTH = 30.0  # cents: how far players stray from the tuning of the whole; further is another's harmonic, as a rule


def score_lines(recording, score, alignment=None, sample_rate=None, excerpt=None):
    """Lines of a score's parts in a recording of it.

    The score is aligned with the recording, and each note tuned to where the recording has most of its harmonics.

    Parameters
    ----------
    recording : Recording or array of shape (n_samples,)
        The mixture.
    score : Score
        As `skseparate.datasets.rendering.read_score` reads it; its parts are the recording's, in score order.
    alignment : Alignment, default=None
        By default that of `align_score`.
    sample_rate : float, default=None
        Of a plain array, in Hz.
    excerpt : bool, default=None
        See `align_score`.

    Returns
    -------
    lines : list of Line
        One a part; ``line.at(times)`` gives F0 in Hz for frames, 0 where it is silent.

    Raises
    ------
    ValueError
        See `align_score`.

    Examples
    --------
    >>> from skseparate.datasets.rendering import read_score
    >>> from skseparate.lines import score_lines, with_lines
    >>> lines = score_lines(recording, read_score("quartet.musicxml"))  # doctest: +SKIP
    >>> HumSeparator().fit().predict([with_lines(recording, lines)])  # doctest: +SKIP
    """
    if alignment is None:
        alignment = align_score(recording, score, sample_rate, excerpt)
    rate = sample_rate_of(recording, sample_rate)
    return [_line(recording, rate, part, alignment) for part in score.parts]


def _line(recording, rate, part, alignment):
    played = (part.onset < alignment.beats[-1]) & (part.onset + part.duration > alignment.beats[0])
    onset, offset = alignment.at(part.onset[played]), alignment.at((part.onset + part.duration)[played])
    return tuned_line(recording, rate, onset, offset, part.pitch[played])


def tuned_line(recording, rate, onset, offset, pitch):
    """The line of notes, each tuned to where the recording has most of its harmonics.

    Parameters
    ----------
    recording : Recording or array of shape (n_samples,)
        The mixture.
    rate : float
        In Hz.
    onset, offset : ndarray of shape (n_notes,)
        In seconds.
    pitch : ndarray of shape (n_notes,)
        MIDI numbers.

    Returns
    -------
    line : Line
    """
    frequencies = hertz(pitch)
    salience = np.array(
        [note_salience(recording, rate, *note) for note in zip(onset, offset, frequencies, strict=True)]
    ).reshape(-1, len(CENTS))
    return notes_line(onset, offset, frequencies * 2 ** (_tuned(salience) / 1200))


def note_salience(recording, rate, onset, offset, frequency):
    """How much of a note's harmonics a recording has where the note is out of tune by `CENTS`.

    Returns
    -------
    salience : ndarray of shape (len(CENTS),)
        Of sum 1, or all 0 in silence.
    """
    start = max(0, round(onset * rate))
    stop = min(n_samples_of(recording), round(min(offset, onset + LONGEST) * rate))
    if stop - start < 16:
        return np.zeros(len(CENTS))
    samples = np.asarray(read(recording, start, stop), np.float64)
    size = 2 ** int(np.ceil(np.log2(4 * len(samples))))
    spectrum = abs(np.fft.rfft(samples * np.hanning(len(samples)), size))
    order = np.arange(1, N_HARMONICS + 1)
    bins = np.rint(np.outer(2 ** (CENTS / 1200), order) * frequency * size / rate).astype(int)
    salience = np.where(bins < len(spectrum), np.sqrt(spectrum[bins.clip(0, len(spectrum) - 1)]), 0).sum(axis=1)
    return salience / max(salience.sum(), 1e-12)


def _tuned(salience):
    """Cents of each note: where most of it is, near where most of all notes are."""
    if not len(salience):
        return np.zeros(0)
    centre = CENTS[salience.sum(axis=0).argmax()]
    near = np.exp(-0.5 * ((CENTS - centre) / WIDTH) ** 2)
    return CENTS[(salience * near).argmax(axis=1)].astype(np.float64)
