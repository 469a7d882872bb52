"""Splits by song, frozen folds and the guard."""

import warnings

import numpy as np
import pytest
import soundfile
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GroupKFold, KFold, cross_validate
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate.datasets import load_urmp, make_ensembles
from skseparate.model_selection import LeakGuard, LeakWarning, UrmpFolds, find_leaks, song_split
from skseparate.model_selection._urmp_folds import FOLDS
from skseparate.preprocessing import STFT, Segmenter

TITLES = {
    "Jupiter",
    "Sonata",
    "Dance",
    "Allegro",
    "Entertainer",
    "GString",
    "Spring",
    "Jesus",
    "March",
    "Maria",
    "Hark",
    "Waltz",
    "Surprise",
    "Nocturne",
    "Pavane",
    "Rejouissance",
    "Pirates",
    "King",
    "Fugue",
    "Slavonic",
    "Elise",
    "Rondeau",
    "Jerusalem",
    "Miserere",
    "Arioso",
    "Chorale",
    "K515",
}


@pytest.fixture(scope="module")
def data():
    return make_ensembles(n_songs=15, n_parts=(2, 5), duration=2.0, sample_rate=8000, random_state=0).power_set()


def test_song_split_covers_everything_once_and_tears_no_song(data):
    X, _, songs = data
    sides = song_split(X, songs)
    np.testing.assert_array_equal(np.sort(np.concatenate(sides)), np.arange(len(X)))
    for a in range(3):
        for b in range(a):
            assert not set(songs[sides[a]]) & set(songs[sides[b]])


def test_song_split_balances_hours_of_each_size(data):
    X, _, songs = data
    sizes = np.array([len(x.parts) for x in X])
    for side, share in zip(song_split(X, songs), (0.6, 0.2, 0.2), strict=True):
        assert abs(len(side) / len(X) - share) < 0.1
        for size in (2, 3):
            assert abs((sizes[side] == size).sum() / (sizes == size).sum() - share) < 0.15


def test_song_split_repeats_and_follows_its_seed(data):
    X, _, songs = data
    first, again, other = (song_split(X, songs, random_state=seed) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any(len(a) != len(b) or (a != b).any() for a, b in zip(first, other, strict=True))


def test_song_split_decodes_nothing(data, monkeypatch):
    X, _, songs = data
    monkeypatch.setattr("skseparate.datasets._make_ensembles.render_line", None)
    assert len(song_split(X, songs, sizes=(1, 1))) == 2


@pytest.mark.parametrize("sizes", [(0.5, 0.0), (1, -1), (1,) * 16])
def test_song_split_refuses_impossible_sizes(data, sizes):
    with pytest.raises(ValueError, match="positive sizes need as many songs"):
        song_split(data[0], data[2], sizes)


@pytest.mark.parametrize("name", FOLDS)
def test_urmp_folds_hold_every_title_once(name):
    titles = [title for fold in FOLDS[name] for title in fold]
    assert sorted(titles) == sorted(TITLES)


def test_urmp_folds_are_frozen():
    assert FOLDS["urmp-5fold-v1"][3] == ("Sonata", "Surprise", "Fugue", "K515")
    assert FOLDS["urmp-60-20-20-v1"][1] == ("Entertainer", "Maria", "Nocturne", "Rondeau", "Chorale")


def test_urmp_folds_split_by_song():
    songs = np.array(sorted(TITLES) * 2)
    folds = list(UrmpFolds().split(songs, groups=songs))
    assert len(folds) == UrmpFolds().get_n_splits() == 5
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(54))
    for train, test in folds:
        assert not set(songs[train]) & set(songs[test])
    frozen = UrmpFolds("urmp-60-20-20-v1")
    ((train, test),) = frozen.split(songs, groups=songs)
    assert len(train) + len(test) + len(frozen.validation(songs)) == 54


def test_urmp_folds_refuse_what_is_not_urmp():
    with pytest.raises(ValueError, match="groups=songs"):
        next(UrmpFolds().split([1, 2]))
    with pytest.raises(ValueError, match="'Yesterday' is not a song of URMP"):
        next(UrmpFolds().split([1], groups=["Yesterday"]))
    with pytest.raises(ValueError, match="choose from"):
        UrmpFolds("mine").fold_of("Fugue")


def test_guard_is_silent_by_song_and_warns_otherwise(data):
    X, y, songs = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folds = list(LeakGuard(GroupKFold(3)).split(X, y, songs))
    assert len(folds) == LeakGuard(GroupKFold(3)).get_n_splits() == 3
    with pytest.warns(LeakWarning) as caught:
        list(LeakGuard(KFold(3, shuffle=True, random_state=0)).split(X, y))
    assert any("song 'song 0" in str(warning.message) for warning in caught)


def test_guard_works_in_cross_validation(data):
    X, y, _ = data
    separator = Separator(make_pipeline(Segmenter(0.5), STFT(0.02, 0.01)), regressor=DummyRegressor())
    with pytest.warns(LeakWarning):
        scores = cross_validate(separator, X[:4], y[:4], cv=LeakGuard(KFold(2)))
    assert np.isfinite(scores["test_score"]).all()


def test_a_shared_take_is_found_under_another_title(tmp_path):
    rng = np.random.default_rng(0)
    take = rng.normal(0, 0.1, 800)
    for folder, parts in (("01_One_vn_vc", ("vn", "vc")), ("02_Two_vn_fl", ("vn", "fl"))):
        (tmp_path / folder).mkdir()
        number, title = folder.split("_")[:2]
        for k, part in enumerate(parts, start=1):
            samples = take if part == "vn" else rng.normal(0, 0.1, 800)
            soundfile.write(tmp_path / folder / f"AuSep_{k}_{part}_{number}_{title}.wav", samples, 8000)
    X, _, _ = load_urmp(tmp_path).power_set()
    assert find_leaks(X[:1], X[1:]) == ["1 take stands on both sides."]
    assert find_leaks(X[:1], X[1:], takes=False) == []
