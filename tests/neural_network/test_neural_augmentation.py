"""Batches, their order, and mixes that are made while training."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate._segments import Segments
from skseparate.datasets import ArrayRecording, make_ensembles
from skseparate.linear_model import LowRankRidge
from skseparate.neural_network import NeuralRegressor
from skseparate.neural_network._augmentation import Augmentation
from skseparate.neural_network._losses import LOSSES
from skseparate.neural_network._moments import Moments, fingerprint
from skseparate.neural_network._streaming import RUN, Stream, read_waveforms, row_seconds, shuffled_runs, split_rows
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

OFF = {"subset": 0, "swap": 0, "gain": 0, "flip": False, "resample": 0}
PARTS = [("fl", "vn", "vc"), ("vn", "vc"), ("fl", "vc")]


@pytest.fixture(scope="module")
def rows():
    """Lazy rows of trios and their duos, and of their solos."""
    X, y, _ = make_ensembles(3, n_parts=3, duration=1.0, sample_rate=8000, random_state=0).power_set(min_parts=2)
    representation = make_pipeline(Segmenter(0.2), STFT(0.02, 0.01))
    separator = Separator(
        representation, make_pipeline(FrequencyTruncation(1000), Magnitude(0.5)), LowRankRidge(rank=1)
    )
    separator.fit(X, y)
    X, y = list(X), list(y)
    chains = separator._chains(X)
    return Segments(X, chains), Segments(y, chains, 3)


@pytest.fixture
def solos():
    """Each part of each row another constant; absent parts are silent."""
    levels = np.array([[1.0, 2, 3], [4, 5, 0], [6, 7, 0]])
    return np.repeat(levels[:, :, None], 40, axis=2)


def varied(solos, seed=0, parts=PARTS, **settings):
    return Augmentation.of(OFF | settings)(solos, parts, np.random.default_rng(seed))[0]


# -------------------------------------------------------------------------------------------- mixes


def test_with_all_off_nothing_changes(solos):
    assert_array_equal(varied(solos), solos)


def test_the_same_seed_makes_the_same_mixes(solos):
    before = solos.copy()
    every = Augmentation.of(True)
    first, again, other = (every(solos, PARTS, np.random.default_rng(seed))[0] for seed in (0, 0, 1))
    assert_array_equal(first, again)
    assert (first != other).any()
    assert_array_equal(solos, before)


def test_parts_are_swapped_for_the_same_instrument(solos):
    allowed = {"fl": {1, 6}, "vn": {2, 4}, "vc": {3, 5, 7}}
    seen = {name: set() for name in allowed}
    for seed in range(30):
        for row, parts in zip(varied(solos, seed, swap=1.0), PARTS, strict=True):
            for values, name in zip(row, parts, strict=False):
                seen[name].add(float(values[0]))
            assert not row[len(parts) :].any()
    assert seen == allowed


def test_desks_stay_together(solos):
    parts = [("vn", "vn", "vc"), ("vn", "vc"), ("fl", "vn")]
    rows = [varied(solos, seed, parts=parts, swap=1.0)[..., 0] for seed in range(30)]
    assert {tuple(row[0, :2]) for row in rows} == {(1.0, 2.0)}
    assert {row[0, 2] for row in rows} == {3.0, 5.0}
    assert {row[1, 0] for row in rows} == {1.0, 2.0, 4.0, 7.0}


def test_parts_without_names_are_swapped_by_slot(solos):
    seen = {float(varied(solos, seed, parts=[None] * 3, swap=1.0)[0, 1, 0]) for seed in range(30)}
    assert seen == {2.0, 5.0, 7.0}


def test_two_parts_or_more_stay_and_move_up(solos):
    seen = set()
    for seed in range(30):
        row = varied(solos, seed, subset=1.0)
        seen.add(tuple(row[0, :, 0]))
        assert_array_equal(row[1:], solos[1:])
    assert seen == {(1.0, 2.0, 0.0), (1.0, 3.0, 0.0), (2.0, 3.0, 0.0)}


def test_gains_and_signs(solos):
    gains = np.concatenate([varied(solos, seed, gain=6.0)[0, :, 0] / solos[0, :, 0] for seed in range(50)])
    assert 10 ** (-6 / 20) <= gains.min() < 0.6 and 1.8 < gains.max() <= 10 ** (6 / 20)
    signs = np.concatenate([varied(solos, seed, flip=True)[0, :, 0] / solos[0, :, 0] for seed in range(50)])
    assert set(signs) == {-1.0, 1.0} and 50 < (signs > 0).sum() < 100


def test_resampling_changes_the_pitch_slightly():
    tone = np.sin(2 * np.pi * 100 * np.arange(4000) / 4000)[None, None]
    peaks = set()
    for seed in range(20):
        played = varied(tone, seed, parts=[("vn",)], resample=0.05)
        assert played.shape == tone.shape
        peaks.add(int(abs(np.fft.rfft(played[0, 0])).argmax()))
    assert 100 in peaks and len(peaks) > 4 and 95 <= min(peaks) < 99 and 101 < max(peaks) <= 106


def test_settings_that_are_not_known_are_named():
    with pytest.raises(ValueError, match="no settings pitch; it has subset, swap, gain, flip, resample"):
        Augmentation.of({"pitch": 1})


# ------------------------------------------------------------------------------------------ streams


def test_an_epoch_holds_every_row_once(rows):
    X, y = rows
    index = np.arange(3, len(X) - 2)
    stream = Stream(X, y, index, 4, y.row_shape, seed=0)
    batches = list(stream)
    assert [len(b[0]) for b in batches] == [4] * (len(index) // 4) + [len(index) % 4] * (len(index) % 4 > 0)
    seen = np.concatenate([b[0] for b in batches])
    table, targets = np.asarray(X)[index], np.asarray(y)[index].reshape(-1, *y.row_shape)
    order = [int(abs(table - row).sum(axis=1).argmin()) for row in seen]
    assert sorted(order) == list(range(len(index))) and order != sorted(order)
    assert_allclose(np.concatenate([b[1] for b in batches]), targets[order])


def test_the_order_depends_on_seed_and_epoch_only(rows):
    X, y = rows
    stream = Stream(X, y, np.arange(len(X)), 4, y.row_shape, seed=0)
    first, again = next(iter(stream))[0], next(iter(stream))[0]
    assert (first == again).all()
    stream.epoch = 1
    assert (first != next(iter(stream))[0]).any()
    in_order = Stream(X, y, np.arange(len(X)), 4, y.row_shape)
    assert_allclose(np.concatenate([b[0] for b in in_order]), np.asarray(X), rtol=1e-6)


def test_neighbours_are_read_together():
    index = np.r_[0:40, 50:90]
    order = shuffled_runs(index, np.random.default_rng(0))
    assert sorted(order) == list(index)
    n_runs = (np.diff(order) != 1).sum() + 1
    assert n_runs <= len(index) / RUN + 3


def test_mixes_made_without_changes_are_those_of_the_recordings(rows):
    X, y = rows
    index = np.arange(len(X))
    plain = Stream(X, y, index, 8, y.row_shape, seed=0)
    mixed = Stream(X, y, index, 8, y.row_shape, seed=0, augmentation=Augmentation.of(OFF), with_waveforms=True)
    for (a, b, _), (c, d, extra) in zip(plain, mixed, strict=True):
        assert_allclose(a, c, atol=1e-3)
        assert_allclose(b, d, atol=1e-3)
        assert extra["solos"].shape == (len(a), 3, 1600) and extra["spectrograms"].is_complex()


def test_augmented_batches_are_mixes_of_their_targets(rows):
    X, y = rows
    stream = Stream(X, y, np.arange(len(X)), 8, y.row_shape, 0, Augmentation.of(True), with_waveforms=True)
    for mixtures, targets, extra in stream:
        solos = extra["solos"].numpy()
        assert_allclose(mixtures, X.encode(solos.sum(axis=1)).reshape(len(solos), -1), atol=1e-3)
        assert_allclose(targets, y.encode(solos), atol=1e-3)


def test_waveforms_in_any_order(rows):
    X, _ = rows
    index = np.array([5, 6, 7, 2, 9, 10])
    expected = np.stack([X.waveforms(slice(i, i + 1))[0] for i in index])
    assert_array_equal(read_waveforms(X, index), expected)
    assert row_seconds(X) == pytest.approx(0.2)


def test_splits_are_by_song(rows):
    X, _ = rows
    training, validation = split_rows(X, 0.1, 0)
    assert len(set(X.songs[validation])) == 1 and not set(X.songs[training]) & set(X.songs[validation])
    halves = split_rows(np.zeros((10, 1)), 0.5, 0)
    assert sorted(np.concatenate(halves)) == list(range(10)) and len(halves[0]) == 5


# ------------------------------------------------------------------------------------------ training


INVARIANT = [("mse", True), ("waveform_si_sdr", True)]


@pytest.mark.parametrize(("loss", "invariant"), [(loss, False) for loss in LOSSES] + INVARIANT)
def test_every_loss_falls_on_new_mixes(loss, invariant, rows):
    network = NeuralRegressor(
        "cnn", loss=loss, permutation_invariant=invariant, augmentation=True, max_epochs=5, lr=1e-2, random_state=0,
        module__channels=4, module__depth=1,
    )  # fmt: skip
    losses = [record["train_loss"] for record in network.fit(*rows).history_]
    assert losses[-1] < losses[0]
    again = network.fit(*rows)
    assert [record["train_loss"] for record in again.history_] == losses


def test_recordings_of_two_rates_are_not_mixed():
    rng = np.random.default_rng(0)
    X = [ArrayRecording(rng.normal(size=rate), rate) for rate in (8000, 16000)]
    y = [np.stack([np.asarray(x) / 2] * 2) for x in X]
    separator = Separator(
        make_pipeline(Segmenter(0.1), STFT(0.02, 0.01)),
        make_pipeline(FrequencyTruncation(1000), Magnitude()),
        NeuralRegressor("cnn", max_epochs=1, module__depth=1),
    )
    separator.fit(X, y)
    with pytest.raises(ValueError, match="augmentation needs recordings of one sample rate"):
        separator.set_params(regressor__augmentation=True).fit(X, y)


# ----------------------------------------------------------------------------------------- moments


def test_moments_by_blocks_are_those_of_the_whole():
    table = np.random.default_rng(0).normal(size=(50, 6)) + 1e6
    moments = Moments(6)
    for block in np.split(table, [7, 30]):
        moments.update(block)
    assert_allclose(moments.mean, table.mean(axis=0))
    assert_allclose(moments.deviation, table.std(axis=0), rtol=1e-6)
    mean, deviation = moments.over(3)
    assert_allclose(mean, table.reshape(-1, 3).mean(axis=0))
    assert_allclose(deviation, table.reshape(-1, 3).std(axis=0), rtol=1e-6)
    assert moments.scale(about_mean=False) == pytest.approx(np.sqrt((table**2).mean()))


def test_what_never_varies_has_no_deviation():
    moments = Moments(1)
    moments.update(np.full((10, 1), 0.1))
    assert moments.deviation == 0 and moments.scale(about_mean=True) == 1


def test_fingerprints_see_every_value(rows):
    X, y = rows
    assert fingerprint(X, y) == fingerprint(X, y) != fingerprint(y, X)
    table = np.zeros((5, 2))
    other = table.copy()
    other[4, 1] = 1e-9
    assert fingerprint(table, table) != fingerprint(table, other)


def test_names_of_the_parts_that_stay():
    solos = np.arange(1.0, 5)[:, None] * np.ones((40, 4, 50), np.float32)
    names = ("fl", "ob", "cl", "bn")
    varied, parts = Augmentation.of(OFF | {"subset": 1.0})(solos, [names] * 40, np.random.default_rng(0))
    for row, left in zip(varied, parts, strict=True):
        assert 2 <= len(left) < 4
        assert tuple(names[int(value) - 1] for value in row[: len(left), 0]) == left
