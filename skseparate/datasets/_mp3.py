"""MP3 files, decoded in sequence: their seeks are inexact, and the length in their header may be anything."""

import io
import os
import tempfile
from functools import lru_cache

import numpy as np
import soundfile

BLOCK_LENGTH = 2**18
# A count of frames that no file reaches, so that decoding ends where the file does.
ENDLESS = (2**24).to_bytes(4, "big")
# Silence that encoders append, and that an honest header cuts off again: two frames.
PADDING = 2 * 1152


def length(path):
    """Number of samples, counted by decoding the file; remembered while it does not change."""
    return _length(*_identity(path))


def samples(path, start, stop):
    """Samples ``start`` to ``stop``, ``(stop - start, n_channels)`` in float32.

    The whole file is decoded once, to a temporary file that vanishes with the process.
    """
    return np.array(_decoded(*_identity(path))[start:stop])


def blocks(path):
    """Decode a file in sequence: blocks of shape ``(n_block, n_channels)``."""
    left = length(path)
    for block in _all_blocks(path):
        yield block[:left]
        left = max(0, left - len(block))


def _identity(path):
    status = os.stat(path)
    return path, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4096)
def _length(path, mtime, size):
    found = sum(len(block) for block in _all_blocks(path))
    told = soundfile.info(path).frames
    return told if 0 <= found - told <= PADDING else found


@lru_cache(maxsize=8)
def _decoded(path, mtime, size):
    with tempfile.TemporaryFile() as file:
        for block in blocks(path):
            n_channels = block.shape[1]
            block.tofile(file)
        file.flush()
        return np.memmap(file, np.float32, "r").reshape(-1, n_channels)


def _all_blocks(path):
    with open(path, "rb") as file:
        stream = io.BytesIO(_without_length(file.read()))
    with soundfile.SoundFile(stream) as file:
        while len(block := file.read(BLOCK_LENGTH, dtype="float32", always_2d=True)):
            yield block


def _without_length(content):
    """The file with the count of frames in its first header, where there is one, out of reach."""
    first = _tag_length(content)
    for mark in (b"Xing", b"Info"):
        place = content.find(mark, first, first + 256)
        if place >= 0 and content[place + 7] & 1:  # the count is there
            return content[: place + 8] + ENDLESS + content[place + 12 :]
    return content


def _tag_length(content):
    """Bytes of the ID3v2 tag that a file may begin with; its size has seven bits a byte."""
    if content[:3] != b"ID3":
        return 0
    return 10 + sum((byte & 127) << shift for byte, shift in zip(content[6:10], (21, 14, 7, 0), strict=True))
