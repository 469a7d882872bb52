"""Segments that overlap and cross-fade."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skseparate.datasets import ArrayRecording
from skseparate.preprocessing import OverlapAdd, Segmenter, count_segments

LENGTHS = [1, 2, 9, 10, 11, 19, 20, 21, 100, 101]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("overlap", [0, 0.1, 0.25, 0.3, 0.5, 0.75, 0.9, 0.99])
@pytest.mark.parametrize("length", [1, 2, 3, 10, 32, 1000])
def test_round_trip_is_exact(length, overlap):
    segmenter = Segmenter(length, overlap, sample_rate=1)
    for n_samples in LENGTHS:
        signal = noise(2, 3, n_samples, seed=n_samples)
        restored = segmenter.fit([signal]).inverse_transform(segmenter.transform([signal]))[0]
        assert_allclose(restored[..., :n_samples], signal, atol=1e-10)
        assert_allclose(restored[..., n_samples:], 0, atol=1e-10)


@pytest.mark.parametrize("overlap", [0, 0.1, 0.5, 0.75])
@pytest.mark.parametrize("n_samples", LENGTHS)
def test_segments_are_slices_of_the_signal(overlap, n_samples):
    signal = noise(n_samples)
    segmenter = Segmenter(10, overlap, sample_rate=1)
    segments = segmenter.fit_transform([signal])[0]
    hop = segmenter.segment_hop_
    assert hop == 10 - round(10 * overlap)
    assert len(segments) == count_segments(n_samples, 10, hop)
    padded = np.concatenate([signal, np.zeros(20)])
    for k, segment in enumerate(segments):
        assert_array_equal(segment, padded[k * hop : k * hop + 10])


@pytest.mark.parametrize("length", [1, 4, 10])
@pytest.mark.parametrize("hop", [1, 3, 4])
def test_as_few_segments_as_cover_the_signal(length, hop):
    for n_samples in range(1, 40):
        n_segments = count_segments(n_samples, length, hop)
        assert (n_segments - 1) * hop + length >= n_samples
        assert n_segments == 1 or (n_segments - 2) * hop + length < n_samples


def test_mixtures_and_solos_are_cut_alike():
    solos = noise(3, 1234)
    mixture_segments, solo_segments = Segmenter(0.1, sample_rate=1000).fit_transform([solos.sum(axis=0), solos])
    assert solo_segments.shape == (3, *mixture_segments.shape)
    assert_allclose(solo_segments.sum(axis=0), mixture_segments, atol=1e-12)


@pytest.mark.parametrize("overlap", [0.1, 0.25, 0.5, 0.75])
def test_a_change_of_gain_makes_no_click(overlap):
    """Constant gains that differ from one segment to the next become a ramp, in small steps."""
    segmenter = Segmenter(100, overlap, sample_rate=1).fit([noise(250)])
    gains = np.array([1.0, 3.0, 3.0, 7.0])
    faded = segmenter.inverse_transform([np.repeat(gains[:, None], 100, axis=1)])[0]
    steps = np.diff(faded)
    shortest_ramp = min(100 - segmenter.segment_hop_, segmenter.segment_hop_)
    assert faded[0] == pytest.approx(1) and faded[-1] == pytest.approx(7)
    assert (steps > -1e-12).all()
    assert steps.max() < 2 * np.diff(gains).max() / shortest_ramp


def test_neighbouring_gains_fade_linearly():
    segmenter = Segmenter(100, 0.2, sample_rate=1).fit([noise(180)])
    faded = segmenter.inverse_transform([np.repeat([[0.0], [1.0]], 100, axis=1)])[0]
    assert_allclose(faded[:80], 0, atol=1e-12)
    assert_allclose(faded[80:100], np.arange(1, 21) / 21, atol=1e-12)
    assert_allclose(faded[100:], 1)


def test_without_overlap_segments_stand_side_by_side():
    segmenter = Segmenter(10, 0, sample_rate=1).fit([noise(20)])
    segments = noise(3, 10)
    assert_array_equal(segmenter.inverse_transform([segments])[0], segments.ravel())


@pytest.mark.parametrize("overlap", [0, 0.1, 0.5, 0.75])
@pytest.mark.parametrize("pieces", [(1,) * 12, (5, 1, 6), (12,), (2, 10)])
def test_streaming_gives_what_the_inverse_gives(overlap, pieces):
    segmenter = Segmenter(20, overlap, sample_rate=1).fit([noise(100)])
    segments = noise(2, 12, 20)
    overlap_add, start, streamed = OverlapAdd(20, segmenter.segment_hop_), 0, []
    for n in pieces:
        streamed.append(overlap_add.push(segments[:, start : start + n]))
        assert streamed[-1].shape == (2, n * segmenter.segment_hop_)
        start += n
    streamed.append(overlap_add.flush())
    assert_allclose(np.concatenate(streamed, axis=-1), segmenter.inverse_transform([segments])[0], atol=1e-12)


def test_the_padding_of_an_inverse_stft_is_cut():
    segmenter = Segmenter(10, 0.1, sample_rate=1).fit([noise(30)])
    segments = noise(3, 10)
    padded = np.concatenate([segments, np.full((3, 4), 9.0)], axis=-1)
    assert_array_equal(segmenter.inverse_transform([padded])[0], segmenter.inverse_transform([segments])[0])


@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100, 48000])
def test_a_duration_is_as_many_samples_at_every_rate(sample_rate):
    segmenter = Segmenter(0.3, sample_rate=sample_rate).fit([noise(100)])
    assert segmenter.segment_length_ == round(0.3 * sample_rate)


def test_single_precision_stays_single():
    segmenter = Segmenter(10, 0.5, sample_rate=1)
    segments = segmenter.fit_transform([noise(55).astype(np.float32)])[0]
    assert segments.dtype == segmenter.inverse_transform([segments])[0].dtype == np.float32


def test_recordings_are_read():
    samples = noise(55)
    segmenter = Segmenter(10, sample_rate=1)
    assert_array_equal(segmenter.fit_transform([ArrayRecording(samples, 1)])[0], segmenter.transform([samples])[0])


def test_tensors_are_cut_like_arrays():
    signal = noise(2, 57)
    segmenter = Segmenter(10, 0.25, sample_rate=1).fit([signal])
    tensor = torch.tensor(signal, requires_grad=True)
    segments = segmenter.transform(tensor)
    assert_array_equal(segments.detach().numpy(), segmenter.transform([signal])[0])
    segments.sum().backward()
    expected = np.zeros(100)
    for k in range(segments.shape[1]):
        expected[8 * k : 8 * k + 10] += 1
    assert_array_equal(tensor.grad.numpy(), np.tile(expected[:57], (2, 1)))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sample_rate": None}, "sample rate is unknown: give sample_rate in Hz"),
        ({"duration": 0}, "'duration' parameter"),
        ({"overlap": 1}, "'overlap' parameter"),
        ({"overlap": -0.1}, "'overlap' parameter"),
        ({"sample_rate": -1}, "'sample_rate' parameter"),
    ],
)
def test_what_cannot_work_is_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Segmenter(**{"sample_rate": 8000} | parameters).fit([noise(100)])


@pytest.mark.parametrize("shape", [(10,), (3, 9), (2, 3, 9)])
def test_segments_that_are_too_short_are_refused(shape):
    segmenter = Segmenter(10, sample_rate=1).fit([noise(30)])
    with pytest.raises(ValueError, match=r"shape \(..., n_segments, 10\)"):
        segmenter.inverse_transform([np.ones(shape)])
