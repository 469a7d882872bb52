"""Dictionaries of parts."""

import pickle
from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skseparate.baseline import MixtureSeparator, SupervisedNMF
from skseparate.datasets import ArrayRecording, Mixture, Stems, make_ensembles
from skseparate.metrics import separation_scorer, si_sdr_improvement
from skseparate.preprocessing import STFT, Segmenter

RATE = 8000


def nmf(n_components=6, max_iter=30, duration=0.5, frame=0.06, **more):
    representation = make_pipeline(Segmenter(duration), STFT(frame, frame / 4))
    more = {"max_frames": 300, "random_state": 0, "representation": representation} | more
    return SupervisedNMF(n_components, max_iter=max_iter, **more)


def tone(frequency, n_samples=RATE, seed=0, rate=RATE):
    """A sinusoid whose loudness changes, in a little noise."""
    rng = np.random.default_rng(seed)
    loudness = np.interp(np.arange(n_samples), np.linspace(0, n_samples, 9), rng.uniform(0.2, 1, size=9))
    return loudness * np.sin(2 * np.pi * frequency * np.arange(n_samples) / rate) + 1e-3 * rng.normal(size=n_samples)


def piece(parts, frequencies, seed=0, rate=RATE, n_samples=RATE, song=None):
    """Mixture and solos of steady tones."""
    solos = [tone(f, n_samples, seed + k, rate) for k, f in enumerate(frequencies)]
    stems = Stems([ArrayRecording(s, rate) for s in solos], parts, song)
    return Mixture(stems), stems


@pytest.fixture
def frames_learned(monkeypatch):
    """The frames that each dictionary was learned from, in order."""
    learned, original = [], SupervisedNMF._dictionary

    def recording(self, frames, rng):
        learned.append(frames)
        return original(self, frames, rng)

    monkeypatch.setattr(SupervisedNMF, "_dictionary", recording)
    return learned


@pytest.fixture(scope="module")
def distinct():
    """Flute and violoncello, never doubled."""
    instruments = ["fl", "vc"]
    ensembles = make_ensembles(
        4, 2, duration=3.0, sample_rate=RATE, instruments=instruments, doubling=False, random_state=0
    )
    return ensembles.power_set()


@pytest.fixture(scope="module")
def tones():
    """Fitted on a low part and a high one."""
    X, y = zip(*(piece(["vc", "fl"], [300, 1500], seed) for seed in (0, 10)), strict=True)
    return nmf().fit(X, y)


# ------------------------------------------------------------------------------------------------ scores


def test_it_beats_the_mixture_on_unseen_songs(distinct):
    X, y, _ = distinct
    fitted = nmf(n_components=12, max_iter=50).fit(X[:3], y[:3])
    assert fitted.score(X[3:], y[3:]) > 2
    assert separation_scorer(fitted, X[3:], y[3:], permutation=True)["si_sdr_improvement"] == pytest.approx(
        fitted.score(X[3:], y[3:])
    )


@pytest.mark.parametrize("mask", ["ratio", "wiener"])
def test_known_spectra_are_told_apart(mask):
    X, y = zip(*(piece(["vc", "fl"], [300, 1500], seed) for seed in (0, 10)), strict=True)
    mix, solos = piece(["vc", "fl"], [300, 1500], seed=20)
    assert nmf(mask=mask).fit(X, y).score([mix], [solos]) > 15


def test_the_name_decides_not_the_place(tones):
    mix, solos = piece(["fl", "vc"], [1500, 300], seed=20)
    assert tones.score([mix], [solos]) > 15
    swapped = ArrayRecording(np.asarray(mix), RATE, ["vc", "fl"])
    assert_allclose(tones.predict([swapped])[0][::-1], tones.predict([mix])[0], atol=1e-6)


def test_solos_sum_to_the_mixture(distinct, tones):
    X, _, _ = distinct
    for mix, solos in zip(X, tones.predict(X), strict=True):
        assert_allclose(solos.sum(axis=0), np.asarray(mix), atol=1e-5)


def test_what_lies_above_the_learned_frequencies_is_kept():
    X, y = zip(*(piece(["vc", "fl"], [300, 900], seed) for seed in (0, 10)), strict=True)
    fitted = nmf(max_frequency=1000).fit(X, y)
    assert fitted.dictionaries_["vc"].shape == (6, 1000 * 0.06 + 1)
    (mix, _) = piece(["vc", "fl"], [300, 3000], seed=20)
    assert_allclose(fitted.predict([mix])[0].sum(axis=0), np.asarray(mix), atol=1e-6)


