"""The Bach10 data set."""

import re

from skseparate._parts import part_name
from skseparate.datasets._ensembles import Ensembles
from skseparate.datasets._layout import open_piece, pieces_of

FOLDER = re.compile(r"\d\d-(?P<title>\w+)")
PARTS = ("vn", "cl", "sax", "bn")


def load_bach10(path, *, sample_rate=None, cache=None):
    """Load Bach10: ten chorales by J. S. Bach for violin, clarinet, saxophone and bassoon.

    Each player was recorded alone. Nothing is decoded until a mixture is read.

    Parameters
    ----------
    path : str or path
        The data set's folder, or the one that holds its ``Bach10_v1.1``. Pieces are folders such as
        ``01-AchGottundHerr`` with ``01-AchGottundHerr-violin.wav`` and so on.
    sample_rate : int, default=None
        Rate to resample to, in Hz; by default each file's own. Resampled stems are kept in a `StemCache`.
    cache : StemCache, default=None
        Where decoded stems are kept. By default files are decoded when they are read, and kept only where they
        are resampled.

    Returns
    -------
    ensembles : Ensembles
        Parts in score order: vn, cl, sax, bn.

    Raises
    ------
    ValueError
        If there are no such folders, or a piece does not have its four stems.

    See Also
    --------
    load_urmp : Larger, and of more instruments.

    Notes
    -----
    5 and a half minutes, mono, 44.1 kHz, about 150 MB with scores and fundamental frequencies, from
    https://labsites.rochester.edu/air/resource.html. No licence is published with it: it is free to download
    for research that cites [1]_, and not to pass on. The saxophone's files are spelt ``saxphone``.

    References
    ----------
    .. [1] Z. Duan, B. Pardo and C. Zhang, "Multiple fundamental frequency estimation by modeling spectral
           peaks and non-peak regions", IEEE Transactions on Audio, Speech, and Language Processing, 2010.

    Examples
    --------
    >>> from skseparate.datasets import load_bach10
    >>> ensembles = load_bach10("Bach10_v1.1")  # doctest: +SKIP
    """
    return Ensembles(_load_piece(folder, sample_rate, cache) for folder in find_bach10(path))


def find_bach10(path):
    """Folders of the pieces; refused as by `load_bach10`."""
    layout = "folders such as 01-AchGottundHerr with 01-AchGottundHerr-violin.wav, Bach10's layout"
    return pieces_of(path, "load_bach10", layout, lambda folder: FOLDER.fullmatch(folder.name) and _stems(folder))


def _stems(folder):
    """Part of each stem, a file named by its folder and an instrument."""
    files = folder.glob(f"{folder.name}-*.wav")
    return {file: part_name(file.stem.removeprefix(folder.name)) for file in files}


def _load_piece(folder, sample_rate, cache):
    parts_of = _stems(folder)
    if sorted(parts_of.values()) != sorted(PARTS):
        found = ", ".join(sorted(file.name for file in parts_of))
        raise ValueError(
            f"{folder} should hold a stem each of violin, clarinet, saxphone and bassoon, but holds {found}."
        )
    return open_piece(folder.name, FOLDER.fullmatch(folder.name)["title"], parts_of, sample_rate, cache)
