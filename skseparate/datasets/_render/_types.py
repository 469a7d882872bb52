"""What passes from scores to players to renderers."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Notes:
    """The notes of one part as they are written, in order of onset; one at a time.

    Attributes
    ----------
    onset, duration : ndarray of float64 of shape (n_notes,)
        In quarter notes.
    pitch : ndarray of int16 of shape (n_notes,)
        MIDI numbers, 60 for middle C.
    slurred : ndarray of bool of shape (n_notes,)
        Whether a note is slurred to the one before it.
    instrument : str or None
        What the score says, in URMP's abbreviation where it is known; often wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.datasets.rendering import Notes
    >>> notes = Notes(np.array([0.0, 1.0]), np.array([1.0, 2.0]), np.array([60, 64], np.int16), np.array([False, True]))
    >>> float(notes.onset[-1] + notes.duration[-1])
    3.0
    """

    onset: np.ndarray
    duration: np.ndarray
    pitch: np.ndarray
    slurred: np.ndarray
    instrument: str | None = None


@dataclass(frozen=True)
class Score:
    """A piece or a movement: parts from the highest staff to the lowest.

    Attributes
    ----------
    name : str
        Unique in its corpus.
    song : str
        What it shares with other movements and arrangements of the same work: the group for splitters.
    parts : tuple of Notes
        One a staff; chords are reduced to one voice.
    tempo : ndarray of float64 of shape (n_changes, 2)
        Onset of each tempo in quarter notes, and quarter notes a minute; the first at 0.
    licence, source : str
        Of the file, and where it came from.
    """

    name: str
    song: str
    parts: tuple
    tempo: np.ndarray
    licence: str
    source: str


@dataclass(frozen=True)
class Played:
    """One part as it is played: notes in seconds, and what the player does along them.

    Attributes
    ----------
    onset, offset : ndarray of float64 of shape (n_notes,)
        In seconds; a note that is legato may begin before the one before it has ended.
    pitch : ndarray of float64 of shape (n_notes,)
        MIDI number as it sounds, intonation included.
    level : ndarray of float64 of shape (n_notes,)
        In dB; 0 is mezzo-forte.
    legato : ndarray of bool of shape (n_notes,)
        Whether a note is joined to the one before it, without an attack of its own.
    bend : ndarray of float32 of shape (n_controls,)
        Deviation of the pitch in cents at `CONTROL_RATE` (vibrato, drift); empty where there is none.
    swell : ndarray of float32 of shape (n_controls,)
        Gain in dB at `CONTROL_RATE`; empty where there is none. Applied after rendering.
    """

    onset: np.ndarray
    offset: np.ndarray
    pitch: np.ndarray
    level: np.ndarray
    legato: np.ndarray
    bend: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    swell: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))


CONTROL_RATE = 100  # Hz
