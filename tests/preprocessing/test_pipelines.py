"""The transformers composed in plain scikit-learn pipelines."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skseparate._recording import LazySequence, object_array
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

RATE = 8000
LENGTHS = [1, 100, 799, 800, 801, 5000]


def representation(overlap=0.1, frame=0.02, hop=0.01):
    return make_pipeline(Segmenter(0.1, overlap, sample_rate=RATE), STFT(frame, hop, sample_rate=RATE))


def signals(*leading):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(*leading, n)) for n in LENGTHS]


@pytest.mark.parametrize("overlap", [0, 0.1, 0.5, 0.75])
@pytest.mark.parametrize(("frame", "hop"), [(0.02, 0.01), (0.02, 0.005), (0.02, 0.003), (0.04, 0.02)])
@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_recordings_of_any_length_come_back(overlap, frame, hop, leading):
    pipeline, recordings = representation(overlap, frame, hop), signals(*leading)
    spectrograms = pipeline.fit_transform(recordings)
    restored = pipeline.inverse_transform(spectrograms)
    assert isinstance(spectrograms, list) and isinstance(restored, list)
    for recording, back in zip(recordings, restored, strict=True):
        assert_allclose(back[..., : recording.shape[-1]], recording, atol=1e-10)
        assert_allclose(back[..., recording.shape[-1] :], 0, atol=1e-10)


def test_a_mixture_is_the_sum_of_its_solos_in_the_representation():
    pipeline, solos = representation(), signals(3)
    down = pipeline.fit_transform(solos)
    for spectrograms, mixture in zip(down, pipeline.transform([s.sum(axis=0) for s in solos]), strict=True):
        assert spectrograms.ndim == 4
        assert_allclose(spectrograms.sum(axis=0), mixture, atol=1e-12)


@pytest.mark.parametrize("compression", [1, 0.5, "decibel"])
def test_representation_and_features_are_one_pipeline(compression):
    features = make_pipeline(FrequencyTruncation(sample_rate=RATE), Magnitude(compression))
    whole = make_pipeline(representation(), features)
    spectrograms = representation().fit_transform(signals())
    for view, magnitude in zip(features.fit_transform(spectrograms), whole.fit_transform(signals()), strict=True):
        assert_array_equal(view, magnitude)
    for back, spectrogram in zip(features.inverse_transform(whole.transform(signals())), spectrograms, strict=True):
        assert_allclose(back, abs(spectrogram), rtol=1e-8, atol=1.1e-6)


@pytest.mark.parametrize("container", [list, tuple, object_array, lambda x: LazySequence(x.__getitem__, range(len(x)))])
def test_every_container_gives_the_same(container):
    pipeline = representation()
    expected = pipeline.fit_transform(signals())
    for a, b in zip(clone(pipeline).fit_transform(container(signals())), expected, strict=True):
        assert_array_equal(a, b)


def test_a_table_is_a_stack_of_signals():
    table = np.random.default_rng(0).normal(size=(4, 1000))
    pipeline = representation()
    stacked = pipeline.fit_transform(table)
    assert_array_equal(stacked, np.stack(pipeline.transform(list(table))))
    assert_allclose(pipeline.inverse_transform(stacked)[:, :1000], table, atol=1e-10)


def test_a_tensor_goes_down_as_an_array_does():
    pipeline = representation().fit(signals())
    whole = make_pipeline(*(step for _, step in pipeline.steps), Magnitude(0.5)).fit(signals())
    signal = np.random.default_rng(1).normal(size=(2, 1, 900))
    assert_allclose(whole.transform(torch.tensor(signal)).numpy(), whole.transform(signal), atol=1e-10)


def test_learning_shapes_never_statistics():
    """A pipeline fitted on silence does what one fitted on noise does."""
    on_noise, on_silence = representation().fit(signals()), representation().fit([np.zeros(123)])
    for a, b in zip(on_noise.transform(signals()), on_silence.transform(signals()), strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("step", [Segmenter(sample_rate=1), STFT(sample_rate=100), FrequencyTruncation(sample_rate=1)])
def test_unfitted_steps_say_so(step):
    with pytest.raises(NotFittedError):
        step.transform([np.zeros(100)])
    with pytest.raises(NotFittedError):
        step.inverse_transform([np.zeros((3, 100))])


def test_parameters_are_reached_by_name():
    pipeline = representation().set_params(segmenter__duration=0.5, stft__hop=0.005)
    down = pipeline.fit_transform([np.zeros(4000)])[0]
    assert down.shape == (1, 103, 81)
