"""Lines tracked by pYIN, which librosa brings."""

import numpy as np
import soxr

from skseparate._recording import n_samples_of, read, sample_rate_of
from skseparate.lines._line import STEP, Line

RATE = 16000  # Hz; at which pitch is tracked, whatever the recording's
FRAME = 0.128  # seconds: two periods of the lowest note of a double bass, and more
RESOLUTION = 0.2  # semitones between the candidates: finer ones cost five times as much, and players stray further
BLOCK, CONTEXT = 30.0, 0.5  # seconds tracked at once, and around them: memory does not grow with the recording


def pyin_line(recording, low=27.5, high=2100.0, sample_rate=None):
    """Track the line of a solo by pYIN.

    Parameters
    ----------
    recording : Recording or array of shape (n_samples,)
        A single part.
    low, high : float, default=27.5 and 2100.0
        The lowest and highest frequency to look for, in Hz; a range as narrow as the instrument's finds fewer wrong
        octaves, sooner.
    sample_rate : float, default=None
        Of a plain array, in Hz.

    Returns
    -------
    line : Line
        A point every 10 ms, 0 where it is unvoiced.

    Raises
    ------
    ValueError
        If librosa is missing, or the sample rate unknown.

    References
    ----------
    .. [1] M. Mauch and S. Dixon, "pYIN: a fundamental frequency estimator using probabilistic threshold
           distributions", ICASSP 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.lines import pyin_line
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> float(pyin_line(tone, sample_rate=16000).at([0.5])[0].round(-1))  # doctest: +SKIP
    440.0
    """
    rate = sample_rate_of(recording, sample_rate)
    if rate is None:
        raise ValueError("the sample rate of what pYIN tracks is unknown: give sample_rate in Hz.")
    seconds = n_samples_of(recording) / rate
    starts = np.arange(0, seconds, BLOCK)
    frequencies = np.concatenate([_block(recording, rate, start, low, high) for start in starts])
    frequencies = frequencies[: n_points(n_samples_of(recording), rate)]
    return Line(STEP * np.arange(len(frequencies)), frequencies)


def n_points(n_samples, sample_rate):
    """How many points the line of a recording has."""
    return -(-round(n_samples / sample_rate * RATE) // round(STEP * RATE))


def _block(recording, rate, start, low, high):
    """Frequencies of one block, tracked with what sounds around it."""
    before, after = max(0.0, start - CONTEXT), start + BLOCK + CONTEXT
    samples = np.asarray(read(recording, round(before * rate), round(after * rate)), np.float32)
    samples = soxr.resample(samples, rate, RATE) if rate != RATE else samples
    first = round((start - before) / STEP)
    return _tracked(samples, low, high)[first : first + round(BLOCK / STEP)]


def _tracked(samples, low, high):
    """pYIN of samples at `RATE`."""
    try:
        from librosa import pyin
    except ImportError as error:
        raise ValueError("Tracking pitch needs librosa: python -m pip install 'skseparate[hum]'.") from error
    samples = samples + 1e-7 * np.random.RandomState(0).normal(size=len(samples)).astype(np.float32)  # no 0 / 0
    frame, hop = round(FRAME * RATE), round(STEP * RATE)
    grid = {"frame_length": frame, "hop_length": hop, "resolution": RESOLUTION}
    frequencies, voiced, _ = pyin(samples, fmin=low, fmax=high, sr=RATE, **grid)
    return np.where(voiced, np.nan_to_num(frequencies), 0.0)
