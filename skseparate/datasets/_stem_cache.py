"""Stems decoded and resampled once, to raw files of which only what is asked for is read."""

import hashlib
import os
import secrets
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import platformdirs
import soundfile
import soxr

from skseparate._recording import Recording
from skseparate.datasets import _mp3
from skseparate.datasets._recordings import AudioFile

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None

FORMAT = 1
SUFFIX = ".f32"
BLOCK_LENGTH = 2**18


class StemCache:
    """A folder of stems, decoded and resampled once to raw float32 files.

    An entry is named by the stem's path, size and times of change, and by the sample rate: a file that
    changes, or another setting, makes another entry. Entries appear whole or not at all, so any number of
    processes may fill the folder at once, and any may be killed; one makes an entry while the others wait for it
    (where there are no file locks, such as on Windows, each makes it).

    Parameters
    ----------
    folder : str or path, default=None
        By default what the environment variable ``SKSEPARATE_CACHE`` names, else the user's cache folder.
    max_bytes : int, default=20 GiB
        The most that entries may take; those used longest ago are removed first.

    Examples
    --------
    >>> import tempfile
    >>> from skseparate.datasets import StemCache
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     StemCache(folder).info()["entries"]
    0
    """

    def __init__(self, folder=None, max_bytes=20 * 2**30):
        default = os.environ.get("SKSEPARATE_CACHE") or platformdirs.user_cache_dir("skseparate")
        self.folder = Path(default if folder is None else folder)
        self.max_bytes = max_bytes

    def __repr__(self):
        return f"StemCache({str(self.folder)!r}, max_bytes={self.max_bytes})"

    def samples(self, path, sample_rate, n_samples):
        """Return the samples of a stem at a rate, from its entry; made first where there is none.

        Parameters
        ----------
        path : str
            An audio file; several channels are averaged.
        sample_rate : int
            In Hz.
        n_samples : int
            How many there are at that rate; an entry of another size is made again.

        Returns
        -------
        samples : memmap of shape (n_samples,)
            In float32, read-only.
        """
        with self._decoded_file(path, sample_rate, n_samples) as file:
            return _mapped(file, n_samples)

    def read_into(self, path, sample_rate, n_samples, start, out):
        """Read some samples of a stem into an array: as `samples`, but no page of the entry stays in the process.

        Parameters
        ----------
        path, sample_rate, n_samples : str, int and int
            As of `samples`.
        start : int
            First sample.
        out : ndarray of shape (n,)
            Float32 and contiguous; filled with samples `start` to ``start + n``.
        """
        with self._decoded_file(path, sample_rate, n_samples) as file:
            if _read_into(file, 4 * start, out) < out.nbytes:
                raise ValueError(f"{path} has {n_samples} samples: {start} to {start + len(out)} cannot be read.")

    def made(self, key, n_samples, make):
        """Return samples that are made, such as a rendered stem, from their entry; made first where there is none.

        Parameters
        ----------
        key : str
            Names the samples and whatever they depend on; a file's name.
        n_samples : int
            How many there are.
        make : callable
            Makes the array.

        Returns
        -------
        samples : memmap of shape (n_samples,)
            In float32, read-only.
        """

        def blocks():
            samples = make()
            if samples.shape != (n_samples,):
                raise ValueError(f"{key} was made with shape {samples.shape}, {n_samples} samples were expected.")
            yield samples

        with self._open(f"made-{key}", n_samples, blocks) as file:
            return _mapped(file, n_samples)

    def _decoded_file(self, path, sample_rate, n_samples):
        try:
            return self._open(self._key(path, sample_rate), n_samples, lambda: _decoded(path, sample_rate, n_samples))
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{path} cannot be decoded: {error.error_string}") from error

    def _open(self, key, n_samples, blocks):
        """The entry's file, open and whole; made first where there is none."""
        entry = os.path.join(self.folder, key + SUFFIX)
        while (file := _whole(entry, n_samples)) is None:  # another process may remove it before it is opened
            self.folder.mkdir(parents=True, exist_ok=True)
            with _locked(os.path.join(self.folder, f".{key}.lock")):
                if (made := _whole(entry, n_samples)) is not None:
                    return made
                self._make(Path(entry), blocks)
        return file

    def info(self):
        """Say what the cache holds.

        Returns
        -------
        info : dict
            ``folder``, ``entries``, ``bytes`` and ``max_bytes``.
        """
        sizes = [status.st_size for _, status in self._entries()]
        return {
            "folder": str(self.folder),
            "entries": len(sizes),
            "bytes": sum(sizes),
            "max_bytes": self.max_bytes,
        }

    def clear(self):
        """Remove all entries, and what killed processes left.

        Returns
        -------
        n_bytes : int
            How many were freed.
        """
        freed = 0
        for pattern in (f"*{SUFFIX}", ".*.part", ".*.lock"):
            for file in self.folder.glob(pattern):
                with suppress(FileNotFoundError):  # another process clears, too
                    freed += file.stat().st_size
                    file.unlink()
        return freed

    def _key(self, path, sample_rate):
        status = os.stat(path)
        return _digest(FORMAT, _real_path(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns, sample_rate)

    def _make(self, entry, blocks):
        partial = self.folder / f".{entry.stem}.{os.getpid()}.{secrets.token_hex(4)}.part"
        try:
            with open(partial, "wb") as file:
                for block in blocks():
                    block.astype("<f4", copy=False).tofile(file)
            os.replace(partial, entry)
        finally:
            partial.unlink(missing_ok=True)
        self._shrink(entry)

    def _shrink(self, newest):
        """Remove entries, those used longest ago first, until the rest fits."""
        entries = sorted(self._entries(), key=lambda pair: pair[1].st_mtime_ns)
        total = sum(status.st_size for _, status in entries)
        for file, status in entries:
            if total <= self.max_bytes:
                break
            if file != newest:
                file.unlink(missing_ok=True)  # whoever has it mapped keeps it
                total -= status.st_size

    def _entries(self):
        for file in self.folder.glob(f"*{SUFFIX}"):
            with suppress(FileNotFoundError):
                yield file, file.stat()


@lru_cache(maxsize=4096)
def _real_path(path):
    """Asked once: a link that is turned elsewhere changes the times and the size."""
    return os.path.realpath(path)


@lru_cache(maxsize=4096)
def _digest(*facts):
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()


def _whole(entry, n_samples):
    """The file of an entry, open; None where there is none, or not a whole one."""
    try:
        file = open(entry, "rb", buffering=0)  # noqa: SIM115 - whoever asked closes it
    except FileNotFoundError:
        return None
    if os.fstat(file.fileno()).st_size != 4 * n_samples:
        file.close()
        return None
    with suppress(OSError):
        os.utime(entry)  # used just now: the last to be removed
    return file


def _read_into(file, place, out):
    """Fill an array from a place on, in bytes; how many were there. No system reads more than 2 GiB at once."""
    file.seek(place)
    n_read, n = 0, None
    while n != 0 and n_read < out.nbytes:
        n = file.readinto(memoryview(out).cast("B")[n_read:])
        n_read += n
    return n_read


def _mapped(file, n_samples):
    return np.memmap(file, dtype="<f4", mode="r", shape=(n_samples,))


@contextmanager
def _locked(path):
    """Wait for a file's lock and hold it; it is given back where a process is killed. Without locks, nobody waits."""
    file = _lock(path) if fcntl else None
    try:
        yield
    finally:
        if file:
            with suppress(FileNotFoundError):  # somebody cleared the cache
                os.unlink(path)
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)  # a process that was forked meanwhile holds the file, too
            file.close()


