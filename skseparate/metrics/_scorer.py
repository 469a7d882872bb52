"""Score a separator on recordings, streaming where it can."""

import numpy as np

from skseparate._recording import as_pairs, describe, n_samples_of, read
from skseparate._remembered import remembering
from skseparate.metrics._si_sdr import InnerProducts


def separation_scorer(estimator, X, y, *, permutation=False):
    """Score a separator by SI-SDR and its improvement, in one prediction.

    A scorer for `cross_validate` or `GridSearchCV`: ``scoring=separation_scorer,
    refit="si_sdr_improvement"``.

    Parameters
    ----------
    estimator : separator
        Fitted; anything that predicts solos. One with `iter_predict` is scored block by block.
    X : sequence of recordings
        The mixtures.
    y : sequence of arrays of shape (n_parts, n_samples)
        Their solos; they say how many parts a recording has.
    permutation : bool, default=False
        Give each estimate to the part it fits best, for data whose order means nothing. To search
        with it, pass ``functools.partial(separation_scorer, permutation=True)``.

    Returns
    -------
    scores : dict of str to float
        ``si_sdr_improvement`` and ``si_sdr``, in dB: the mean over recordings of the mean over parts.

    Raises
    ------
    ValueError
        If recordings and solos do not match, or too few solos are predicted.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.baseline import MixtureSeparator
    >>> from skseparate.metrics import separation_scorer
    >>> solos = np.random.default_rng(0).normal(size=(1, 2, 1000))
    >>> scores = separation_scorer(MixtureSeparator().fit(solos.sum(axis=1), solos), solos.sum(axis=1), solos)
    >>> scores["si_sdr_improvement"]
    0.0
    """
    X, y = as_pairs(X, y)
    with remembering(getattr(estimator, "cache_size", None)):
        scores = [_score(estimator, r, solos, permutation, i) for i, (r, solos) in enumerate(zip(X, y, strict=True))]
    absolute, improvement = np.mean(scores, axis=0)
    return {"si_sdr_improvement": float(improvement), "si_sdr": float(absolute)}


def _score(estimator, recording, solos, permutation, index):
    """Mean SI-SDR over the parts of a recording, and its improvement."""
    products, start, n_parts = InnerProducts(), 0, 0
    for block in predicted_blocks(estimator, recording, solos.shape[0]):
        n_parts, stop = len(block), start + block.shape[-1]
        if n_parts == solos.shape[0] and stop <= n_samples_of(recording):
            products.add(block, read(solos, start, stop), read(recording, start, stop))
        start = stop
    if (n_parts, start) != tuple(solos.shape):
        raise ValueError(
            f"{describe(recording, index)} has solos of shape {solos.shape}, but solos of shape {(n_parts, start)} "
            "were predicted."
        )
    absolute, mixture = products.si_sdr(permutation)
    return absolute.mean(), (absolute - mixture).mean()


def predicted_blocks(estimator, recording, n_parts):
    if hasattr(estimator, "iter_predict"):
        yield from estimator.iter_predict(recording, n_parts)
    else:
        # one recording at a time: all solos of a test fold need not fit in memory; slots beyond y are dropped
        yield estimator.predict([recording])[0][:n_parts]
