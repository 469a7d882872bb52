"""How often doubled instruments take each other's part."""

from itertools import combinations

import numpy as np

from skseparate.metrics._si_sdr import si_sdr

# A window counts where a reference is not further below its own level than this.
AUDIBLE_DB = 40


def swap_rate(references, estimates, sample_rate, parts=None, window=1.0):
    """Share of the windows in which doubled parts are exchanged.

    A window counts where both references of a pair sound: within 40 dB of their own level. It is swapped where
    the estimates, exchanged, have the higher mean SI-SDR; equal estimates, such as the mixture, count half.

    Parameters
    ----------
    references : array of shape (n_parts, n_samples)
        The true solos.
    estimates : array of shape (n_parts, n_samples)
        The estimated ones, in the order of the references: no permutation is tried beforehand.
    sample_rate : float
        In Hz.
    parts : sequence of str, default=None
        Instrument of each part: pairs of one instrument are compared. By default all parts are taken for one.
    window : float, default=1.0
        Duration of a window, in seconds.

    Returns
    -------
    rates : ndarray of shape (n_parts,)
        Of each part with those that it could be mistaken for; NaN where there is none, or none sounds with it.

    Raises
    ------
    ValueError
        If the shapes differ, there is not one name a part, or a window holds no sample.

    See Also
    --------
    best_permutation : Gives each estimate to the part that it fits best, for the whole recording.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.metrics import swap_rate
    >>> solos = np.random.default_rng(0).normal(size=(3, 4000))
    >>> estimates = solos.copy()
    >>> estimates[:2, 3000:] = solos[1::-1, 3000:]  # the violins exchange the last of four seconds
    >>> swap_rate(solos, estimates, 1000, ["vn", "vn", "vc"])
    array([0.25, 0.25,  nan])
    """
    references, estimates = np.asarray(references), np.asarray(estimates)
    if references.shape != estimates.shape or references.ndim != 2:
        raise ValueError(
            f"references and estimates must be (n_parts, n_samples) alike, got {references.shape} and "
            f"{estimates.shape}."
        )
    n_parts = len(references)
    parts = [""] * n_parts if parts is None else list(parts)
    if len(parts) != n_parts:
        raise ValueError(f"parts {tuple(parts)} cannot name {n_parts} references: one name a reference is needed.")
    length = min(round(window * sample_rate), references.shape[1])
    if length < 1:
        raise ValueError(f"a window of {window:g} s at {sample_rate:g} Hz of {references.shape[1]} samples is empty.")
    references, estimates = _windows(references, length), _windows(estimates, length)
    sounding = _sounding(references)
    counts, swaps = np.zeros(n_parts), np.zeros(n_parts)
    for pair in map(list, combinations(range(n_parts), 2)):
        if parts[pair[0]] == parts[pair[1]]:
            both = sounding[pair].all(axis=0)
            counts[pair] += both.sum()
            swaps[pair] += _swapped(references[pair][:, both], estimates[pair][:, both]).sum()
    return np.divide(swaps, counts, out=np.full(n_parts, np.nan), where=counts > 0)


def _windows(signals, length):
    """Whole windows, ``(n_parts, n_windows, length)``; what is left at the end is not counted."""
    n_windows = signals.shape[1] // length
    return signals[:, : n_windows * length].reshape(len(signals), n_windows, length)


def _sounding(references):
    """Whether each part sounds in each window."""
    power = np.square(references, dtype=np.float64).mean(axis=-1)
    level = power.mean(axis=-1, keepdims=True)
    return (power > 0) & (power >= level * 10 ** (-AUDIBLE_DB / 10))


def _swapped(references, estimates):
    """1 where the exchanged pair fits better, one half where both fit as well."""
    straight = si_sdr(references, estimates).mean(axis=0)
    exchanged = si_sdr(references, estimates[::-1]).mean(axis=0)
    return np.where(exchanged == straight, 0.5, exchanged > straight)
