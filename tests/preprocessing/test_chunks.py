"""Frames a cacheful at a time, on threads."""

from multiprocessing import get_all_start_methods, get_context

import numpy as np
import pytest

from skseparate.preprocessing import _chunks, istft, stft


@pytest.mark.parametrize(
    "n_signals, n_frames, frame_length, least", [(1, 1, 4, 1), (3, 700, 4096, 1), (5, 37, 2**20, 30)]
)
def test_chunks_are_all_frames_once(n_signals, n_frames, frame_length, least):
    seen = np.zeros((n_signals, n_frames), int)
    chunks = _chunks.chunks_of(n_signals, n_frames, frame_length, 4, least)
    for chunk in chunks:
        seen[chunk] += 1
    assert (seen == 1).all()
    assert all(c.stop - c.start >= least or c.stop == n_frames for _, c in chunks)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("hop_length", [64, 61, 3])
def test_threads_change_nothing(monkeypatch, dtype, hop_length):
    signals = np.random.default_rng(0).standard_normal((2, 3, 9000)).astype(dtype)
    window = np.hanning(257)[:256]
    monkeypatch.setattr(_chunks, "CHUNK_BYTES", 2**15)
    results = []
    for n_threads in (1, 4):
        monkeypatch.setattr(_chunks, "_openmp_effective_n_threads", lambda n=n_threads: n)
        spectrograms = stft(signals, window, hop_length)
        results.append((spectrograms, istft(spectrograms, window, hop_length)))
    for one, many in zip(*results, strict=True):
        np.testing.assert_array_equal(one, many)
    np.testing.assert_allclose(results[0][1][..., :9000], signals, atol=1e-5 if dtype == np.float32 else 1e-10)


def test_an_error_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(_chunks, "_openmp_effective_n_threads", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        _chunks.in_threads(lambda n: 1 / n, [1, 0, 2])


@pytest.mark.skipif("fork" not in get_all_start_methods(), reason="needs a system that forks")
def test_a_forked_process_has_threads_of_its_own(monkeypatch):
    monkeypatch.setattr(_chunks, "_openmp_effective_n_threads", lambda: 2)
    _chunks.in_threads(abs, [1, 2, 3])
    queue = get_context("fork").SimpleQueue()

    def work():
        _chunks.in_threads(queue.put, [1, 2, 3])

    process = get_context("fork").Process(target=work)
    process.start()
    process.join(60)
    assert process.exitcode == 0 and sorted(queue.get() for _ in range(3)) == [1, 2, 3]


def test_without_the_inner_function_of_scipy(monkeypatch):
    frames = np.random.default_rng(0).standard_normal((5, 12))
    direct, copied = np.empty((2, 5, 7), complex)
    _chunks.rfft_into(frames, direct)
    monkeypatch.setattr(_chunks, "r2c", None)
    _chunks.rfft_into(frames, copied)
    np.testing.assert_array_equal(direct, copied)
    np.testing.assert_allclose(direct, np.fft.rfft(frames), atol=1e-12)
