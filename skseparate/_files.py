"""Separate audio files into audio files, block by block."""

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import soundfile

from skseparate._recording import Recording
from skseparate.datasets import AudioFile

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


def track_names(parts, n_solos, minus):
    """File names of the solos, without suffix: ``1_vn`` and so on, ``1_minus_vn`` for play-along tracks."""
    parts = [f"part{k}" for k in range(1, n_solos + 1)] if parts is None else parts
    names = [f"{k}_{part}" for k, part in enumerate(parts, start=1)]
    return names + [f"{k}_minus_{part}" for k, part in enumerate(parts, start=1)] if minus else names


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
    mixture = excerpt(recording, start, duration)
    channels = excerpt(recording.channels, start, duration)
    with Tracks(Path(folder), suffix, subtype, recording) as tracks:
        for solos in separator.iter_predict(mixture, channels=channels):
            done = tracks.n_samples + solos.shape[-1]
            rest = channels.read(tracks.n_samples, done) - solos if minus else solos[:0]
            tracks.write(track_names(parts, len(solos), minus), np.concatenate([solos, rest]))
            if on_block is not None:
                on_block(done / mixture.n_samples)
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
