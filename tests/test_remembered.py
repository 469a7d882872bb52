"""Searches repeat no work: what is decoded and transformed is counted, in worker processes too."""

import os
import tracemalloc
from collections import Counter
from hashlib import sha256

import numpy as np
import pytest
import soundfile
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skseparate import Separator, _remembered
from skseparate._remembered import Remembered, remembering
from skseparate.datasets import ArrayRecording, AudioFile, CachedFile, StemCache, Stems, load_urmp
from skseparate.linear_model import LowRankRidge
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

RATE = 8000
GRID = {
    "representation__stft__hop": [0.01, 0.005],
    "regressor__rank": [2, 4, 8],
    "mask": ["ratio", "wiener"],
}


@pytest.fixture(autouse=True)
def nothing_kept():
    with remembering(0):
        pass
    yield
    with remembering(0):
        pass


# Classes inside of functions travel to worker processes by value, so what they count is counted there, too.


def counted_stft(log):
    """An STFT that writes a line for each segment it transforms: process, setting and samples."""

    class CountedSTFT(STFT):
        def _forward(self, signals):
            with open(log, "a") as file:
                for segment in np.ascontiguousarray(signals).reshape(-1, signals.shape[-1]):
                    what = sha256(segment.astype(np.float64)).hexdigest()
                    file.write(f"{os.getpid()} {self.frame} {self.hop} {self.sample_rate} {what}\n")
            return super()._forward(signals)

    return CountedSTFT(0.02, 0.01)


def counted_cache(folder, log):
    """A cache that writes a line for each file it decodes."""

    class CountedCache(StemCache):
        def _make(self, entry, blocks):
            with open(log, "a") as file:
                file.write(f"{entry.name}\n")
            super()._make(entry, blocks)

    return CountedCache(folder)


def counts(log):
    return Counter(log.read_text().splitlines())


def separator_of(stft, **options):
    return Separator(
        Pipeline([("segmenter", Segmenter(0.25)), ("stft", stft)]),
        make_pipeline(FrequencyTruncation(2000), Magnitude()),
        LowRankRidge(rank=4),
        **options,
    )


@pytest.fixture
def pieces(tmp_path, write_piece):
    """Five songs of two and three parts, in URMP's layout."""
    for k in range(1, 6):
        parts = ["vn", "va", "vc"] if k > 3 else ["vn", "vc"]
        lengths = [RATE + 10 * k] * len(parts)
        write_piece(f"{k:02d}_Song{k}_{'_'.join(parts)}", lengths, root=tmp_path / "urmp")
    return tmp_path / "urmp"


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_decodes_and_transforms_everything_once(tmp_path, pieces, n_jobs):
    decoded, transformed = tmp_path / "decoded", tmp_path / "transformed"
    cache = counted_cache(tmp_path / "cache", decoded)
    X, y, songs = load_urmp(pieces, cache=cache).power_set()
    separator = separator_of(counted_stft(transformed))
    search = GridSearchCV(separator, GRID, cv=GroupKFold(5), n_jobs=n_jobs, error_score="raise")
    search.fit(X, y, groups=songs)
    assert len(search.cv_results_["params"]) == 12
    assert sorted(counts(decoded).values()) == [1] * 12  # stems
    assert set(counts(transformed).values()) == {1}
    n_processes = len({line.split()[0] for line in counts(transformed)})
    # 11 mixes and 12 stems of 5 segments, and silence; in two settings
    assert len({line.split(maxsplit=1)[1] for line in counts(transformed)}) == 2 * (23 * 5 + 1)
    assert 1 <= n_processes <= n_jobs + 1  # the best is fitted here


def test_the_score_is_the_same_to_the_bit_where_nothing_is_kept(tmp_path, pieces):
    X, y, songs = load_urmp(pieces).power_set()
    found = []
    for cache_size in (500, 0):
        log = tmp_path / f"transformed{cache_size}"
        search = GridSearchCV(
            separator_of(counted_stft(log), cache_size=cache_size), {"regressor__rank": [2, 4]}, cv=GroupKFold(5)
        )
        found.append(search.fit(X, y, groups=songs).cv_results_["mean_test_score"])
        assert (max(counts(log).values()) == 1) == (cache_size > 0)
    np.testing.assert_array_equal(*found)


def solo_model():
    return separator_of(STFT(0.02, 0.01))


def fitted_anew(X, y):
    return clone(solo_model()).set_params(cache_size=0).fit(X, y).predict(X)[0]


def test_an_array_changed_in_place_is_transformed_anew():
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 0.1, (2, RATE)).astype(np.float32)
    y = [Stems([ArrayRecording(s, RATE) for s in samples], ["vn", "vc"])]
    mixture = samples.sum(axis=0)
    X = [ArrayRecording(mixture, RATE, ["vn", "vc"])]
    before = solo_model().fit(X, y).predict(X)[0]
    samples[1] *= np.linspace(0, 3, RATE, dtype=np.float32)
    mixture[:] = samples.sum(axis=0)
    after = solo_model().fit(X, y).predict(X)[0]
    assert not np.allclose(before, after)
    np.testing.assert_array_equal(after, fitted_anew(X, y))


