"""Lines: the fundamental frequency of each part, where it comes from, and the masks that it makes."""

from skseparate.lines._frames import frame_lines, frame_times
from skseparate.lines._harmonics import harmonic_estimates, harmonic_masks
from skseparate.lines._line import LazyLine, Line, notes_line
from skseparate.lines._lined import with_lines
from skseparate.lines._pyin import pyin_line

__all__ = [
    "LazyLine",
    "Line",
    "frame_lines",
    "frame_times",
    "harmonic_estimates",
    "harmonic_masks",
    "notes_line",
    "pyin_line",
    "with_lines",
]
