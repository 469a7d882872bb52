"""Lines: the fundamental frequency of each part, where it comes from, and the masks that it makes."""

from skseparate.lines._alignment import Alignment, align_score
from skseparate.lines._frames import frame_lines, frame_times
from skseparate.lines._harmonics import harmonic_estimates, harmonic_masks, harmonic_weights
from skseparate.lines._hummed import hummed_line
from skseparate.lines._line import LazyLine, Line, notes_line
from skseparate.lines._lined import with_lines
from skseparate.lines._pyin import pyin_line
from skseparate.lines._score_lines import score_lines

__all__ = [
    "Alignment",
    "LazyLine",
    "Line",
    "align_score",
    "frame_lines",
    "frame_times",
    "harmonic_estimates",
    "harmonic_masks",
    "harmonic_weights",
    "hummed_line",
    "notes_line",
    "pyin_line",
    "score_lines",
    "with_lines",
]
