"""BSS Eval: distortion, interference and artifacts of separated sources."""

from contextlib import nullcontext
from operator import index
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from skseparate._recording import n_samples_of
from skseparate.metrics._bss_projections import ReferenceSpan, correlate
from skseparate.metrics._si_sdr import LIMIT_DB, best_order

# Ratios are compared up to here to find the best order; beyond, they are rounding.
ORDER_LIMIT_DB = 120.0


class BssEval(NamedTuple):
    """What `bss_eval` returns: ratios in dB of shape ``(..., n_parts)``, or ``(..., n_parts, n_frames)``.

    Attributes
    ----------
    sdr : ndarray
        Source to distortion: everything that is not the source.
    isr : ndarray or None
        Source image to spatial distortion; None unless images are scored.
    sir : ndarray
        Source to interference: what comes of the other references.
    sar : ndarray
        Sources to artifacts: what comes of no reference.
    permutation : ndarray of shape (..., n_parts)
        Which estimate was given to each reference.
    """

    sdr: np.ndarray
    isr: np.ndarray | None
    sir: np.ndarray
    sar: np.ndarray
    permutation: np.ndarray

    def median(self):
        """Median over the frames that are not NaN, as BSS Eval version 4 sums up a track.

        Returns
        -------
        scores : BssEval
            Ratios of shape ``(..., n_parts)``; NaN where no frame is left.
        """
        ratios = (None if x is None else _median(x) for x in self[:4])
        return BssEval(*ratios, self.permutation)


def bss_eval(
    references,
    estimates,
    *,
    filter_length=512,
    window=None,
    hop=None,
    images=False,
    permutation=False,
    limit=LIMIT_DB,
):
    """BSS Eval: signal-to-distortion, -interference and -artifacts ratios.

    Each estimate is split into what a short filter can make of its reference, what short filters can make
    of all references (interference), and the rest (artifacts). Without a window these are the whole-track
    ratios of BSS Eval version 3, with one the framewise ratios of version 4, whose `median` over frames is
    reported.

    Parameters
    ----------
    references : array or recording of shape (n_parts, n_samples) or (n_parts, n_channels, n_samples)
        The true solos. Lazy recordings are read block by block.
    estimates : array or recording of shape (..., n_parts, n_samples) or (..., n_parts, n_channels, n_samples)
        The estimated solos, shaped as the references. Leading axes, such as several separators, share what is
        computed from the references. One estimate instead of `n_parts` stands for every part, as the mixture does.
    filter_length : int, default=512
        Longest filter that is forgiven, in samples.
    window : int, default=None
        Length of frames, in samples; ``sample_rate`` gives version 4's second. By default, or where the
        track is no longer, the track is one frame.
    hop : int, default=None
        From one frame to the next, in samples; by default `window`.
    images : bool, default=False
        False: the filtered reference counts as the source (``bss_eval_sources``). True: the reference itself
        does, and its filtering is a distortion of its own (``bss_eval_images``, and all of museval).
    permutation : bool, default=False
        Give each estimate to the part it fits best: the highest mean SIR, found by the Hungarian algorithm.
    limit : float, default=60.0
        Ratios are cut to ±`limit` dB.

    Returns
    -------
    scores : BssEval
        ``sdr``, ``isr``, ``sir``, ``sar`` in dB and ``permutation``; a named tuple with a method ``median``. With
        a window, the ratios have a last axis of frames.

    Raises
    ------
    ValueError
        If the signals are empty, of other shapes, or not finite, or a setting is out of range.

    See Also
    --------
    si_sdr : The ratio that forgives a gain instead of a filter.

    Notes
    -----
    Silence is defined. A part whose reference is silent scores 0 throughout, as there is nothing to find, and
    takes no part in the others' interference. A silent estimate scores ``-limit``, but for SDR and ISR of images,
    which are 0 by definition: the error is then the reference. Frames in which a signal is silent that sounds
    elsewhere are NaN, as museval has them. References that are equal do not interfere with each other.

    All is computed in double precision, on one BLAS thread, and in memory that does not depend on the track's
    length. Transforms are spread over threads inside ``scipy.fft.set_workers``.

    References
    ----------
    .. [1] E. Vincent, R. Gribonval and C. Févotte, "Performance measurement in blind audio source
           separation", IEEE Transactions on Audio, Speech, and Language Processing, 2006.
    .. [2] E. Vincent et al., "The signal separation evaluation campaign (2007-2010): Achievements and
           remaining challenges", Signal Processing, 2012.
    .. [3] F.-R. Stöter, A. Liutkus and N. Ito, "The 2018 signal separation evaluation campaign",
           LVA/ICA 2018.
    .. [4] R. Scheibler, "SDR - medium rare with fast computations", ICASSP 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.metrics import bss_eval
    >>> solos = np.random.default_rng(0).normal(size=(2, 8000))
    >>> scores = bss_eval(solos, solos + 0.1 * solos[::-1], filter_length=16)
    >>> scores.sir.round()
    array([20., 20.])
    >>> bss_eval(solos, solos + 0.1 * solos[::-1], filter_length=16, window=1000, images=True).median().sdr.round()
    array([20., 20.])
    """
    references, estimates = _check_signals(references, estimates)
    window, hop = _check_settings(filter_length, window, hop)
    leading = estimates.shape[: -len(references.shape)]
    several = [estimates[i] for i in np.ndindex(leading)] if leading else [estimates]
    settings = {"window": window, "hop": hop, "images": images, "permutation": permutation, "limit": limit}
    with _one_blas_thread():
        own, *crossed = correlate(references, [references, *several], index(filter_length))
        span = ReferenceSpan(references, index(filter_length), own)
        scores = [score_projections(span.project(*pair), **settings) for pair in zip(several, crossed, strict=True)]
    if not leading:
        return scores[0]
    stacked = (None if x[0] is None else np.stack(x) for x in zip(*scores, strict=True))
    return BssEval(*(None if x is None else x.reshape(leading + x.shape[1:]) for x in stacked))