@pytest.mark.parametrize("through_cache", [False, True])
def test_a_file_written_anew_is_transformed_anew(tmp_path, through_cache):
    rng = np.random.default_rng(0)
    paths = [tmp_path / name for name in ("vn.wav", "vc.wav")]

    def write(gain):
        for path in paths:
            soundfile.write(path, gain * rng.normal(0, 0.1, RATE), RATE, subtype="FLOAT")

    write(1.0)
    cache = StemCache(tmp_path / "cache")
    stems = [CachedFile(p, cache=cache) if through_cache else AudioFile(p) for p in paths]
    y = [Stems(stems, ["vn", "vc"])]
    X = [ArrayRecording(np.asarray(y[0]).sum(axis=0), RATE, ["vn", "vc"])]
    before = solo_model().fit(X, y).regressor_
    write(0.5)
    X = [ArrayRecording(np.asarray(y[0]).sum(axis=0), RATE, ["vn", "vc"])]
    after = solo_model().fit(X, y)
    assert before is not after.regressor_
    np.testing.assert_array_equal(after.predict(X)[0], fitted_anew(X, y))


@pytest.mark.parametrize("change", [{"frame": 0.04}, {"hop": 0.005}, {"window": "hamming"}, {"sample_rate": 4000}])
def test_another_setting_has_other_spectrograms(change):
    segments = np.random.default_rng(0).normal(size=(2, 800))
    settings = {"frame": 0.02, "hop": 0.01, "sample_rate": RATE}
    with remembering(10):
        for options in (settings, settings | change, settings):
            steps = make_pipeline(STFT(**options)).fit(segments)
            np.testing.assert_array_equal(Remembered(steps)(segments), steps.transform([segments])[0])


def test_a_type_of_samples_is_a_setting_too():
    steps = make_pipeline(STFT(0.02, 0.01, sample_rate=RATE)).fit(np.ones((1, 800)))
    with remembering(10):
        assert Remembered(steps)(np.zeros((1, 800), np.float32)).dtype == np.complex64
        assert Remembered(steps)(np.zeros((1, 400))).dtype == np.complex128  # as many bytes, all of them zero


def test_code_defined_anew_is_run_anew():
    def louder(gain):
        class Louder(STFT):
            def _forward(self, signals):
                return gain * super()._forward(signals)

        return make_pipeline(Louder(0.02, 0.01, sample_rate=RATE)).fit(np.ones((1, 800)))

    def scaled(gain):
        return make_pipeline(FunctionTransformer(lambda X: [gain * np.asarray(x) for x in X])).fit([[1.0]])

    segments = np.random.default_rng(0).normal(size=(2, 800))
    with remembering(10):
        for make in (louder, scaled):
            once, twice = (Remembered(make(gain))(segments) for gain in (1, 2))
            np.testing.assert_allclose(twice, 2 * once)


def test_what_cannot_be_told_apart_is_not_kept():
    class Odd(STFT):
        def _learn(self, signal):
            self.state_ = object()
            super()._learn(signal)

    steps = make_pipeline(Odd(0.02, 0.01, sample_rate=RATE)).fit(np.ones((1, 800)))
    with remembering(10):
        assert Remembered(steps)(np.ones((1, 800))).shape[0] == 1
    assert not _remembered._kept


def test_memory_is_bounded_and_the_last_used_stays():
    steps = make_pipeline(STFT(0.02, 0.01, sample_rate=RATE)).fit(np.ones((1, RATE)))
    transform = Remembered(steps)
    segments = np.random.default_rng(0).normal(size=(60, RATE))
    size = transform(segments[:1]).nbytes
    assert not _remembered._kept
    with remembering(10 * size / 2**20):
        tracemalloc.start()
        for k in range(0, 60, 2):
            transform(segments[k : k + 2])
            assert _remembered._kept.currsize <= 10 * size
            transform(segments[:1])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(_remembered._kept) == 10
        assert peak < 20 * size
        steps.steps[-1][1].transform = None  # the first segment was used last, and is found
        transform(segments[:1])
        with remembering(3 * size / 2**20):
            assert len(_remembered._kept) == 3


def test_zero_lets_go_of_all_and_prediction_keeps_nothing(duos):
    X, y, _ = duos
    separator = solo_model().fit(X, y)
    assert _remembered._kept.currsize > 0
    separator.set_params(cache_size=0).fit(X, y)
    assert not _remembered._kept
    separator.set_params(cache_size=500).predict(X)
    assert not _remembered._kept
    separator.score(X, y)
    assert len(_remembered._kept) > 0


def test_samples_that_are_not_finite_are_refused_each_time():
    steps = make_pipeline(STFT(0.02, 0.01, sample_rate=RATE)).fit(np.ones((1, 800)))
    with remembering(10):
        for _ in range(2):
            with pytest.raises(ValueError, match="NaN"):
                Remembered(steps)(np.full((1, 800), np.nan))


def test_what_is_kept_cannot_be_written_to():
    steps = make_pipeline(STFT(0.02, 0.01, sample_rate=RATE)).fit(np.ones((1, 800)))
    with remembering(10):
        for _ in range(2):
            with pytest.raises(ValueError, match="read-only"):
                Remembered(steps)(np.ones((1, 800)))[:] = 0


@pytest.mark.parametrize("cache_size", [-1, "much", None])
def test_impossible_sizes_are_refused(duos, cache_size):
    with pytest.raises(ValueError, match="cache_size"):
        solo_model().set_params(cache_size=cache_size).fit(*duos[:2])
