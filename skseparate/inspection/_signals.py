"""Signals of any length, streamed into as few columns as a page can show."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from scipy.signal import get_window
from sklearn.utils import gen_batches

from skseparate._recording import as_list, n_samples_of, read, sample_rate_of
from skseparate.metrics._scorer import predicted_blocks
from skseparate.preprocessing import stft
from skseparate.preprocessing._base import is_list_of_signals

# More columns and rows than a printed page tells apart, and few enough for any memory.
WAVEFORM_COLUMNS, CELL_COLUMNS, CELL_ROWS = 2000, 800, 400
# Samples that are read at a time.
BLOCK_LENGTH = 2**18
# Silence in dB: below every picture, where a logarithm of zero would be infinite.
SILENCE_DB = -200.0
# Below the lowest string of a double bass, in Hz: a logarithmic axis has no zero.
LOWEST_FREQUENCY = 30.0


def check_signal(signal, name, ndim=1):
    """An array or a lazy recording of `ndim` axes.

    Raises
    ------
    ValueError
        If it is a sequence of recordings, holds no sample, or has other axes.
    """
    if ndim == 1 and is_list_of_signals(signal):
        raise ValueError(f"{name} is a sequence of recordings: pass one of them, such as {name}[0].")
    (signal,) = as_list([signal], name)
    axes = "(n_samples,)" if ndim == 1 else "(n_parts, n_samples)"
    shape = tuple(getattr(signal, "shape", (n_samples_of(signal),)))
    if len(shape) != ndim or 0 in shape:
        raise ValueError(f"{name} must have shape {axes} with at least one sample, got {shape}.")
    return signal


def check_alike(signal, other, name, other_name):
    """Refuse signals of different lengths or sample rates."""
    rates = sample_rate_of(signal), sample_rate_of(other)
    if None not in rates and rates[0] != rates[1]:
        raise ValueError(f"{name} is at {rates[0]:g} Hz and {other_name} at {rates[1]:g} Hz: resample one of them.")
    if n_samples_of(signal) != n_samples_of(other):
        raise ValueError(
            f"{name} has {n_samples_of(signal)} samples and {other_name} has {n_samples_of(other)}: they must be as "
            "many."
        )


def rate_of(recording, sample_rate=None, estimator=None):
    """Sample rate in Hz: the recording's own, the one given, or the one that a separator was fitted with.

    Raises
    ------
    ValueError
        If it is unknown, contradicted, or no rate.
    """
    rate = sample_rate_of(recording, sample_rate)
    if rate is None:
        estimator = getattr(estimator, "best_estimator_", estimator)
        rate = getattr(estimator, "sample_rate_", None) or getattr(estimator, "sample_rate", None)
    if rate is None:
        raise ValueError(
            "the recording does not know its sample rate, which a time axis needs: give sample_rate in Hz, or wrap "
            "the array in skseparate.datasets.ArrayRecording."
        )
    if not 0 < rate < np.inf:
        raise ValueError(f"sample_rate must be a positive number of Hz, got {rate}.")
    return rate


def blocks_of(signal, name):
    """Yield the samples of a signal, ``(..., n_block)``, few at a time; refuse what is not finite."""
    for batch in gen_batches(n_samples_of(signal), BLOCK_LENGTH):
        yield _finite(np.asarray(read(signal, batch.start, batch.stop)), batch.start, name)


def _finite(block, start, name):
    if not np.isfinite(block).all():
        first = start + int(np.flatnonzero(~np.isfinite(block).reshape(-1, block.shape[-1]).all(axis=0))[0])
        raise ValueError(f"{name} is not finite: sample {first} is NaN or infinite.")
    return block


def predicted_solos(estimator, recording, n_parts=None):
    """Yield the solos that a separator predicts, ``(n_parts, n_block)``, as long together as the recording.

    Raises
    ------
    ValueError
        If they are longer or shorter than the recording, or not finite.
    """
    n_samples, start, name = n_samples_of(recording), 0, f"the prediction of {type(estimator).__name__}"
    for solos in predicted_blocks(estimator, recording, n_parts):
        # a separator that does not stream gives everything at once
        for first in range(0, solos.shape[-1], BLOCK_LENGTH):
            block = solos[:, first : first + BLOCK_LENGTH]
            if start + block.shape[-1] <= n_samples:
                yield _finite(block, start, name)
            start += block.shape[-1]
    if start != n_samples:
        raise ValueError(f"{name} has {start} samples and the recording has {n_samples}: they must be as many.")


def predicted_part(estimator, recording, part):
    """Name of a part, and its predicted solo in blocks ``(n_block,)``.

    Raises
    ------
    ValueError
        As `predicted_solos`, or if there is no such part.
    """
    if not isinstance(part, Integral) or part < 0:
        raise ValueError(f"part must be a whole number from 0, the first part of the score, got {part!r}.")
    return part_names(recording, part + 1)[part], _solo(predicted_solos(estimator, recording), part)


def _solo(blocks, part):
    for solos in blocks:
        if part >= len(solos):
            raise ValueError(f"part={part} is none of the {len(solos)} parts that are predicted: they count from 0.")
        yield solos[part]


def part_names(recording, n_parts):
    """Names of the parts for people: ``["vn 1", "vn 2", "vc"]``, doubled ones numbered."""
    parts = list(getattr(recording, "parts", None) or ())[:n_parts]
    names = [f"{p} {parts[: k + 1].count(p)}" if parts.count(p) > 1 else p for k, p in enumerate(parts)]
    return names + [f"part {k + 1}" for k in range(len(names), n_parts)]


# ------------------------------------------------------------------------------------------- pooling


class Pool:
    """A long last axis, pooled into few columns while its blocks come.

    Parameters
    ----------
    n_items : int
        Length of the whole axis.
    n_columns : int
        How many columns to make, at the most.
    ufunc : numpy.ufunc
        How items become a column: ``np.minimum``, ``np.maximum`` or ``np.add``.

    Attributes
    ----------
    edges : ndarray of int of shape (n_columns + 1,)
        First item of each column, and `n_items`.
    values : ndarray of shape (..., n_columns)
        The columns.
    """

    def __init__(self, n_items, n_columns, ufunc):
        self.edges = np.linspace(0, n_items, min(n_items, n_columns) + 1).astype(int)
        self.values, self._ufunc, self._start = None, ufunc, 0

    def add(self, block):
        """Add the next items, ``(..., n_block)``."""
        if self.values is None:
            self.values = np.zeros((*block.shape[:-1], len(self.edges) - 1), block.dtype)
        start, stop = self._start, self._start + block.shape[-1]
        first, last = np.searchsorted(self.edges, start, "right") - 1, np.searchsorted(self.edges, stop, "left")
        pooled = self._ufunc.reduceat(block, np.maximum(self.edges[first:last], start) - start, axis=-1)
        if self.edges[first] < start:  # a column that the last block began
            pooled[..., 0] = self._ufunc(self.values[..., first], pooled[..., 0])
        self.values[..., first:last] = pooled
        self._start = stop


@dataclass(frozen=True)
class Envelope:
    """Lowest and highest sample of each column of a waveform.

    Attributes
    ----------
    times : ndarray of shape (n_columns,)
        Middle of each column, in seconds.
    low, high : ndarray of shape (..., n_columns)
        Extremes, in the units of the samples.
    duration : float
        Of the recording, in seconds.
    """

    times: np.ndarray
    low: np.ndarray
    high: np.ndarray
    duration: float

    def __getitem__(self, key):
        """Envelope of some of several signals."""
        return Envelope(self.times, self.low[key], self.high[key], self.duration)

    @property
    def peak(self):
        """float: Largest magnitude of a sample."""
        return float(max(-self.low.min(), self.high.max(), 0.0))


def envelope_of(blocks, n_samples, sample_rate):
    """Peak envelope of a signal that comes in blocks ``(..., n_block)``, as an `Envelope`."""
    low, high = (Pool(n_samples, WAVEFORM_COLUMNS, ufunc) for ufunc in (np.minimum, np.maximum))
    for block in blocks:
        low.add(block)
        high.add(block)
    times = (low.edges[:-1] + low.edges[1:] - 1) / (2 * sample_rate)
    return Envelope(times, low.values, high.values, n_samples / sample_rate)


@dataclass(frozen=True)
class Cells:
    """Values over time and frequency.

    Attributes
    ----------
    values : ndarray of shape (..., n_rows, n_columns)
        Of each cell.
    times : ndarray of shape (n_columns + 1,)
        Edges of the columns, in seconds.
    frequencies : ndarray of shape (n_rows + 1,)
        Edges of the rows, in Hz.
    scale : {"log", "linear"}
        Of the frequency axis.
    """

    values: np.ndarray
    times: np.ndarray
    frequencies: np.ndarray
    scale: str


def cells_of(blocks, n_samples, sample_rate, frame, scale, max_frequency, ufunc):
    """Magnitudes of the STFT of a signal that comes in blocks, pooled into few cells.

    Parameters
    ----------
    blocks : iterable of ndarray of shape (..., n_block)
        The signal.
    n_samples : int
        Its length.
    sample_rate : float
        In Hz.
    frame : float
        In seconds, rounded to whole quarters: frames overlap by three of them.
    scale : {"log", "linear"}
        Of the rows.
    max_frequency : float or None
        Up to which rows are made, in Hz.
    ufunc : {np.maximum, np.add}
        Whether a cell has the largest magnitude in it or the mean.

    Returns
    -------
    cells : Cells
        A sinusoid of amplitude a has magnitude a / 2, as in `stft`.
    """
    check_axis(frame, scale, max_frequency)
    hop = max(1, round(frame * sample_rate / 4))
    rows = _row_edges(2 * hop + 1, sample_rate / (4 * hop), scale, max_frequency)
    pool = Pool(-(-n_samples // hop) + 3, CELL_COLUMNS, ufunc)
    for magnitudes in _magnitudes(blocks, hop):
        pooled = ufunc.reduceat(magnitudes[..., : rows[-1]], rows[:-1], axis=-1)
        pool.add(np.swapaxes(pooled, -1, -2))
    values = pool.values / (np.diff(rows)[:, None] * np.diff(pool.edges)) if ufunc is np.add else pool.values
    # frame k is centred at sample (k - 1) * hop, bin k at k * sample_rate / frame
    times = np.clip((pool.edges - 1.5) * hop / sample_rate, 0, n_samples / sample_rate)
    frequencies = np.clip((rows - 0.5) * sample_rate / (4 * hop), 0, sample_rate / 2)
    return Cells(values, times, frequencies, scale)


def check_axis(frame, scale, max_frequency):
    """Refuse a frame, scale or highest frequency that cannot be."""
    if scale not in ("log", "linear"):
        raise ValueError(f"scale must be 'log' or 'linear', got {scale!r}.")
    for name, value in (("frame", frame), ("max_frequency", max_frequency)):
        if value is not None and not 0 < value < np.inf:
            raise ValueError(f"{name} must be a positive number, got {value!r}.")


def _row_edges(n_bins, width, scale, max_frequency):
    """First bin of each row, and where the last ends; where bins are wider than a row, a row is a bin."""
    stop = n_bins if max_frequency is None else min(n_bins, max(2, int(max_frequency / width) + 1))
    if scale == "linear":
        return np.linspace(0, stop, min(stop, CELL_ROWS) + 1).astype(int)
    first = min(max(1, round(LOWEST_FREQUENCY / width)), stop - 1)
    return np.unique(np.rint(np.geomspace(first, stop, CELL_ROWS + 1)).astype(int))


def _magnitudes(blocks, hop):
    """Yield the magnitudes of the frames that each block completes: as of `stft` of the whole."""
    window, held = get_window("hann", 4 * hop), None
    for block in blocks:
        silence = np.zeros((*block.shape[:-1], 3 * hop), block.dtype)
        held = np.concatenate([silence if held is None else held, block], axis=-1)
        n_frames = held.shape[-1] // hop - 3
        if n_frames > 0:
            yield _frames(held, window, hop, n_frames)
            held = held[..., n_frames * hop :]
    n_missing = 3 * hop + -held.shape[-1] % hop
    held = np.concatenate([held, np.zeros((*held.shape[:-1], n_missing), held.dtype)], axis=-1)
    yield _frames(held, window, hop, held.shape[-1] // hop - 3)


def _frames(held, window, hop, n_frames):
    """Frames that lie wholly within what is held: `stft` pads by three hops, whose frames are left out."""
    return np.abs(stft(held[..., : (n_frames + 3) * hop], window, hop)[..., 3 : 3 + n_frames, :])


def decibels(magnitudes):
    """Level of magnitudes of `stft` in dB, 0 for a sinusoid of amplitude 1; silence is `SILENCE_DB`."""
    return 20 * np.log10(np.maximum(2 * magnitudes, 10 ** (SILENCE_DB / 20)))
