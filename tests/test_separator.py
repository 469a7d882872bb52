"""Separation as regression in an invertible representation."""

import pickle
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skseparate import Separator
from skseparate._recording import Recording
from skseparate.baseline import IdealMask, MixtureSeparator
from skseparate.datasets import ArrayRecording, Mixture, Stems, make_ensembles
from skseparate.linear_model import LowRankRidge, LowRankRidgeCV, _low_rank_ridge, _solvers
from skseparate.metrics import si_sdr_improvement
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

RATE = 8000


class FirstTakesAll(BaseEstimator):
    """Estimates the mixture for slot 0 and silence for all others."""

    def __init__(self, gain=1.0):
        self.gain = gain

    def fit(self, X, y):
        self.n_slots_, self.rows_, self.targets_ = y.shape[1] // X.shape[1], X, y
        return self

    def predict(self, X):
        X = np.asarray(X)
        return np.concatenate([self.gain * X, np.zeros((len(X), (self.n_slots_ - 1) * X.shape[1]))], axis=1)


class Everybody(FirstTakesAll):
    """Estimates the mixture, louder or softer, for every slot."""

    def predict(self, X):
        return np.tile(self.gain * np.asarray(X), (1, self.n_slots_))


def small(regressor=None, overlap=0.1, max_frequency=1000, compression=1.0, **parameters):
    """A separator of short segments."""
    return Separator(
        make_pipeline(Segmenter(0.1, overlap), STFT(0.02, 0.01)),
        make_pipeline(FrequencyTruncation(max_frequency), Magnitude(compression)),
        LowRankRidge(rank=8) if regressor is None else regressor,
        **parameters,
    )


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def ensembles(n_songs=3, n_parts=2, sample_rate=RATE, duration=1.0, random_state=0):
    return make_ensembles(
        n_songs, n_parts, duration=duration, sample_rate=sample_rate, random_state=random_state
    ).power_set()


# ---------------------------------------------------------------------------------------- what comes out


def test_defaults_work(duos):
    X, y, _ = duos
    solos = Separator().fit(X, y).predict(X)
    assert solos.shape == (4,) and solos.dtype == object
    for estimate, mix in zip(solos, X, strict=True):
        assert_allclose(estimate.sum(axis=0), np.asarray(mix), atol=1e-5)
    assert Separator().fit(X, y).score(X, y) > 1


def test_it_learns(duos):
    """Better than the mixture on what it was fitted on, and than what knows no song on others like it."""
    X, y, _ = duos
    fitted = small(LowRankRidge(alpha=1e-6, rank=64)).fit(X, y)
    assert fitted.score(X, y) > 5
    assert fitted.score(X, y) > small(DummyRegressor()).fit(X, y).score(X, y) + 0.5


@pytest.mark.parametrize("overlap", [0, 0.1, 0.5])
@pytest.mark.parametrize("n_samples", [160, 161, 239, 799, 800, 801, 1519, 1520, 1521, 4000, 8001])
def test_solos_are_as_long_as_the_recording(n_samples, overlap):
    y = [noise(2, 3000)]
    separator = small(DummyRegressor(), overlap, sample_rate=RATE).fit([y[0].sum(axis=0)], y)
    mixture = noise(n_samples, seed=1)
    (solos,) = separator.predict([mixture])
    assert solos.shape == (2, n_samples)
    assert_allclose(solos.sum(axis=0), mixture, atol=1e-10)


@pytest.mark.parametrize("mask", ["ratio", "wiener", "direct"])
@pytest.mark.parametrize("overlap", [0, 0.1, 0.75])
@pytest.mark.parametrize("compression", [1.0, 0.5])
@pytest.mark.parametrize("max_frequency", [500, 4000])
def test_where_one_source_is_all_it_is_the_mixture(mask, overlap, compression, max_frequency):
    y = [noise(3, 5000)]
    separator = small(FirstTakesAll(), overlap, max_frequency, compression, mask=mask, sample_rate=RATE)
    mixture = noise(4321, seed=1)
    (solos,) = separator.fit([y[0].sum(axis=0)], y).predict([mixture])
    assert_allclose(solos[0], mixture, atol=1e-10)
    assert_allclose(solos[1:], 0, atol=1e-10)


