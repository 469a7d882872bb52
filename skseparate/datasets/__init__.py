"""Recordings and data sets, all lazy."""

from skseparate.datasets._bach10 import load_bach10
from skseparate.datasets._cadenza_woodwind import load_cadenza_woodwind
from skseparate.datasets._ensembles import Ensemble, Ensembles
from skseparate.datasets._ensembleset import load_ensembleset
from skseparate.datasets._make_ensembles import make_ensembles
from skseparate.datasets._recordings import ArrayRecording, AudioFile, Mixture, Stems
from skseparate.datasets._render._render_ensembles import render_ensembles
from skseparate.datasets._stem_cache import CachedFile, StemCache
from skseparate.datasets._stems import load_stems
from skseparate.datasets._urmp import load_urmp

__all__ = [
    "ArrayRecording",
    "AudioFile",
    "CachedFile",
    "Ensemble",
    "Ensembles",
    "Mixture",
    "StemCache",
    "Stems",
    "load_bach10",
    "load_cadenza_woodwind",
    "load_ensembleset",
    "load_stems",
    "load_urmp",
    "make_ensembles",
    "render_ensembles",
]
