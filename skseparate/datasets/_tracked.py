"""Stems whose lines are tracked where nobody wrote them down."""

import copy
import hashlib
from functools import partial

import numpy as np

from skseparate.datasets._render._instruments import RANGES
from skseparate.lines import LazyLine, Line, pyin_line
from skseparate.lines._line import STEP, hertz
from skseparate.lines._pyin import n_points

FORMAT = 2  # of what the cache holds: another number, and all lines are tracked again
ANY_RANGE = (28, 96)  # MIDI numbers, of instruments that are not known


def tracked(stem, part, cache):
    """The stem with its own line, or one tracked by pYIN when it is asked for.

    Parameters
    ----------
    stem : Recording
        A single part.
    part : str
        Its instrument, whose range is searched.
    cache : StemCache
        Keeps the line.

    Returns
    -------
    stem : Recording
    """
    if stem.line is not None:
        return stem
    low, high = RANGES.get(part, ANY_RANGE)
    known = copy.copy(stem)
    known.line = LazyLine(partial(_cached_line, stem, float(hertz(low - 1)), float(hertz(high + 1)), cache))
    return known


def _cached_line(stem, low, high, cache):
    digest = hashlib.blake2b(repr((FORMAT, stem.take, low, high)).encode(), digest_size=16).hexdigest()
    n = n_points(stem.n_samples, stem.sample_rate)
    samples = cache.made(f"line-{digest}", n, lambda: pyin_line(stem, low, high).frequencies.astype(np.float32))
    return Line(STEP * np.arange(n), samples)
