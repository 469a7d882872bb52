"""Kern and MIDI, read by music21; and where its corpus lies."""

from importlib.util import find_spec
from pathlib import Path

from skseparate.datasets._render._voices import Event, Unreadable, Written, words_tempo

MISSING = "needs music21: python -m pip install 'skseparate[render]'"


def corpus_folder():
    """The folder of music21's corpus, found without the seconds that importing it takes.

    Returns
    -------
    folder : path

    Raises
    ------
    ValueError
        If music21 is missing, or was installed without its corpus.
    """
    spec = find_spec("music21")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"The corpus {MISSING}.")
    folder = Path(spec.submodule_search_locations[0]) / "corpus"
    if not (folder / "bach").is_dir():
        raise ValueError(f"music21 has no corpus at {folder}: install it anew from PyPI.")
    return folder


def read_music21(content, kind):
    """Read a file that music21 knows.

    Parameters
    ----------
    content : bytes
        Of the file.
    kind : {"humdrum", "midi"}
        Its format.

    Returns
    -------
    written : Written
        Notes at sounding pitch, without grace notes; without slurs, for music21 reads none in kern.

    Raises
    ------
    Unreadable
        If music21 is missing, or cannot read it.
    """
    try:
        from music21 import converter
    except ImportError as error:
        raise Unreadable(f"is {kind}, which {MISSING}.") from error
    try:
        data = content if kind == "midi" else content.decode("utf-8", errors="replace")
        stream = converter.parseData(data, format=kind).toSoundingPitch()
        staves = [(part.partName or _instrument(part), _events(part)) for part in stream.parts]
        return Written(staves, _marks(stream), _rights(content) if kind == "humdrum" else "")
    except Exception as error:  # whatever its parsers stumble over
        raise Unreadable(f"cannot be read as {kind} ({type(error).__name__}: {error}): export it again.") from error


def _instrument(part):
    instrument = part.getInstrument(returnDefault=True)
    return instrument.instrumentName or ""


def _events(part):
    events = []
    for element in part.flatten().notes:
        onset, duration = float(element.offset), float(element.quarterLength)
        for note in getattr(element, "notes", (element,)):
            if not element.duration.isGrace and hasattr(note, "pitch"):  # percussion has none
                from_tie = note.tie is not None and note.tie.type in ("stop", "continue")
                events.append(Event(onset, duration, note.pitch.midi, from_tie))
    return events


def _marks(stream):
    """Tempi; words first, for numbers count where both are given."""
    from music21 import tempo

    words, numbers = [], []
    for mark in stream.flatten().getElementsByClass((tempo.TempoText, tempo.MetronomeMark)):
        onset, number = float(mark.offset), None
        if isinstance(mark, tempo.MetronomeMark) and not mark.numberImplicit:
            number = mark.getQuarterBPM()
        if number:
            numbers.append((onset, float(number)))
        elif value := words_tempo(str(mark.text or "")):
            words.append((onset, value))
    return words + numbers


def _rights(content):
    """What a kern file's records say of copyright."""
    lines = content.decode("utf-8", errors="replace").splitlines()
    return " ".join(line.split(":", 1)[1].strip() for line in lines if line.startswith(("!!!YEC", "!!!YEM")))
