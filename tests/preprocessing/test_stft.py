"""The short-time Fourier transform and its exact inverse."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import get_window

from skseparate.datasets import ArrayRecording
from skseparate.preprocessing import STFT, istft, stft

WINDOWS = ["hann", "hamming", "blackman", ("kaiser", 8.0)]
LENGTHS = [1, 2, 3, 7, 8, 9, 63, 64, 65, 100]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def naive_stft(signal, window, hop):
    """Frame by frame, by NumPy's own transform."""
    margin = len(window) - hop
    padded = np.concatenate([np.zeros(margin), signal, np.zeros(2 * len(window) + hop)])
    starts = range(0, margin + len(signal), hop)
    return np.array([np.fft.rfft(padded[s : s + len(window)] * window) / window.sum() for s in starts])


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize(
    ("frame", "hop"),
    [(2, 1), (4, 1), (4, 2), (6, 2), (8, 1), (8, 3), (8, 4), (10, 3), (16, 4), (16, 5), (16, 7), (48, 12), (48, 13)],
)
def test_round_trip_is_exact(frame, hop, window):
    transform = STFT(frame, hop, window, sample_rate=1)
    for n_samples in LENGTHS:
        signal = noise(2, 3, n_samples, seed=n_samples)
        restored = transform.fit([signal]).inverse_transform(transform.transform([signal]))[0]
        assert_allclose(restored[..., :n_samples], signal, atol=1e-10)
        assert_allclose(restored[..., n_samples:], 0, atol=1e-10)
        assert restored.shape[-1] - n_samples < hop


@pytest.mark.parametrize("frame", [2, 4, 16])
def test_round_trip_without_overlap_needs_a_window_without_zeros(frame):
    transform = STFT(frame, frame, "boxcar", sample_rate=1)
    for n_samples in LENGTHS:
        signal = noise(1, n_samples)
        restored = transform.fit(signal).inverse_transform(transform.transform(signal))
        assert_allclose(restored[:, :n_samples], signal, atol=1e-10)


@pytest.mark.parametrize(("frame", "hop"), [(8, 2), (8, 3), (8, 8), (16, 4)])
@pytest.mark.parametrize("n_samples", LENGTHS)
def test_equals_a_naive_transform(frame, hop, n_samples):
    window, signal = get_window("hamming", frame), noise(n_samples)
    assert_allclose(stft(signal, window, hop), naive_stft(signal, window, hop), atol=1e-12)


def test_is_linear():
    transform = STFT(16, 4, sample_rate=1)
    a, b = noise(2, 3, 100)
    whole = transform.fit_transform([2 * a - 3 * b])[0]
    assert_allclose(whole, 2 * transform.transform([a])[0] - 3 * transform.transform([b])[0], atol=1e-12)


def test_inverse_is_linear_on_any_spectrogram():
    transform = STFT(16, 4, sample_rate=1).fit([noise(100)])
    a, b = noise(2, 2, 30, 9) + 1j * noise(2, 2, 30, 9, seed=1)
    whole = transform.inverse_transform([2 * a - 3 * b])[0]
    assert_allclose(
        whole, 2 * transform.inverse_transform([a])[0] - 3 * transform.inverse_transform([b])[0], atol=1e-12
    )


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_inverse_is_the_nearest_signal(window):
    """No other signal has windowed frames nearer to those of a spectrogram that is none of any signal."""
    window, hop, rng = get_window(window, 16), 4, np.random.default_rng(0)
    spectrogram = rng.normal(size=(20, 9)) + 1j * rng.normal(size=(20, 9))
    best = istft(spectrogram, window, hop)

    def distance(signal):
        frames = np.fft.irfft(stft(signal, window, hop) - spectrogram, 16)
        return np.sum(frames**2)

    for _ in range(20):
        assert distance(best) < distance(best + 0.01 * rng.normal(size=best.shape))


