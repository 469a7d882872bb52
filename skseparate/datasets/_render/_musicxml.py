"""MusicXML read as far as rendering needs it: far faster than a reader that keeps everything."""

import io
import zipfile
from collections import defaultdict
from itertools import accumulate
from xml.etree import ElementTree

from skseparate.datasets._render._voices import Event, Unreadable, Written, words_tempo

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
QUARTERS = {"whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25, "32nd": 0.125}


def read_musicxml(content):
    """Read a MusicXML file, compressed or not.

    Parameters
    ----------
    content : bytes
        Of the file.

    Returns
    -------
    written : Written
        Notes at sounding pitch, without grace notes and cues.

    Raises
    ------
    Unreadable
        If it is broken, or not written part by part.
    """
    if content[:2] == b"PK":
        content = _uncompressed(content)
    try:
        return _written(content)
    except ElementTree.ParseError as error:
        raise Unreadable(f"is not well-formed XML ({error}): export it again.") from error
    except (KeyError, TypeError, AttributeError, ZeroDivisionError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"breaks the rules of MusicXML ({type(error).__name__}: {error}): export it again.") from error


def _uncompressed(content):
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if not name.startswith(("META-INF", "__MACOSX"))]
            if "META-INF/container.xml" in archive.namelist():
                container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
                names = [file.get("full-path") for file in container.iter() if file.tag.endswith("rootfile")] + names
            return archive.read(next(name for name in names if name.endswith(("xml", "musicxml"))))
    except (zipfile.BadZipFile, ElementTree.ParseError, StopIteration, KeyError) as error:
        raise Unreadable("is no compressed MusicXML file: export it again.") from error


def _written(content):
    """Go through the parts in order, a measure at a time; what was read is forgotten at once."""
    names, parts, part, rights, credits = {}, [], _Part(), [], []
    for _, element in ElementTree.iterparse(io.BytesIO(content)):
        if element.tag == "measure":
            part.read_measure(element)
            element.clear()
        elif element.tag == "part":
            parts.append((names.get(element.get("id"), ""), part))
            part = _Part()
        elif element.tag == "score-part":
            names[element.get("id")] = _text(element, "part-name") or _text(element, "part-abbreviation")
        elif element.tag == "rights" and element.text:
            rights.append(element.text)
        elif element.tag == "credit-words" and "©" in (element.text or ""):
            credits.append(element.text)
    if not parts or element.tag != "score-partwise":
        raise Unreadable("is not MusicXML written part by part: export it as score-partwise.")
    return _assembled(parts, " ".join(" ".join(rights or credits).split()))


def _assembled(parts, rights):
    """A measure is as long as its longest part: some parts leave it unfinished."""
    n_measures = max(len(part.lengths) for _, part in parts)
    lengths = [max(part.length(k) for _, part in parts) for k in range(n_measures)]
    starts = list(accumulate(lengths, initial=0.0))
    staves = []
    for name, part in parts:
        for _, notes in sorted(part.staves.items()):
            for measure, event in notes:
                event.onset += starts[measure]
            staves.append((name, [event for _, event in notes]))
    # Numbers come last, for they count where words say something else.
    marks = sorted((rank, starts[measure] + at, tempo) for _, part in parts for rank, measure, at, tempo in part.marks)
    return Written(staves, [mark[1:] for mark in marks], rights)


