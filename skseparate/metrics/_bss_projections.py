"""Projections of estimates on delayed references: the mathematics of BSS Eval.

Signals are ``(n_parts, n_samples)`` or ``(n_parts, n_channels, n_samples)``, arrays or lazy recordings.
They are read in blocks, so that no copy of a track is ever held. A *row* is one channel of one part.
"""

from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, next_fast_len, rfft
from scipy.linalg import LinAlgError, cho_factor, solve_triangular

from skseparate._recording import n_samples_of, read

MIN_FFT, N_BLOCKS = 4096, 4  # few at a time: they stay in the processor's cache
TINY = np.finfo(np.float64).tiny
# Added to a unit diagonal where rounding leaves the Gram matrix indefinite: as little as works.
LOADINGS = (0.0, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10)


class Correlations(NamedTuple):
    """What `correlate` has of one set of signals.

    Attributes
    ----------
    products : ndarray of shape (n_reference_rows, n_rows, filter_length)
        ``sum(references[i, n - k] * signals[j, n] for n)`` at ``[i, j, k]``.
    energies : ndarray of shape (n_rows,)
        Of the signals.
    """

    products: np.ndarray
    energies: np.ndarray


class ReferenceSpan:
    """All that delayed references can make, factorised once for any number of estimates.

    Parameters
    ----------
    references : array or recording of shape (n_parts, n_samples) or (n_parts, n_channels, n_samples)
        The true solos.
    filter_length : int, default=512
        Number of delays, in samples.
    correlations : Correlations, default=None
        Those of the references, where they were correlated together with the estimates.

    Attributes
    ----------
    energies : ndarray of shape (n_parts,)
        Energy of each reference; 0 is a silent one.
    """

    def __init__(self, references, filter_length=512, correlations=None):
        self.references, self.filter_length = references, filter_length
        self.n_parts, self.n_channels = references.shape[0], _n_rows(references) // references.shape[0]
        if correlations is None:
            (correlations,) = correlate(references, [references], filter_length)
        products, powers = correlations
        self.energies = _checked(_sum_channels(powers, self.n_channels))
        # unit signals, so that what counts as singular depends neither on the levels nor on their differences
        heard = powers >= TINY
        self._gains = heard / np.sqrt(np.where(heard, powers, 1.0))
        products = products * self._gains[:, None, None] * self._gains[:, None]
        self._own = [_factor(products[rows, rows]) for rows in self._rows()]
        self._all = self._own[0] if self.n_parts == 1 else _factor(products)

    def _rows(self):
        return [slice(j * self.n_channels, (j + 1) * self.n_channels) for j in range(self.n_parts)]

    def project(self, estimates, correlations=None):
        """Project estimates, ``(n_estimates, …)`` and otherwise shaped as the references."""
        if correlations is None:
            (correlations,) = correlate(self.references, [estimates], self.filter_length)
        energies = _checked(_sum_channels(correlations.energies, self.n_channels))
        heard = np.repeat(energies > 0, self.n_channels)
        products = correlations.products * heard[:, None]
        inner, products = self._inner_products(products), products * self._gains[:, None, None]
        own = [_whiten(f, products[rows]) for f, rows in zip(self._own, self._rows(), strict=True)]
        whole = own[0] if self.n_parts == 1 else _whiten(self._all, products)
        return Projections(self, estimates, energies, own, whole, inner)

    def filters(self, own, whole):
        """Distortion filters from whitened products: those of each part alone, and those of all together."""
        gains = np.split(self._gains, self.n_parts)
        alone = [_unwhiten(f, w, s) for f, w, s in zip(self._own, own, gains, strict=True)]
        return np.stack(alone), _unwhiten(self._all, whole, self._gains)

    def _inner_products(self, products):
        """Products of references and estimates, ``(n_parts, n_estimates)``."""
        shape = self.n_parts, self.n_channels, -1, self.n_channels
        return np.einsum("jcmc->jm", products[..., 0].reshape(shape))


