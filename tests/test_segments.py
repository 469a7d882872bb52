"""Rows: the lazy table that a regressor sees."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.utils import check_array, check_X_y

from skseparate import Separator, _segments
from skseparate.datasets import make_ensembles
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter


class Keep(BaseEstimator):
    """A regressor that keeps what it is given."""

    def fit(self, X, y):
        self.X_, self.y_ = X, y
        return self

    def predict(self, X):
        return np.zeros((len(X), self.y_.shape[1]))


def rows_of(X, y, compression=1.0, representation=None, **parameters):
    """Lazy rows and targets of recordings."""
    separator = Separator(
        representation or make_pipeline(Segmenter(0.1), STFT(0.02, 0.01)),
        make_pipeline(FrequencyTruncation(1000), Magnitude(compression)),
        Keep(),
        **parameters,
    ).fit(X, y)
    return separator.regressor_.X_, separator.regressor_.y_


@pytest.fixture(scope="module")
def trios():
    """Mixes of two and of three parts of two songs."""
    return make_ensembles(2, n_parts=3, duration=0.7, sample_rate=8000, random_state=0).power_set()


@pytest.fixture(scope="module")
def tables(trios):
    X, y = rows_of(*trios[:2])
    return X, y, np.asarray(X), np.asarray(y)


def test_shapes(trios, tables):
    X, y, X_plain, y_plain = tables
    # 5600 samples, segments of 800 every 720; frames of 160 every 80 samples, padded by 80 at both ends
    n_segments, n_frames, n_bins = 8, 11, 21
    assert X.shape == X_plain.shape == (8 * n_segments, n_frames * n_bins)
    assert y.shape == y_plain.shape == (8 * n_segments, 3 * n_frames * n_bins)
    assert X.row_shape == (n_frames, n_bins) and y.row_shape == (3, n_frames, n_bins)
    assert X.ndim == 2 and len(X) == 64 and X.dtype == X_plain.dtype == np.float32
    assert "64 rows of 231 float32 features, 8 recordings" in repr(X)
    assert len(trios[0]) == 8


def test_rows_are_the_features_of_the_segments(trios, tables):
    _, _, X_plain, y_plain = tables
    representation = make_pipeline(Segmenter(0.1, sample_rate=8000), STFT(0.02, 0.01, sample_rate=8000))
    for i, (mix, solos) in enumerate(zip(*trios[:2], strict=True)):
        of_mix, of_solos = representation.fit_transform([np.asarray(mix), np.asarray(solos)])
        rows = slice(8 * i, 8 * i + 8)
        assert_allclose(X_plain[rows].reshape(8, 11, 21), abs(of_mix)[..., :21], atol=1e-6)
        targets = y_plain[rows].reshape(8, 3, 11, 21)
        assert_allclose(targets[:, : len(of_solos)], abs(of_solos).swapaxes(0, 1)[..., :21], atol=1e-6)
        assert not targets[:, len(of_solos) :].any()


@pytest.mark.parametrize("n_rows", [1, 3, 8, 13, 64, 100, None])
def test_blocks_joined_are_the_table(tables, n_rows):
    for lazy, plain in zip(tables[:2], tables[2:], strict=True):
        blocks = list(lazy.blocks(n_rows))
        assert all(len(block) == n_rows for block in blocks[:-1])
        assert_allclose(np.concatenate(blocks), plain, atol=1e-6)


@pytest.mark.parametrize(
    "key",
    [
        slice(None),
        slice(3, 20),
        slice(-5, None),
        slice(10, 5),
        slice(60, 100),
        slice(None, None, 7),
        slice(None, None, -1),
        [5],
        [5, 6, 7, 20, 3, 3, -1],
        [],
        np.arange(64) % 3 == 0,
        np.array([63, 0]),
        (slice(2, 9), Ellipsis),
        ([4, 2], Ellipsis),
        (slice(2, 9), slice(10, 50)),
        ([4, 2], slice(None, None, 5)),
        (slice(None), 3),
        ([1, 2], [7, 9, 11]),
    ],
    ids=str,
)
def test_indexing_gives_what_an_array_gives(tables, key):
    for lazy, plain in zip(tables[:2], tables[2:], strict=True):
        expected = plain[key[0]][:, key[1]] if isinstance(key, tuple) and key[1] is not Ellipsis else plain[key]
        assert_allclose(lazy[key], expected, atol=1e-6)


@pytest.mark.parametrize("row", [0, 7, 8, 63, -1, np.int64(5)])
def test_one_row(tables, row):
    X, _, plain, _ = tables
    assert_allclose(X[row], plain[row], atol=1e-6)
    assert X[row, 3] == pytest.approx(plain[row, 3], abs=1e-6)


@pytest.mark.parametrize("row", [64, -65, [0, 64]])
def test_rows_that_are_not_there(tables, row):
    with pytest.raises(IndexError):
        tables[0][row]


def test_small_blocks_change_nothing(tables, monkeypatch):
    X, _, plain, _ = tables
    monkeypatch.setattr(_segments, "BLOCK_BYTES", 5 * 231 * 4)
    assert X.block_length == 5
    assert_allclose(np.asarray(X), plain, atol=1e-6)
    assert_allclose(X[[3, 4, 5, 6, 7, 8, 9, 10, 11, 40]], plain[[*range(3, 12), 40]], atol=1e-6)


def test_validation_turns_rows_into_arrays(tables):
    X, y, X_plain, y_plain = tables
    assert_allclose(check_array(X), X_plain, atol=1e-6)
    for a, b in zip(check_X_y(X, y, multi_output=True), (X_plain, y_plain), strict=True):
        assert_allclose(a, b, atol=1e-6)
    assert np.asarray(X, dtype=np.float64).dtype == np.float64


def test_each_row_knows_its_parts_and_song(trios, tables):
    mixes, _, songs = trios
    X = tables[0]
    assert X.parts.shape == X.songs.shape == (64,)
    assert list(X.songs) == [song for song in songs for _ in range(8)]
    assert list(X.parts) == [mix.parts for mix in mixes for _ in range(8)]


def test_recordings_without_a_song_are_songs_of_their_own(trios):
    X = rows_of([np.asarray(x) for x in trios[0]], [np.asarray(s) for s in trios[1]], sample_rate=8000)[0]
    assert len(set(X.songs)) == 8 and [len(set(X.songs[8 * i : 8 * i + 8])) for i in range(8)] == [1] * 8
    assert set(X.parts) == {None}


@pytest.mark.parametrize("rows", [slice(0, 8), slice(5, 20), slice(None), slice(30, 31)], ids=str)
@pytest.mark.parametrize("compression", [1.0, 0.5, "decibel"])
def test_waveforms_encoded_are_the_rows(trios, rows, compression):
    for lazy in rows_of(*trios[:2], compression=compression):
        waveforms = lazy.waveforms(rows)
        expected = lazy[rows]
        assert waveforms.shape == (len(expected), *lazy.row_shape[:-2], 800)
        encoded = lazy.encode(waveforms)
        assert encoded.shape == (len(expected), *lazy.row_shape)
        assert_allclose(encoded.reshape(expected.shape), expected, atol=1e-5 if compression != "decibel" else 1e-2)


def test_complex_spectrograms_keep_every_bin(tables):
    X, y, plain, _ = tables
    spectrograms = X.stft(slice(5, 12))
    assert spectrograms.shape == (7, 11, 81) and np.iscomplexobj(spectrograms)
    assert_allclose(abs(spectrograms)[..., :21].reshape(7, -1), plain[5:12], atol=1e-6)
    assert_allclose(y.stft(slice(5, 12)).sum(axis=1), spectrograms, atol=1e-6)


def test_waveforms_of_solos_sum_to_those_of_the_mixture(tables):
    X, y = tables[:2]
    assert_allclose(y.waveforms().sum(axis=1), X.waveforms(), atol=1e-6)


@pytest.mark.parametrize(("compression", "silence"), [(1.0, 0.0), (0.5, 0.0), ("decibel", -120.0)])
def test_absent_parts_are_silent_in_the_features(trios, compression, silence):
    _, y = rows_of(*trios[:2], compression=compression)
    assert trios[1][0].shape[0] == 2
    targets = y[:8].reshape(8, *y.row_shape)
    assert_array_equal(targets[:, 2], silence)
    assert (targets[:, :2] != silence).any()
    assert not y.waveforms(slice(0, 8))[:, 2].any()


@pytest.mark.parametrize("bounds", [(0, 64), (0, 3), (5, 20), (7, 9), (8, 16), (60, 64)])
def test_taken_rows_are_rows(tables, bounds):
    X, y, X_plain, y_plain = tables
    for lazy, plain in ((X, X_plain), (y, y_plain)):
        taken = lazy.take(*bounds)
        assert taken.shape == (bounds[1] - bounds[0], plain.shape[1]) and taken.row_shape == lazy.row_shape
        assert_allclose(np.asarray(taken), plain[slice(*bounds)], atol=1e-6)
        assert_allclose(np.asarray(taken.take(1, len(taken))), plain[bounds[0] + 1 : bounds[1]], atol=1e-6)
    assert list(X.take(*bounds).songs) == list(X.songs[slice(*bounds)])


def test_known_spectrograms_are_not_made_again(tables, monkeypatch):
    X, _, plain, _ = tables
    taken = X.take(2, 6, X.stft(slice(2, 6)))

    def refuse(*args):
        raise AssertionError("made again")

    monkeypatch.setattr(_segments.Chain, "waveforms", refuse)
    assert_allclose(np.asarray(taken), plain[2:6], atol=1e-6)


def test_recordings_of_any_length_and_precision():
    rng = np.random.default_rng(0)
    lengths = [160, 800, 801, 1520, 1521, 5000]
    y = [rng.normal(size=(2, n)) for n in lengths]
    X, targets = rows_of([solos.sum(axis=0) for solos in y], y, sample_rate=8000)
    assert [int((X.songs == f"recording {i}").sum()) for i in range(6)] == [1, 1, 2, 2, 3, 7]
    assert X.dtype == targets.dtype == np.float64
    y[0] = y[0].astype(np.float32)
    assert rows_of([solos.sum(axis=0) for solos in y], y, sample_rate=8000)[0].dtype == np.float64
    assert rows_of([s.sum(axis=0) for s in y[:1]], y[:1], sample_rate=8000)[0].dtype == np.float32


def test_recordings_of_two_rates_share_one_table():
    slow, fast = (make_ensembles(1, 2, duration=0.7, sample_rate=rate, random_state=0) for rate in (8000, 16000))
    X_slow, y_slow, _ = slow.power_set()
    X_fast, y_fast, _ = fast.power_set()
    X, y = rows_of([X_slow[0], X_fast[0]], [y_slow[0], y_fast[0]])
    assert X.shape == (16, 231) and y.shape == (16, 462)
    table = np.asarray(X)
    assert_allclose(table[:8], np.asarray(rows_of(X_slow, y_slow)[0]), atol=1e-6)
    # the same music, rendered at another rate: levels in the same bins agree
    levels = [block.reshape(8, 11, 21).mean(axis=(0, 1)) for block in (table[:8], table[8:])]
    assert np.corrcoef(*levels)[0, 1] > 0.8
    assert 0.5 < levels[0].sum() / levels[1].sum() < 2


def test_rows_without_overlap_tile_the_recording(trios):
    X = rows_of(*trios[:2], representation=make_pipeline(Segmenter(0.1, overlap=0), STFT(0.02, 0.01)))[0]
    assert len(X) == 56
    assert_array_equal(X.waveforms(slice(0, 7)).ravel(), np.asarray(trios[0][0]))


def test_rows_go_to_other_processes(tables):
    X, _, plain, _ = tables
    copy = pickle.loads(pickle.dumps(X))
    assert_allclose(np.asarray(copy), plain, atol=1e-6)
    assert list(copy.songs) == list(X.songs)


def test_a_recording_that_cannot_be_read_is_named(trios):
    X, y, _ = trios
    bad = np.asarray(X[1]).copy()
    bad[3000] = np.nan
    with pytest.raises(ValueError, match=r"recording 1.*NaN"):
        np.asarray(rows_of([np.asarray(X[0]), bad], [np.asarray(s) for s in y[:2]], sample_rate=8000)[0])
