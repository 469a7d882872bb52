"""Compressed magnitudes."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skseparate.preprocessing import Magnitude

COMPRESSIONS = [1, 0.7, 0.5, 0.25, "decibel"]


def spectrogram(*shape):
    rng = np.random.default_rng(0)
    levels = 10 ** rng.uniform(-5, 1, size=shape)
    return levels * np.exp(2j * np.pi * rng.uniform(size=shape))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_round_trip_restores_the_magnitude(compression):
    view = spectrogram(2, 5, 9)
    magnitude = Magnitude(compression)
    assert_allclose(magnitude.inverse_transform(magnitude.fit_transform([view]))[0], abs(view), rtol=1e-10)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_silence_comes_back_as_silence(compression):
    magnitude = Magnitude(compression)
    features = magnitude.fit_transform([np.zeros((3, 4), complex)])[0]
    assert np.isfinite(features).all()
    assert_array_equal(magnitude.inverse_transform([features])[0], 0)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_phase_does_not_matter(compression):
    view, magnitude = spectrogram(5, 9), Magnitude(compression)
    assert_allclose(magnitude.fit_transform([1j * view])[0], magnitude.transform([abs(view)])[0], rtol=1e-12)


@pytest.mark.parametrize(("compression", "feature"), [(1, 0.04), (0.5, 0.2), ("decibel", 20 * np.log10(0.04))])
def test_what_a_magnitude_becomes(compression, feature):
    assert Magnitude(compression).fit_transform([np.array([[0.04j]])])[0] == pytest.approx(feature)


def test_decibels_have_a_floor():
    magnitude = Magnitude("decibel")
    levels = np.array([[0, 1e-9, 1e-6, 1e-5]])
    features = magnitude.fit_transform([levels])[0]
    assert_allclose(features, [[-120, -120, -120, -100]])
    assert_allclose(magnitude.inverse_transform([features])[0], [[0, 0, 0, 1e-5]])


@pytest.mark.parametrize("compression", [1, 0.5, 0.25])
def test_a_negative_estimate_is_silence(compression):
    magnitude = Magnitude(compression).fit([np.ones((1, 3))])
    assert_allclose(magnitude.inverse_transform([np.array([[-3.0, 0.0, 1.0]])])[0], [[0, 0, 1]])


def test_compression_brings_levels_nearer():
    loud_and_soft = np.array([[1.0, 1e-4]])
    ratios = [np.divide(*Magnitude(c).fit_transform([loud_and_soft])[0][0]) for c in (1, 0.5, 0.25)]
    assert_allclose(ratios, [1e4, 1e2, 10])


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_tensors_give_the_same_as_arrays(compression):
    view, magnitude = spectrogram(2, 5, 9), Magnitude(compression)
    features = magnitude.fit_transform([view])[0]
    tensor = torch.tensor(view, requires_grad=True)
    down = magnitude.transform(tensor)
    assert_allclose(down.detach().numpy(), features, atol=1e-10)
    up = magnitude.inverse_transform(down)
    assert_allclose(up.detach().numpy(), abs(view), rtol=1e-10)
    up.sum().backward()
    assert_allclose(abs(tensor.grad.numpy()), 1, rtol=1e-8)  # of |z|


@pytest.mark.parametrize("compression", [0, -1, 1.5, "power", None])
def test_what_is_no_compression_is_refused(compression):
    with pytest.raises(ValueError, match="'compression' parameter"):
        Magnitude(compression).fit([spectrogram(3, 4)])