class Projections:
    """Estimates as seen from a `ReferenceSpan`; made by `ReferenceSpan.project`.

    Attributes
    ----------
    energies : ndarray of shape (n_estimates,)
        Energy of each estimate; 0 is a silent one.
    """

    def __init__(self, span, estimates, energies, own, whole, inner):
        self.span, self.estimates, self.energies = span, estimates, energies
        self._own, self._whole, self._inner = own, whole, inner

    def whole_track(self, parts, rows):
        """Products of the components of each pair over the whole track, ``(4, 4, n_pairs, 1)``.

        The components are the reference, the estimate's projection on it, that on all references, and the
        estimate itself. Projections being orthogonal, the products are energies, and no signal is filtered.

        Parameters
        ----------
        parts, rows : array of shape (n_pairs,)
            Which reference and which estimate make each pair.
        """
        n_channels = self.span.n_channels
        own = np.stack([_sum_channels(_energy(w.T), n_channels) for w in self._own])[parts, rows]
        whole = _sum_channels(_energy(self._whole.T), n_channels)[rows]
        reference, inner, estimate = self.span.energies[parts], self._inner[parts, rows], self.energies[rows]
        products = [
            [reference, inner, inner, inner],
            [inner, own, own, own],
            [inner, own, whole, whole],
            [inner, own, whole, estimate],
        ]
        return np.array(products)[..., None]

    def framewise(self, parts, rows, window, hop):
        """Products in frames, ``(4, 4, n_pairs, n_frames)``, and which frames all signals sound in.

        As in BSS Eval version 4, the filters are those of the whole track, they act on what is inside the frame
        alone, and their tails are counted.
        """
        starts = range(0, n_samples_of(self.estimates) - window + 1, hop)
        # even, so that the spectrum ends at the Nyquist frequency
        n_fft = 2 * next_fast_len((window + self.span.filter_length) // 2, real=True)
        own, whole = self._filter_spectra(parts, rows, n_fft)
        products, sounding = np.zeros((4, 4, len(parts), len(starts))), np.zeros(len(starts), dtype=bool)
        signals = [(x, np.zeros((_n_rows(x), n_fft))) for x in (self.span.references, self.estimates)]
        for t, start in enumerate(starts):
            for x, rows_of_frame in signals:
                fill(rows_of_frame[:, :window], x, start)
            frames = [rows_of_frame for _, rows_of_frame in signals]
            sounding[t] = self._all_sound(*frames)
            if sounding[t]:
                products[..., t] = _frame_products(*map(_unit_spectra, frames), own, whole, parts, rows)
        return products, sounding

    def _filter_spectra(self, parts, rows, n_fft):
        """Spectra of the filters of each pair, and of all references together.

        Shapes are ``(n_pairs, n_channels, n_channels, n_bins)`` and ``(n_rows, n_estimate_rows, n_bins)``; the
        channels are those of the reference first.
        """
        n_channels, length = self.span.n_channels, self.span.filter_length
        alone, together = self.span.filters(self._own, self._whole)
        alone = alone.reshape(self.span.n_parts, n_channels, length, -1, n_channels)[parts, :, :, rows]
        return rfft(alone.transpose(0, 1, 3, 2), n_fft), rfft(together.transpose(0, 2, 1), n_fft)

    def _all_sound(self, references, estimates):
        """Whether all sound here that sound anywhere: what is silent throughout has scores of its own."""
        for rows, energies in ((references, self.span.energies), (estimates, self.energies)):
            if not (rows.reshape(len(energies), -1).any(axis=1) | (energies == 0)).all():
                return False
        return True


def _frame_products(references, estimates, own, whole, parts, rows):
    """Products of the components of each pair in one frame, ``(4, 4, n_pairs)``, from spectra of rows."""
    n_channels = own.shape[1]
    references, estimates, projected = (
        x.reshape(-1, n_channels, x.shape[-1]) for x in (references, estimates, _filtered(references, whole))
    )
    products = np.empty((4, 4, len(parts)))
    for pair, (j, m) in enumerate(zip(parts, rows, strict=True)):
        components = references[j], _filtered(references[j], own[pair]), projected[m], estimates[m]
        components = [x.reshape(-1).view(np.float64) for x in components]
        for i, k in combinations_with_replacement(range(4), 2):
            products[i, k, pair] = products[k, i, pair] = components[i] @ components[k]
    return products


def _filtered(rows, filters):
    """Sum over rows of their filtered versions, as spectra."""
    total = rows[0] * filters[0]
    for row, spectra in zip(rows[1:], filters[1:], strict=True):
        total += row * spectra
    return total


def _unit_spectra(rows):
    """Spectra whose products are those of the signals, by Parseval's theorem, but for a factor common to all."""
    spectra = rfft(rows)
    spectra[:, [0, -1]] *= np.sqrt(0.5)
    return spectra


def correlate(references, others, filter_length):
    """Correlations of delayed references with each of several signals, summed over blocks of their spectra.

    Many short transforms are faster than a long one, and need no memory; blocks are added as spectra.

    Parameters
    ----------
    references : array or recording of shape (n_parts, n_samples) or (n_parts, n_channels, n_samples)
        What is delayed.
    others : list of array or recording
        What it is multiplied with.
    filter_length : int
        Number of delays, in samples.

    Returns
    -------
    correlations : list of Correlations
        One for each of `others`.
    """
    n_fft = max(MIN_FFT, 1 << (16 * filter_length - 1).bit_length())
    step, edges = n_fft - filter_length + 1, np.cumsum([_n_rows(x) for x in others])
    past = np.zeros((_n_rows(references), N_BLOCKS * step + filter_length - 1))
    present, padded = np.zeros((edges[-1], N_BLOCKS * step)), np.zeros((edges[-1], N_BLOCKS, n_fft))
    total, energies = np.zeros((len(past), edges[-1], n_fft // 2 + 1), dtype=np.complex128), np.zeros(edges[-1])
    for start in range(0, n_samples_of(references), N_BLOCKS * step):
        # references begin earlier by the longest delay, so that no delay wraps around
        fill(past, references, start - filter_length + 1)
        for x, rows in zip(others, np.split(present, edges[:-1]), strict=True):
            fill(rows, x, start)
        energies += _energy(present)
        padded[..., :step] = present.reshape(-1, N_BLOCKS, step)
        _accumulate(total, rfft(sliding_window_view(past, n_fft, axis=-1)[:, ::step]), rfft(padded))
    delays = (np.arange(filter_length) - filter_length + 1) % n_fft
    products = irfft(total, n_fft)[..., delays]
    pairs = zip(np.split(products, edges[:-1], axis=1), np.split(energies, edges[:-1]), strict=True)
    return [Correlations(*pair) for pair in pairs]


def _accumulate(total, delayed, others):
    np.conjugate(delayed, out=delayed)
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused later
        for k in range(N_BLOCKS):
            total += delayed[:, None, k] * others[:, k]


def fill(rows, signals, start):
    """Write the samples of all rows from `start` on, in double precision, with zeros where there are none."""
    first, block = max(-start, 0), read(signals, max(start, 0), start + rows.shape[-1])
    last = first + block.shape[-1]
    rows[:, :first] = rows[:, last:] = 0
    rows[:, first:last] = np.reshape(block, (len(rows), -1))


def _n_rows(signals):
    return int(np.prod(signals.shape[:-1]))


def _factor(products):
    """Cholesky factor of the Gram matrix of delayed rows, from their products ``(n_rows, n_rows, length)``."""
    for loading in LOADINGS:
        gram = _gram(products)
        gram[np.diag_indices_from(gram)] += np.where(np.diagonal(gram) > 0, loading, 1.0)
        try:
            return cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)[0]
        except LinAlgError:
            continue
    raise ValueError("the references are too ill-conditioned to be factorised.")  # pragma: no cover - never seen


def _gram(products):
    """Lower half of the Gram matrix: blocks of equal diagonals."""
    n_rows, _, length = products.shape
    gram = np.zeros((n_rows * length, n_rows * length), order="F")
    for i, j in zip(*np.tril_indices(n_rows), strict=True):
        lags = np.concatenate([products[j, i, :0:-1], products[i, j]])
        block = sliding_window_view(lags, length)[:, ::-1]
        gram[i * length : (i + 1) * length, j * length : (j + 1) * length] = block
    return gram


def _whiten(factor, products):
    """Products with an orthonormal basis of the span, ``(n_rows * length, n_other_rows)``."""
    columns = products.transpose(0, 2, 1).reshape(len(factor), -1)
    return solve_triangular(factor, columns, lower=True, check_finite=False)


def _unwhiten(factor, whitened, gains):
    """Filters ``(n_rows, length, n_other_rows)`` of the projection."""
    filters = solve_triangular(factor, whitened, lower=True, trans=1, check_finite=False)
    return filters.reshape(len(gains), -1, filters.shape[-1]) * gains[:, None, None]


def _energy(x):
    return np.einsum("...i,...i->...", x, x)


def _sum_channels(x, n_channels):
    return x.reshape(-1, n_channels).sum(axis=1)


def _checked(energies):
    """Energies; those too small to be normal numbers are silence."""
    if not np.isfinite(energies).all():
        raise ValueError("signals must be finite, and so must their energies.")
    return np.where(energies >= TINY, energies, 0.0)
