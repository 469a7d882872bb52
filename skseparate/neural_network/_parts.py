"""Names of parts as numbers that a network can be told."""

import numpy as np

from skseparate.datasets._layout import part_name

# In the order of the shipped weights: never reorder, only append.
INSTRUMENTS = ("vn", "va", "vc", "db", "fl", "ob", "cl", "bn", "sax", "hn", "tpt", "tbn", "tba", "other")
MOST_PARTS = 5
N_INSTRUMENTS = len(INSTRUMENTS) + 1  # 0 for an absent part
N_DESKS = MOST_PARTS * (MOST_PARTS + 1) // 2


def part_codes(parts, n_slots=MOST_PARTS):
    """Codes of the parts of one recording.

    Parameters
    ----------
    parts : sequence of str
        Names in score order: URMP's abbreviations, full names or "other".
    n_slots : int, default=5
        Parts that there are codes for; absent ones are zero.

    Returns
    -------
    codes : ndarray of int64 of shape (n_slots, 4)
        Instrument (0 where absent), desk among those of its instrument, place in the score, and number of parts
        less one.

    Raises
    ------
    ValueError
        If there are no names, too many, or one that is no instrument.

    Examples
    --------
    >>> part_codes(("vn", "vn", "vc")).tolist()
    [[1, 1, 0, 2], [1, 2, 1, 2], [3, 0, 2, 2], [0, 0, 0, 0], [0, 0, 0, 0]]
    """
    if parts is None:
        raise ValueError(
            "the parts of a recording are not known: wrap it in skseparate.datasets.ArrayRecording with parts, or name "
            "them with --parts."
        )
    if len(parts) > MOST_PARTS:
        raise ValueError(f"{len(parts)} parts were named, but the ensemble network knows up to {MOST_PARTS}.")
    names = [part_name(part) for part in parts]
    codes = np.zeros((n_slots, 4), dtype=np.int64)
    for k, name in enumerate(names):
        if name not in INSTRUMENTS:
            raise ValueError(f"{parts[k]!r} is no part that the ensemble network knows; it knows {', '.join(INSTRUMENTS)}.")
        before, of_its_kind = names[:k].count(name), names.count(name)
        # desks of each number of players of one instrument have codes of their own: 0; 1, 2; 3, 4, 5; ...
        desk = of_its_kind * (of_its_kind - 1) // 2 + before
        codes[k] = INSTRUMENTS.index(name) + 1, desk, k, len(names) - 1
    return codes
