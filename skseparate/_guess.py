"""Guess the parts of a recording."""

from itertools import product

import numpy as np
from sklearn.utils import gen_batches

from skseparate._parts import INSTRUMENTS, MOST_PARTS
from skseparate._recording import as_list
from skseparate._segments import Segments

# Segments that are listened to at once, and at the most.
BATCH, MOST_SEGMENTS = 4, 32
# How far apart segments agree by themselves: a few minutes of one piece are not as many independent witnesses.
WITNESSES = 4.0


def guess_parts(separator, recording):
    """Guess which parts a recording has, and how sure that is.

    Parameters
    ----------
    separator : Separator
        Its regressor must be ``NeuralRegressor("ensemble")``, as that of ``load_separator("ensemble")`` is.
    recording : Recording or array of shape (n_samples,)
        The mixture.

    Returns
    -------
    parts : tuple of str
        Two to five of URMP's abbreviations or "other", in the usual order of a score.
    confidence : dict of str to float
        For each instrument guessed, the probability of just so many players of it; for "all", of all of it.

    Raises
    ------
    ValueError
        If the separator's regressor cannot guess.

    Examples
    --------
    >>> from skseparate import guess_parts, load_separator
    >>> from skseparate.datasets import make_ensembles
    >>> X, _, _ = make_ensembles(n_songs=1, n_parts=2, duration=2.0, random_state=0).power_set()
    >>> parts, confidence = guess_parts(load_separator("ensemble"), X[0])
    >>> 2 <= len(parts) <= 5
    True
    """
    count_parts = getattr(separator.regressor_, "count_parts", None)
    if count_parts is None:
        raise ValueError(f"{type(separator.regressor_).__name__} cannot guess the parts: name them.")
    (recording,) = as_list([recording], "recording")
    rows = Segments([recording], separator._chains([recording]))
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_SEGMENTS)).round().astype(int))
    batches = [count_parts(rows[chosen[b]]) for b in gen_batches(len(chosen), BATCH)]
    heard = np.log(np.concatenate(batches) + 1e-6).mean(axis=0) * min(len(chosen), WITNESSES)
    heard -= np.log(np.exp(heard).sum(axis=1, keepdims=True))
    counts = _likeliest(heard)
    parts = tuple(name for name, n in zip(INSTRUMENTS, counts, strict=True) for _ in range(n))
    sure = {INSTRUMENTS[i]: float(np.exp(heard[i, n])) for i, n in enumerate(counts) if n}
    return score_order(parts), {**sure, "all": float(np.exp(sum(heard[i, n] for i, n in enumerate(counts))))}


def _likeliest(heard):
    """Likeliest counts, two to five players together, from log-probabilities ``(n_instruments, n_counts)``."""
    best = {0: (0.0, ())}  # by number of parts so far
    for row in heard:
        grown = {}
        for (total, (value, counts)), (n, gain) in product(best.items(), enumerate(row)):
            if total + n <= MOST_PARTS and value + gain > grown.get(total + n, (-np.inf,))[0]:
                grown[total + n] = (value + gain, (*counts, n))
        best = grown
    return max(found for total, found in best.items() if total >= 2)[1]


def score_order(parts):
    """Parts in the usual order of URMP's scores."""
    order = ("fl", "ob", "tpt", "cl", "vn", "sax", "hn", "va", "bn", "tbn", "vc", "tba", "db", "other")
    return tuple(sorted(parts, key=order.index))
