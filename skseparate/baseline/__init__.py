"""Separators that every table needs beside the learned ones."""

from skseparate.baseline._hum import HumSeparator
from skseparate.baseline._ideal_mask import IdealMask
from skseparate.baseline._mixture import MixtureSeparator
from skseparate.baseline._oracle_equaliser import OracleEqualiser
from skseparate.baseline._supervised_nmf import SupervisedNMF

__all__ = ["HumSeparator", "IdealMask", "MixtureSeparator", "OracleEqualiser", "SupervisedNMF"]
