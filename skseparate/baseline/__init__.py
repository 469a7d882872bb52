"""Separators that every table needs beside the learned ones."""

from skseparate.baseline._ideal_ratio_mask import IdealRatioMask
from skseparate.baseline._mixture import MixtureSeparator

__all__ = ["IdealRatioMask", "MixtureSeparator"]
