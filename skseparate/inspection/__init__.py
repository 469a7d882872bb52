"""Look at, and listen to, what a separator did: pictures drawn with Matplotlib, and the listening page."""

from skseparate.inspection._learning_curve_display import LearningCurveDisplay
from skseparate.inspection._mask_display import MaskDisplay
from skseparate.inspection._report import write_report
from skseparate.inspection._score_display import ScoreDisplay
from skseparate.inspection._separation_display import SeparationDisplay
from skseparate.inspection._spectrogram_display import SpectrogramDisplay
from skseparate.inspection._waveform_display import WaveformDisplay

__all__ = [
    "LearningCurveDisplay",
    "MaskDisplay",
    "ScoreDisplay",
    "SeparationDisplay",
    "SpectrogramDisplay",
    "WaveformDisplay",
    "write_report",
]
