"""Masks: how estimates of the sources share out the mixture."""

import math

import numpy as np

from skseparate.preprocessing._chunks import chunks_of, in_threads

MASKS = ("ratio", "wiener", "direct")


def masks(estimates, view, kind):
    """Masks from the estimated magnitudes of the sources: real gains, one a part and bin.

    Parameters
    ----------
    estimates : ndarray of shape (n_parts, ..., n_bins)
        Magnitudes, one a part; negative ones count as zero.
    view : ndarray of shape (..., n_bins) or None
        Magnitude of the mixture after the round trip that the estimates made; used by "direct".
    kind : {"ratio", "wiener", "direct"}
        Shares in proportion to the magnitudes, or to their squares, which sum to one (in equal shares
        where every estimate is zero); or no shares at all: gains that give each solo the estimated
        magnitude.

    Returns
    -------
    gains : ndarray of shape (n_parts, ..., n_bins)

    References
    ----------
    .. [1] A. Liutkus and R. Badeau, "Generalized Wiener filtering with fractional power
           spectrograms", ICASSP 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate._masks import masks
    >>> masks(np.array([[3.0], [1.0]]), None, "ratio")
    array([[0.75],
           [0.25]])
    """
    n_parts, *between, n_bins = estimates.shape
    gains, n_rows = np.empty_like(estimates, order="C"), math.prod(between)
    rows, filled = (a.reshape(n_parts, n_rows, n_bins) for a in (estimates, gains))
    seen = None if view is None else view.reshape(n_rows, n_bins)

    def fill(chunk):
        _, some = chunk
        _share(filled[:, some], rows[:, some], None if view is None else seen[some], kind)

    in_threads(fill, chunks_of(1, n_rows, n_parts * n_bins, gains.itemsize))
    return gains


def _share(shares, estimates, view, kind):
    """The masks of few rows, which stay in the processor's cache."""
    np.maximum(estimates, 0, out=shares)
    if kind == "direct":
        shares *= _inverse(view)
        return
    if kind == "wiener":
        shares *= _inverse(shares.max(axis=0))  # at most 1, so squares neither overflow nor vanish
        shares *= shares
    with np.errstate(over="ignore"):
        total = shares.sum(axis=0)
    shares *= _inverse(total)
    tiny = np.finfo(total.dtype).tiny
    if not (total.min() > tiny and total.max() < np.inf):  # seldom: to look for where takes longer than the rest
        shares[:, ~((total > tiny) & (total < np.inf))] = 1 / len(shares)


def _inverse(values):
    """One over the values, 0 where they are 0 (or too small to divide by)."""
    tiny = np.finfo(values.dtype).tiny
    if values.min() > tiny:
        return 1 / values
    return np.divide(1, values, out=np.zeros_like(values), where=values > tiny)