@pytest.mark.parametrize("sample_rate", [8000, 16000, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize("window", ["hann", "hamming"])
def test_a_sinusoid_has_half_its_amplitude_at_every_rate(sample_rate, window):
    frequency, amplitude = 25 * 10, 0.3  # a frame of 0.12 s has bins 8.33 Hz apart: bin 30
    time = np.arange(sample_rate) / sample_rate
    signal = amplitude * np.cos(2 * np.pi * frequency * time + 0.4)
    spectrogram = STFT(window=window, sample_rate=sample_rate).fit_transform([signal])[0]
    middle = abs(spectrogram[8:-8])
    assert_allclose(middle[:, 30], amplitude / 2, rtol=1e-6)
    assert (middle.argmax(axis=-1) == 30).all()


def test_the_same_sound_gives_the_same_spectrogram_at_two_rates():
    frequencies = [100, 440, 1234.5]
    views = []
    for sample_rate in (16000, 48000):
        time = np.arange(sample_rate) / sample_rate
        signal = sum(np.sin(2 * np.pi * f * time + f) for f in frequencies)
        views.append(STFT(0.04, 0.01, sample_rate=sample_rate).fit_transform([signal])[0])
    assert views[0].shape[0] == views[1].shape[0]
    # the Hann windows are sampled at other points, so the two are near, not equal
    assert_allclose(abs(views[0][8:-8, :100]), abs(views[1][8:-8, :100]), atol=2e-3)


def test_single_precision_stays_single():
    signal = noise(2, 500).astype(np.float32)
    transform = STFT(16, 4, sample_rate=1)
    spectrogram = transform.fit_transform(signal)
    assert spectrogram.dtype == np.complex64
    restored = transform.inverse_transform(spectrogram)
    assert restored.dtype == np.float32
    assert_allclose(restored[:, :500], signal, atol=1e-5)


def test_recordings_are_read():
    samples = noise(300)
    transform = STFT(16, 4, sample_rate=1)
    lazy = transform.fit_transform([ArrayRecording(samples, 1)])[0]
    assert_array_equal(lazy, transform.transform([samples])[0])


@pytest.mark.parametrize(("frame", "hop"), [(8, 2), (8, 3), (16, 4)])
@pytest.mark.parametrize("n_samples", [1, 8, 50, 101])
def test_tensors_give_the_same_as_arrays(frame, hop, n_samples):
    window, signal = get_window("hann", frame), noise(2, 3, n_samples)
    spectrogram = stft(signal, window, hop)
    tensor = stft(torch.tensor(signal), window, hop)
    assert_allclose(tensor.numpy(), spectrogram, atol=1e-12)
    changed = spectrogram * noise(*spectrogram.shape)
    back = istft(torch.tensor(changed), window, hop)
    assert_allclose(back.numpy(), istft(changed, window, hop), atol=1e-12)


def test_tensors_keep_their_precision():
    signal = torch.tensor(noise(100), dtype=torch.float32)
    spectrogram = stft(signal, get_window("hann", 16), 4)
    assert spectrogram.dtype == torch.complex64
    assert istft(spectrogram, get_window("hann", 16), 4).dtype == torch.float32


def test_gradients_are_right():
    window = get_window("hann", 8)
    signal = torch.tensor(noise(2, 20), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: stft(x, window, 3), signal)
    spectrogram = torch.tensor(noise(2, 6, 5) + 1j * noise(2, 6, 5, seed=1), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: istft(x, window, 3), spectrogram)


def test_tensors_go_through_the_transformer():
    transform = STFT(16, 4, sample_rate=1)
    signal = torch.tensor(noise(2, 100), requires_grad=True)
    spectrogram = transform.fit([signal.detach().numpy()]).transform(signal)
    restored = transform.inverse_transform(spectrogram)[..., :100]
    assert_allclose(restored.detach().numpy(), signal.detach().numpy(), atol=1e-10)
    restored.sum().backward()
    assert_allclose(signal.grad.numpy(), 1, atol=1e-10)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sample_rate": None}, "sample rate is unknown: give sample_rate in Hz"),
        ({"hop": 0.04, "frame": 0.02}, "hop=0.04 s is longer than frame=0.02 s"),
        ({"frame": 0.0201}, r"frame=0.0201 s is 160.8 samples at 8000 Hz.*whole number"),
        ({"hop": 0.0101}, r"hop=0.0101 s is 80.8 samples at 8000 Hz.*whole number"),
        ({"frame": 0.000001, "hop": 0.000001}, "whole number of at least one"),
        ({"frame": 0.020125, "hop": 0.01}, "frame=0.020125 s is 161 samples.*must be an even number"),
        ({"hop": 0.02}, "cannot be inverted.*hop of at most half the frame .0.01 s. works"),
        ({"frame": 0}, "'frame' parameter"),
        ({"hop": -1}, "'hop' parameter"),
        ({"sample_rate": 0}, "'sample_rate' parameter"),
    ],
)
def test_what_cannot_work_is_refused(parameters, message):
    transform = STFT(**{"frame": 0.02, "hop": 0.01, "sample_rate": 8000} | parameters)
    with pytest.raises(ValueError, match=message):
        transform.fit([noise(1000)])


def test_the_rates_that_do_not_fit_the_default_frame_are_refused():
    with pytest.raises(ValueError, match=r"661.5 samples at 22050 Hz.*resample"):
        STFT(sample_rate=22050).fit([noise(22050)])


def test_an_unknown_window_is_refused():
    with pytest.raises(ValueError, match="nonsense"):
        STFT(16, 4, "nonsense", sample_rate=1).fit([noise(100)])


@pytest.mark.parametrize("shape", [(9,), (4, 8), (4, 10), (2, 4, 10)])
def test_spectrograms_of_other_frames_are_refused(shape):
    transform = STFT(16, 4, sample_rate=1).fit([noise(100)])
    with pytest.raises(ValueError, match=r"shape \(..., n_frames, 9\)"):
        transform.inverse_transform([np.ones(shape, complex)])
