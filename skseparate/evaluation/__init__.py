"""Tables of how well separators do, by recording, part, instrument and song."""

from skseparate.evaluation._evaluate import evaluate
from skseparate.evaluation._table import Comparison, Evaluation

__all__ = ["Comparison", "Evaluation", "evaluate"]
