"""A user's own stems."""

import re
from pathlib import Path

from skseparate.datasets._ensembles import SCORE_ORDER, Ensemble, Ensembles
from skseparate.datasets._stem_cache import open_stem

AUDIO = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64"}
MIXTURES = {"mix", "mixture", "aumix", "master", "full", "tutti"}
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


def load_stems(path, *, sample_rate=None, cache=None):
    """Load a folder of pieces, each a folder of stems: one audio file a part.

    Parts are named by their files (``1_vn.wav``, ``Violin II.flac``), in the order of the numbers that all
    names of a piece begin with, else from treble to bass. Files called mix, mixture or master are left out.
    Each piece is a song of its own.

    Parameters
    ----------
    path : str or path
        A folder of folders; or one folder of stems, which is one piece.
    sample_rate : int, default=None
        Rate to resample to, in Hz; by default each file's own. Resampled stems are kept in a `StemCache`.
    cache : StemCache, default=None
        Where decoded stems are kept. By default files are decoded when they are read, and kept only where they
        are resampled.

    Returns
    -------
    ensembles : Ensembles
        Nothing is decoded yet.

    Raises
    ------
    ValueError
        If there are no stems, a file is not audio, or the rates of a piece differ.

    See Also
    --------
    load_urmp : For URMP's own layout.

    Examples
    --------
    >>> from skseparate.datasets import load_stems
    >>> ensembles = load_stems("my stems")  # doctest: +SKIP
    """
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder: load_stems wants a folder of pieces, each a folder of stems.")
    pieces = [root] if _stem_files(root) else sorted(f for f in root.iterdir() if f.is_dir() and _stem_files(f))
    if not pieces:
        found = ", ".join(sorted(f.name for f in root.iterdir())[:3]) or "nothing"
        raise ValueError(
            f"{root} holds no piece: a folder a piece is expected, with an audio file a part such as "
            f"quartet/1_vn.wav; found {found}."
        )
    return Ensembles(_load_piece(folder, sample_rate, cache) for folder in pieces)


def _stem_files(folder):
    files = (f for f in folder.iterdir() if f.suffix.casefold() in AUDIO and not f.name.startswith("."))
    return [f for f in files if re.split(r"[\W\d_]", f.stem.casefold(), maxsplit=1)[0] not in MIXTURES]


def _load_piece(folder, sample_rate, cache):
    files = {f: part_name(f.stem) for f in _stem_files(folder)}
    rank = {part: k for k, part in enumerate(SCORE_ORDER)}
    numbers = {f: re.match(r"\d+", f.name) for f in files}
    if all(numbers.values()):
        order = sorted(files, key=lambda f: (int(numbers[f][0]), f.name))
    else:
        order = sorted(files, key=lambda f: (rank.get(files[f], len(rank)), f.name))
    stems = tuple(open_stem(f, (files[f],), folder.name, sample_rate, cache) for f in order)
    rates = sorted({stem.sample_rate for stem in stems})
    if len(rates) > 1:
        raise ValueError(f"{folder} holds stems of {rates} Hz: resample them to one rate.")
    return Ensemble(folder.name, folder.name, tuple(files[f] for f in order), stems)
