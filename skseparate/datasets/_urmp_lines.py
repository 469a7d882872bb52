"""Lines as URMP writes them down: text files of F0 and of notes."""

from functools import partial

import numpy as np

from skseparate.lines import LazyLine, Line, notes_line


def written_line(f0_file, notes_file):
    """The line of a stem that is written down, read when it is asked for.

    Parameters
    ----------
    f0_file, notes_file : path or None
        ``F0s_…txt`` and ``Notes_…txt``; the first is preferred.

    Returns
    -------
    line : LazyLine or None
        None where there is neither file.
    """
    if f0_file is not None:
        return LazyLine(partial(read_f0, f0_file))
    return None if notes_file is None else LazyLine(partial(read_notes, notes_file))


def read_f0(path):
    """Read a file of F0: time in seconds and frequency in Hz, 0 where unvoiced, one point a line of text.

    Raises
    ------
    ValueError
        If it holds anything else.
    """
    times, frequencies = _columns(path, ("a time in seconds", "a frequency in Hz"))
    try:
        return Line(times, frequencies)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_notes(path):
    """Read a file of notes: onset in seconds, pitch in Hz and duration in seconds, one note a line of text.

    Raises
    ------
    ValueError
        If it holds anything else.
    """
    onset, frequency, duration = _columns(path, ("an onset in seconds", "a pitch in Hz", "a duration in seconds"))
    if not all(np.isfinite(column).all() and (column >= 0).all() for column in (onset, frequency, duration)):
        raise ValueError(f"{path}: the notes of a line must be numbers from 0 on.")
    return notes_line(onset, onset + duration, frequency)


def _columns(path, names):
    """Columns of numbers of a text file."""
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        table = np.array(rows, np.float64)
    except ValueError:  # no numbers, rows of different lengths, or no text
        table = None
    if table is None or table.shape[1:] != (len(names),):
        raise ValueError(f"{path} should hold {', '.join(names)} on each line of text, and does not.")
    return table.T
