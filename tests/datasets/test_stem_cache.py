"""The cache of decoded stems, and everything that can go wrong with one."""

import os
import pathlib
import pickle
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
import soxr

from skseparate.datasets import ArrayRecording, CachedFile, Mixture, StemCache, Stems, load_stems
from skseparate.datasets._stem_cache import _decoded

RATE = 48000


@pytest.fixture
def stem(tmp_path):
    path = tmp_path / "solo.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 3 * RATE + 7), RATE, subtype="FLOAT")
    return path


@pytest.fixture
def cache(tmp_path):
    return StemCache(tmp_path / "cache")


def read(stem, cache, **options):
    return np.array(CachedFile(stem, cache=cache, **options))


def test_an_entry_is_the_file(stem, cache):
    np.testing.assert_array_equal(read(stem, cache), soundfile.read(stem, dtype="float32")[0])
    assert cache.info()["entries"] == 1
    assert cache.info()["bytes"] == 4 * (3 * RATE + 7)


@pytest.mark.parametrize("rate", [16000, 44100, 96000])
def test_an_entry_is_the_file_at_another_rate(stem, cache, rate):
    resampled = read(stem, cache, sample_rate=rate)
    expected = soxr.resample(soundfile.read(stem, dtype="float32")[0], RATE, rate)
    assert abs(len(resampled) - len(expected)) <= 1
    n = min(len(resampled), len(expected))
    np.testing.assert_allclose(resampled[:n], expected[:n], atol=1e-5)


def test_channels_are_averaged(tmp_path, cache):
    soundfile.write(tmp_path / "two.wav", np.array([[0.5, 0.1], [0.2, 0.2]]), RATE, subtype="FLOAT")
    np.testing.assert_allclose(read(tmp_path / "two.wav", cache), [0.3, 0.2], atol=1e-7)


def test_the_second_read_decodes_nothing(stem, cache, monkeypatch):
    first = read(stem, cache)
    monkeypatch.setattr("skseparate.datasets._stem_cache._decoded", None)
    np.testing.assert_array_equal(read(stem, cache), first)


