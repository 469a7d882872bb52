"""A listening page from folders: what the command's `report` does."""

import os
import re
from collections import Counter
from pathlib import Path

from skseparate._parts import part_name
from skseparate.datasets import load_stems
from skseparate.datasets._layout import stem_files
from skseparate.inspection._report import write_report
from skseparate.inspection._tracks import same_file

PAGE = "report.html"


def report_folder(recording, folder, output=None, references=None, start=None, settings=None, n_jobs=-1):
    """Write the page of a recording and a folder of its solos.

    Parameters
    ----------
    recording : str or path
        An audio file.
    folder : str or path
        Holds an audio file a part, as `separate` leaves it; play-along tracks and what is hidden do not count.
    output : str or path, default=None
        The page; by default ``report.html`` in the folder.
    references : str or path, default=None
        A folder of stems, an audio file a part, as `load_stems` reads it.
    start, settings, n_jobs : float, dict and int
        See `write_report`.

    Returns
    -------
    facts : dict
        As `write_report`.

    Raises
    ------
    ValueError
        As `write_report`, or if there are no solos, or the references are not of the same parts.
    """
    files = solo_files(folder, recording)
    stems = None if references is None else _references(Path(references), files, folder)
    output = Path(folder) / PAGE if output is None else output
    return write_report(output, recording, files, stems, start=start, settings=settings, n_jobs=n_jobs)


def report_solos(recording, files, start, settings, n_jobs):
    """Write the page of solos just separated, beside them; its path."""
    output = files[0].with_name(PAGE)
    solos = [file for file in files if _is_solo(file)]
    write_report(output, recording, solos, start=start, settings=settings, n_jobs=n_jobs)
    return output


def settings_of(separator, model):
    """What the page says of the model: the name of its file, how it estimates, how it masks."""
    regressor = type(getattr(separator, "regressor_", separator)).__name__
    return {"Model": os.path.basename(model), "Regressor": regressor, "Mask": getattr(separator, "mask", "ratio")}


def solo_files(folder, recording):
    """Audio files of a folder that are solos, in the order of their numbers, then of their names."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: the solos are wanted, an audio file a part.")
    files = [file for file in stem_files(folder) if _is_solo(file) and not same_file(file, recording)]
    if not files:
        raise ValueError(f"{folder} holds no solos: an audio file a part is wanted, such as 1_vn.wav.")
    return sorted(files, key=lambda file: (int(re.match(r"\d*", file.name)[0] or 0), file.name))


def _is_solo(file):
    return not re.match(r"\d+_minus_", file.name) and file.stem != "other"


def _references(root, files, folder):
    """The stem of each solo: by instrument, doubled ones in score order; by order where solos are unnamed."""
    pieces = load_stems(root)
    if len(pieces) != 1:
        raise ValueError(f"{root} holds {len(pieces)} pieces: name the folder of one.")
    piece, parts = pieces[0], [part_name(file.stem) for file in files]
    if all(part == "part" for part in parts) and len(parts) == len(piece.parts):
        return list(piece.stems)
    if Counter(parts) != Counter(piece.parts):
        raise ValueError(
            f"{root} holds the parts {', '.join(piece.parts)}, but {folder} the solos {', '.join(parts)}: "
            "references must be of the same parts."
        )
    left = list(zip(piece.parts, piece.stems, strict=True))
    return [left.pop([part for part, _ in left].index(wanted))[1] for wanted in parts]
