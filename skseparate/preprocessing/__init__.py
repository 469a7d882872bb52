"""The representation: invertible transformers from recordings to features and back."""

from skseparate.preprocessing._base import SignalTransformer
from skseparate.preprocessing._frequency_truncation import FrequencyTruncation, resize_bins
from skseparate.preprocessing._magnitude import Magnitude
from skseparate.preprocessing._segmenter import OverlapAdd, Segmenter, count_segments
from skseparate.preprocessing._stft import STFT, istft, stft

__all__ = [
    "STFT",
    "FrequencyTruncation",
    "Magnitude",
    "OverlapAdd",
    "Segmenter",
    "SignalTransformer",
    "count_segments",
    "istft",
    "resize_bins",
    "stft",
]