def test_silence_stays_silent(tones):
    assert_array_equal(tones.predict([ArrayRecording(np.zeros(RATE), RATE, ["vc", "fl"])])[0], np.zeros((2, RATE)))
    mix, _ = piece(["vc", "fl"], [300, 1500], seed=20)
    signal = np.where(np.arange(RATE) < RATE // 2, 0, np.asarray(mix))
    (solos,) = tones.predict([ArrayRecording(signal, RATE, ["vc", "fl"])])
    assert np.isfinite(solos).all()
    assert_allclose(solos[:, : RATE // 2 - 500], 0, atol=1e-12)


@pytest.mark.parametrize("gain", [1e-2, 1e2])
def test_the_scale_of_a_recording_does_not_matter(tones, gain):
    mix, _ = piece(["vc", "fl"], [300, 1500], seed=20)
    (expected,) = tones.predict([mix])
    (found,) = tones.predict([ArrayRecording(gain * np.asarray(mix), RATE, mix.parts)])
    assert_allclose(found / gain, expected, atol=2e-3)


def test_masks_are_applied_to_channels(tones):
    mix, _ = piece(["vc", "fl"], [300, 1500], seed=20)
    (expected,) = tones.predict([mix])
    channels = np.stack([np.asarray(mix), -2 * np.asarray(mix)])
    solos = np.concatenate(list(tones.iter_predict(mix, channels=channels)), axis=-1)
    assert solos.shape == (2, 2, RATE)
    assert_allclose(solos, np.stack([expected, -2 * expected], axis=1), atol=1e-9)


# ------------------------------------------------------------------------------------------------- parts


def test_dictionaries_are_of_parts_and_any(tones):
    assert set(tones.dictionaries_) == {"vc", "fl", "any"}
    for dictionary in tones.dictionaries_.values():
        assert dictionary.shape == (6, 241) and (dictionary >= 0).all()
    frequencies = np.linspace(0, RATE / 2, 241)
    for part, frequency in (("vc", 300), ("fl", 1500)):
        assert abs(frequencies[tones.dictionaries_[part].sum(axis=0).argmax()] - frequency) < 20
    both = tones.dictionaries_["any"].sum(axis=0)
    assert min(both[frequencies.searchsorted(f)] for f in (300, 1500)) > 10 * both[frequencies.searchsorted(900)]


def test_doubled_parts_have_equal_solos(tones):
    mix, solos = piece(["vc", "fl", "fl", "vc"], [300, 1500, 1500, 300], seed=20)
    (found,) = tones.predict([mix])
    assert found.shape == (4, RATE)
    assert_array_equal(found[0], found[3])
    assert_array_equal(found[1], found[2])
    # together they are what the one part was: half each
    assert_allclose(found.sum(axis=0), np.asarray(mix), atol=1e-6)
    true = np.asarray(solos)
    pairs = np.stack([true[0] + true[3], true[1] + true[2]])
    assert (si_sdr_improvement(pairs, found[:2], true.sum(axis=0)) > 10).all()


def test_doubled_parts_share_what_one_would_have():
    X, y = zip(*(piece(["vc", "fl"], [300, 900], seed) for seed in (0, 10)), strict=True)
    fitted = nmf(mask="ratio").fit(X, y)
    signal = np.random.default_rng(0).normal(size=RATE)  # every bin has something of both
    (one,) = fitted.predict([ArrayRecording(signal, RATE, ["vc", "fl"])])
    (three,) = fitted.predict([ArrayRecording(signal, RATE, ["vc", "fl", "fl"])])
    assert_allclose(three[0], one[0], atol=1e-6)
    assert_allclose(three[1:], np.stack([one[1], one[1]]) / 2, atol=1e-6)


def test_both_solos_of_a_doubled_part_are_learned_from(frames_learned):
    mix, solos = piece(["fl", "fl"], [300, 1500])
    fitted = nmf().fit([mix], [solos])
    assert set(fitted.dictionaries_) == {"fl", "any"}
    frequencies = np.linspace(0, RATE / 2, 241)
    heard = Counter(frequencies[frame.argmax()].round(-2) for frame in frames_learned[0] if frame.max() > 0.01)
    assert min(heard[300], heard[1500]) > 15


def test_unknown_parts_use_what_is_known_of_any(tones):
    mix, _ = piece(["vc", "fl"], [300, 1500], seed=20)
    signal = np.asarray(mix)
    (solos,) = tones.predict([ArrayRecording(signal, RATE, ["kazoo", "vc"])])
    assert_allclose(solos.sum(axis=0), signal, atol=1e-6)
    assert np.abs(solos[0]).max() > 0.1
    (two,) = tones.predict([ArrayRecording(signal, RATE, ["kazoo", "spoons"])])
    assert_allclose(two, np.tile(signal / 2, (2, 1)), atol=1e-6)
    (as_any,) = tones.predict([ArrayRecording(signal, RATE, ["any", "vc"])])
    assert_array_equal(as_any, solos)


def test_an_unknown_part_beside_known_ones_takes_what_they_do_not_explain(tones):
    """The dictionary of all parts knows the flute's spectrum: an unknown flute is found beside the violoncello."""
    mix, solos = piece(["kazoo", "vc"], [1500, 300], seed=20)
    (found,) = tones.predict([mix])
    assert si_sdr_improvement(np.asarray(solos), found, np.asarray(mix))[0] > 3


def test_recordings_that_do_not_name_their_parts():
    """Places in the score stand for parts."""
    X, y = zip(*(piece(None, [300, 1500], seed) for seed in (0, 10)), strict=True)
    fitted = nmf().fit(X, y)
    assert set(fitted.dictionaries_) == {"1", "2", "any"} and fitted.n_slots_ == 2
    mix, solos = piece(None, [300, 1500], seed=20)
    assert fitted.score([mix], [solos]) > 15
    signal = np.asarray(mix)
    for recording in (signal, ArrayRecording(signal, RATE)):
        assert_array_equal(fitted.predict([recording])[0], fitted.predict([mix])[0])
    assert np.concatenate(list(fitted.iter_predict(mix, 3)), axis=-1).shape == (3, RATE)
    # named parts were never seen: each is as likely any
    (solos,) = fitted.predict([ArrayRecording(signal, RATE, ["vc", "fl"])])
    assert_allclose(solos, np.tile(signal / 2, (2, 1)), atol=1e-6)


def test_plain_arrays_are_places_too():
    y = np.stack([np.stack([tone(300, seed=s), tone(1500, seed=s + 1)]) for s in (0, 10, 20)])
    fitted = nmf(sample_rate=RATE).fit(y[:2].sum(axis=1), y[:2])
    assert set(fitted.dictionaries_) == {"1", "2", "any"}
    assert fitted.score(y[2:].sum(axis=1), y[2:]) > 15


def test_more_parts_than_a_recording_has_are_refused(tones):
    mix, _ = piece(["vc", "fl"], [300, 1500], seed=20)
    with pytest.raises(ValueError, match="has 2 parts; 3 were asked for"):
        list(tones.iter_predict(mix, 3))
    (first,) = [np.concatenate(list(tones.iter_predict(mix, 1)), axis=-1)]
    assert first.shape == (1, RATE)


# -------------------------------------------------------------------------------------------------- rates


@pytest.mark.parametrize("rate", [4000, 6000, 16000])
def test_recordings_of_other_rates_are_separated(tones, rate):
    mix, solos = piece(["vc", "fl"], [300, 1500], seed=20, rate=rate, n_samples=rate)
    assert tones.predict([mix])[0].shape == (2, rate)
    assert tones.score([mix], [solos]) > 15


def test_solos_have_the_rate_of_their_recording():
    """Plain solos do not know that they are at another rate than the first recording."""
    slow, fast = piece(["vc"], [300]), piece(["fl"], [1500], rate=16000, n_samples=16000)
    X = [slow[0], fast[0]]
    known = nmf(max_frequency=3000).fit(X, [slow[1], fast[1]])
    plain = nmf(max_frequency=3000).fit(X, [np.asarray(slow[1]), np.asarray(fast[1])])
    for part, dictionary in known.dictionaries_.items():
        assert_allclose(plain.dictionaries_[part], dictionary, rtol=1e-5)


# ----------------------------------------------------------------------------------------------- frames


class Counted(ArrayRecording):
    """Counts how often each sample was read."""

    def __init__(self, samples, sample_rate, parts=None, song=None):
        super().__init__(samples, sample_rate, parts, song)
        self.times = np.zeros(len(samples), dtype=int)

    def read(self, start, stop):
        self.times[start:stop] += 1
        return super().read(start, stop)


def test_a_take_of_many_mixes_is_learned_from_once(monkeypatch):
    """The parts of a trio are in three mixes each, and in the trio; X does not read the stems here."""
    calls, original = [], SupervisedNMF._frames

    def recording(self, mixture, solos, k, n_frames, rng):
        calls.append((solos.parts[k], solos.takes[k]))
        return original(self, mixture, solos, k, n_frames, rng)

    monkeypatch.setattr(SupervisedNMF, "_frames", recording)
    X, y, _ = make_ensembles(
        2, 3, duration=1.0, sample_rate=RATE, instruments=["fl", "vn", "vc"], random_state=0
    ).power_set()
    assert len(X) == 8
    fitted = nmf(max_iter=3).fit(X, y)
    takes = {(part, take) for solos in y for part, take in zip(solos.parts, solos.takes, strict=True)}
    assert len(takes) == 6
    assert Counter(calls) == dict.fromkeys(takes, 2)  # for its part and for any
    assert set(fitted.dictionaries_) == {part for part, _ in takes} | {"any"}


def test_reading_does_not_grow_with_the_mixes():
    stems = [Counted(tone(f, seed=f), RATE) for f in (300, 700, 1500)]
    ensemble = [Stems([stems[k] for k in chosen], [f"p{k}" for k in chosen]) for chosen in ((0, 1), (0, 2), (1, 2))]
    counts = []
    for n in (1, 20):
        for stem in stems:
            stem.times[:] = 0
        y = [Stems(s._stems, s.parts) for s in ensemble * n]
        nmf(max_iter=2).fit([ArrayRecording(np.asarray(s).sum(axis=0), RATE, s.parts) for s in y[:]], y)
        counts.append(max(stem.times.max() for stem in stems) - 2 * n)  # less what this test read of it for X
    assert counts[0] == counts[1]


@pytest.mark.parametrize(("n_songs", "max_frames"), [(1, 8), (1, 101), (7, 30), (7, 100), (11, 8)])
def test_max_frames_is_kept(frames_learned, n_songs, max_frames):
    """Whether the songs are fewer than the frames or more."""
    pieces = [piece(["vc", "fl"], [300, 1500], seed, n_samples=2000) for seed in range(n_songs)]
    X, y = zip(*pieces, strict=True)
    nmf(n_components=2, max_iter=2, max_frames=max_frames, duration=0.1).fit(X, y)
    assert len(frames_learned) == 3
    n_available = n_songs * 3 * 8  # a song has more frames than this
    for frames, n_takes in zip(frames_learned, (n_songs, n_songs, 2 * n_songs), strict=True):
        assert min(max_frames, n_available * n_takes // n_songs) <= len(frames) <= max_frames


def test_frames_are_drawn_evenly_from_all_solos(frames_learned):
    X, y = zip(*(piece(["fl"], [300 + 400 * k], k) for k in range(8)), strict=True)
    nmf(max_iter=2, max_frames=80).fit(X, y)
    loud = frames_learned[0][frames_learned[0].max(axis=1) > 0.01]
    heard = Counter(np.linspace(0, RATE / 2, 241)[loud.argmax(axis=1)].round(-2))
    assert set(heard) == {300 + 400 * k for k in range(8)}
    assert max(heard.values()) <= 10


@pytest.mark.parametrize("n_frames", [10, 70])
def test_frames_are_drawn_from_all_of_a_solo(frames_learned, monkeypatch, n_frames):
    """A solo that goes on to another note every half second, read in many blocks."""
    monkeypatch.setattr("skseparate._segments.SPECTROGRAM_BYTES", 1)
    notes = [300 + 300 * k for k in range(10)]
    solo = np.concatenate([tone(f, RATE // 2, seed=f) for f in notes])
    stems = Stems([ArrayRecording(solo, RATE)], ["fl"])
    nmf(max_iter=2, max_frames=n_frames, duration=0.25).fit([Mixture(stems)], [stems])
    heard = Counter((np.linspace(0, RATE / 2, 241)[f.argmax()] / 300).round() for f in frames_learned[0])
    assert len(frames_learned[0]) == n_frames
    assert len(heard) >= 8 and max(heard.values()) <= 0.3 * n_frames


def test_padding_is_not_learned_from(frames_learned):
    """A second in a segment of ten: nine tenths of the frames that are drawn are silence."""
    mix, solos = piece(["fl"], [300])
    nmf(max_iter=2, max_frames=50, duration=10.0).fit([mix], [solos])
    assert (frames_learned[0].max(axis=1) > 0).mean() > 0.9


def test_a_silent_solo_is_learned_from():
    mix, _ = piece(["vc"], [300])
    stems = Stems([ArrayRecording(np.asarray(mix), RATE), ArrayRecording(np.zeros(RATE), RATE)], ["vc", "fl"])
    fitted = nmf().fit([Mixture(stems)], [stems])
    assert all(np.isfinite(dictionary).all() for dictionary in fitted.dictionaries_.values())
    (solos,) = fitted.predict([Mixture(stems)])
    assert_allclose(solos.sum(axis=0), np.asarray(mix), atol=1e-6)
    assert (solos[0] ** 2).mean() > 10 * (solos[1] ** 2).mean()


# ----------------------------------------------------------------------------------------- an estimator


def test_a_seed_decides_everything(distinct):
    X, y, _ = distinct
    first, second, other = (nmf(max_iter=5, random_state=s).fit(X, y) for s in (3, 3, 4))
    for part, dictionary in first.dictionaries_.items():
        assert_array_equal(second.dictionaries_[part], dictionary)
        assert (other.dictionaries_[part] != dictionary).any()
    assert_array_equal(second.predict(X[:1])[0], first.predict(X[:1])[0])
    assert_array_equal(first.predict(X[:1])[0], first.predict(X[:1])[0])
    generator = nmf(max_iter=5, random_state=np.random.RandomState(3)).fit(X, y)
    assert_array_equal(generator.dictionaries_["fl"], first.dictionaries_["fl"])


def test_predictions_leave_the_dictionaries_alone(distinct, tones):
    before = pickle.dumps(tones.dictionaries_)
    tones.predict(distinct[0][:1])
    assert pickle.dumps(tones.dictionaries_) == before


def test_it_is_an_ordinary_estimator(tones):
    assert SupervisedNMF().get_params(deep=False) == {
        "n_components": 32,
        "max_frames": 2000,
        "max_frequency": 4000,
        "mask": "wiener",
        "max_iter": 100,
        "representation": None,
        "sample_rate": None,
        "random_state": None,
    }
    assert tones.learns and tones.told == "the instruments"
    unfitted = clone(tones)
    assert unfitted.get_params(deep=False).keys() == tones.get_params(deep=False).keys()
    assert unfitted.n_components == 6 and not hasattr(unfitted, "dictionaries_")
    mix, solos = piece(["vc", "fl"], [300, 1500], seed=20)
    with pytest.raises(NotFittedError):
        unfitted.predict([mix])
    assert_array_equal(pickle.loads(pickle.dumps(tones)).predict([mix])[0], tones.predict([mix])[0])
    again = clone(tones).set_params(n_components=3, representation__stft__frame=0.04).fit([mix], [solos])
    assert again.dictionaries_["vc"].shape == (3, 161)


def test_fitting_again_forgets(distinct, tones):
    again = clone(tones).fit([piece(["sax"], [500])[0]], [piece(["sax"], [500])[1]])
    assert set(again.dictionaries_) == {"sax", "any"}
    X, y, _ = distinct
    again.set_params(max_iter=2).fit(X[:1], y[:1])
    assert set(again.dictionaries_) == {"fl", "vc", "any"}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "'n_components' parameter"),
        ({"max_frames": 0}, "'max_frames' parameter"),
        ({"max_frequency": 0}, "'max_frequency' parameter"),
        ({"mask": "direct"}, "'mask' parameter"),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"representation": 3}, "'representation' parameter"),
        ({"sample_rate": -1}, "'sample_rate' parameter"),
        ({"random_state": "x"}, "'random_state' parameter"),
        ({"sample_rate": 16000}, "8000 Hz, but sample_rate=16000"),
    ],
)
def test_parameters_are_checked(parameters, message):
    mix, solos = piece(["fl"], [300])
    with pytest.raises(ValueError, match=message):
        nmf().set_params(**parameters).fit([mix], [solos])


def test_what_does_not_match_is_refused():
    mix, solos = piece(["vc", "fl"], [300, 1500])
    for X, y, message in [
        ([mix, mix], [solos], "X has 2 recordings and y has solos for 1"),
        ([mix], [np.asarray(solos)[:1]], "2 parts .* and 1 solos"),
        ([mix], [np.asarray(solos)[:, :-1]], "8000 samples and its solos have 7999"),
        ([np.asarray(mix)], [np.asarray(solos)], "sample rate"),
        ([ArrayRecording(np.full(RATE, np.nan), RATE)], [np.ones((2, RATE))], "NaN"),
    ]:
        with pytest.raises(ValueError, match=message):
            nmf().fit(X, y)


def test_the_floor_is_below(distinct):
    """What the shares of doubled unknown parts come to: the mixture, which improves nothing."""
    X, y, _ = distinct
    fitted = nmf(max_iter=5).fit(*zip(*[piece(["sax"], [500])], strict=True))
    assert fitted.score(X[:1], y[:1]) == pytest.approx(MixtureSeparator().fit(X, y).score(X[:1], y[:1]), abs=1e-3)
