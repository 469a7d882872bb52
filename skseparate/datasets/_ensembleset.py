"""The EnsembleSet data set."""

from skseparate._parts import part_name
from skseparate.datasets._ensembles import Ensembles
from skseparate.datasets._layout import open_piece, pieces_of, stem_files


def load_ensembleset(path, *, microphone="Mix_1", sample_rate=None, cache=None):
    """Load EnsembleSet: 80 chamber pieces, rendered with a sampled orchestra in a hall.

    Nothing is decoded until a mixture is read. Files called ``mix_…`` are left out, as a mixture here is the
    sum of its stems; two channels are averaged.

    Parameters
    ----------
    path : str or path
        The folder ``BBCSO_Ensembles`` or ``EnsembleSet``, or one that holds it. Pieces are folders of
        microphones, each a folder of stems, such as ``anitrasdance/Mix_1/Violin_1.flac``.
    microphone : str, default="Mix_1"
        Which microphone or ready-made balance: ``"Close"``, ``"Tree"``, ``"Mix_1"`` and so on.
    sample_rate : int, default=None
        Rate to resample to, in Hz; by default each file's own. Resampled stems are kept in a `StemCache`.
    cache : StemCache, default=None
        Where decoded stems are kept. By default files are decoded when they are read, and kept only where they
        are resampled.

    Returns
    -------
    ensembles : Ensembles
        Parts from treble to bass; each piece is a song of its own.

    Raises
    ------
    ValueError
        If there is no piece with that microphone.

    See Also
    --------
    load_cadenza_woodwind : Its companion for woodwinds.

    Notes
    -----
    About six hours; 58 GB with all twenty microphones (doi:10.5281/zenodo.6519024), 5 GB with ``Mix_1`` alone, as
    the second Cadenza challenge hands it out. Its licence is non-commercial Creative Commons: read the one
    on the page that you download from.

    References
    ----------
    .. [1] S. Sarkar, E. Benetos and M. Sandler, "EnsembleSet: a new high-quality synthesised dataset for chamber
           ensemble separation", International Society for Music Information Retrieval Conference, 2022.

    Examples
    --------
    >>> from skseparate.datasets import load_ensembleset
    >>> ensembles = load_ensembleset("BBCSO_Ensembles", microphone="Close")  # doctest: +SKIP
    """
    folders = find_ensembleset(path, microphone)
    return Ensembles(_load_piece(folder, microphone, sample_rate, cache) for folder in folders)


def find_ensembleset(path, microphone="Mix_1"):
    """Folders of the pieces; refused as by `load_ensembleset`."""

    def is_piece(folder):
        return (folder / microphone).is_dir() and stem_files(folder / microphone)

    layout = f"folders of pieces such as anitrasdance/{microphone}/Violin_1.flac, EnsembleSet's layout"
    return pieces_of(path, "load_ensembleset", layout, is_piece)


def _load_piece(folder, microphone, sample_rate, cache):
    parts_of = {file: part_name(file.stem) for file in stem_files(folder / microphone)}
    return open_piece(folder.name, folder.name, parts_of, sample_rate, cache)
