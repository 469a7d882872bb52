"""Separate audio files into audio files, block by block."""

import os
import tempfile
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import numpy as np
import soundfile
from sklearn.utils import gen_batches

from skseparate._guess import guess_parts
from skseparate._recording import Recording
from skseparate.datasets import AudioFile
from skseparate.datasets._stem_cache import resampled

BLOCK_LENGTH = 2**18
COMMON_RATES = (16000, 32000, 44100, 48000, 96000, 192000)
# Integer formats cannot hold more; a little below full scale, so that rounding does not clip either.
FULL_SCALE = 1 - 2**-15


class Excerpt(Recording):
    """A part of a recording in time.

    Parameters
    ----------
    recording : Recording
        The whole, ``(..., n_samples)``.
    start, stop : int
        In samples.
    """

    def __init__(self, recording, start, stop):
        self._recording, self._start = recording, start
        self.shape, self.dtype = (*recording.shape[:-1], stop - start), recording.dtype
        self.sample_rate, self.parts, self.song = recording.sample_rate, recording.parts, recording.song
        self.name = getattr(recording, "name", None)

    def read(self, start, stop):
        return self._recording.read(self._start + start, self._start + stop)


def excerpt(recording, start=0.0, duration=None):
    """From `start` for `duration`, in seconds; the whole by default.

    Raises
    ------
    ValueError
        If nothing of the recording lies there.
    """
    first = round(start * recording.sample_rate)
    last = recording.n_samples if duration is None else first + round(duration * recording.sample_rate)
    last = min(last, recording.n_samples)
    if not 0 <= first < last:
        seconds = recording.n_samples / recording.sample_rate
        raise ValueError(
            f"{recording.name} lasts {seconds:.2f} s: nothing of it starts at {start:g} s and lasts longer."
        )
    return Excerpt(recording, first, last)


class Spooled(Recording):
    """Channels at another rate, in a temporary file that vanishes with the object.

    Parameters
    ----------
    channels : Recording of shape (n_channels, n_samples)
        The original.
    sample_rate : int
        In Hz.
    """

    def __init__(self, channels, sample_rate):
        n_channels, self.sample_rate = channels.shape[0], sample_rate
        with tempfile.TemporaryFile() as file:
            originals = (channels.read(b.start, b.stop).T for b in gen_batches(channels.n_samples, BLOCK_LENGTH))
            for block in resampled(originals, channels.sample_rate, sample_rate):
                np.ascontiguousarray(block, np.float32).tofile(file)
            file.flush()
            self._samples = np.memmap(file, np.float32, "r").reshape(-1, n_channels).T
        self.shape, self.name = self._samples.shape, channels.name

    def read(self, start, stop):
        return np.array(self._samples[:, start:stop])


class Mono(Recording):
    """The mean of channels.

    Parameters
    ----------
    channels : Recording of shape (n_channels, n_samples)
        What to average.
    parts : sequence of str or None
        In score order.
    lines : sequence of Line, default=None
        One a part.
    """

    def __init__(self, channels, parts, lines=None):
        self._channels, self.parts, self.lines = channels, parts, lines
        self.shape, self.sample_rate, self.name = channels.shape[1:], channels.sample_rate, channels.name

    def read(self, start, stop):
        return self._channels.read(start, stop).mean(axis=0)


def fitting_rate(sample_rate, accepts, fallback=None):
    """Sample rate in Hz at which to work: the given one where it is accepted, else the next common one that is."""
    candidates = [sample_rate, *(rate for rate in COMMON_RATES if rate > sample_rate)]
    fitting = (rate for rate in candidates if accepts(rate))
    return next(fitting, fallback or COMMON_RATES[-1])


def iter_tracks(separator, channels, parts, on_rate=None, lines=None):
    """Solos of all channels, block by block, at the channels' rate and length.

    Where the separator cannot work at that rate, it is given the recording at another, and the solos come back.

    Yields
    ------
    block : ndarray of shape (n_parts, n_channels, n_block)
    """
    rate = fitting_rate(channels.sample_rate, separator.accepts_rate, getattr(separator, "sample_rate_", None))
    if rate == channels.sample_rate:
        yield from separator.iter_predict(Mono(channels, parts, lines), channels=channels)
        return
    if on_rate is not None:
        on_rate(channels.sample_rate, rate)
    there = Spooled(channels, rate)
    blocks = separator.iter_predict(Mono(there, parts, lines), channels=there)
    first = next(blocks)
    n_tracks = first.shape[0] * first.shape[1]
    flat = (b.reshape(n_tracks, b.shape[-1]).T for b in chain([first], blocks))
    left = channels.n_samples
    for block in resampled(flat, rate, channels.sample_rate):
        block = block[:left]
        yield block.T.reshape(*first.shape[:-1], len(block))
        left -= len(block)
    yield np.zeros((*first.shape[:-1], left), first.dtype)


def mono_file(path, start=0.0, duration=None):
    """The mean of an audio file's channels, or of an excerpt of it, from `start` for `duration` in seconds."""
    return Mono(excerpt(AudioFile(path).channels, start, duration), None)


def guess_file(separator, path, start=0.0, duration=None):
    """Guess the parts of an audio file, or of an excerpt of it; see `skseparate.guess_parts`."""
    channels = excerpt(AudioFile(path).channels, start, duration)
    rate = fitting_rate(channels.sample_rate, separator.accepts_rate, separator.sample_rate_)
    return guess_parts(separator, Mono(channels if rate == channels.sample_rate else Spooled(channels, rate), None))


