"""What all tests share."""

import signal

import numpy as np
import pytest
import soundfile
from threadpoolctl import threadpool_limits

from skseparate.datasets import make_ensembles

# A shell's background jobs inherit that interruptions are ignored: tests that interrupt must not hang on that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """The matrices of the tests are small: threads only wait for each other."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="session")
def duos():
    """Four mixes of two parts, one a song, a second each at 8 kHz; their solos and songs."""
    return make_ensembles(4, n_parts=2, duration=1.0, sample_rate=8000, random_state=0).power_set()


@pytest.fixture
def decoded(monkeypatch):
    """List of the paths that are decoded while a test runs."""
    paths, read = [], soundfile.read

    def counting(path, *args, **kwargs):
        paths.append(str(path))
        return read(path, *args, **kwargs)

    monkeypatch.setattr(soundfile, "read", counting)
    return paths


@pytest.fixture
def write_piece(tmp_path):
    """Write a piece in URMP's layout into a folder; return its stems."""

    def write(name, lengths=None, sample_rate=8000, root=tmp_path, subtype="FLOAT", seed=None, names=None):
        number, title, *parts = name.split("_")
        rng = np.random.default_rng(int(number) if seed is None else seed)
        folder = root / name
        folder.mkdir(parents=True)
        stems = []
        for k, part in enumerate(parts, start=1):
            n_samples = 400 if lengths is None else lengths[k - 1]
            stem = (0.1 * rng.normal(size=n_samples)).clip(-0.9, 0.9).astype(np.float32)
            label = part if names is None else names[k - 1]
            path = folder / f"AuSep_{k}_{label}_{number}_{title}.wav"
            soundfile.write(path, stem, sample_rate, subtype=subtype)
            stems.append(stem)
        return stems

    return write
