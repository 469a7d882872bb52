"""Recordings that are decoded or mixed only when they are read."""

import hashlib
import os
import re
import shlex

import numpy as np
import soundfile

from skseparate._recording import Recording
from skseparate.datasets import _mp3
from skseparate.datasets._cache import LONGEST_BYTES, cached_samples


class ArrayRecording(Recording):
    """Samples in memory, with what is known about them.

    Parameters
    ----------
    samples : array of shape (n_samples,)
        The signal.
    sample_rate : float
        In Hz.
    parts : sequence of str, default=None
        The parts in score order.
    song : str, default=None
        The group for splitters.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.datasets import ArrayRecording
    >>> ArrayRecording(np.zeros(8000), sample_rate=16000, parts=["vn", "vc"])
    <ArrayRecording: vn + vc, 0.5 s at 16000 Hz>
    """

    def __init__(self, samples, sample_rate, parts=None, song=None):
        samples = np.asarray(samples)
        if samples.ndim != 1 or samples.dtype.kind not in "fiu":
            raise ValueError(f"samples must be a 1-D real array, got {samples.ndim}-D and {samples.dtype}.")
        self._samples = samples if samples.dtype in (np.float32, np.float64) else samples.astype(np.float64)
        self.dtype, self.shape = self._samples.dtype, self._samples.shape
        self.sample_rate, self.song = sample_rate, song
        self.parts = None if parts is None else tuple(parts)

    @property
    def take(self):
        """str: Equal for equal samples."""
        return hashlib.blake2b(np.ascontiguousarray(self._samples), digest_size=16).hexdigest()

    def read(self, start, stop):
        return self._samples[start:stop]

    def __repr__(self):
        return f"<{type(self).__name__}: {_describe(self)}>"