def track_names(parts, n_solos, minus=False, other=False):
    """File names, without suffix: ``1_vn`` and so on, ``1_minus_vn`` for play-along tracks, ``other``."""
    parts = [f"part{k}" for k in range(1, n_solos + 1)] if parts is None else list(parts)
    parts += ["rest"] if n_solos == len(parts) + 1 else []  # what no line explains
    names = [f"{k}_{part}" for k, part in enumerate(parts, start=1)]
    names += [f"{k}_minus_{part}" for k, part in enumerate(parts, start=1)] if minus else []
    return [*names, "other"] if other else names


def separate_file(
    separator,
    path,
    folder,
    parts=None,
    minus=False,
    start=0.0,
    duration=None,
    subtype="PCM_24",
    suffix="wav",
    on_block=None,
    on_rate=None,
    lines=None,
):
    """Separate one audio file into a folder of solos, streaming.

    The solos have the rate, length and channels of the recording: the masks come from the mean of its
    channels and are applied to each. They are written under temporary names until all of them are whole.

    Parameters
    ----------
    separator : Separator
        Fitted.
    path : str or path
        The mixture.
    folder : path
        Where the solos go; made where it is missing.
    parts : sequence of str, default=None
        Names of the parts, in score order; by default all slots of the separator, unnamed.
    minus : bool, default=False
        Whether to write everyone-but-this-part tracks, too.
    start, duration : float, default=0.0 and None
        Which excerpt, in seconds.
    subtype : str, default="PCM_24"
        Of the samples, as libsndfile names it.
    suffix : {"wav", "flac"}, default="wav"
        Format of the files.
    on_block : callable, default=None
        Called with the share that is done, from 0 to 1, after each block.
    on_rate : callable, default=None
        Called with the recording's sample rate and the one that the separator works at, where they differ.
    lines : sequence of Line, default=None
        One a part, for separators that are told them. A separator may give one more solo, of what is left.

    Returns
    -------
    files : list of path
        The files written.
    gain : float
        What all solos were multiplied by so that none clips; 1 where none would.

    Raises
    ------
    ValueError
        If the file cannot be separated, or is silent.
    """
    recording = AudioFile(path, parts)
    channels = excerpt(recording.channels, start, duration)
    leaves_some = getattr(separator, "mask", None) == "direct"  # other masks give all of the mixture to the solos
    with Tracks(Path(folder), suffix, subtype, recording) as tracks:
        for solos in iter_tracks(separator, channels, parts, on_rate, lines):
            done = tracks.n_samples + solos.shape[-1]
            mixture = channels.read(tracks.n_samples, done)
            rest = mixture - solos if minus else solos[:0]
            other = (mixture - solos.sum(axis=0))[None] if leaves_some else solos[:0]
            tracks.write(track_names(parts, len(solos), minus, leaves_some), np.concatenate([solos, rest, other]))
            if on_block is not None:
                on_block(done / channels.n_samples)
        if tracks.peak == 0:
            raise ValueError(f"{path} is silent: there is nothing to separate.")
        return tracks.finish()


class Tracks:
    """Audio files that grow block by block and appear when all are whole.

    Blocks are kept as floats until the loudest sample is known, since integers that would clip are scaled
    by one gain for all tracks.
    """

    def __init__(self, folder, suffix, subtype, recording):
        self.folder, self.suffix, self.subtype = folder, suffix, subtype
        self.sample_rate, self.n_channels = recording.sample_rate, recording.channels.shape[0]
        self.n_samples, self.peak = 0, 0.0
        self._stack, self._drafts, self._leftovers = ExitStack(), {}, []

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *error):
        self._stack.close()
        for path in self._leftovers:
            path.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()  # nothing came of it

    def write(self, names, tracks):
        """Append ``(n_tracks, n_channels, n_block)``."""
        for name, track in zip(names, tracks, strict=True):
            if name not in self._drafts:
                path = self._temporary(f"{name}.draft")
                self._drafts[name] = self._stack.enter_context(
                    soundfile.SoundFile(path, "w+", self.sample_rate, self.n_channels, "FLOAT", format="RF64")
                )
            self._drafts[name].write(track.T)
        self.n_samples += tracks.shape[-1]
        self.peak = max(self.peak, float(np.abs(tracks).max(initial=0)))

    def finish(self):
        """Write the files in their format, then move them all into place."""
        is_float = self.subtype in ("FLOAT", "DOUBLE")
        gain = 1.0 if is_float or self.peak <= FULL_SCALE else FULL_SCALE / self.peak
        partials = {name: self._convert(name, draft, gain) for name, draft in self._drafts.items()}
        files = []
        for name, partial in partials.items():
            files.append(self.folder / f"{name}.{self.suffix}")
            os.replace(partial, files[-1])
        return files, gain

    def _convert(self, name, draft, gain):
        partial = self._temporary(f"{name}.{self.suffix}.part")
        draft.seek(0)
        with soundfile.SoundFile(
            partial, "w", self.sample_rate, self.n_channels, self.subtype, format=self.suffix.upper()
        ) as file:
            for block in draft.blocks(2**18, dtype="float32"):
                file.write(block * np.float32(gain))
        return partial

    def _temporary(self, name):
        path = self.folder / f".{os.getpid()}.{name}"
        self._leftovers.append(path)
        return path
