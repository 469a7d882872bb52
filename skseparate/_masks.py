"""Masks: how estimates of the sources share out the mixture."""

import numpy as np

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
    shares = estimates.clip(0, None)  # a copy: all that follows is in place, as arrays this large cost more than sums
    if kind == "direct":
        shares *= _inverse(view)
        return shares
    if kind == "wiener":
        shares *= _inverse(shares.max(axis=0))  # at most 1, so squares neither overflow nor vanish
        shares *= shares
    with np.errstate(over="ignore"):
        total = shares.sum(axis=0)
    unknown = ~((total > np.finfo(total.dtype).tiny) & (total < np.inf))
    shares *= _inverse(total)
    if unknown.any():
        shares[:, unknown] = 1 / len(shares)
    return shares


def _inverse(values):
    """One over the values, 0 where they are 0 (or too small to divide by)."""
    return np.divide(1, values, out=np.zeros_like(values), where=values > np.finfo(values.dtype).tiny)
