"""The lines that the command is told: a score's, or hummed ones."""

from dataclasses import replace
from pathlib import Path

from skseparate._parts import part_name
from skseparate.datasets import AudioFile
from skseparate.datasets._render._instruments import RANGES
from skseparate.datasets._render._scores import read_score
from skseparate.datasets._urmp_lines import read_f0
from skseparate.lines import align_score, score_lines
from skseparate.lines._hummed import placed_line

MISMATCH = 0.9  # of an alignment: right scores reach 0.84, wrong ones begin at 0.8; beyond it, it is another piece


def told_score(path, parts=None):
    """A score's staves of the parts that play.

    Parameters
    ----------
    path : str or path
        MusicXML, kern or MIDI.
    parts : sequence of str, default=None
        Names of the parts, in score order; by default what the score says.

    Returns
    -------
    score : Score
        One staff a part, in their order.
    parts : list of str

    Raises
    ------
    ValueError
        If the score cannot be read or does not say who plays, or its staves are not those of the parts.
    """
    score, name = read_score(path, min_notes=1), Path(path).name
    written = [notes.instrument for notes in score.parts]
    if parts is None:
        if None in written:
            unknown = ", ".join(str(k) for k, instrument in enumerate(written, start=1) if instrument is None)
            raise ValueError(
                f"{name} does not say what instrument plays staff {unknown} of {len(written)}: name the parts, such as "
                "--parts vn,vn,va,vc."
            )
        return score, written
    staves = _staves(written, [part_name(part) for part in parts])
    if staves is None:
        said = ", ".join(instrument or "?" for instrument in written)
        raise ValueError(
            f"{name} has {len(written)} staves ({said}), but the parts are {len(parts)} ({', '.join(parts)}): name a "
            "part for each staff, or only parts that the score has by name."
        )
    return replace(score, parts=tuple(score.parts[k] for k in staves)), list(parts)


def _staves(written, parts):
    """Index of the staff of each part: by name where all are named there, else in order; None where neither will do."""
    left, found = list(enumerate(written)), []
    for part in parts:
        staff = next((pair for pair in left if pair[1] == part), None)
        if staff is None:
            return list(range(len(parts))) if len(parts) == len(written) else None
        left.remove(staff)
        found.append(staff[0])
    return found


def lines_of_score(score, recording):
    """Lines of a score's staves in a recording; one that does not match is refused.

    Returns
    -------
    lines : list of Line

    Raises
    ------
    ValueError
        If it is another piece's.
    """
    alignment = align_score(recording, score)
    if alignment.mismatch > MISMATCH:
        raise ValueError(
            f"{score.name} does not match {recording.name} (mismatch {alignment.mismatch:.2f}, more than {MISMATCH}): "
            "it must be a score of this piece, in its key."
        )
    return score_lines(recording, score, alignment)


def lines_of_files(files, parts, octaves, lates, say, recording):
    """Lines of hummed recordings, or of text files of F0, one a part.

    Parameters
    ----------
    files : sequence of str
        Audio of a voice, or ``.txt`` with time in seconds and frequency in Hz a line.
    parts : sequence of str
        Their names; those of known instruments rule octaves out.
    octaves : sequence of int or None
        By how many octaves each part lies above the voice; None where that is to be found.
    lates : sequence of float or None
        By how many seconds each voice is late, likewise.
    say : callable
        Told where each voice was found.
    recording : Recording
        The mixture.

    Returns
    -------
    lines : list of Line
    """
    told = zip(files, parts, octaves, lates, strict=True)
    return [_line_of_file(file, RANGES.get(part_name(part)), *rest, say, recording) for file, part, *rest in told]


def _line_of_file(file, pitches, octave, late, say, recording):
    if Path(file).suffix.casefold() == ".txt":
        return read_f0(Path(file))
    try:
        line, octave, late = placed_line(recording, AudioFile(file), None, pitches, octave, late)
    except ValueError as error:
        raise ValueError(f"{file}: {error}" if str(file) not in str(error) else str(error)) from error
    where = (
        f"{abs(octave)} octave{'s' * (abs(octave) != 1)} {'below' if octave > 0 else 'above'}"
        if octave
        else "as high as"
    )
    say(
        f"{file}: sung {where} the part, {abs(late):.2f} s {'early' if late < 0 else 'late'} "
        f"(if that is wrong, say --octave and --late, here {octave} and {late:.2f})"
    )
    return line