def _one_blas_thread():
    """Keep BLAS to one thread: on a busy processor, the threads of small factorisations wait for each other."""
    blas = ThreadpoolController().select(user_api="blas")
    # not where it is one already: a caller's other thread may have limited it, and must be the one to undo that
    return blas.limit(limits=1) if any(x["num_threads"] > 1 for x in blas.info()) else nullcontext()


def score_projections(projections, *, window=None, hop=None, images=False, permutation=False, limit=LIMIT_DB):
    """Score what `ReferenceSpan.project` returns; see `bss_eval`.

    Where estimates are scored in several ways, or come one after another, this shares what `bss_eval` would
    compute again.
    """
    n_parts, n_estimates = projections.span.n_parts, len(projections.energies)
    parts, rows = _pairs(n_parts, n_estimates, permutation)
    if window is None or window >= n_samples_of(projections.estimates):
        products, sounding = projections.whole_track(parts, rows), np.array([True])
    else:
        products, sounding = projections.framewise(parts, rows, window, hop or window)
    order = np.arange(n_parts) if n_estimates > 1 else np.zeros(n_parts, dtype=int)
    chosen = np.arange(n_parts)
    if permutation:
        sir = _ratios(products, images, ORDER_LIMIT_DB)[2]  # all equal where a frame is left out
        order = best_order(sir.sum(axis=-1).reshape(n_estimates, n_parts))
        chosen += order * n_parts
    ratios = _ratios(products[:, :, chosen], images, limit)
    known = projections.span.energies[:, None] > 0
    ratios = (None if x is None else np.where(sounding, np.where(known, x, 0.0), np.nan) for x in ratios)
    return BssEval(*(x if x is None or window is not None else x[:, 0] for x in ratios), order)


def _pairs(n_parts, n_estimates, permutation):
    """Which reference and which estimate are compared: all with all where the order is to be found."""
    if not permutation:
        return np.arange(n_parts), np.arange(n_parts) if n_estimates > 1 else np.zeros(n_parts, dtype=int)
    if n_estimates != n_parts:
        raise ValueError(f"permutation=True needs an estimate for each of the {n_parts} parts, got {n_estimates}.")
    rows, parts = np.divmod(np.arange(n_parts * n_estimates), n_parts)
    return parts, rows


def _ratios(products, images, limit):
    """SDR, ISR, SIR and SAR in dB, from the products that `Projections` gives."""
    reference, target, span, estimate = range(4)
    source = reference if images else target
    sdr = _decibels(products, source, (estimate, source), limit)
    isr = _decibels(products, reference, (target, reference), limit) if images else None
    sir = _decibels(products, target, (span, target), limit)
    return sdr, isr, sir, _decibels(products, span, (estimate, span), limit)


def _decibels(products, signal, difference, limit):
    """Energy of a component over that of the difference of two, in dB; nothing over nothing is the worst."""
    a, b = difference
    numerator = products[signal, signal]
    denominator = np.maximum(products[a, a] - 2 * products[a, b] + products[b, b], 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = 10 * np.log10(numerator / denominator)
    return np.where(numerator > 0, np.clip(ratio, -limit, limit), -limit)


def _median(ratios):
    """Median over the last axis without NaN; NaN where there is nothing else."""
    empty = np.isnan(ratios).all(axis=-1, keepdims=True)
    return np.where(empty[..., 0], np.nan, np.nanmedian(np.where(empty, 0.0, ratios), axis=-1))


def _check_signals(*signals):
    """Arrays or lazy recordings of shapes that can be compared."""
    references, estimates = (x if hasattr(x, "read") else np.asarray(x) for x in signals)
    n_axes = len(references.shape)
    if n_axes not in (2, 3) or 0 in references.shape:
        raise ValueError(
            "references must be (n_parts, n_samples) or (n_parts, n_channels, n_samples) and not empty, "
            f"got {references.shape}."
        )
    fits = (references.shape, (1, *references.shape[1:]))
    if tuple(estimates.shape[-n_axes:]) not in fits or 0 in estimates.shape:
        raise ValueError(f"estimates must be shaped as the references, {references.shape}, got {estimates.shape}.")
    for x in (references, estimates):
        if np.dtype(x.dtype).kind not in "fiub":
            raise ValueError(f"signals must be real, got {x.dtype}.")
    return references, estimates


def _check_settings(filter_length, window, hop):
    given = {"filter_length": filter_length, "window": window, "hop": hop}
    for name, value in given.items():
        if value is not None and index(value) < 1:
            raise ValueError(f"{name} must be a positive number of samples, got {value}.")
    if window is None and hop is not None:
        raise ValueError("hop needs a window.")
    return (None if x is None else index(x) for x in (window, hop))
