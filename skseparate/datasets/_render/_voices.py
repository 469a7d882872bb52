"""From what a score writes, chords and several voices a staff, to parts of one note at a time."""

import re
from dataclasses import dataclass

import numpy as np

from skseparate._parts import part_name
from skseparate.datasets._render._instruments import RANGES
from skseparate.datasets._render._types import Notes, Score

TICKS = 20160  # a quarter: divisible by 64, 9, 5 and 7, as rhythms are
MIN_NOTES = 8
DEFAULT_TEMPO = 90.0
UNMARKED = 16  # quarter notes at most that the first mark comes late, and counts from the beginning
SLOWEST, FASTEST = 15.0, 500.0  # quarter notes a minute; beyond is a slip of the pen
# Quarter notes a minute; where a text has several, the first counts.
TEMPI = {
    "grave": 44, "largo": 48, "lento": 52, "larghetto": 60, "adagio": 60, "adagietto": 66, "andante": 76,
    "andantino": 84, "moderato": 100, "maestoso": 84, "menuetto": 126, "menuet": 126, "minuet": 126, "minuetto": 126,
    "allegretto": 108, "allegro": 120, "vivace": 144, "vivo": 144, "scherzo": 160, "presto": 168, "prestissimo": 184,
    "lent": 52, "langsam": 56, "modéré": 96, "animé": 126, "vif": 144, "lebhaft": 138, "schnell": 152,
}  # fmt: skip
# Who sings: where one of them does, "alto" and "bass" are voices, too.
SINGERS = {"soprano", "tenor", "cantus", "s", "t"}
# A note that begins while another sounds is the next of the same line if it overlaps no more than this share.
MAX_OVERLAP = 0.5


class Unreadable(ValueError):
    """What is wrong with a file: a sentence that its name begins."""


@dataclass(slots=True)
class Event:
    """A note as it is written, in quarter notes, at sounding pitch."""

    onset: float
    duration: float
    pitch: int
    from_tie: bool = False
    slurred: bool = False


@dataclass
class Written:
    """What a file says.

    Attributes
    ----------
    staves : list of (str, list of Event)
        Name of each staff's instrument, and its notes in any order.
    tempo : list of (float, float)
        Onset in quarter notes, and quarter notes a minute.
    rights : str
        What the file says of its licence; empty where it says nothing.
    """

    staves: list
    tempo: list
    rights: str


def score_of(written, name, song, licence, source, min_notes=MIN_NOTES):
    """The score of what was written.

    Parameters
    ----------
    written : Written
        See there.
    name, song, licence, source : str
        See `Score`.
    min_notes : int, default=8
        Parts of fewer notes are left out.

    Returns
    -------
    score : Score

    Raises
    ------
    ValueError
        If fewer than two parts are left.
    """
    singers = any(text.casefold().strip(" .12") in SINGERS for text, _ in written.staves)
    last = len(written.staves) - 1
    parts = [_part(events, None if singers else instrument_of(text), lowest=0 < last == k)
             for k, (text, events) in enumerate(written.staves)]  # fmt: skip
    parts = tuple(part for part in parts if len(part.onset) >= min_notes)
    if len(parts) < 2:
        raise ValueError(
            f"{name} has {len(parts)} part(s) of {min_notes} notes or more, and a score needs two: leave it out."
        )
    return Score(name, song, parts, tempo_of(written.tempo), licence, source)


def instrument_of(text):
    """Abbreviation of an instrument's name, or None where URMP has none.

    Examples
    --------
    >>> [instrument_of(text) for text in ("Violin II", "Horn in F", "Bass Clarinet", "Zither")]
    ['vn', 'hn', None, None]
    """
    name = part_name(text)
    return name if name in RANGES else None


def words_tempo(text):
    """Quarter notes a minute that a text such as "Allegro ma non troppo" asks for, or None.

    Examples
    --------
    >>> words_tempo("Un poco Adagio"), words_tempo("dolce")
    (60.0, None)
    """
    words = re.findall(r"[^\W\d_]+", text.casefold())
    return next((float(TEMPI[word]) for word in words if word in TEMPI), None)


def tempo_of(marks):
    """Marks in order, one an onset, those that change nothing left out; from 0 on.

    Parameters
    ----------
    marks : iterable of (float, float)
        Of those at the same onset the last counts.

    Returns
    -------
    tempo : ndarray of float64 of shape (n_changes, 2)
        See `Score`.
    """
    tempi = {snapped(onset): float(tempo) for onset, tempo in marks if SLOWEST <= tempo <= FASTEST}
    first = min(tempi, default=np.inf)
    tempi.setdefault(0.0, tempi[first] if first <= UNMARKED else DEFAULT_TEMPO)
    ordered = sorted(tempi.items())
    changes = [pair for k, pair in enumerate(ordered) if not k or pair[1] != ordered[k - 1][1]]
    return np.array(changes, dtype=np.float64)


def snapped(quarters):
    """Quarter notes to the nearest tick, so that notes which meet do so exactly."""
    return round(quarters * TICKS) / TICKS


def _part(events, instrument, lowest):
    """Notes of a staff: those of the highest line, or of the lowest in the score's last staff."""
    sign = -1 if lowest else 1
    whole = _untied(sorted(events, key=lambda event: (event.onset, -sign * event.pitch)))
    line = _line(whole, sign)
    # A rest breaks a slur, whatever the engraver drew over it.
    slurred = [k > 0 and note[3] and note[0] <= line[k - 1][1] + 1 for k, note in enumerate(line)]
    onsets = np.array([note[0] for note in line], dtype=np.int64)
    ends = np.array([note[1] for note in line], dtype=np.int64)
    pitches = np.array([note[2] for note in line], dtype=np.int16)
    return Notes(onsets / TICKS, (ends - onsets) / TICKS, pitches, np.array(slurred, dtype=bool), instrument)


def _untied(events):
    """Notes ``[start, end, pitch, slurred]`` in ticks; a note that a tie leads to lengthens the one before."""
    notes, latest = [], {}
    for event in events:
        start, end = round(event.onset * TICKS), round((event.onset + event.duration) * TICKS)
        before = latest.get(event.pitch)
        if event.from_tie and before is not None and abs(before[1] - start) <= 1:
            before[1] = max(end, before[1])
        elif end > start:
            latest[event.pitch] = [start, end, event.pitch, event.slurred]
            notes.append(latest[event.pitch])
    return notes


def _line(notes, sign):
    """One note at a time: an outer note cuts off an inner one, and an inner one waits for none."""
    line = []
    for note in notes:
        overlap = line[-1][1] - note[0] if line else 0
        if overlap > 0:
            last = line[-1]
            shared = overlap / min(note[1] - note[0], last[1] - last[0])
            if note[0] == last[0] or (sign * note[2] <= sign * last[2] and shared > MAX_OVERLAP):
                continue
            last[1] = note[0]
        line.append(note)
    return line