def test_a_changed_file_is_decoded_again_even_of_the_same_size_and_time(stem, cache):
    read(stem, cache)
    times = os.stat(stem)
    other = np.random.default_rng(1).normal(0, 0.1, 3 * RATE + 7).astype(np.float32)
    soundfile.write(stem, other, RATE, subtype="FLOAT")
    os.utime(stem, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert os.stat(stem).st_size == times.st_size
    np.testing.assert_array_equal(read(stem, cache), other)


def test_a_half_written_entry_is_made_again(stem, cache):
    whole = read(stem, cache)
    (entry,) = cache.folder.glob("*.f32")
    os.truncate(entry, 100)
    np.testing.assert_array_equal(read(stem, cache), whole)


def test_the_stems_used_longest_ago_go_first(tmp_path):
    cache = StemCache(tmp_path / "cache", max_bytes=3 * 4000)
    for k in range(3):
        soundfile.write(tmp_path / f"{k}.wav", np.full(1000, k / 10), RATE)
        read(tmp_path / f"{k}.wav", cache)
        time.sleep(0.01)
    read(tmp_path / "0.wav", cache)
    soundfile.write(tmp_path / "3.wav", np.full(1000, 0.3), RATE)
    read(tmp_path / "3.wav", cache)
    assert cache.info()["bytes"] <= cache.max_bytes
    first_samples = {round(float(np.fromfile(entry, "<f4", 1)[0]), 2) for entry in cache.folder.glob("*.f32")}
    assert first_samples == {0.0, 0.2, 0.3}


def test_an_open_stem_outlives_its_entry(stem, cache):
    solo = CachedFile(stem, cache=cache)
    before = solo.read(0, 1000)
    copy = before.copy()
    assert cache.clear() > 0
    np.testing.assert_array_equal(before, copy)
    np.testing.assert_array_equal(solo.read(0, 1000), copy)


def test_clear_removes_what_killed_processes_left(stem, cache):
    read(stem, cache)
    (cache.folder / ".abc.1.def.part").write_bytes(b"half")
    assert cache.clear() == 4 * (3 * RATE + 7) + 4
    assert list(cache.folder.iterdir()) == []


def test_eight_processes_fill_it_at_once(tmp_path):
    for k in range(4):
        soundfile.write(tmp_path / f"{k}.wav", np.random.default_rng(k).normal(0, 0.1, 2 * RATE), RATE, subtype="FLOAT")
    code = (
        "import sys, numpy as np; from skseparate.datasets import CachedFile, StemCache\n"
        "for k in range(4):\n"
        "    cache = StemCache(sys.argv[1] + '/c')\n"
        "    x = np.array(CachedFile(f'{sys.argv[1]}/{k}.wav', sample_rate=16000, cache=cache))\n"
        "    print(len(x), float(np.abs(x).sum()))\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    outputs = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 8
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == 4
    assert sorted(f.suffix for f in (tmp_path / "c").iterdir()) == [".f32"] * 4


def test_a_killed_process_leaves_no_entry(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.zeros(40 * 60 * RATE // 4), RATE // 4)
    code = (
        "import sys, numpy as np; from skseparate.datasets import CachedFile, StemCache\n"
        "np.array(CachedFile(sys.argv[1], sample_rate=48000, cache=StemCache(sys.argv[2])))\n"
    )
    folder = tmp_path / "c"
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "long.wav"), str(folder)])
    deadline = time.monotonic() + 60
    while not (folder.is_dir() and any(folder.glob(".*.part"))) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert list(folder.glob("*.f32")) == []


def test_truncated_and_vanished_files_leave_no_entry(stem, cache):
    solo = CachedFile(stem, cache=cache)
    os.truncate(stem, os.path.getsize(stem) // 2)
    with pytest.raises(ValueError, match=r"solo\.wav"):
        np.array(solo)
    assert cache.info()["entries"] == 0
    assert list(cache.folder.iterdir()) == []


def test_stems_are_pickled_without_their_samples(stem, cache):
    solo = CachedFile(stem, parts=["vn"], song="s", cache=cache)
    np.array(solo)
    assert len(pickle.dumps(solo)) < 2000
    np.testing.assert_array_equal(np.array(pickle.loads(pickle.dumps(solo))), np.array(solo))


def test_loaders_resample_through_the_cache(tmp_path, stem, cache):
    (tmp_path / "stems" / "duo").mkdir(parents=True)
    for name in ("vn", "vc"):
        (tmp_path / "stems" / "duo" / f"{name}.wav").write_bytes(stem.read_bytes())
    (duo,) = load_stems(tmp_path / "stems", sample_rate=16000, cache=cache)
    assert duo.mixture().sample_rate == 16000
    assert duo.mixture().n_samples == -(-(3 * RATE + 7) // 3)
    assert cache.info()["entries"] == 0
    np.asarray(duo.mixture())
    assert cache.info()["entries"] == 2


def test_the_folder_can_be_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SKSEPARATE_CACHE", str(tmp_path / "mine"))
    assert StemCache().info() == {"folder": str(tmp_path / "mine"), "entries": 0, "bytes": 0, "max_bytes": 20 * 2**30}


def test_those_who_come_at_once_decode_once(stem, cache, monkeypatch):
    calls = []

    def slowly(*args):
        calls.append(args)
        time.sleep(0.05)
        yield from _decoded(*args)

    monkeypatch.setattr("skseparate.datasets._stem_cache._decoded", slowly)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: read(stem, cache), range(8)))
    for samples in found:
        np.testing.assert_array_equal(samples, found[0])
    assert len(calls) == 1
    assert [file.suffix for file in cache.folder.iterdir()] == [".f32"]


def test_a_lock_that_a_killed_process_left_holds_nobody_up(stem, cache):
    cache.folder.mkdir()
    (cache.folder / f".{cache._key(stem, RATE)}.lock").touch()
    assert read(stem, cache).shape == (3 * RATE + 7,)
    assert [file.suffix for file in cache.folder.iterdir()] == [".f32"]


def test_where_files_cannot_be_locked_each_decodes(stem, cache, monkeypatch):
    monkeypatch.setattr("skseparate.datasets._stem_cache.fcntl", None)
    assert read(stem, cache).shape == (3 * RATE + 7,)


def test_stems_of_several_types_are_stacked_and_mixed(stem, cache):
    solo, samples = CachedFile(stem, cache=cache), np.random.default_rng(0).normal(0, 0.1, 2 * RATE)
    stems = Stems([solo, ArrayRecording(samples, RATE), solo])
    start, stop = 2 * RATE - 5, 2 * RATE + 5
    expected = np.zeros((3, 10))
    expected[::2] = soundfile.read(stem)[0][start:stop]
    expected[1, :5] = samples[start:]
    np.testing.assert_array_equal(stems.read(start, stop), expected)
    np.testing.assert_array_equal(Mixture(stems).read(start, stop), stems.read(start, stop).sum(axis=0))


def test_reading_maps_nothing(stem, cache):
    """What is mapped counts as memory of the process, the more the longer one draws."""
    solo = CachedFile(stem, cache=cache)
    for start in range(0, 2 * RATE, 1000):
        solo.read(start, start + RATE)
    maps = pathlib.Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("/proc/self/maps is not here: what is mapped cannot be seen")
    assert str(cache.folder) not in maps.read_text()


def test_samples_beyond_the_end_are_refused(stem, cache):
    with pytest.raises(ValueError, match=r"solo\.wav has 144007 samples: 144000 to 144010 cannot be read"):
        CachedFile(stem, cache=cache).read(144000, 144010)
