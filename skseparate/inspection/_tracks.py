"""The tracks of a listening page: read once, side by side, in blocks."""

import os
from itertools import chain
from pathlib import Path

import numpy as np

from skseparate._files import Excerpt
from skseparate._recording import Recording
from skseparate.datasets import ArrayRecording, AudioFile
from skseparate.inspection._picture import Picture
from skseparate.inspection._sound import Mp3Writer
from skseparate.metrics._difficulty import frame_powers, padded_blocks

# Encoders of other programs lengthen or shorten a file by some milliseconds.
TOLERANCE = 0.1


class Track:
    """What the page shows and plays of one signal.

    Parameters
    ----------
    name : str
        What the page calls it.
    role : {"mixture", "solo", "reference", "residual"}
        Where it comes from.
    path : path
        Of its MP3 file.
    sample_rate, n_channels : int
        Of its signal.
    """

    def __init__(self, name, role, path, sample_rate, n_channels):
        self.name, self.role, self.path = name, role, path
        self.picture, self._sample_rate = None, sample_rate
        self._sound = Mp3Writer(path, sample_rate, n_channels)

    def add(self, padded, inside, n_frames):
        """Hear and draw a block of `padded_blocks`; return its power spectrogram and the mean of its channels."""
        mono = padded.mean(axis=0)
        powers = frame_powers(mono, self._sample_rate)
        if self.picture is None:
            self.picture = Picture(n_frames, powers.shape[-1], self._sample_rate)
        self.picture.add(powers)
        self._sound.write(padded[:, inside])
        return powers, mono[inside]

    def close(self):
        self._sound.close()


class Signals:
    """The recordings of a page, checked: one rate, one length, as many references as solos.

    Parameters
    ----------
    mixture : str, path, array or Recording of shape (n_samples,)
        The recording.
    solos, references : sequence of the same, or None
        One a part.
    sample_rate : float or None
        Of arrays, in Hz.
    start : float or None
        Where solos of an excerpt begin in the recording, in seconds.

    Attributes
    ----------
    sample_rate, n_channels, n_samples : int
        What all tracks share; of more than two channels the mean is heard.
    """

    def __init__(self, mixture, solos, references, sample_rate, start):
        whole = as_channels(mixture, sample_rate)
        self.sample_rate = whole.sample_rate
        self.n_channels = whole.shape[0] if whole.shape[0] <= 2 else 1
        solos = [(item, as_channels(item, sample_rate)) for item in solos]
        if not solos:
            raise ValueError("a page needs the solos of a recording: at least one.")
        _check_rates(mixture, whole, solos)
        first = round((start or 0) * self.sample_rate)
        left = whole.n_samples - first
        if first < 0 or left < 1:
            seconds = whole.n_samples / self.sample_rate
            raise ValueError(f"{called(mixture)} lasts {seconds:.2f} s: nothing of it starts at {start:g} s.")
        self.n_samples = left if start is None else min(left, solos[0][1].n_samples)
        _check_lengths(mixture, solos, self.n_samples, self.sample_rate)
        self.mixture, self.solos = self._cut(whole, first), [solo for _, solo in solos]
        self.references = self._references(mixture, whole, references, sample_rate, first)

    def blocks(self):
        """Blocks of all tracks, ``(n_channels, n_padded)`` each, and what lies inside.

        First the mixture, then part by part the solo and, where it is known, reference and residual.
        """
        sources = [self.mixture, *self.solos, *self.references]
        for *blocks, inside in padded_blocks(sources, self.sample_rate):
            mixture, *others = (_with_channels(block, self.n_channels) for block in blocks)
            if not self.references:
                yield [mixture, *others], inside
                continue
            pairs = zip(others[: len(self.solos)], others[len(self.solos) :], strict=True)
            yield [mixture, *chain.from_iterable((solo, true, solo - true) for solo, true in pairs)], inside

    def _references(self, mixture, whole, references, sample_rate, first):
        """Cut as the mixture is, where they last as long as all of it."""
        if references is None:
            return []
        if len(references) != len(self.solos):
            raise ValueError(
                f"there are {len(self.solos)} solos and {len(references)} references: one reference a solo is needed."
            )
        opened = [(item, as_channels(item, sample_rate)) for item in references]
        _check_rates(mixture, whole, opened)
        near = TOLERANCE * self.sample_rate
        if all(abs(signal.n_samples - whole.n_samples) <= near for _, signal in opened):
            return [self._cut(signal, first) for _, signal in opened]
        _check_lengths(mixture, opened, self.n_samples, self.sample_rate)
        return [signal for _, signal in opened]

    def _cut(self, signal, first):
        return Excerpt(signal, first, min(first + self.n_samples, signal.n_samples))


class _OneChannel(Recording):
    """A recording as a channel of its own, ``(1, n_samples)``."""

    def __init__(self, recording):
        self._recording, self.shape, self.dtype = recording, (1, recording.n_samples), recording.dtype
        self.sample_rate = recording.sample_rate

    def read(self, start, stop):
        return self._recording.read(start, stop)[None]


def as_channels(item, sample_rate=None):
    """Channels of a file, a recording or an array, ``(n_channels, n_samples)``, at a rate that is known."""
    if isinstance(item, (str, os.PathLike)):
        item = AudioFile(item)
    elif not isinstance(item, Recording):
        item = ArrayRecording(item, sample_rate)
    if item.sample_rate is None:
        raise ValueError("arrays do not know their rate: say sample_rate.")
    if len(item.shape) != 1 or not item.n_samples:
        raise ValueError(f"a track must be (n_samples,) and hold samples, got shape {item.shape}.")
    return item.channels if hasattr(item, "channels") else _OneChannel(item)


def same_file(item, path):
    """Whether a recording is read from the file at a path."""
    known = _path(item)
    return known is not None and Path(known).exists() and Path(path).exists() and os.path.samefile(known, path)


def called(item):
    """How an error names a track."""
    return _path(item) or getattr(item, "name", None) or "the recording"


def title_of(item):
    """How the page names a recording."""
    return Path(_path(item)).stem if _path(item) else called(item)


def part_of(item, number):
    """How the page names a part: by what its file is called, without the number before it."""
    known = getattr(item, "parts", None)
    if known and len(known) == 1:
        return known[0]
    if not _path(item):
        return f"part{number}"
    stem = title_of(item)
    return stem.lstrip("0123456789").lstrip("_- .") or stem


def _path(item):
    known = item if isinstance(item, (str, os.PathLike)) else getattr(item, "path", None)
    return None if known is None else os.fspath(known)


def _with_channels(block, n_channels):
    if len(block) == n_channels:
        return block
    return np.repeat(block.mean(axis=0, keepdims=True), n_channels, axis=0)


def _check_rates(mixture, whole, others):
    for item, signal in others:
        if signal.sample_rate != whole.sample_rate:
            raise ValueError(
                f"{called(item)} is at {signal.sample_rate:g} Hz, but {called(mixture)} at {whole.sample_rate:g} Hz: "
                "they must share one rate."
            )


def _check_lengths(mixture, others, n_samples, sample_rate):
    for item, signal in others:
        if abs(signal.n_samples - n_samples) > TOLERANCE * sample_rate:
            raise ValueError(
                f"{called(item)} lasts {signal.n_samples / sample_rate:.2f} s, not the {n_samples / sample_rate:.2f} s "
                f"of {called(mixture)}; of an excerpt, say where it starts."
            )