@pytest.mark.parametrize("mask", ["ratio", "wiener"])
def test_equal_estimates_share_equally(mask):
    y = [noise(4, 3000)]
    separator = small(Everybody(), mask=mask, sample_rate=RATE).fit([y[0].sum(axis=0)], y)
    mixture = noise(3000, seed=1)
    assert_allclose(separator.predict([mixture])[0], np.tile(mixture / 4, (4, 1)), atol=1e-10)


@pytest.mark.parametrize("gain", [0.25, 1.0, 2.0])
def test_direct_takes_estimates_as_they_are(gain):
    y = [noise(2, 3000)]
    separator = small(Everybody(gain), mask="direct", sample_rate=RATE).fit([y[0].sum(axis=0)], y)
    mixture = noise(3000, seed=1)
    assert_allclose(separator.predict([mixture])[0], np.tile(gain * mixture, (2, 1)), atol=1e-10)


@pytest.mark.parametrize("mask", ["ratio", "wiener", "direct"])
def test_silence_stays_silent(duos, mask):
    X, y, _ = duos
    separator = small(mask=mask).fit(X, y)
    solos = separator.predict([ArrayRecording(np.zeros(3000, np.float32), RATE, ["vn", "vc"])])[0]
    assert_array_equal(solos, np.zeros((2, 3000)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_is_that_of_the_recording(dtype):
    y = [noise(2, 3000).astype(dtype)]
    X = [y[0].sum(axis=0)]
    assert small(sample_rate=RATE).fit(X, y).predict(X)[0].dtype == dtype


def test_features_that_are_one_transformer(duos):
    X, y, _ = duos
    separator = Separator(make_pipeline(Segmenter(0.1), STFT(0.02, 0.01)), Magnitude(0.5), LowRankRidge(rank=8))
    assert separator.fit(X, y).score(X, y) > 1


def test_any_pipeline_of_regressors(duos):
    X, y, _ = duos
    scaled = small(make_pipeline(StandardScaler(), Ridge())).fit(X, y)
    assert [s.shape for s in scaled.predict(X)] == [(2, 8000)] * 4


# --------------------------------------------------------------------------------------------- rates


def test_one_model_at_every_rate():
    """Fitted at 16 kHz, it separates the same music at 48 and 32 kHz, and keeps what lies above 8 kHz."""
    X, y, _ = ensembles(3, sample_rate=16000)
    separator = small(LowRankRidge(alpha=1e-6), max_frequency=8192).fit(X, y)
    at_home = separator.score(X, y)
    for rate in (48000, 32000):
        X_fast, y_fast, _ = ensembles(3, sample_rate=rate)
        for mix, solos in zip(X_fast, separator.predict(X_fast), strict=True):
            mixture = np.asarray(mix)
            assert solos.shape == (2, rate)
            assert_allclose(solos.sum(axis=0), mixture, atol=1e-5)
            above = np.fft.rfftfreq(rate, 1 / rate) > 8500
            energies = (abs(np.fft.rfft(solos))[:, above] ** 2).sum(axis=1)
            assert energies.sum() > 0.3 * (abs(np.fft.rfft(mixture))[above] ** 2).sum() > 0
            assert (energies > 0).all()
        assert separator.score(X_fast, y_fast) > 0.5 * at_home > 1


def test_one_model_at_a_lower_rate():
    X, y, _ = ensembles(2, sample_rate=16000)
    separator = small(max_frequency=8192).fit(X, y)
    X_slow, y_slow, _ = ensembles(2, sample_rate=8000)
    assert [s.shape for s in separator.predict(X_slow)] == [s.shape for s in y_slow]
    assert separator.score(X_slow, y_slow) > 1


def test_recordings_of_two_rates_in_one_fit():
    slow, fast = ensembles(2, sample_rate=8000), ensembles(2, sample_rate=16000, random_state=1)
    X, y = [*slow[0], *fast[0]], [*slow[1], *fast[1]]
    separator = small(LowRankRidge(alpha=1e-6, rank=64)).fit(X, y)
    assert separator.sample_rate_ == 8000
    assert [s.shape for s in separator.predict(X)] == [(2, 8000)] * 2 + [(2, 16000)] * 2
    assert separator.score(X, y) > 5


def test_plain_arrays_have_the_rate_of_fit(duos):
    X, y, _ = duos
    separator = small().fit(X, y)
    assert_array_equal(separator.predict([np.asarray(X[0])])[0], separator.predict(X[:1])[0])


def test_rates_told_to_each_step(duos):
    X, y, _ = duos
    plain, solos = [np.asarray(x) for x in X], [np.asarray(s) for s in y]
    separator = small().set_params(
        representation__segmenter__sample_rate=RATE,
        representation__stft__sample_rate=RATE,
        features__frequencytruncation__sample_rate=RATE,
    )
    told = small(sample_rate=RATE).fit(plain, solos).predict(plain)
    assert_array_equal(separator.fit(plain, solos).predict(plain)[0], told[0])


def test_rates_that_are_unknown_or_contradict_are_refused(duos):
    X, y, _ = duos
    plain, solos = [np.asarray(x) for x in X], [np.asarray(s) for s in y]
    with pytest.raises(ValueError, match="sample_rate in Hz"):
        small().fit(plain, solos)
    with pytest.raises(ValueError, match=r"recording 0 \(song 00\) is at 8000 Hz, but sample_rate=16000"):
        small(sample_rate=16000).fit(X, y)
    fitted = small(sample_rate=RATE).fit(X, y)
    with pytest.raises(ValueError, match="is at 16000 Hz, but sample_rate=8000"):
        fitted.predict([ArrayRecording(np.zeros(8000), 16000)])
    for step in ("representation__segmenter", "representation__stft", "features__frequencytruncation"):
        with pytest.raises(ValueError, match=r"sample_rate=16000 Hz, but .*recording.* is at 8000 Hz: resample it"):
            small().set_params(**{f"{step}__sample_rate": 16000}).fit(X, y)


def test_a_rate_whose_frames_are_no_whole_samples_is_refused(duos):
    X, y, _ = duos
    fitted = small().fit(X, y)
    with pytest.raises(ValueError, match=r"220.5 samples at 11025 Hz.*resample"):
        fitted.predict([ArrayRecording(noise(8000), 11025)])


def test_solos_at_another_rate_than_the_mixture_are_refused(duos):
    X, y, _ = duos
    solos = Stems([ArrayRecording(s, 16000) for s in np.asarray(y[0])])
    with pytest.raises(ValueError, match="16000 Hz"):
        small().fit(X[:1], [solos])


# --------------------------------------------------------------------------------------------- parts


def test_each_recording_has_as_many_solos_as_parts():
    X, y, _ = ensembles(2, n_parts=3)
    separator = small().fit(X, y)
    assert separator.n_slots_ == 3
    assert [s.shape[0] for s in separator.predict(X)] == [s.shape[0] for s in y] == [2, 2, 2, 3] * 2


def test_the_first_slots_are_those_of_the_parts_present():
    X, y, _ = ensembles(1, n_parts=3)
    separator = small(FirstTakesAll()).fit(X, y)
    (solos,) = separator.predict(X[:1])
    assert_allclose(solos, np.stack([np.asarray(X[0]), np.zeros(8000)]), atol=1e-6)


def test_without_known_parts_there_is_a_solo_a_slot():
    X, y, _ = ensembles(2, n_parts=3)
    separator = small().fit(X, y)
    mixture = np.asarray(X[0])
    (solos,) = separator.predict([mixture])
    assert solos.shape == (3, 8000)
    assert_allclose(solos.sum(axis=0), mixture, atol=1e-5)


@pytest.mark.parametrize("n_parts", [1, 2, 3])
def test_the_number_of_solos_may_be_asked_for(n_parts):
    X, y, _ = ensembles(2, n_parts=3)
    separator = small().fit(X, y)
    solos = np.concatenate(list(separator.iter_predict(X[3], n_parts)), axis=-1)
    assert solos.shape == (n_parts, 8000)
    assert_allclose(solos.sum(axis=0), np.asarray(X[3]), atol=1e-5)


def test_too_few_slots_are_refused(duos):
    X, y, _ = duos
    separator = small().fit(X, y)
    trio, solos, _ = ensembles(1, n_parts=3)
    for ask in (
        lambda: separator.predict(trio[3:]),
        lambda: separator.score(trio[3:], solos[3:]),
        lambda: list(separator.iter_predict(np.asarray(X[0]), 3)),
    ):
        with pytest.raises(ValueError, match="3 parts were asked for, but the regressor gives 2"):
            ask()


def test_a_score_asks_for_as_many_parts_as_there_are_solos():
    X, y, _ = ensembles(2, n_parts=3)
    separator = small().fit(X, y)
    plain = [np.asarray(x) for x in X]
    assert separator.score(plain, y) == pytest.approx(separator.score(X, y))


def test_slots_are_parts_in_their_order():
    """Targets hold the solos as they stand in y, silence after the last."""
    X, y, _ = ensembles(1, n_parts=3)
    targets = small(FirstTakesAll(), overlap=0).fit(X, y).regressor_.targets_.waveforms()
    for solos, segments in zip(y, np.split(targets, 4), strict=True):
        assert segments.shape == (10, 3, 800)
        for part, solo in enumerate(np.asarray(solos)):
            assert_array_equal(segments[:, part].ravel(), solo)
        assert not segments[:, solos.shape[0] :].any()


def test_songs_reach_the_regressor(duos, monkeypatch):
    X, y, songs = duos
    seen, errors = [], LowRankRidgeCV._errors

    def spying(self, K, G, alphas, ranks, train, test):
        seen.append((train, test))
        return errors(self, K, G, alphas, ranks, train, test)

    monkeypatch.setattr(LowRankRidgeCV, "_errors", spying)
    small(LowRankRidgeCV()).fit(X, y)
    song_of_row = np.repeat(songs, 11)
    assert len(seen) == 4
    for train, test in seen:
        assert not set(song_of_row[train]) & set(song_of_row[test])


# ------------------------------------------------------------------------------------------- streaming


def test_blocks_are_short_and_join_to_the_prediction(duos, monkeypatch):
    X, y, _ = duos
    separator = small().fit(X, y)
    (whole,) = separator.predict(X[:1])
    monkeypatch.setattr("skseparate._segments.SPECTROGRAM_BYTES", 3 * 16 * 11 * 81)
    blocks = list(separator.iter_predict(X[0]))
    assert len(blocks) > 3 and max(b.shape[-1] for b in blocks) == 3 * 720
    assert_allclose(np.concatenate(blocks, axis=-1), whole, atol=1e-6)


@pytest.mark.parametrize("separator", [small(FirstTakesAll()), IdealMask(), MixtureSeparator()], ids=repr)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_masks_of_a_mixture_on_its_channels(duos, separator, n_channels):
    X, y, _ = duos
    gains = np.array([0.7, -0.2])[:n_channels]
    channels = gains[:, None] * np.asarray(X[0])
    fitted = clone(separator).fit(X, y)
    solos = np.concatenate(list(fitted.iter_predict(X[0], channels=channels)), axis=-1)
    (of_mixture,) = fitted.predict(X[:1])
    assert solos.shape == (2, n_channels, 8000)
    assert_allclose(solos, gains[None, :, None] * of_mixture[:, None], atol=1e-5)


class Endless(Recording):
    """Minutes of noise of two parts, made where they are read."""

    sample_rate, song = RATE, "noise"

    def __init__(self, minutes, n_parts=None):
        self.parts = ("vn", "vc")
        self.shape = (60 * minutes * RATE,) if n_parts is None else (n_parts, 60 * minutes * RATE)

    def read(self, start, stop):
        rng = np.random.RandomState(start % 2**31)
        return rng.uniform(-0.1, 0.1, (*self.shape[:-1], stop - start)).astype(np.float32)


def peak_of(action):
    """Most bytes held at once."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("solver", ["primal", "dual"])
def test_memory_does_not_grow_with_the_recording(solver, monkeypatch):
    monkeypatch.setattr(_low_rank_ridge, "BLOCK_BYTES", 2**18)
    monkeypatch.setattr(_solvers, "GRAM_BYTES", 2**20)
    monkeypatch.setattr("skseparate._segments.SPECTROGRAM_BYTES", 2**19)
    separator = Separator(
        make_pipeline(Segmenter(1.0), STFT(0.02, 0.01)),
        make_pipeline(FrequencyTruncation(100), Magnitude()),
        LowRankRidge(rank=8, solver=solver),
        cache_size=0,
    )

    def fit_and_predict(minutes):
        fitted = clone(separator).fit([Endless(minutes)], [Endless(minutes, 2)])
        assert sum(block.shape[-1] for block in fitted.iter_predict(Endless(minutes))) == 60 * minutes * RATE

    fit_and_predict(1)
    n_rows = 60 * 6 / 0.9
    matrices = 8 * 8 * n_rows**2 if solver == "dual" else 0  # rows by rows is what the dual is
    # what is shorter than three minutes does not fill the blocks
    short, long = (peak_of(lambda minutes=minutes: fit_and_predict(minutes)) for minutes in (3, 6))
    assert long < 1.2 * short + matrices
    assert long < 4 * 60 * 6 * RATE + matrices  # less than one copy of the recording


# ------------------------------------------------------------------------------------ scikit-learn's ways


def test_nested_parameters_are_searched(duos):
    X, y, songs = duos
    grid = {
        "representation__segmenter__duration": [0.05, 0.1],
        "features__magnitude__compression": [1.0, 0.5],
        "regressor__rank": [2],
        "regressor__alpha": [1e-6],
    }
    search = GridSearchCV(small(), grid, cv=GroupKFold(2), error_score="raise").fit(X, y, groups=songs)
    assert len(set(search.cv_results_["mean_test_score"])) == 4
    best = search.best_estimator_
    assert best.representation_[0].segment_length_ == 8000 * search.best_params_["representation__segmenter__duration"]
    assert best.features_[1].compression == search.best_params_["features__magnitude__compression"]
    assert [s.shape for s in search.predict(X)] == [(2, 8000)] * 4


def test_regressors_are_searched(duos):
    X, y, songs = duos
    grid = {"regressor": [DummyRegressor(), LowRankRidge(alpha=1e-6), Ridge()], "mask": ["ratio", "wiener"]}
    search = GridSearchCV(small(), grid, cv=GroupKFold(2), error_score="raise").fit(X, y, groups=songs)
    assert len(search.cv_results_["params"]) == 6 and np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_the_score_is_the_mean_improvement(duos):
    X, y, _ = duos
    fitted = small().fit(X, y)
    by_hand = [
        si_sdr_improvement(np.asarray(s), e, np.asarray(x)).mean()
        for x, s, e in zip(X, y, fitted.predict(X), strict=True)
    ]
    assert fitted.score(X, y) == pytest.approx(np.mean(by_hand), abs=1e-4)


def test_steps_given_are_left_alone(duos):
    X, y, _ = duos
    separator = small()
    separator.fit(X, y)
    assert separator.representation[0].sample_rate is None
    assert not hasattr(separator.representation[0], "segment_length_")
    assert not hasattr(separator.regressor, "rank_")
    assert separator.representation_[0].sample_rate == RATE


def test_fit_starts_afresh(duos):
    X, y, _ = duos
    trios = ensembles(2, n_parts=3, sample_rate=16000)
    separator = small().fit(*trios[:2]).fit(X, y)
    assert separator.n_slots_ == 2 and separator.sample_rate_ == 8000
    assert_array_equal(separator.predict(X[:1])[0], small().fit(X, y).predict(X[:1])[0])


def test_fitted_separators_are_pickled(duos):
    X, y, _ = duos
    separator = small().fit(X, y)
    copy = pickle.loads(pickle.dumps(separator))
    assert_array_equal(copy.predict(X[:1])[0], separator.predict(X[:1])[0])
    X_fast, _, _ = ensembles(1, sample_rate=16000)  # a rate that is fitted when it is needed
    assert_array_equal(copy.predict(X_fast)[0], separator.predict(X_fast)[0])


def test_a_score_in_a_cross_validation_by_song(duos):
    X, y, songs = duos
    scores = cross_val_score(small(), X, y, groups=songs, cv=GroupKFold(4), error_score="raise")
    assert scores.shape == (4,) and np.isfinite(scores).all()


# ------------------------------------------------------------------------------------------- refusals


def test_an_unfitted_separator_says_so(duos):
    X, y, _ = duos
    for ask in (lambda: small().predict(X), lambda: small().score(X, y), lambda: next(small().iter_predict(X[0]))):
        with pytest.raises(NotFittedError):
            ask()


@pytest.mark.parametrize(
    ("representation", "message"),
    [
        (STFT(0.02, 0.01), "representation must be a Pipeline of a Segmenter"),
        (make_pipeline(Segmenter(0.1)), "representation must be a Pipeline of a Segmenter"),
        (make_pipeline(STFT(0.02, 0.01), FrequencyTruncation()), "representation must begin with a Segmenter"),
        ("stft", "'representation' parameter"),
    ],
    ids=str,
)
def test_a_representation_that_is_none_is_refused(duos, representation, message):
    X, y, _ = duos
    with pytest.raises(ValueError, match=message):
        small().set_params(representation=representation).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"features": "magnitude"}, "'features' parameter"),
        ({"regressor": "ridge"}, "'regressor' parameter"),
        ({"mask": "binary"}, "'mask' parameter"),
        ({"sample_rate": 0}, "'sample_rate' parameter"),
    ],
)
def test_parameters_are_checked(duos, parameters, message):
    X, y, _ = duos
    with pytest.raises(ValueError, match=message):
        small().set_params(**parameters).fit(X, y)


@pytest.mark.parametrize("n_samples", [1, 159])
def test_recordings_shorter_than_a_frame_are_refused(duos, n_samples):
    X, y, _ = duos
    fitted = small().fit(X, y)
    short = ArrayRecording(np.ones(n_samples), RATE, song="Scrap")
    message = rf"(the recording|recording \d) \(Scrap\) has {n_samples} samples: at least one frame of 160 samples"
    with pytest.raises(ValueError, match=message):
        fitted.predict([short])
    with pytest.raises(ValueError, match=message):
        small().fit([X[0], short], [y[0], np.ones((2, n_samples))])


def test_pairs_that_do_not_match_are_refused(duos):
    X, y, _ = duos
    solos = np.asarray(y[1])
    for X_bad, y_bad, message in (
        (X, y[:3], "X has 4 recordings and y has solos for 3"),
        (X[:2], [y[0], solos[:, :-1]], r"recording 1 \(song 01\) has 8000 samples and its solos have 7999"),
        (X[:2], [y[0], solos[0]], r"solos of recording 1 \(song 01\) must have shape \(n_parts, n_samples\)"),
        (X[:2], [y[0], solos[:1]], r"recording 1 \(song 01\) has 2 parts .* and 1 solos"),
        ([], [], "X holds no recording"),
        (X[0], y[0], "X is a single recording"),
    ):
        with pytest.raises(ValueError, match=message):
            small().fit(X_bad, y_bad)


@pytest.mark.parametrize("where", [10, 5000, 7999])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_recordings_that_are_not_finite_are_refused_by_name(duos, where, bad):
    X, y, _ = duos
    samples = np.asarray(X[1]).copy()
    samples[where] = bad
    broken = ArrayRecording(samples, RATE, X[1].parts, song="Broken")
    message = r"recording.*Broken.*(NaN|infinity)"
    with pytest.raises(ValueError, match=message):
        small().fit([X[0], broken], y[:2])
    with pytest.raises(ValueError, match=message):
        small().fit(X, y).predict([X[0], broken])


def test_two_dimensional_recordings_are_refused(duos):
    X, y, _ = duos
    with pytest.raises(ValueError, match=r"one-dimensional, got shape \(2, 8000\)"):
        small().fit(X, y).predict([np.asarray(y[0])])


class Infinite(FirstTakesAll):
    """Predicts infinity."""

    def predict(self, X):
        return np.inf * np.ones((len(X), self.n_slots_ * X.shape[1]))


def test_predictions_that_are_not_finite_are_refused(duos):
    X, y, _ = duos
    with pytest.raises(ValueError, match="Infinite predicted values that are not finite"):
        small(Infinite()).fit(X, y).predict(X)


def test_sources_need_not_be_known():
    """Only oracles look at the sources of a recording."""
    solos = Stems([ArrayRecording(s, RATE) for s in noise(2, 4000)], ["vn", "vc"])
    known = Mixture(solos)
    unknown = ArrayRecording(np.asarray(known), RATE, ["vn", "vc"])
    assert_allclose(
        small().fit([known], [solos]).predict([known])[0], small().fit([unknown], [solos]).predict([unknown])[0]
    )
