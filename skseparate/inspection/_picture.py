"""Spectrograms drawn small, in memory that does not grow with the recording."""

import base64
import struct
import zlib

import numpy as np

WIDTH, HEIGHT = 1200, 128
LOWEST_HZ, HIGHEST_HZ = 50.0, 10000.0
RANGE_DB = 70.0
# From silence to full level; light enough at the top and dark enough below to be told apart without colour.
COLOURS = ((0, 0, 4), (59, 15, 112), (140, 41, 129), (222, 73, 104), (254, 159, 109), (252, 253, 191))


class Picture:
    """A spectrogram averaged into few columns and rows while it passes by.

    Parameters
    ----------
    n_frames, n_bins : int
        Of the whole spectrogram.
    sample_rate : float
        In Hz.

    Attributes
    ----------
    powers : ndarray of shape (n_columns, HEIGHT)
        Mean power, from low to high on a logarithmic axis.
    """

    def __init__(self, n_frames, n_bins, sample_rate):
        self._n_frames, self._next = n_frames, 0
        self._rows = _row_weights(n_bins, sample_rate)
        self._n_columns = min(WIDTH, n_frames)
        self._sums, self._counts = np.zeros((self._n_columns, HEIGHT)), np.zeros(self._n_columns)

    def add(self, powers):
        """Add the next frames, ``(n_block, n_bins)``."""
        columns = np.arange(self._next, self._next + len(powers)) * self._n_columns // self._n_frames
        np.add.at(self._sums, columns, powers @ self._rows)
        np.add.at(self._counts, columns, 1)
        self._next += len(powers)

    @property
    def powers(self):
        return self._sums / self._counts[:, None]

    def png(self, loudest):
        """The picture as a PNG file, bright where the power is `loudest`."""
        with np.errstate(divide="ignore", invalid="ignore"):
            level = 1 + 10 * np.log10(self.powers / loudest) / RANGE_DB
        shades = np.round(255 * np.clip(np.nan_to_num(level), 0, 1)).astype(np.uint8)
        return write_png(shades.T[::-1], palette())


def _row_weights(n_bins, sample_rate):
    """What each bin gives to each row, ``(n_bins, HEIGHT)``: a row is the mean of the bins it covers."""
    edges = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, sample_rate / 2), HEIGHT + 1) / (sample_rate / 2) * (n_bins - 1)
    low, high = edges[:-1], edges[1:]
    bins = np.arange(n_bins)[:, None]
    covered = np.clip(np.minimum(bins + 0.5, high) - np.maximum(bins - 0.5, low), 0, None)
    return (covered / (high - low)).astype(np.float32)


def palette():
    """256 colours, ``(256, 3)`` in bytes."""
    stops = np.linspace(0, 255, len(COLOURS))
    channels = [np.interp(np.arange(256), stops, channel) for channel in np.transpose(COLOURS)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


def write_png(shades, colours):
    """A PNG file of an image that names its colours.

    Parameters
    ----------
    shades : ndarray of shape (height, width), uint8
        Which colour each point has, top row first.
    colours : ndarray of shape (256, 3), uint8
        Red, green and blue.

    Returns
    -------
    content : bytes
    """
    height, width = shades.shape
    rows = np.pad(shades, [(0, 0), (1, 0)])  # each row begins with its filter: none
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits, by palette
    chunks = [
        (b"IHDR", header),
        (b"PLTE", colours.tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def data_url(content, mime):
    """Bytes as an address that holds them."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
