"""What a recording is: a 1-D array, or a lazy object that NumPy can turn into one.

Everything that is known about a mixture (its sample rate, parts, song and sources) rides on the
recording itself, because metadata given to ``fit`` does not reach ``GridSearchCV.predict``.
"""

from collections.abc import Sequence
from contextlib import contextmanager

import numpy as np


class Recording:
    """A signal that is decoded, mixed or rendered only when it is read.

    Subclasses give `shape` and `read`; the other attributes stay ``None`` where they are unknown.

    Attributes
    ----------
    shape : tuple of int
        ``(n_samples,)`` for a recording, ``(n_parts, n_samples)`` for its solos.
    dtype : numpy.dtype
        Type of the samples that `read` returns.
    sample_rate : int or None
        In Hz.
    parts : tuple of str or None
        The parts in score order, such as ``("vn", "vn", "vc")``.
    song : str or None
        What all mixes and arrangements of one song share: the group for splitters.
    sources : Recording or None
        The solos that were mixed, ``(n_parts, n_samples)``: known to oracles only.
    line : Line or None
        Of a single part: its fundamental frequency.
    lines : sequence of Line or None
        The fundamental frequency of each part of several.
    """

    shape = None
    dtype = np.dtype("float32")
    sample_rate = None
    parts = None
    song = None
    sources = None
    line = None
    lines = None

    @property
    def n_samples(self):
        """int: Number of samples."""
        return self.shape[-1]

    def read(self, start, stop):
        """Return samples ``start`` to ``stop`` along the last axis; both lie inside the recording."""
        raise NotImplementedError  # pragma: no cover - the protocol

    def read_into(self, start, out):
        """Fill an array with the samples from `start` on; here by `read`, and better where no other copy is needed."""
        out[...] = self.read(start, start + out.shape[-1])

    def __array__(self, dtype=None, copy=None):
        signal = self.read(0, self.n_samples)
        signal = signal if dtype is None else signal.astype(dtype, copy=False)
        # what is read may be the cache's own samples, so a copy that is asked for must be made here
        return signal.copy() if copy else signal


class LazySequence(Sequence):
    """A sequence whose items are made when they are asked for.

    It has neither ``shape`` nor ``__array__``, so scikit-learn's splitters index it as a list and
    never decode it; a fold of it is a list.

    Parameters
    ----------
    make : callable
        Makes an item from a key.
    keys : sequence
        One key an item.
    """

    def __init__(self, make, keys):
        self._make = make
        self._keys = list(keys)

    def __len__(self):
        return len(self._keys)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return LazySequence(self._make, self._keys[index])
        return self._make(self._keys[index])

    def __repr__(self):
        first = f": {self[0]!r}, …" if self._keys else ""
        return f"<{type(self).__name__} of {len(self)}{first}>"


def as_list(X, name="X"):
    """List the recordings of `X` without reading any.

    Parameters
    ----------
    X : sequence
        List, 1-D object array, 2-D array of equal-length recordings (3-D for solos) or lazy sequence.
    name : str
        What an error calls it.

    Returns
    -------
    recordings : list

    Raises
    ------
    ValueError
        If `X` is one recording instead of a sequence of them, or empty, or no sequence.
    """
    is_single = isinstance(X, Recording) or (isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype != object)
    if is_single:
        raise ValueError(f"{name} is a single recording; pass a sequence of recordings, such as [{name}].")
    if isinstance(X, str) or not hasattr(X, "__len__") or not hasattr(X, "__getitem__"):
        raise ValueError(f"{name} must be a sequence of recordings, got {type(X).__name__}.")
    recordings = [X[i] for i in range(len(X))]
    if not recordings:
        raise ValueError(f"{name} holds no recording: at least one is needed.")
    return [r if isinstance(r, Recording) else _as_signal(r, f"{name}[{i}]") for i, r in enumerate(recordings)]


def as_pairs(X, y):
    """List recordings and their solos, as many of each.

    Raises
    ------
    ValueError
        As `as_list`, or if they are not as many.
    """
    X, y = as_list(X, "X"), as_list(y, "y")
    if len(X) != len(y):
        raise ValueError(f"X has {len(X)} recordings and y has solos for {len(y)}: they must be as many.")
    return X, y


def _as_signal(item, name):
    """A lazy object as it is, anything else as a float array."""
    if hasattr(item, "read") and hasattr(item, "n_samples"):
        return item
    signal = np.asarray(item)
    if signal.dtype.kind not in "fiub" or signal.ndim not in (1, 2):
        raise ValueError(f"{name} must be a real array of samples, got shape {signal.shape} and dtype {signal.dtype}.")
    return signal if signal.dtype in (np.float32, np.float64) else signal.astype(np.float64)


def object_array(items):
    """1-D object array of the items; NumPy's own spelling would stack arrays of equal length."""
    array = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        array[i] = item
    return array


def n_samples_of(recording):
    """Number of samples of a recording or of its solos."""
    return recording.shape[-1] if hasattr(recording, "shape") else recording.n_samples


def read(recording, start, stop):
    """Samples ``start`` to ``stop`` (cut at the end) of an array or a lazy recording."""
    stop = min(stop, n_samples_of(recording))
    if isinstance(recording, np.ndarray):
        return recording[..., start:stop]
    return recording.read(start, stop)


def sample_rate_of(recording, default=None, index=None):
    """Sample rate of a recording in Hz; `default` for plain arrays, which must not contradict it.

    Raises
    ------
    ValueError
        If the recording knows another rate.
    """
    known = getattr(recording, "sample_rate", None)
    if known is not None and default is not None and known != default:
        raise ValueError(
            f"{describe(recording, index)} is at {known:g} Hz, but sample_rate={default:g}: leave sample_rate=None "
            "for recordings that know their rate."
        )
    return default if known is None else known


def describe(recording, index=None):
    """How an error names a recording."""
    label = getattr(recording, "name", None) or getattr(recording, "song", None)
    number = "the recording" if index is None else f"recording {index}"
    return number + (f" ({label})" if label else "")


@contextmanager
def naming(recording, index=None):
    """Name the recording in a ValueError that reading or transforming it raises."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{describe(recording, index)}: {error}") from error
