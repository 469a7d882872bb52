"""Music source separation of instrumental ensembles as scikit-learn estimators."""

from importlib import import_module

from skseparate._version import __version__

__all__ = [
    "ScoreInformedSeparator",
    "Separator",
    "__version__",
    "guess_parts",
    "load_separator",
    "save_separator",
    "show_versions",
]

# Imported when they are asked for, so that `skseparate --help` answers at once.
_HOMES = {
    "ScoreInformedSeparator": "skseparate._score_informed",
    "Separator": "skseparate._separator",
    "guess_parts": "skseparate._guess",
    "load_separator": "skseparate._persistence",
    "save_separator": "skseparate._persistence",
    "show_versions": "skseparate._show_versions",
}


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__():
    return __all__
