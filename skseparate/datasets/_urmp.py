"""The URMP data set."""

import re

from skseparate.datasets._ensembles import Ensembles
from skseparate.datasets._layout import ensemble_of, pieces_of, refusal
from skseparate.datasets._urmp_lines import written_line

FOLDER = re.compile(r"(?P<number>\d+)_(?P<title>[^_]+)_(?P<parts>[a-z]+(_[a-z]+)*)")
LINE = re.compile(r"(?P<kind>F0s|Notes)_(?P<k>\d+)_[a-z]+_\d+_.+\.txt")
STEM = re.compile(r"AuSep_(?P<k>\d+)_(?P<part>[a-z]+)_\d+_.+\.(wav|flac)")


def load_urmp(path, *, sample_rate=None, cache=None):
    """Load URMP: 44 pieces of 2 to 5 parts, each player recorded alone.

    Nothing is decoded until a mixture is read. Parts come from the folder's name, since one of the
    stems is misnamed; stems that differ in length by some samples end in silence; all arrangements
    of a title are one song. Stems know their `line` where ``F0s_1_vn_12_Spring.txt`` or, for want of it,
    ``Notes_1_vn_12_Spring.txt`` is there, which is read when it is asked for.

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
    return Ensembles(_load_piece(folder, sample_rate, cache) for folder in find_urmp(path))


def find_urmp(path):
    """Folders of the pieces; refused as by `load_urmp`."""
    layout = "folders such as 12_Spring_vn_vn_vc with AuSep_1_vn_12_Spring.wav, URMP's layout"
    folders = pieces_of(path, "load_urmp", layout, lambda folder: FOLDER.fullmatch(folder.name))
    if not any(STEM.fullmatch(file.name) for folder in folders for file in folder.iterdir()):
        raise ValueError(refusal(folders[0].parent, "load_urmp", layout))
    return folders


def _load_piece(folder, sample_rate, cache):
    name = FOLDER.fullmatch(folder.name)
    parts = tuple(name["parts"].split("_"))
    files = {int(match["k"]): f for f in folder.iterdir() if (match := STEM.fullmatch(f.name))}
    if sorted(files) != list(range(1, len(parts) + 1)):
        raise ValueError(
            f"{folder} should hold the stems AuSep_1 to AuSep_{len(parts)} of {', '.join(parts)}, "
            f"but holds {[files[k].name for k in sorted(files)]}."
        )
    parts_of = dict(zip((files[k] for k in sorted(files)), parts, strict=True))
    ensemble = ensemble_of(folder.name, name["title"], parts_of, sample_rate, cache)
    written = {(match["kind"], int(match["k"])): f for f in folder.iterdir() if (match := LINE.fullmatch(f.name))}
    for k, stem in enumerate(ensemble.stems, start=1):
        stem.line = written_line(written.get(("F0s", k)), written.get(("Notes", k)))
    return ensemble
