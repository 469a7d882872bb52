"""Who plays what: instruments for the parts of a score."""

import numpy as np

from skseparate.datasets._render._instruments import RANGES, WEIGHTS

FAMILIES = {
    "strings": ("vn", "va", "vc", "db"),
    "winds": ("fl", "ob", "cl", "sax", "bn"),
    "brass": ("tpt", "hn", "tbn", "tba"),
    "mixed": tuple(RANGES),
}
# How URMP's ensembles are made up, roughly.
FAMILY_SHARES = {"strings": 0.35, "winds": 0.2, "brass": 0.2, "mixed": 0.25}
DOUBLING = 0.6
# Notes may lie this far outside of a range before another octave is tried, as a share of all notes.
TOLERANCE = 0.02
SHIFTS = (0, 12, -12, 24, -24)


def cast(parts, rng, available=tuple(RANGES)):
    """Give each part an instrument, and a shift by octaves into its range.

    Parameters
    ----------
    parts : sequence of Notes
        From high to low.
    rng : RandomState
    available : sequence of str, default=all of URMP's
        Instruments that there are.

    Returns
    -------
    cast : list of (str, int)
        Instrument and shift in semitones of each part.
    """
    family = FAMILIES[rng.choice(list(FAMILY_SHARES), p=list(FAMILY_SHARES.values()))]
    chosen, sounding = [], []  # instruments with their shifts, and the pitches that they play
    for notes in parts:
        before = chosen[-1][0] if chosen else None
        playing = [instrument for instrument, _ in chosen]
        may = {i: i not in playing or _is_second(notes.pitch, i, playing, sounding) for i in available}
        if chosen and rng.random() < DOUBLING and may[before]:
            chosen.append((before, fitting_shift(notes.pitch, before)))
        else:
            free = [i for i in family if i in available and i not in playing]
            seldom, at_worst = [i for i in available if may[i]], [i for i in available if playing.count(i) < 2]
            chosen.append(_one_that_fits(notes.pitch, (free, seldom, at_worst or available), rng))
        sounding.append(notes.pitch + chosen[-1][1])
    return chosen


def _is_second(pitch, instrument, playing, sounding):
    """Whether notes can be the second desk of an instrument: below the first on average, as in nearly any score."""
    if playing.count(instrument) != 1:
        return False
    shift = fitting_shift(pitch, instrument)
    return shift in (0, 12, -12) and np.mean(pitch) + shift < np.mean(sounding[playing.index(instrument)])


def fitting_shift(pitch, instrument):
    """Smallest shift by octaves that brings notes into an instrument's range; None where none does."""
    return next((shift for shift in SHIFTS if _outside(pitch + shift, instrument) <= TOLERANCE), None)


def _outside(pitch, instrument):
    """Share of notes outside of an instrument's range."""
    low, high = RANGES[instrument]
    return np.mean((pitch < low) | (pitch > high))


def _one_that_fits(pitch, choices, rng):
    """An instrument as often as in URMP, rather where the part need not be shifted; of the first choices that fit."""
    for candidates in choices:
        shifts = {instrument: fitting_shift(pitch, instrument) for instrument in candidates}
        fitting = [instrument for instrument in candidates if shifts[instrument] is not None]
        if fitting:
            weights = np.array([WEIGHTS[i] * (1.0 if shifts[i] == 0 else 0.3) for i in fitting])
            instrument = fitting[rng.choice(len(fitting), p=weights / weights.sum())]
            return instrument, shifts[instrument]
    unfit = [(instrument, shift) for instrument in candidates for shift in SHIFTS]
    return min(unfit, key=lambda pair: _outside(pitch + pair[1], pair[0]))
