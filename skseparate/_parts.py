"""Names of parts, and the numbers that a network is told them by."""

import re

import numpy as np

# How people write the instruments of URMP; anything else keeps the name of its file.
ALIASES = {
    "vn": ("violin", "violine", "violon", "vln", "vl", "fiddle"),
    "va": ("viola", "bratsche", "alto", "vla"),
    "vc": ("cello", "violoncello", "violoncelle", "vcl"),
    "db": ("doublebass", "contrabass", "kontrabass", "bass", "cb"),
    "fl": ("flute", "flöte", "flauto"),
    "ob": ("oboe", "hautbois"),
    "cl": ("clarinet", "klarinette", "clarinette"),
    "bn": ("bassoon", "fagott", "basson", "fg"),
    "hn": ("horn", "frenchhorn", "cor"),
    "tpt": ("trumpet", "trompete", "trompette", "tp"),
    "tbn": ("trombone", "posaune", "tb"),
    "tba": ("tuba",),
    "sax": ("saxophone", "saxphone", "altosax", "altosaxophone", "saxophon"),
}
_PART_OF = {alias: part for part, aliases in ALIASES.items() for alias in (part, *aliases)}


def part_name(stem):
    """Part that a file's name speaks of: its instrument where it is known, without numbers.

    Examples
    --------
    >>> [part_name(stem) for stem in ("1_vn", "02 - Violin II", "French Horn", "glass harmonica")]
    ['vn', 'vn', 'hn', 'glassharmonica']
    """
    words = re.findall(r"[^\W\d_]+", stem.casefold())
    words = [word for word in words if word not in ("i", "ii", "iii", "iv")] or words
    name = "".join(words) or stem
    known = [_PART_OF[word] for word in words if word in _PART_OF]
    return _PART_OF.get(name) or (known[0] if len(known) == 1 else name)


# In the order of the shipped weights: never reorder, only append.
INSTRUMENTS = ("vn", "va", "vc", "db", "fl", "ob", "cl", "bn", "sax", "hn", "tpt", "tbn", "tba", "other")
MOST_PARTS = 5
N_CODES = 4  # numbers of a part
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
    codes = np.zeros((n_slots, N_CODES), dtype=np.int64)
    for k, name in enumerate(names):
        if name not in INSTRUMENTS:
            known = ", ".join(INSTRUMENTS[:-1])
            raise ValueError(
                f"{parts[k]!r} is no part that the ensemble network knows: it knows {known} and, for any other "
                "instrument or voice, other."
            )
        before, of_its_kind = names[:k].count(name), names.count(name)
        # desks of each number of players of one instrument have codes of their own: 0; 1, 2; 3, 4, 5; ...
        desk = of_its_kind * (of_its_kind - 1) // 2 + before
        codes[k] = INSTRUMENTS.index(name) + 1, desk, k, len(names) - 1
    return codes


def told_codes(parts):
    """Codes of rows, flattened: as many slots as the largest of them has parts.

    Parameters
    ----------
    parts : sequence of (sequence of str or None)
        The parts of each row; see `part_codes`.

    Returns
    -------
    codes : ndarray of int64 of shape (n_rows, n_slots * N_CODES)
    """
    known = {}
    n_slots = max((len(p) for p in parts if p is not None), default=MOST_PARTS)
    for row in parts:
        key = None if row is None else tuple(row)
        if key not in known:
            known[key] = part_codes(row, n_slots).ravel()
    return np.stack([known[None if row is None else tuple(row)] for row in parts])
