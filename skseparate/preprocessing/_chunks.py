"""Frames a cacheful at a time, on as many threads as are allowed."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import scipy.fft
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

try:  # what scipy.fft stands on can write where the result belongs; a copy costs a fifth of all
    from scipy.fft._pocketfft.pypocketfft import r2c
except ImportError:  # pragma: no cover - a SciPy that has changed it
    r2c = None

# Bytes of frames that are windowed and transformed at once: a large array of frames is written to memory and read
# again, which takes several times as long as the transforms; this much stays in the processor's cache.
CHUNK_BYTES = 2**19
# Frames that are transformed side by side in the processor's vectors; what is left over takes as long as so many.
LANES = 8


def chunks_of(n_signals, n_frames, frame_length, itemsize, least=1):
    """Slices of signals and of frames that together are all frames, `CHUNK_BYTES` at a time.

    Parameters
    ----------
    n_signals, n_frames, frame_length, itemsize : int
        Of the frames: signals, frames of each, samples of a frame, bytes of a sample.
    least : int, default=1
        Frames of a chunk at least, but for the last of each signal.

    Returns
    -------
    chunks : list of (slice, slice)
        In order; those of other signals, and every other one of a signal, are at least `least` frames apart.
    """
    few = max(1, least, CHUNK_BYTES // (frame_length * itemsize))
    few = -(-few // LANES) * LANES
    return [(rows, frames) for rows in _slices(n_signals, max(1, few // n_frames)) for frames in _slices(n_frames, few)]


def _slices(n, step):
    """As `sklearn.utils.gen_batches`, whose checks would take a tenth of a short transform's time."""
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def in_threads(function, chunks):
    """Call a function for each chunk, at once on as many threads as OpenMP may use (OMP_NUM_THREADS, threadpoolctl)."""
    n_threads = min(_openmp_effective_n_threads(), len(chunks))
    if n_threads < 2:
        for chunk in chunks:
            function(chunk)
        return
    list(_pool(n_threads, os.getpid()).map(function, chunks))


@lru_cache(maxsize=4)
def _pool(n_threads, process):
    """Threads that wait for work: to start them takes as long as a short transform. A forked process has none."""
    return ThreadPoolExecutor(n_threads)


def rfft_into(frames, spectrograms):
    """`scipy.fft.rfft` of the last axis, into an array."""
    if r2c is None:  # pragma: no cover
        spectrograms[...] = scipy.fft.rfft(frames)
    else:
        r2c(frames, (frames.ndim - 1,), True, 0, spectrograms, 1)


class Scratch:
    """Arrays that threads use in turn: as many as there are threads, however many chunks.

    Parameters
    ----------
    size : int
        Of each.
    dtype : dtype
        Likewise.
    """

    def __init__(self, size, dtype):
        self._size, self._dtype, self._spare = size, dtype, []

    def product(self, a, b):
        """``a * b`` in one of the arrays; `give_back` it."""
        array = self._spare.pop() if self._spare else np.empty(self._size, self._dtype)
        return np.multiply(a, b, out=array[: a.size].reshape(a.shape))

    def give_back(self, array):
        self._spare.append(array.base)
