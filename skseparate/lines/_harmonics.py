"""From lines to masks: which part of a mixture's spectrogram each line's harmonics are."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from skseparate._masks import masks

LOBE = 0.72  # standard deviation of a Gaussian as wide as the main lobe of a Hann window, in units of 1 / frame
TOLERANCE = 10.0  # cents by which a harmonic may miss its place
FLOOR = 1e-4  # weight of what lies between two harmonics: breath, bow and room, in proportion to them
SMOOTHING = 0.5  # harmonics over which an envelope is smoothed where they are shared
REST_SMOOTHING = 2.0  # where no other line tells what is shared
N_ITER = 10
TINY = 1e-12


def harmonic_masks(magnitudes, f0, frame, spread=None, tolerance=TOLERANCE, rest=False):
    """Masks that give each part the harmonics of its line.

    Parameters
    ----------
    magnitudes : ndarray of shape (n_frames, n_bins)
        Of the mixture's STFT, from 0 Hz on.
    f0 : ndarray of shape (n_parts, n_frames)
        Fundamental frequency of each part in each frame, in Hz; 0 where it is silent.
    frame : float
        Duration of a frame of the STFT, in seconds.
    spread : ndarray of shape (n_parts, n_frames), default=None
        How far the line moves within a frame: the standard deviation of its pitch, as a share of `f0`.
    tolerance : float, default=10.0
        Standard deviation of a line's own error, in cents.
    rest : bool, default=False
        Whether one more mask takes what no line explains.

    Returns
    -------
    masks : ndarray of shape (n_parts, n_frames, n_bins) or (n_parts + 1, n_frames, n_bins)
        In the dtype of `magnitudes`; they sum to one. Where no part sounds, equal shares; all to the rest where it
        is asked for.

    See Also
    --------
    skseparate.baseline.HumSeparator : Does this to recordings.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.lines import harmonic_masks
    >>> magnitudes = np.ones((1, 100))  # of frames of 0.1 s: bins of 10 Hz
    >>> harmonic_masks(magnitudes, np.array([[200.0], [310.0]]), 0.1)[:, 0, [20, 31, 62]].round(1).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    """
    return masks(harmonic_estimates(magnitudes, f0, frame, spread, tolerance, rest), None, "ratio")


def harmonic_estimates(magnitudes, f0, frame, spread=None, tolerance=TOLERANCE, rest=False):
    """Magnitudes of the parts of a mixture, from their lines.

    The spectrum of a part is a comb: a Gaussian at each harmonic of its line, as wide as the window's main lobe
    and the vibrato within the frame make it, on a low floor of noise in proportion to it. How high its teeth are is
    fitted to the mixture: where a harmonic stands alone, what is seen there is its level; where parts share a
    harmonic, each begins with what its own envelope says by the harmonics around it; then multiplicative updates
    of the Kullback-Leibler divergence fit all teeth together, and leave the shares of teeth that coincide as they are.

    Parameters
    ----------
    magnitudes, f0, frame, spread, tolerance, rest
        See `harmonic_masks`.

    Returns
    -------
    estimates : ndarray of shape (n_parts, n_frames, n_bins) or (n_parts + 1, n_frames, n_bins)
        0 where a part is silent.

    References
    ----------
    .. [1] A. Klapuri, "Multiple fundamental frequency estimation based on harmonicity and spectral smoothness", IEEE
           Trans. Speech and Audio Processing 11(6), 2003: shared harmonics by smooth envelopes.
    .. [2] Z. Duan and B. Pardo, "Soundprism: an online system for score-informed source separation of music audio",
           IEEE J. Selected Topics in Signal Processing 5(6), 2011: harmonic masks from given pitches.
    .. [3] S. Ewert and M. Müller, "Using score-informed constraints for NMF-based source separation", ICASSP 2012:
           harmonic templates, fitted by multiplicative updates.
    """
    combs = _combs(magnitudes, f0, frame, spread, tolerance)
    estimates = _fitted(magnitudes, combs, _first_estimates(magnitudes, combs))
    if rest:
        estimates = _with_rest(magnitudes, combs, estimates)
    return estimates.astype(magnitudes.dtype, copy=False)


def harmonic_weights(magnitudes, f0, frame, spread=None, tolerance=TOLERANCE):
    """How near each bin is to a harmonic of each line.

    Parameters
    ----------
    magnitudes, f0, frame, spread, tolerance
        See `harmonic_masks`; of the magnitudes only shape and dtype count.

    Returns
    -------
    weights : ndarray of shape (n_parts, n_frames, n_bins)
        1 at a harmonic, falling to next to nothing between them; 0 where a part is silent.
    """
    return np.stack([comb.weight for comb in _combs(magnitudes, f0, frame, spread, tolerance)])


def _combs(magnitudes, f0, frame, spread, tolerance):
    f0 = np.asarray(f0, np.float64)
    spread = np.zeros(f0.shape) if spread is None else spread
    width = np.hypot(spread, np.log(2) * tolerance / 1200)
    return [_Comb(*line, magnitudes, 1 / frame) for line in zip(f0, width, strict=True)]


class _Comb:
    """The harmonics of one line: weight of each bin, and which harmonic it belongs to, 0 for none."""

    def __init__(self, f0, relative_width, magnitudes, bin_width):
        self.shape = magnitudes.shape
        sounding = (f0 > 0)[:, None]
        f0 = np.where(f0 > 0, f0, np.inf)[:, None]
        bins = np.arange(self.shape[1]) * bin_width
        harmonic = np.where(sounding, np.maximum(1, np.rint(bins / f0)), 0)
        centre = np.where(sounding, harmonic, 1) * f0
        width = np.hypot(LOBE * bin_width, centre * relative_width[:, None])
        off = (bins - np.where(sounding, centre, 0)) / np.where(sounding, width, 1)
        weight = np.where(sounding, np.maximum(np.exp(-0.5 * off**2), FLOOR), 0)
        self.weight = weight.astype(magnitudes.dtype, copy=False)
        self.n_harmonics = int(harmonic.max(initial=0)) + 1
        self._tooth = (np.arange(self.shape[0])[:, None] * self.n_harmonics + harmonic).astype(np.intp).ravel()
        self.mass = self.sum(self.weight)

    def sum(self, values):
        """Sum over the bins of each harmonic: ``(n_frames, n_harmonics)``."""
        size = self.shape[0] * self.n_harmonics
        return np.bincount(self._tooth, values.ravel(), size).reshape(self.shape[0], self.n_harmonics)

    def at_bins(self, heights):
        """Each bin's harmonic's height, of ``(n_frames, n_harmonics)``: ``(n_frames, n_bins)``."""
        return heights.astype(self.weight.dtype).ravel()[self._tooth].reshape(self.shape)

    def smooth(self, heights, weights, deviation):
        """Logarithms of heights smoothed along the harmonics, each counting by its weight."""
        weights = weights + 1e-9
        weights[:, 0] = 0
        sums = [
            gaussian_filter1d(values, deviation, axis=1, mode="constant")
            for values in (weights * np.log(heights + 1e-9 * heights.max(initial=TINY)), weights)
        ]
        return np.exp(sums[0] / np.maximum(sums[1], TINY))


def _first_estimates(magnitudes, combs):
    """Each harmonic by what stands alone of it and, the less that is, by its neighbours."""
    total = sum(comb.weight for comb in combs) + TINY
    estimates = []
    for comb in combs:
        alone = comb.weight * (comb.weight / total) ** 2
        seen = comb.sum(alone)
        heights = comb.sum(alone * magnitudes) / np.maximum(seen, TINY)
        estimates.append(comb.weight * comb.at_bins(comb.smooth(heights, seen, SMOOTHING)))
    return np.stack(estimates)


def _fitted(magnitudes, combs, estimates):
    """Heights of all teeth fitted together: multiplicative updates, which keep the shares of teeth that coincide."""
    for _ in range(N_ITER):
        ratio = magnitudes / np.maximum(estimates.sum(axis=0), TINY * magnitudes.max(initial=TINY))
        for estimate, comb in zip(estimates, combs, strict=True):
            estimate *= comb.at_bins(comb.sum(comb.weight * ratio) / np.maximum(comb.mass, TINY))
    return estimates


def _with_rest(magnitudes, combs, estimates):
    """Lines whose harmonics are no higher than their neighbours, and what is left of the mixture."""
    for estimate, comb in zip(estimates, combs, strict=True):
        heights = comb.sum(estimate) / np.maximum(comb.mass, TINY)
        smooth = comb.weight * comb.at_bins(comb.smooth(heights, comb.mass, REST_SMOOTHING))
        np.minimum(estimate, smooth, out=estimate)
    rest = (magnitudes - estimates.sum(axis=0)).clip(0, None)
    return np.concatenate([estimates, rest[None]])
