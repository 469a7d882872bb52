"""Keeping the low frequencies of a spectrogram."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skseparate.preprocessing import STFT, FrequencyTruncation, resize_bins


def spectrogram(n_bins, *leading):
    rng = np.random.default_rng(n_bins)
    return rng.normal(size=(*leading, 3, n_bins)) + 1j * rng.normal(size=(*leading, 3, n_bins))


@pytest.mark.parametrize(
    ("max_frequency", "n_kept"),
    [(0, 1), (99, 1), (100, 2), (101, 2), (1999, 20), (2000, 21), (4000, 41), (4001, 41), (1e9, 41)],
)
def test_the_bin_at_the_cut_is_the_last_one_kept(max_frequency, n_kept):
    truncation = FrequencyTruncation(max_frequency, sample_rate=8000)  # 41 bins, 100 Hz apart
    view = spectrogram(41, 2)
    assert_array_equal(truncation.fit_transform([view])[0], view[..., :n_kept])
    assert truncation.n_bins_ == n_kept and truncation.n_bins_in_ == 41


@pytest.mark.parametrize("max_frequency", [4000, 8192])
def test_a_cut_above_nyquist_keeps_all(max_frequency):
    truncation, view = FrequencyTruncation(max_frequency, sample_rate=8000), spectrogram(41)
    assert_array_equal(truncation.inverse_transform(truncation.fit_transform([view]))[0], view)


@pytest.mark.parametrize("fill", ["repeat", "zero"])
def test_what_stands_above_the_cut(fill):
    truncation, view = FrequencyTruncation(1000, fill, sample_rate=8000), spectrogram(41, 2)
    restored = truncation.inverse_transform(truncation.fit_transform([view]))[0]
    assert_array_equal(restored[..., :11], view[..., :11])
    above = np.broadcast_to(view[..., 10:11], (2, 3, 30)) if fill == "repeat" else 0
    assert_array_equal(restored[..., 11:], above)


def test_a_spectrogram_with_more_bins_is_cut_to_those_learned():
    truncation = FrequencyTruncation(8192, sample_rate=8000).fit([spectrogram(41)])
    wide = spectrogram(121)
    assert_array_equal(truncation.transform([wide])[0], wide[..., :41])


def test_a_spectrogram_with_fewer_bins_is_padded_to_those_learned():
    truncation = FrequencyTruncation(3000, sample_rate=8000).fit([spectrogram(41)])
    narrow = spectrogram(21)
    view = truncation.transform([narrow])[0]
    assert_array_equal(view[..., :21], narrow)
    assert view.shape[-1] == 31 and (view[..., 21:] == 0).all()


@pytest.mark.parametrize("sample_rate", [16000, 32000, 44100, 48000, 96000])
def test_the_same_cut_keeps_the_same_bins_at_every_rate(sample_rate):
    view = STFT(sample_rate=sample_rate).fit_transform([np.zeros(sample_rate)])[0]
    truncation = FrequencyTruncation(4000, sample_rate=sample_rate).fit([view])
    assert truncation.n_bins_ == 1 + round(4000 * 0.12)


@pytest.mark.parametrize("fill", ["repeat", "zero"])
@pytest.mark.parametrize("n_bins", [1, 4, 5, 6, 12])
def test_resizing_tensors_equals_resizing_arrays(fill, n_bins):
    view = spectrogram(5, 2)
    assert_array_equal(resize_bins(torch.tensor(view), n_bins, fill).numpy(), resize_bins(view, n_bins, fill))


def test_the_gradient_of_the_repeated_bin_is_summed():
    view = torch.ones(1, 3, requires_grad=True)
    resize_bins(view, 8).sum().backward()
    assert_array_equal(view.grad.numpy(), [[1, 1, 6]])


def test_is_linear():
    truncation, a, b = FrequencyTruncation(1000, sample_rate=8000), spectrogram(41), 2 * spectrogram(41)[::-1]
    truncation.fit([a])
    assert_array_equal(truncation.transform([a + b])[0], truncation.transform([a])[0] + truncation.transform([b])[0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sample_rate": None}, "sample rate is unknown: give sample_rate in Hz"),
        ({"max_frequency": -1}, "'max_frequency' parameter"),
        ({"fill": "mirror"}, "'fill' parameter"),
    ],
)
def test_what_cannot_work_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        FrequencyTruncation(**{"sample_rate": 8000} | parameters).fit([spectrogram(41)])
