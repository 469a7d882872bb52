"""The floor and the ceiling of every table."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate.baseline import IdealMask, MixtureSeparator, _mixture
from skseparate.datasets import ArrayRecording, Mixture, Stems, make_ensembles
from skseparate.linear_model import LowRankRidge
from skseparate.preprocessing import STFT, Segmenter

BOTH = [IdealMask(), IdealMask(mask="wiener"), MixtureSeparator()]


def representation(duration=0.1):
    return make_pipeline(Segmenter(duration), STFT(0.04, 0.01))


@pytest.fixture(scope="module")
def trios():
    return make_ensembles(3, n_parts=3, duration=1.0, sample_rate=8000, random_state=0).power_set()


def test_the_mixture_improves_nothing(duos, trios):
    for X, y, _ in (duos, trios):
        assert MixtureSeparator().fit(X, y).score(X, y) == 0


def test_the_mixture_is_every_part(trios):
    X, y, _ = trios
    for mix, solos, true in zip(X, MixtureSeparator().fit(X, y).predict(X), y, strict=True):
        assert solos.shape == true.shape
        assert_array_equal(solos, np.tile(np.asarray(mix), (len(solos), 1)))


def test_the_mixture_comes_in_blocks(duos, monkeypatch):
    X, y, _ = duos
    fitted = MixtureSeparator().fit(X, y)
    monkeypatch.setattr(_mixture, "BLOCK_LENGTH", 3000)
    blocks = list(fitted.iter_predict(X[0]))
    assert [b.shape[-1] for b in blocks] == [3000, 3000, 2000]
    assert_array_equal(np.concatenate(blocks, axis=-1), fitted.predict(X[:1])[0])


def test_of_unknown_parts_there_is_one_a_slot(trios):
    X, y, _ = trios
    fitted = MixtureSeparator().fit(X, y)
    assert fitted.predict([np.asarray(X[0])])[0].shape == (3, 8000)
    assert np.concatenate(list(fitted.iter_predict(X[0], 5)), axis=-1).shape == (5, 8000)


def test_the_mixture_needs_as_many_solos_as_recordings(duos):
    X, y, _ = duos
    with pytest.raises(ValueError, match="X has 4 recordings and y has solos for 2"):
        MixtureSeparator().fit(X, y[:2])


@pytest.mark.parametrize("mask", ["ratio", "wiener"])
def test_the_ideal_mask_beats_everything(trios, mask):
    X, y, _ = trios
    ceiling = IdealMask(mask, representation()).fit(X, y).score(X, y)
    assert ceiling > 8
    for regressor in (DummyRegressor(), LowRankRidge(alpha=1e-6, rank=4), LowRankRidge()):
        assert Separator(representation(), regressor=regressor, mask=mask).fit(X, y).score(X, y) < ceiling
    assert MixtureSeparator().fit(X, y).score(X, y) < ceiling


def test_ideal_solos_sum_to_the_mixture(trios):
    X, _, _ = trios
    for mask in ("ratio", "wiener"):
        for mix, solos in zip(X, IdealMask(mask, representation()).fit().predict(X), strict=True):
            assert_allclose(solos.sum(axis=0), np.asarray(mix), atol=1e-5)


def test_sources_apart_in_frequency_are_found():
    """Two sinusoids of other bins: the mask is all that is needed."""
    time = np.arange(8000) / 8000
    solos = np.stack([np.sin(2 * np.pi * 500 * time), 0.3 * np.sin(2 * np.pi * 2000 * time)])
    stems = Stems([ArrayRecording(s, 8000) for s in solos], ["vc", "fl"])
    separator = IdealMask("wiener", representation(0.5)).fit()
    (estimates,) = separator.predict([Mixture(stems)])
    assert_allclose(estimates[:, 500:-500], solos[:, 500:-500], atol=2e-3)
    assert separator.score([Mixture(stems)], [stems]) > 25


def test_a_source_alone_is_the_mixture():
    solos = np.random.default_rng(0).normal(size=(3, 4000))
    solos[1:] = 0
    stems = Stems([ArrayRecording(s, 8000) for s in solos], ["vn", "va", "vc"])
    assert_allclose(IdealMask(representation=representation()).fit().predict([Mixture(stems)])[0], solos, atol=1e-10)


def test_one_ideal_mask_for_all_rates():
    separator = IdealMask().fit()
    for rate in (16000, 48000):
        X, y, _ = make_ensembles(1, 2, duration=1.0, sample_rate=rate, random_state=0).power_set()
        assert separator.score(X, y) > 5
        assert separator.predict(X)[0].shape == (2, rate)


def test_the_ideal_mask_refuses_recordings_without_sources(duos):
    X, y, _ = duos
    separator = IdealMask().fit(X, y)
    for recording in (np.asarray(X[0]), ArrayRecording(np.asarray(X[0]), 8000, ["vn", "vc"])):
        with pytest.raises(ValueError, match="does not know its sources, which IdealMask needs"):
            separator.predict([recording])


def test_the_ideal_mask_refuses_other_numbers_of_parts(duos):
    X, y, _ = duos
    with pytest.raises(ValueError, match="has 2 sources; 3 were asked for"):
        list(IdealMask().fit().iter_predict(X[0], 3))
    with pytest.raises(ValueError, match="has 2 sources; 1 were asked for"):
        IdealMask().fit().score(X[:1], [np.asarray(y[0])[:1]])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mask": "direct"}, "'mask' parameter"),
        ({"representation": 3}, "'representation' parameter"),
        ({"sample_rate": -1}, "'sample_rate' parameter"),
    ],
)
def test_parameters_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        IdealMask(**parameters).fit()


def test_rates_that_contradict_are_refused(duos):
    with pytest.raises(ValueError, match="8000 Hz, but sample_rate=16000"):
        IdealMask(sample_rate=16000).fit().predict(duos[0])


@pytest.mark.parametrize("separator", BOTH, ids=repr)
def test_baselines_are_ordinary_separators(duos, separator):
    X, y, songs = duos
    with pytest.raises(NotFittedError):
        clone(separator).predict(X)
    fitted = clone(separator).fit(X, y)
    solos = fitted.predict(X)
    assert solos.shape == (4,) and solos.dtype == object
    for a, b in zip(pickle.loads(pickle.dumps(fitted)).predict(list(X)), solos, strict=True):
        assert_array_equal(a, b)
    scores = cross_validate(separator, X, y, groups=songs, cv=GroupKFold(2), error_score="raise")["test_score"]
    assert np.isfinite(scores).all()
    assert type(separator).__name__ in separator._repr_html_()
    for bad in ([], X[0], "song.wav"):
        with pytest.raises(ValueError):
            fitted.predict(bad)
