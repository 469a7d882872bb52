"""Music source separation of instrumental ensembles as scikit-learn estimators."""

from skseparate._separator import Separator
from skseparate._show_versions import show_versions
from skseparate._version import __version__

__all__ = ["Separator", "__version__", "show_versions"]