def _lock(path):
    while True:
        file = open(path, "wb")  # noqa: SIM115 - held until it is unlocked
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(file.fileno())):
                return file
        except FileNotFoundError:
            pass  # removed by the process that held it
        except OSError:
            return file  # a file system without locks
        file.close()


def resampled_length(n_samples, old_rate, new_rate):
    """Samples at the new rate that cover as long as `n_samples` at the old."""
    return -(-n_samples * new_rate // old_rate)


def _decoded(path, sample_rate, n_samples):
    """Blocks of a file at a rate, `n_samples` in all: the resampler's last few are cut or filled with silence."""
    info = soundfile.info(path)
    n_frames = _mp3.length(path) if info.format == "MP3" else info.frames
    if resampled_length(n_frames, info.samplerate, sample_rate) != n_samples:
        raise ValueError(f"{path} has changed its length since it was opened: it is truncated or still being written.")
    blocks = _mp3.blocks(path) if info.format == "MP3" else _blocks(path)
    mono = _checked((block.mean(axis=1) for block in blocks), path, n_frames)
    left = n_samples
    for block in resampled(mono, info.samplerate, sample_rate):
        yield block[:left]
        left = max(0, left - len(block))
    yield np.zeros(left, np.float32)


def resampled(blocks, old_rate, new_rate):
    """Blocks of shape ``(n_block,)`` or ``(n_block, n_channels)`` at another rate, by the SoX resampler."""
    if old_rate == new_rate:
        yield from blocks
        return
    resampler, last = None, None
    for block in blocks:
        if resampler is None:
            n_channels = 1 if block.ndim == 1 else block.shape[1]
            resampler, last = soxr.ResampleStream(old_rate, new_rate, n_channels, dtype="float32"), block[:0]
        yield resampler.resample_chunk(block)
    if resampler is not None:
        yield resampler.resample_chunk(last, last=True)


def _blocks(path):
    with soundfile.SoundFile(path) as file:
        yield from file.blocks(BLOCK_LENGTH, dtype="float32", always_2d=True)


def _checked(blocks, path, n_frames):
    """The same blocks, refused where they end too early."""
    n_read = 0
    for block in blocks:
        n_read += len(block)
        yield block
    if n_read < n_frames:
        raise ValueError(f"{path} is truncated: it ends at sample {n_read} of {n_frames}.")


class CachedFile(Recording):
    """An audio file read through a `StemCache`, at a rate of one's choice.

    Parameters
    ----------
    path : str or path
        Any format that libsndfile reads.
    parts : sequence of str, default=None
        The parts in score order.
    song : str, default=None
        The group for splitters.
    sample_rate : int, default=None
        In Hz; by default the file's own.
    cache : StemCache, default=None
        By default one in the user's cache folder.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, soundfile
    >>> from skseparate.datasets import CachedFile, StemCache
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "solo.wav")
    ...     soundfile.write(path, np.zeros(48000), 48000)
    ...     solo = CachedFile(path, sample_rate=16000, cache=StemCache(folder))
    ...     solo.read(0, 100).shape, solo.n_samples
    ((100,), 16000)
    """

    def __init__(self, path, parts=None, song=None, sample_rate=None, cache=None):
        self._file = AudioFile(path, parts, song)
        self.cache = StemCache() if cache is None else cache
        self.name, self.parts, self.song = self._file.name, self._file.parts, song
        self.sample_rate = sample_rate or self._file.sample_rate
        self.shape = (resampled_length(self._file.n_samples, self._file.sample_rate, self.sample_rate),)

    @property
    def path(self):
        """str: The audio file."""
        return self._file.path

    @property
    def take(self):
        """str: Equal for files of equal bytes."""
        return self._file.take

    def read(self, start, stop):
        samples = np.empty(stop - start, "<f4")
        self.cache.read_into(self._file.path, self.sample_rate, self.n_samples, start, samples)
        return samples

    def read_into(self, start, out):
        if out.dtype != "<f4" or not out.flags.c_contiguous:
            return super().read_into(start, out)
        return self.cache.read_into(self._file.path, self.sample_rate, self.n_samples, start, out)

    def __repr__(self):
        seconds = self.n_samples / self.sample_rate
        return f"<CachedFile {self.name}: {seconds:.1f} s at {self.sample_rate:g} Hz>"


def open_stem(path, parts, song, sample_rate=None, cache=None):
    """A stem as loaders open it: through the cache where a rate or a cache is asked for."""
    if sample_rate is None and cache is None:
        return AudioFile(path, parts, song)
    return CachedFile(path, parts, song, sample_rate, cache)
