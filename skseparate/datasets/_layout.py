"""What the loaders of folders share: names of parts, stems of a folder, and one sentence where a folder is wrong."""

import re
from pathlib import Path

from skseparate.datasets._ensembles import SCORE_ORDER, Ensemble
from skseparate.datasets._stem_cache import open_stem

AUDIO = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64", ".rf64"}
MIXTURES = {"mix", "mixture", "aumix", "master", "full", "tutti"}


def stem_files(folder):
    """Audio files of a folder that are neither hidden nor called a mixture."""
    files = (f for f in folder.iterdir() if f.suffix.casefold() in AUDIO and not f.name.startswith("."))
    return [f for f in files if re.split(r"[\W\d_]", f.stem.casefold(), maxsplit=1)[0] not in MIXTURES]


def subfolders(root):
    """Folders inside a folder, by name, without hidden ones and what macOS leaves in archives."""
    return sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith((".", "__MACOSX")))


def pieces_of(path, loader, layout, is_piece):
    """Folders of the pieces, in a folder or one below it.

    Parameters
    ----------
    path : str or path
        What the user gave.
    loader : str
        Its name, for the sentences.
    layout : str
        What is expected, for the sentences.
    is_piece : callable
        Whether a folder is a piece.

    Returns
    -------
    folders : list of path

    Raises
    ------
    ValueError
        If there is none: says what was expected, and what is there.
    """
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder: {loader} wants {layout}.")
    if folders := [f for f in subfolders(root) if is_piece(f)]:
        return folders
    below = [folders for inner in subfolders(root) if (folders := [f for f in subfolders(inner) if is_piece(f)])]
    if len(below) == 1:
        return below[0]
    raise ValueError(refusal(root, loader, layout))


def refusal(root, loader, layout):
    """What a loader says of a folder that is not its own."""
    found = ", ".join(sorted(f.name for f in root.iterdir())[:3]) or "nothing"
    return f"{root} does not look like what {loader} wants, {layout}; it holds {found}."


def open_piece(name, song, parts_of, sample_rate, cache):
    """An ensemble of files, from treble to bass.

    Parameters
    ----------
    name, song : str
        See `Ensemble`.
    parts_of : dict
        Part of each file.
    sample_rate, cache : int and StemCache, or None
        See `open_stem`.
    """
    rank = {part: k for k, part in enumerate(SCORE_ORDER)}
    order = sorted(parts_of, key=lambda file: (rank.get(parts_of[file], len(rank)), file.name))
    return ensemble_of(name, song, {file: parts_of[file] for file in order}, sample_rate, cache)


def ensemble_of(name, song, parts_of, sample_rate, cache):
    """As `open_piece`, in the order given."""
    stems = tuple(open_stem(file, (part,), song, sample_rate, cache) for file, part in parts_of.items())
    rates = sorted({stem.sample_rate for stem in stems})
    if len(rates) > 1:
        raise ValueError(
            f"{name} holds stems of {rates} Hz: resample them to one rate, as sample_rate={rates[0]} does."
        )
    return Ensemble(name, song, tuple(parts_of.values()), stems)
