"""Splits by song."""

from skseparate.model_selection._split import LeakGuard, LeakWarning, find_leaks, song_split
from skseparate.model_selection._urmp_folds import UrmpFolds

__all__ = ["LeakGuard", "LeakWarning", "UrmpFolds", "find_leaks", "song_split"]
