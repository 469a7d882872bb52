"""Scale-invariant signal-to-distortion ratio."""

import numpy as np
from scipy.optimize import linear_sum_assignment

LIMIT_DB = 60.0


class InnerProducts:
    """Inner products of estimates and references, summed block by block in float64.

    All that SI-SDR needs to know of signals of any length. The mixture stands as one more estimate, so
    that an estimate that equals it scores exactly as it does.

    Attributes
    ----------
    estimates : ndarray of shape (n_parts + 1,)
        Energies, the mixture's last.
    references : ndarray of shape (n_parts,)
        Energies.
    cross : ndarray of shape (n_parts + 1, n_parts)
        Products of each estimate with each reference.
    """

    def __init__(self):
        self.estimates = self.references = self.cross = 0.0

    def add(self, estimates, references, mixture):
        """Add a block: ``(n_parts, n_block)`` twice and ``(n_block,)``."""
        rows = np.vstack([estimates, mixture]).astype(np.float64)
        references = np.asarray(references, dtype=np.float64)
        self.estimates = self.estimates + _energy(rows)
        self.references = self.references + _energy(references)
        # not a matrix product: BLAS does not promise equal results for equal rows
        self.cross = self.cross + np.einsum("in,jn->ij", rows, references, optimize=False)

    def si_sdr(self, permutation=False):
        """SI-SDR of each part in dB, and of the mixture beside it: two ``(n_parts,)``."""
        scores = si_sdr_from_products(self.references, self.estimates[:, None], self.cross)
        pairs, mixture = scores[:-1], scores[-1]
        order = best_order(pairs) if permutation else np.arange(len(pairs))
        return pairs[order, np.arange(len(pairs))], mixture


def si_sdr_from_products(reference, estimate, cross, limit=LIMIT_DB):
    """SI-SDR in dB from the energies of reference and estimate and their inner product."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        # squared cosine of the angle between the two; a quotient of quotients, as squares may overflow
        similarity = np.clip((cross / reference) * (cross / estimate), 0, 1)
        ratio = 10 * np.log10(similarity / (1 - similarity))
    ratio = np.where(estimate > 0, np.clip(ratio, -limit, limit), -limit)
    return np.where(reference > 0, ratio, 0.0)


def best_order(scores):
    """Which estimate goes to each reference so that the mean score is highest."""
    rows, columns = linear_sum_assignment(scores, maximize=True)
    return rows[np.argsort(columns)]


def _energy(x):
    return np.einsum("...i,...i->...", x, x)


def _check_shapes(*signals):
    signals = [np.asarray(x, dtype=np.float64) for x in signals]
    if any(x.ndim == 0 or x.shape[-1] == 0 for x in signals):
        raise ValueError("signals must have at least one sample along their last axis.")
    if len({x.shape[-1] for x in signals}) > 1:
        raise ValueError(f"signals must be equally long, got {[x.shape[-1] for x in signals]} samples.")
    return signals


def si_sdr(reference, estimate, *, limit=LIMIT_DB):
    """Scale-invariant signal-to-distortion ratio.

    The energy of the reference's share of the estimate over the energy of all the rest, in dB.

    Parameters
    ----------
    reference : array of shape (..., n_samples)
        The true solo.
    estimate : array of shape (..., n_samples)
        The estimated solo; leading axes broadcast.
    limit : float, default=60.0
        Scores are cut to ±`limit` dB, which no ear tells from perfection, or from noise.

    Returns
    -------
    ratio : ndarray of shape (...) or float
        In dB. Silence is defined: a silent reference scores 0, whatever the estimate, as there is
        nothing to find; a silent estimate of a reference that sounds scores ``-limit``.

    Raises
    ------
    ValueError
        If the signals are empty or not equally long.

    See Also
    --------
    si_sdr_improvement : How much better than the mixture.

    References
    ----------
    .. [1] J. Le Roux, S. Wisdom, H. Erdogan and J. R. Hershey, "SDR - half-baked or well done?",
           ICASSP 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.metrics import si_sdr
    >>> reference, noise = np.array([1.0, 1.0, 1.0, 1.0]), np.array([1.0, -1.0, 1.0, -1.0])
    >>> round(float(si_sdr(reference, 5 * (reference + 0.1 * noise))), 6)
    20.0
    """
    reference, estimate = _check_shapes(reference, estimate)
    cross = np.einsum("...i,...i->...", reference, estimate)
    return si_sdr_from_products(_energy(reference), _energy(estimate), cross, limit)[()]


def si_sdr_improvement(reference, estimate, mixture, *, limit=LIMIT_DB):
    """How much closer an estimate is to the reference than the mixture is.

    Parameters
    ----------
    reference : array of shape (..., n_parts, n_samples)
        The true solos.
    estimate : array of shape (..., n_parts, n_samples)
        The estimated solos.
    mixture : array of shape (..., n_samples)
        The mixture they come from.
    limit : float, default=60.0
        See `si_sdr`.

    Returns
    -------
    improvement : ndarray of shape (..., n_parts)
        SI-SDR of the estimate less SI-SDR of the mixture, in dB; 0 for a silent reference.

    Raises
    ------
    ValueError
        If the signals are empty or not equally long.

    See Also
    --------
    si_sdr : The ratio itself.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.metrics import si_sdr_improvement
    >>> solos = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, -1.0, 1.0, -1.0]])
    >>> estimate = solos + 0.1 * solos[::-1]
    >>> si_sdr_improvement(solos, estimate, solos.sum(axis=0)).round(6)
    array([20., 20.])
    """
    reference, estimate, mixture = _check_shapes(reference, estimate, mixture)
    before = si_sdr(reference, mixture[..., None, :], limit=limit)
    return si_sdr(reference, estimate, limit=limit) - before


def best_permutation(reference, estimate):
    """Order of the estimates in which their mean SI-SDR is highest.

    Parameters
    ----------
    reference : array of shape (n_parts, n_samples)
        The true solos.
    estimate : array of shape (n_parts, n_samples)
        The estimated solos, in any order.

    Returns
    -------
    order : ndarray of shape (n_parts,)
        ``estimate[order]`` belongs to ``reference``. Found by the Hungarian algorithm.

    Raises
    ------
    ValueError
        If the signals are empty or not equally long.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.metrics import best_permutation
    >>> solos = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]])
    >>> best_permutation(solos, solos[[2, 0, 1]])
    array([1, 2, 0])
    """
    reference, estimate = _check_shapes(reference, estimate)
    cross = estimate @ reference.T
    return best_order(si_sdr_from_products(_energy(reference), _energy(estimate)[:, None], cross))
