"""What `render_ensembles` is made of: scores, renderers and what players and rooms add."""

from skseparate.datasets._render._fluidsynth import FluidSynthRenderer, find_fonts
from skseparate.datasets._render._note_bank import NoteBank, NoteBankRenderer, philharmonia_bank, tonejs_bank
from skseparate.datasets._render._players import PLAIN, Effects
from skseparate.datasets._render._scores import (
    folder_scores,
    load_scores,
    music21_scores,
    openscore_scores,
    pack_scores,
    read_score,
    unpack_scores,
)
from skseparate.datasets._render._types import Notes, Played, Score

__all__ = [
    "PLAIN",
    "Effects",
    "FluidSynthRenderer",
    "NoteBank",
    "NoteBankRenderer",
    "Notes",
    "Played",
    "Score",
    "find_fonts",
    "folder_scores",
    "load_scores",
    "music21_scores",
    "openscore_scores",
    "pack_scores",
    "philharmonia_bank",
    "read_score",
    "tonejs_bank",
    "unpack_scores",
]
