"""Masks: how estimates of the sources share out the mixture."""

import numpy as np

MASKS = ("ratio", "wiener", "direct")


def apply_masks(estimates, mixture, view, mask):
    """Share out a mixture's spectrogram by the estimated magnitudes of its sources.

    Parameters
    ----------
    estimates : ndarray of shape (n_parts, ..., n_bins)
        Magnitudes, one a part; negative ones count as zero.
    mixture : ndarray of shape (..., n_bins)
        Complex spectrogram of the mixture.
    view : ndarray of shape (..., n_bins)
        Magnitude of the mixture after the round trip that the estimates made; used by "direct".
    mask : {"ratio", "wiener", "direct"}
        Shares in proportion to the magnitudes, or to their squares, so that the solos sum to the
        mixture (in equal shares where every estimate is zero); or no shares at all: each solo has
        the estimated magnitude, and the mixture's phase.

    Returns
    -------
    solos : ndarray of shape (n_parts, ..., n_bins)
        Complex spectrograms.

    References
    ----------
    .. [1] A. Liutkus and R. Badeau, "Generalized Wiener filtering with fractional power
           spectrograms", ICASSP 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate._masks import apply_masks
    >>> apply_masks(np.array([[3.0], [1.0]]), np.array([8j]), None, "ratio")
    array([[0.+6.j],
           [0.+2.j]])
    """
    estimates = estimates.clip(0, None)
    if mask == "direct":
        return estimates * _divide(mixture, view)
    peak = estimates.max(axis=0)
    shares = _divide(estimates, peak)  # at most 1, so squares neither overflow nor vanish
    if mask == "wiener":
        shares = shares**2
    total = shares.sum(axis=0)
    shares = np.where(total > 0, _divide(shares, total), 1 / len(estimates))
    return shares.astype(mixture.real.dtype, copy=False) * mixture


def _divide(numerator, denominator):
    """Quotient, 0 where the denominator is 0 (or too small to divide by)."""
    possible = denominator > np.finfo(denominator.dtype).tiny
    return np.where(possible, numerator / np.where(possible, denominator, 1), 0)