class _Part:
    """What is known of a part while its measures go by.

    Attributes
    ----------
    staves : dict of list of (int, Event)
        For each staff the measure of each note, and the note with its onset in the measure.
    marks : list of (int, int, float, float)
        Rank of a tempo (the higher counts), its measure, its place in the measure, and quarter notes a minute.
    lengths : list of float
        Of the measures, in quarter notes.
    """

    def __init__(self):
        self.staves, self.marks, self.lengths = defaultdict(list), [], []
        self._divisions, self._shift = 1.0, 0
        self._chord = 0.0  # where the last note or chord began
        self._voices = defaultdict(list)  # chords of each voice: lists of notes
        self._slurs = {}  # for each voice and number the chord that an open slur began with

    def length(self, measure):
        return self.lengths[measure] if measure < len(self.lengths) else 0.0

    def read_measure(self, measure):
        at = longest = 0.0
        for element in measure:
            tag = element.tag
            if tag == "note":
                at += self._read_note(element, at)
            elif tag in ("backup", "forward"):
                at = max(0.0, at + self._quarters(element) * (1 if tag == "forward" else -1))
            elif tag == "attributes":
                self._read_attributes(element)
            elif tag in ("direction", "sound"):
                self._read_direction(element, at)
            longest = max(longest, at)
        self.lengths.append(longest)

    def _read_attributes(self, element):
        if divisions := element.findtext("divisions"):
            self._divisions = float(divisions)
        transpose = element.find("transpose")
        if transpose is not None:
            octaves = float(transpose.findtext("octave-change") or 0)
            self._shift = round(float(transpose.findtext("chromatic") or 0) + 12 * octaves)

    def _read_direction(self, element, at):
        at += float(element.findtext("offset") or 0) / self._divisions
        words = " ".join(text.text or "" for text in element.iter("words"))
        sound = next((sound.get("tempo") for sound in element.iter("sound") if sound.get("tempo")), None)
        metronome = element.find("direction-type/metronome")
        tempi = (words_tempo(words), None if metronome is None else _metronome(metronome), sound and _number(sound))
        self.marks += [(rank, len(self.lengths), at, tempo) for rank, tempo in enumerate(tempi) if tempo]

    def _read_note(self, element, at):
        """Keep a note; returns how far it moves on."""
        chord, grace = element.find("chord") is not None, element.find("grace") is not None
        duration = 0.0 if grace else self._quarters(element)
        self._chord = self._chord if chord else at
        pitch = element.find("pitch")
        if pitch is not None and element.find("cue") is None:
            voice = element.findtext("voice")
            if not grace:
                self._keep(element, Event(self._chord, duration, _midi(pitch) + self._shift), voice, chord)
            self._read_slurs(element, voice, grace)
        return 0.0 if chord else duration

    def _keep(self, element, event, voice, chord):
        event.from_tie = any(tie.get("type") == "stop" for tie in element.iter("tie"))
        self.staves[int(element.findtext("staff") or 1)].append((len(self.lengths), event))
        if chord and self._voices[voice]:
            self._voices[voice][-1].append(event)
        else:
            self._voices[voice].append([event])

    def _read_slurs(self, element, voice, grace):
        """Mark the notes of a slur when it ends, for many a slur never does."""
        slurs = list(element.iter("slur"))
        for slur in slurs:
            if slur.get("type") == "stop" and (first := self._slurs.pop((voice, slur.get("number")), None)) is not None:
                for event in (event for chord in self._voices[voice][first + 1 :] for event in chord):
                    event.slurred = True
        for slur in slurs:
            if slur.get("type") == "start":  # from a grace note it counts from the note that follows
                self._slurs[voice, slur.get("number")] = len(self._voices[voice]) - (not grace)

    def _quarters(self, element):
        return float(element.findtext("duration") or 0) / self._divisions


def _midi(pitch):
    octave, alter = int(pitch.findtext("octave")), float(pitch.findtext("alter") or 0)
    return 12 * (octave + 1) + STEPS[pitch.findtext("step").strip()] + round(alter)


def _metronome(element):
    """Quarter notes a minute of "dotted quarter = 60", or None for "quarter = eighth"."""
    unit = QUARTERS.get(element.findtext("beat-unit"))
    per_minute = _number(element.findtext("per-minute") or "")
    if unit is None or per_minute is None:
        return None
    return unit * (2 - 0.5 ** len(element.findall("beat-unit-dot"))) * per_minute


def _number(text):
    """The first number of a text such as "c. 120-126", or None."""
    digits = "".join(c if c.isdigit() or c == "." else " " for c in text).split()
    number = next((digit for digit in digits if digit.strip(".")), None)
    return float(number.strip(".")) if number else None


def _text(element, tag):
    return " ".join((element.findtext(tag) or "").split())
