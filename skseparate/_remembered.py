"""Spectrograms that are kept, so that the folds and candidates of a search do not compute them again."""

import math
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from hashlib import sha256
from numbers import Number
from threading import Lock
from types import FunctionType

import numpy as np
from cachetools import LRUCache
from sklearn.base import BaseEstimator

_limit = ContextVar("limit", default=0)
_kept = LRUCache(math.inf, getsizeof=lambda spectrogram: spectrogram.nbytes)
_lock = Lock()


@contextmanager
def remembering(megabytes):
    """Keep spectrograms of segments in this process while the context is open, and find those kept before.

    Parameters
    ----------
    megabytes : float or None
        The most to keep, in MiB of 2**20 bytes; what was kept beyond is let go at once. None keeps and finds none.
    """
    limit = 0 if megabytes is None else megabytes * 2**20
    token = _limit.set(limit)
    try:
        if megabytes is not None:
            _make_room(0, limit)
        yield
    finally:
        _limit.reset(token)


class Remembered:
    """The steps of a representation that come after segmentation, whose results may be kept.

    What is kept is found by the samples of a segment themselves and by all that the steps hold, so it cannot be
    stale: a file or an array that changed has other samples, a step that was changed another state.

    Parameters
    ----------
    steps : Pipeline
        Fitted transformers from audio to spectrograms.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skseparate._remembered import Remembered, remembering
    >>> from skseparate.preprocessing import STFT
    >>> segments = np.random.default_rng(0).normal(size=(2, 3, 800))
    >>> transform = Remembered(make_pipeline(STFT(0.02, 0.01, sample_rate=8000)).fit(segments))
    >>> with remembering(megabytes=10):
    ...     bool((transform(segments) == transform(segments[:, ::-1])[:, ::-1]).all())
    True
    """

    def __init__(self, steps):
        self._steps = steps

    def __call__(self, segments):
        """Spectrograms ``(..., n_frames, n_bins)`` of segments ``(..., segment_length)``; not to be written to."""
        limit = _limit.get()
        if not limit or self._setting is None:
            return self._steps.transform([segments])[0]
        rows = segments.reshape(-1, segments.shape[-1])
        keys = [(self._setting, rows.dtype.str, sha256(row).digest()) for row in rows]
        found = _find(keys)
        missing = {key: i for i, key in enumerate(keys) if key not in found}
        if missing:
            found |= self._made(rows, missing, limit)
        first = found[keys[0]]
        spectrograms = first[None] if len(keys) == 1 else np.stack([found[key] for key in keys])
        return spectrograms.reshape(*segments.shape[:-1], *first.shape)

    def _made(self, rows, missing, limit):
        """Spectrograms of the rows that are missing, kept as far as there is room."""
        made = self._steps.transform([rows[list(missing.values())]])[0]
        made.flags.writeable = False
        # a part of an array would hold all of it
        each = {key: made[k] if len(made) == 1 else made[k].copy() for k, key in enumerate(missing)}
        for key, spectrogram in each.items():
            if spectrogram.nbytes <= limit:
                _make_room(spectrogram.nbytes, limit, (key, spectrogram))
        return each

    @cached_property
    def _setting(self):
        """What decides the result beside the samples; None where that cannot be told."""
        try:
            return _state(self._steps)
        except TypeError:
            return None


def _state(value):
    """All that an estimator holds, as a key: code by identity, since what is defined anew may have the old name."""
    if isinstance(value, BaseEstimator):
        return (type(value), _state(vars(value)))
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiubcSU":
        return (value.dtype.str, value.shape, sha256(np.ascontiguousarray(value)).digest())
    if isinstance(value, dict):
        return tuple((key, _state(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return (type(value), *map(_state, value))
    if value is None or isinstance(value, str | Number | np.generic | type | FunctionType | np.ufunc):
        return (type(value), value)
    raise TypeError(f"the state of a {type(value).__name__} is not known.")


def _find(keys):
    with _lock:
        return {key: _kept[key] for key in keys if key in _kept}


def _make_room(n_bytes, limit, item=None):
    """Let go of what was used longest ago, until an item fits; then keep it."""
    with _lock:
        while _kept and _kept.currsize + n_bytes > limit:
            _kept.popitem()
        if item is not None:
            key, spectrogram = item
            spectrogram.flags.writeable = False
            _kept[key] = spectrogram
