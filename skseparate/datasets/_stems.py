"""A user's own stems."""

import re
from pathlib import Path

from skseparate._parts import part_name
from skseparate.datasets._ensembles import Ensembles
from skseparate.datasets._layout import ensemble_of, open_piece, pieces_of, stem_files


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
    layout = "a folder of pieces, each a folder with an audio file a part, such as quartet/1_vn.wav"
    is_piece = root.is_dir() and stem_files(root)
    folders = [root] if is_piece else pieces_of(root, "load_stems", layout, stem_files)
    return Ensembles(_load_piece(folder, sample_rate, cache) for folder in folders)


def _load_piece(folder, sample_rate, cache):
    files = stem_files(folder)
    numbers = {file: re.match(r"\d+", file.name) for file in files}
    if not all(numbers.values()):
        return open_piece(folder.name, folder.name, {f: part_name(f.stem) for f in files}, sample_rate, cache)
    order = sorted(files, key=lambda file: (int(numbers[file][0]), file.name))
    return ensemble_of(folder.name, folder.name, {f: part_name(f.stem) for f in order}, sample_rate, cache)