class AudioFile(Recording):
    """An audio file, decoded when it is read; several channels are averaged.

    MP3 is decoded once in sequence, to count its samples: its header is not believed.

    Parameters
    ----------
    path : str or path
        Any format that libsndfile reads.
    parts : sequence of str, default=None
        The parts in score order.
    song : str, default=None
        The group for splitters.

    Raises
    ------
    ValueError
        If the file is missing, not audio, or holds no samples.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, soundfile
    >>> from skseparate.datasets import AudioFile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "duo.wav")
    ...     soundfile.write(path, np.zeros(8000), 16000)
    ...     AudioFile(path, parts=["vn", "vc"])
    <AudioFile duo.wav: vn + vc, 0.5 s at 16000 Hz>
    """

    def __init__(self, path, parts=None, song=None):
        self.path = os.fspath(path)
        _check_readable(self.path)
        try:
            info = soundfile.info(self.path, verbose=True)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{self.path} cannot be read as audio: {_why(self.path, error)}") from error
        self._is_mp3 = info.format == "MP3"
        n_samples = _mp3.length(self.path) if self._is_mp3 else info.frames
        if n_samples == 0:
            raise ValueError(f"{self.path} holds no samples.")
        if _is_cut_off(info.extra_info):
            raise ValueError(f"{self.path} is truncated: it holds less audio than its header says.")
        self.shape, self.sample_rate, self.n_channels = (n_samples,), info.samplerate, info.channels
        self.parts, self.song = None if parts is None else tuple(parts), song

    @property
    def name(self):
        """str: File name."""
        return os.path.basename(self.path)

    @property
    def take(self):
        """str: Equal for files of equal bytes."""
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()

    @property
    def channels(self):
        """Recording: All channels, ``(n_channels, n_samples)``, of which this recording is the mean."""
        return _Channels(self)

    def read(self, start, stop):
        if 4 * self.n_samples > LONGEST_BYTES:
            return self._decode(start, stop).mean(axis=0)
        status = os.stat(self.path)
        key = (self.path, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        return cached_samples(key, lambda: self._decode(0, self.n_samples).mean(axis=0))[start:stop]

    def _decode(self, start, stop):
        if self._is_mp3:
            return _mp3.samples(self.path, start, stop).T
        try:
            samples, _ = soundfile.read(self.path, start=start, stop=stop, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{self.path} cannot be decoded: {error.error_string}") from error
        if len(samples) != stop - start:
            raise ValueError(f"{self.path} is truncated: it ends at sample {start + len(samples)}.")
        return samples.T

    def __repr__(self):
        return f"<AudioFile {self.name}: {_describe(self)}>"


class _Channels(Recording):
    """The channels of an audio file."""

    def __init__(self, file):
        self._file, self.name = file, file.name
        self.shape, self.sample_rate, self.song = (file.n_channels, file.n_samples), file.sample_rate, file.song

    def read(self, start, stop):
        return self._file._decode(start, stop)


class Stems(Recording):
    """Solos of one mixture, stacked when they are read; shorter ones end in silence.

    Parameters
    ----------
    stems : sequence of Recording
        One a part, in score order, ``(n_samples,)`` each and of one sample rate.
    parts : sequence of str, default=None
        Their names.
    song : str, default=None
        The group for splitters.
    n_samples : int, default=None
        Where to cut; by default the longest stem.

    Raises
    ------
    ValueError
        If there is no stem, their rates differ, or there is not one name a stem.

    See Also
    --------
    Mixture : Their sum.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.datasets import ArrayRecording, Stems
    >>> stems = Stems([ArrayRecording(np.ones(3), 16000), ArrayRecording(np.ones(2), 16000)])
    >>> np.asarray(stems)
    array([[1., 1., 1.],
           [1., 1., 0.]])
    """

    def __init__(self, stems, parts=None, song=None, n_samples=None):
        self._stems = tuple(stems)
        rates = {stem.sample_rate for stem in self._stems}
        if len(rates) != 1:
            raise ValueError(f"stems must share one sample rate, got {sorted(rates)} Hz.")
        (self.sample_rate,) = rates
        if parts is not None and len(parts) != len(self._stems):
            raise ValueError(f"parts {tuple(parts)} cannot name {len(self._stems)} stems: one name a stem is needed.")
        self.parts, self.song = None if parts is None else tuple(parts), song
        self.shape = (len(self._stems), n_samples or max(stem.n_samples for stem in self._stems))
        self.dtype = np.result_type(*(stem.dtype for stem in self._stems))

    @property
    def takes(self):
        """tuple: What tells each stem from any other; equal for equal takes."""
        return tuple(stem.take for stem in self._stems)

    @property
    def lines(self):
        """tuple of Line or None: Where every stem knows its own."""
        lines = tuple(stem.line for stem in self._stems)
        return None if any(line is None for line in lines) else lines

    def read(self, start, stop):
        solos = np.empty((len(self._stems), stop - start), self.dtype)
        for solo, stem in zip(solos, self._stems, strict=True):
            _fill(solo, stem, start)
        return solos

    def mix(self, start, stop):
        """Return the sum of the stems, one after the other: their samples are held for one stem at a time."""
        total, solo = (np.empty(stop - start, self.dtype) for _ in range(2))
        _fill(total, self._stems[0], start)
        for stem in self._stems[1:]:
            _fill(solo, stem, start)
            total += solo
        return total

    def __repr__(self):
        return f"<Stems: {_describe(self)}>"


class Mixture(Recording):
    """The sum of stems, mixed when it is read: no mixture is ever stored.

    Parameters
    ----------
    sources : Stems
        The solos; parts, song and sample rate are theirs.
    name : str, default=None
        What errors and tables call it.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.datasets import ArrayRecording, Mixture, Stems
    >>> stems = Stems([ArrayRecording(np.ones(3), 16000), ArrayRecording(np.ones(2), 16000)], ["vn", "vc"])
    >>> np.asarray(Mixture(stems))
    array([2., 2., 1.])
    """

    def __init__(self, sources, name=None):
        self.sources = sources
        self.name = name or sources.song
        self.shape, self.dtype = sources.shape[1:], sources.dtype
        self.sample_rate, self.parts, self.song = sources.sample_rate, sources.parts, sources.song

    @property
    def lines(self):
        """tuple of Line or None: Of the parts."""
        return getattr(self.sources, "lines", None)

    def read(self, start, stop):
        return self.sources.mix(start, stop)

    def __repr__(self):
        return f"<Mixture: {_describe(self)}>"


def _fill(solo, stem, start):
    """Samples of a stem from `start` on; silence where it has ended."""
    n = min(max(stem.n_samples - start, 0), len(solo))
    if n:
        stem.read_into(start, solo[:n])
    solo[n:] = 0


def _check_readable(path):
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder, not a file: name the audio files in it.")
    if not os.path.isfile(path):
        raise ValueError(f"{path} is not a file.")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{path} may not be read: its permissions forbid it.")
    if not os.path.getsize(path):
        raise ValueError(f"{path} is empty: it holds no byte of audio.")


def _is_cut_off(log):
    """Whether libsndfile found less audio than the header says; a pipe's unknown length does not count."""
    found = re.search(r"^\s*(?:data|SSND)\s*: (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    return bool(found) and int(found[2]) < int(found[1]) < 2**32 - 2**16


def _why(path, error):
    """What libsndfile says, or how to convert what it does not read."""
    root, suffix = os.path.splitext(path)
    if suffix.casefold() in (".m4a", ".aac", ".mp4", ".wma", ".webm", ".mov"):
        return f"convert it first, with `ffmpeg -i {shlex.quote(path)} {shlex.quote(root + '.wav')}`."
    return error.error_string


def _describe(recording):
    parts = " + ".join(recording.parts) + ", " if recording.parts else ""
    return f"{parts}{recording.n_samples / recording.sample_rate:.1f} s at {recording.sample_rate:g} Hz"
