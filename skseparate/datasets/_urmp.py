"""The URMP data set."""

import re
from pathlib import Path

from skseparate.datasets._ensembles import Ensemble, Ensembles
from skseparate.datasets._stem_cache import open_stem

FOLDER = re.compile(r"(?P<number>\d+)_(?P<title>[^_]+)_(?P<parts>[a-z]+(_[a-z]+)*)")
STEM = re.compile(r"AuSep_(?P<k>\d+)_(?P<part>[a-z]+)_\d+_.+\.(wav|flac)")


def load_urmp(path, *, sample_rate=None, cache=None):
    """Load URMP: 44 pieces of 2 to 5 parts, each player recorded alone.

    Nothing is decoded until a mixture is read. Parts come from the folder's name, since one of the
    stems is misnamed; stems that differ in length by some samples end in silence; all arrangements
    of a title are one song.

    Parameters
    ----------
    path : str or path
        The data set's folder, or the one that holds its ``Dataset`` folder. Pieces are folders such as
        ``12_Spring_vn_vn_vc`` with ``AuSep_1_vn_12_Spring.wav`` and so on.
    sample_rate : int, default=None
        Rate to resample to, in Hz; by default each file's own. Resampled stems are kept in a `StemCache`.
    cache : StemCache, default=None
        Where decoded stems are kept. By default files are decoded when they are read, and kept only where they
        are resampled.

    Returns
    -------
    ensembles : Ensembles

    Raises
    ------
    ValueError
        If there are no such folders, or a piece does not have one stem a part.

    Notes
    -----
    11 GiB of audio, mono, 48 kHz, 24 bit, from Dryad (doi:10.5061/dryad.ng3r749), where its licence
    is given as CC0.

    References
    ----------
    .. [1] B. Li, X. Liu, K. Dinesh, Z. Duan and G. Sharma, "Creating a multitrack classical music
           performance dataset for multimodal music analysis", IEEE Transactions on Multimedia, 2019.

    Examples
    --------
    >>> from skseparate.datasets import load_urmp
    >>> ensembles = load_urmp("URMP")  # doctest: +SKIP
    >>> X, y, songs = ensembles.power_set(min_parts=2)  # doctest: +SKIP
    """
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder: load_urmp wants the one that holds URMP's pieces.")
    if (root / "Dataset").is_dir():
        root = root / "Dataset"
    folders = _pieces(root)
    if not folders:
        found = ", ".join(sorted(f.name for f in root.iterdir())[:3]) or "nothing"
        raise ValueError(f"{root} holds no folder such as 12_Spring_vn_vn_vc, URMP's layout; it holds {found}.")
    return Ensembles(_load_piece(folder, sample_rate, cache) for folder in folders)


def is_urmp(root):
    """Whether a folder has URMP's layout, and its pieces the stems' names."""
    root = root / "Dataset" if (root / "Dataset").is_dir() else root
    return any(STEM.fullmatch(f.name) for folder in _pieces(root) for f in folder.iterdir())


def _pieces(root):
    return sorted(f for f in root.iterdir() if f.is_dir() and FOLDER.fullmatch(f.name))


def _load_piece(folder, sample_rate, cache):
    name = FOLDER.fullmatch(folder.name)
    parts = tuple(name["parts"].split("_"))
    files = {int(match["k"]): f for f in folder.iterdir() if (match := STEM.fullmatch(f.name))}
    if sorted(files) != list(range(1, len(parts) + 1)):
        raise ValueError(
            f"{folder} should hold the stems AuSep_1 to AuSep_{len(parts)} of {', '.join(parts)}, "
            f"but holds {[files[k].name for k in sorted(files)]}."
        )
    song = name["title"]
    stems = tuple(open_stem(files[k], (part,), song, sample_rate, cache) for k, part in enumerate(parts, start=1))
    return Ensemble(folder.name, song, parts, stems)
