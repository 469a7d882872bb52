"""Rows: the lazy 2-D table of segments by flattened features that a regressor sees."""

import numpy as np
from sklearn.base import clone
from sklearn.utils import gen_batches

from skseparate._recording import n_samples_of, naming, read
from skseparate._remembered import Remembered
from skseparate.preprocessing import count_segments, resize_bins

# Bytes of features in a block of rows: large enough for fast matrix products, small beside any memory.
BLOCK_BYTES = 2**24
# Bytes of complex spectrogram in a block of segments that are separated: every part adds several times as much.
SPECTROGRAM_BYTES = 2**22


class Chain:
    """A representation and its features, fitted for one sample rate.

    Parameters
    ----------
    representation : Pipeline
        A `Segmenter` first, then transformers from audio to complex spectrograms.
    features : Pipeline or transformer
        From spectrograms to what the regressor sees.

    Attributes
    ----------
    frame_shape : tuple of int
        ``(n_frames, n_bins)`` of the features of one segment.
    silence : ndarray of shape (n_frames, n_bins)
        The features of a silent segment.
    n_bins_in : int
        Bins of the spectrograms.
    """

    def __init__(self, representation, features):
        self.features = features
        self.representation = representation
        self.segmenter = representation[0]
        self._spectral = representation[1:]  # a view on the same fitted steps
        self._remembered = Remembered(self._spectral)
        silence = self._remembered(np.zeros((1, self.segmenter.segment_length_)))
        self.n_bins_in = silence.shape[-1]
        self.silence = self.view(silence)[0]
        self.frame_shape = self.silence.shape

    @property
    def block_length(self):
        """int: Segments in a block of about 4 MiB of spectrogram."""
        n_frames = self.frame_shape[0]
        return max(1, SPECTROGRAM_BYTES // (16 * n_frames * self.n_bins_in))

    def n_segments(self, recording):
        """Number of segments of a recording."""
        n_samples = n_samples_of(recording)
        return count_segments(n_samples, self.segmenter.segment_length_, self.segmenter.segment_hop_)

    def waveforms(self, recording, first, last):
        """Segments `first` to `last` (exclusive): ``(..., last - first, segment_length)``."""
        hop, length = self.segmenter.segment_hop_, self.segmenter.segment_length_
        start, stop = first * hop, (last - 1) * hop + length
        return self.segmenter.transform([read(recording, start, stop)])[0]

    def spectrograms(self, recording, first, last):
        """Complex spectrograms of segments `first` to `last` (exclusive), kept where that is on; read-only."""
        return self._remembered(self.waveforms(recording, first, last))

    def stft(self, waveforms):
        """Complex spectrograms of segments: ``(..., n_frames, n_bins_in)``."""
        return self._spectral.transform([waveforms])[0]

    def istft(self, spectrograms):
        """Waveforms of segments, cut to their length."""
        return self._spectral.inverse_transform([spectrograms])[0][..., : self.segmenter.segment_length_]

    def encode(self, waveforms):
        """Features of segments: ``(..., n_frames, n_bins)``; NumPy arrays and torch tensors alike."""
        return self.view(self.stft(waveforms))

    def view(self, spectrograms):
        """Features of spectrograms: ``(..., n_frames, n_bins)``."""
        return self.features.transform([spectrograms])[0]

    def magnitudes(self, features, n_bins):
        """What features say of the magnitudes of `n_bins` bins; the top bin learned stands for those above."""
        return resize_bins(self.features.inverse_transform([features])[0], n_bins)


def tell_sample_rate(estimator, sample_rate, who):
    """Clone of `estimator` in which every step that wants a sample rate has it.

    Raises
    ------
    ValueError
        If the rate is unknown, or a step was given another.
    """
    estimator = clone(estimator)
    for name, value in estimator.get_params(deep=True).items():
        if name.split("__")[-1] != "sample_rate":
            continue
        if value is None and sample_rate is None:
            raise ValueError(
                f"{who} does not know its sample rate, which {name} needs: give sample_rate in Hz, "
                "or wrap the array in skseparate.datasets.ArrayRecording."
            )
        if value is None:
            estimator.set_params(**{name: sample_rate})
        elif sample_rate is not None and value != sample_rate:
            raise ValueError(f"{name}={value:g} Hz, but {who} is at {sample_rate:g} Hz: resample it or drop {name}.")
    return estimator


class Segments:
    """Segments by flattened features, read block by block.

    NumPy and scikit-learn's validation turn it into an array; a regressor that knows it streams
    `blocks`, and one that needs phase or remixes reads `waveforms`, `stft` and `encode`.

    Parameters
    ----------
    recordings : list
        Recordings ``(n_samples,)``, or their solos ``(n_parts, n_samples)``.
    chains : list of Chain
        One a recording.
    n_slots : int, default=None
        For solos: how many sources a row holds, the missing ones silent.
    bounds : list of (int, int), default=None
        First and last (exclusive) segment of each recording; all by default.

    Attributes
    ----------
    shape : tuple of int
        ``(n_rows, n_columns)``.
    dtype : numpy.dtype
        float32 where every recording is, else float64.
    row_shape : tuple of int
        ``(n_frames, n_bins)``, or ``(n_slots, n_frames, n_bins)`` for solos: a row before flattening.
    """

    ndim = 2

    def __init__(self, recordings, chains, n_slots=None, bounds=None):
        self._recordings, self._chains, self._n_slots = recordings, chains, n_slots
        self._bounds = bounds or [(0, c.n_segments(r)) for r, c in zip(recordings, chains, strict=True)]
        self._offsets = np.cumsum([0] + [last - first for first, last in self._bounds])
        frame_shape = chains[0].frame_shape
        self.row_shape = frame_shape if n_slots is None else (n_slots, *frame_shape)
        self.shape = (int(self._offsets[-1]), int(np.prod(self.row_shape)))
        self.dtype = np.result_type(*(getattr(r, "dtype", np.float64) for r in recordings))
        self._known = (None, None)

    def __len__(self):
        return self.shape[0]

    def __repr__(self):
        n_rows, n_columns = self.shape
        return f"<Segments: {n_rows} rows of {n_columns} {self.dtype} features, {len(self._recordings)} recordings>"

    @property
    def parts(self):
        """ndarray of shape (n_rows,): The parts of each row's recording, None where unknown."""
        return self._by_row("parts")

    @property
    def songs(self):
        """ndarray of shape (n_rows,): The song of each row; recordings without one are songs of their own."""
        return self._by_row("song")

    def _by_row(self, attribute):
        values = np.empty(len(self), dtype=object)
        for i, recording in enumerate(self._recordings):
            value = getattr(recording, attribute, None)
            if value is None and attribute == "song":
                value = f"recording {i}"
            for row in range(self._offsets[i], self._offsets[i + 1]):
                values[row] = value
        return values

    def take(self, start, stop, spectrograms=None):
        """Rows `start` to `stop` as Segments; their spectrograms may be given where they are known."""
        pieces = list(self._pieces(start, stop))
        rows = Segments(
            [self._recordings[i] for i, _, _ in pieces],
            [self._chains[i] for i, _, _ in pieces],
            self._n_slots,
            [(first, last) for _, first, last in pieces],
        )
        if spectrograms is not None and len(pieces) == 1:
            rows._known = ((0, *pieces[0][1:]), spectrograms)
        return rows

    def _pieces(self, start, stop):
        """Which segments of which recordings rows `start` to `stop` are: (recording, first, last)."""
        i = int(np.searchsorted(self._offsets, start, side="right")) - 1
        while start < stop:
            n = min(stop, self._offsets[i + 1]) - start
            first = self._bounds[i][0] + start - self._offsets[i]
            if n > 0:
                yield i, int(first), int(first + n)
            start, i = start + n, i + 1

    def waveforms(self, rows=slice(None)):
        """Audio of a slice of rows: ``(n, segment_length)``, solos ``(n, n_slots, segment_length)``.

        All recordings of the slice must share one sample rate.
        """
        start, stop, _ = rows.indices(len(self))
        return np.concatenate([self._read(self._waveforms, *piece) for piece in self._pieces(start, stop)])

    def stft(self, rows=slice(None)):
        """Complex spectrograms of a slice of rows: ``(n, n_frames, n_bins_in)``, solos one axis more."""
        start, stop, _ = rows.indices(len(self))
        return np.concatenate([self._read(self._spectrograms, *piece) for piece in self._pieces(start, stop)])

    def encode(self, waveforms):
        """Features of audio ``(..., segment_length)`` at the first recording's rate, as in `row_shape`."""
        return self._chains[0].encode(waveforms)

    def _waveforms(self, i, first, last):
        return self._chains[i].waveforms(self._recordings[i], first, last)

    def _spectrograms(self, i, first, last):
        if self._known[0] == (i, first, last):
            return self._known[1]
        return self._chains[i].spectrograms(self._recordings[i], first, last)

    def _features(self, i, first, last):
        return self._chains[i].view(self._spectrograms(i, first, last))

    def _read(self, function, i, first, last):
        """Row-first result of `function` for one recording, its absent sources filled in."""
        with naming(self._recordings[i], i):
            values = function(i, first, last)
        if self._n_slots is None:
            return values
        values = np.swapaxes(values, 0, 1)
        n_missing = self._n_slots - values.shape[1]
        silence = self._chains[i].silence if function == self._features else 0
        filled = np.empty((len(values), n_missing, *values.shape[2:]), values.dtype)
        filled[...] = silence
        return np.concatenate([values, filled], axis=1)

    def _rows(self, start, stop):
        rows = np.empty((stop - start, self.shape[1]), self.dtype)
        filled = 0
        for i, first, last in self._pieces(start, stop):
            # the spectrograms of a piece are larger than its rows: few segments at a time
            for run in gen_batches(last - first, max(1, self._chains[i].block_length // (self._n_slots or 1))):
                values = self._read(self._features, i, first + run.start, first + run.stop)
                rows[filled : filled + len(values)] = values.reshape(len(values), -1)
                filled += len(values)
        return rows

    def blocks(self, n_rows=None):
        """Yield the table in order, `n_rows` (or about 16 MiB) at a time.

        Yields
        ------
        block : ndarray of shape (n_rows, n_columns)
        """
        n_rows = n_rows or self.block_length
        for start in range(0, len(self), n_rows):
            yield self._rows(start, min(start + n_rows, len(self)))

    @property
    def block_length(self):
        """int: Rows in a block of about 16 MiB."""
        return max(1, BLOCK_BYTES // (self.shape[1] * self.dtype.itemsize))

    def __getitem__(self, key):
        columns = slice(None)
        if isinstance(key, tuple):
            key, columns = key[0], key[1] if key[1] is not Ellipsis else slice(None)
        if isinstance(key, slice) and key.step in (None, 1):
            start, stop, _ = key.indices(len(self))
            return self._table(start, stop)[:, columns]
        index = np.arange(len(self))[key]
        if index.ndim == 0:
            return self._rows(int(index), int(index) + 1)[0, columns]
        return self._gather(index)[:, columns]

    def _table(self, start, stop):
        table = np.empty((max(0, stop - start), self.shape[1]), self.dtype)
        for first in range(start, stop, self.block_length):
            last = min(first + self.block_length, stop)
            table[first - start : last - start] = self._rows(first, last)
        return table

    def _gather(self, index):
        """Rows in any order, each run of neighbours read at once."""
        table = np.empty((len(index), self.shape[1]), self.dtype)
        edges = np.flatnonzero(np.diff(index) != 1) + 1
        for run in np.split(np.arange(len(index)), edges):
            if len(run):
                table[run] = self._table(int(index[run[0]]), int(index[run[-1]]) + 1)
        return table

    def __array__(self, dtype=None, copy=None):
        table = self._table(0, len(self))
        return table if dtype is None else table.astype(dtype, copy=False)
