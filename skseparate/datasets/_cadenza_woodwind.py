"""The CadenzaWoodwind data set."""

from skseparate._parts import part_name
from skseparate.datasets._ensembles import Ensembles
from skseparate.datasets._layout import open_piece, pieces_of, stem_files, subfolders


def load_cadenza_woodwind(path, *, sample_rate=None, cache=None):
    """Load CadenzaWoodwind: 19 rendered woodwind quartets, each in two scorings.

    A piece has stems of flute, oboe, clarinet, alto saxophone and bassoon, of which clarinet and saxophone play
    the same music: it gives two ensembles of one song, one with each of them. Nothing is decoded until a
    mixture is read; files called ``mix…`` are left out; two channels are averaged.

    Parameters
    ----------
    path : str or path
        The folder ``CadenzaWoodwind``, or one that holds it. Pieces are folders of stems, or folders with one
        such folder in them.
    sample_rate : int, default=None
        Rate to resample to, in Hz; by default each file's own. Resampled stems are kept in a `StemCache`.
    cache : StemCache, default=None
        Where decoded stems are kept. By default files are decoded when they are read, and kept only where they
        are resampled.

    Returns
    -------
    ensembles : Ensembles
        Parts from treble to bass.

    Raises
    ------
    ValueError
        If there is no folder of woodwind stems.

    See Also
    --------
    load_ensembleset : Its companion for strings, winds and brass.

    Notes
    -----
    7.5 GB, stereo, 44.1 kHz (doi:10.5281/zenodo.12664932), made for the second Cadenza challenge. Creative
    Commons: read the licence on the page that you download from. Its scores are string quartets of the
    OpenScore corpus, so keep their renderings out of the other side of a split.

    References
    ----------
    .. [1] G. Roa Dabike et al., "The Cadenza Woodwind Dataset: synthesised quartets for music information retrieval
           and machine learning", Data in Brief, volume 57, 2024.

    Examples
    --------
    >>> from skseparate.datasets import load_cadenza_woodwind
    >>> ensembles = load_cadenza_woodwind("CadenzaWoodwind")  # doctest: +SKIP
    """
    return Ensembles(e for folder in _folders(path) for e in _scorings(folder, sample_rate, cache))


def _folders(path):
    layout = "folders of pieces with stems such as Flute.flac and Bassoon.flac, CadenzaWoodwind's layout"
    return pieces_of(path, "load_cadenza_woodwind", layout, lambda f: {"fl", "bn"} <= set(_stems(f).values()))


def _stems(folder):
    """Part of each stem of a piece, which lies in its folder or in one inside it."""
    inner = subfolders(folder)
    files = stem_files(folder) or (stem_files(inner[0]) if len(inner) == 1 else [])
    return {file: part_name(file.stem) for file in files}


def _scorings(folder, sample_rate, cache):
    parts_of = _stems(folder)
    if not {"cl", "sax"} <= set(parts_of.values()):
        yield open_piece(folder.name, folder.name, parts_of, sample_rate, cache)
        return
    for kept, left_out in (("cl", "sax"), ("sax", "cl")):
        chosen = {file: part for file, part in parts_of.items() if part != left_out}
        yield open_piece(f"{folder.name} with {kept}", folder.name, chosen, sample_rate, cache)
