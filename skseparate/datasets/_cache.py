"""A cache of decoded and rendered stems, so that a search does not make them hundreds of times."""

from threading import RLock

from cachetools import LRUCache

CACHE_BYTES = 2**29
# Longer stems are read piecewise, so that separating an hour takes no more memory than a minute.
LONGEST_BYTES = 2**25

_stems = LRUCache(CACHE_BYTES, getsizeof=lambda samples: samples.nbytes)
_lock = RLock()


def cached_samples(key, make):
    """Return what `make` gave for this key, at best from memory; the least used samples go first.

    Parameters
    ----------
    key : hashable
        Names the samples and whatever they depend on.
    make : callable
        Makes the read-only array.

    Returns
    -------
    samples : ndarray
    """
    with _lock:
        if key not in _stems:
            samples = make()
            samples.flags.writeable = False
            if samples.nbytes > CACHE_BYTES:
                return samples
            _stems[key] = samples
        return _stems[key]
