"""Ensembles and the mixtures that can be made of them."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skseparate.datasets import ArrayRecording, Ensemble, Ensembles, make_ensembles
from skseparate.datasets._ensembles import SCORE_ORDER

PARTS = ("vn", "fl", "vc", "tpt")


def numbered(n_songs=6, parts=PARTS, sample_rate=8000, n_samples=20):
    """Ensembles whose stems are constants: stem k of song i is 10 i + k, so that a mix shows its stems."""
    return Ensembles(
        Ensemble(
            f"piece {i}",
            f"song {i}",
            tuple(parts),
            tuple(
                ArrayRecording(np.full(n_samples + i, 10.0 * i + k), sample_rate, [part], f"song {i}")
                for k, part in enumerate(parts)
            ),
        )
        for i in range(n_songs)
    )


def stems_of(solos):
    """Which (song, stem) the solos of a mix are."""
    return [divmod(int(x), 10) for x in np.asarray(solos)[:, 0]]


def test_data_sets_are_sequences():
    ensembles = numbered()
    assert len(ensembles) == 6 and len(ensembles[2:4]) == 2 and isinstance(ensembles[2:4], Ensembles)
    assert ensembles[-1].name == "piece 5" and [e.song for e in ensembles][1] == "song 1"
    assert "6 pieces of 6 songs, 24 stems" in repr(ensembles)


@pytest.mark.parametrize("chosen", [None, (0,), (1, 3), (2, 0)])
def test_a_mixture_of_chosen_parts(chosen):
    piece = numbered()[1]
    expected = range(4) if chosen is None else chosen
    assert stems_of(piece.solos(chosen)) == [(1, k) for k in expected]
    assert piece.mixture(chosen).parts == tuple(PARTS[k] for k in expected)
    assert_array_equal(np.asarray(piece.mixture(chosen)), sum(10.0 + k for k in expected))


def test_the_power_set_holds_every_subset_once():
    X, y, songs = numbered(2).power_set(min_parts=2)
    subsets = [tuple(stems_of(solos)) for solos in y]
    assert len(set(subsets)) == len(subsets) == len(X) == 22
    for mix, subset, song in zip(X, subsets, songs, strict=True):
        assert {f"song {i}" for i, _ in subset} == {song} == {mix.song}
        assert [k for _, k in subset] == sorted(k for _, k in subset)
        assert mix.parts == tuple(PARTS[k] for _, k in subset)
        assert np.asarray(mix)[0] == sum(10 * i + k for i, k in subset)


def test_no_ensembles_give_no_mixes():
    X, y, songs = Ensembles([]).power_set()
    assert len(X) == len(y) == len(songs) == 0
    assert repr(X)


def test_too_large_a_minimum_gives_no_mixes():
    assert len(numbered().power_set(min_parts=5)[0]) == 0


def test_a_mix_of_no_parts_is_never_made():
    """Either refused at once, or left out."""
    try:
        X, _, _ = numbered(1).power_set(min_parts=0)
    except ValueError:
        return
    for x in X:
        assert x.n_samples > 0


@pytest.mark.parametrize("n_pools", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_no_stem_of_a_song_stands_in_two_pools(n_pools, seed):
    X, y, pools = numbered().cross_mixes(60, (2, 4), n_pools=n_pools, random_state=seed)
    assert len(X) == len(y) == len(pools) == 60
    pool_of_song = {}
    for solos, pool in zip(y, pools, strict=True):
        for song, _ in stems_of(solos):
            assert pool_of_song.setdefault(song, pool) == pool
    assert len(set(pools)) == n_pools
    assert any(len({song for song, _ in stems_of(solos)}) > 1 for solos in y)


def test_cross_mixes_know_their_parts_and_pools():
    X, y, pools = numbered().cross_mixes(30, (2, 4), n_pools=2, random_state=0)
    for mix, solos, pool in zip(X, y, pools, strict=True):
        assert mix.song == solos.song == pool
        assert mix.parts == solos.parts == tuple(PARTS[k] for _, k in stems_of(solos))
        assert [SCORE_ORDER.index(p) for p in mix.parts] == sorted(SCORE_ORDER.index(p) for p in mix.parts)
        assert_array_equal(np.asarray(mix), np.asarray(solos).sum(axis=0))


def test_no_stem_is_mixed_with_itself():
    _, y, _ = numbered(3).cross_mixes(50, 4, n_pools=3, random_state=0)
    for solos in y:
        assert len(set(stems_of(solos))) == 4


def test_cross_mixes_are_as_long_as_their_shortest_stem():
    X, y, _ = numbered().cross_mixes(30, 2, n_pools=1, random_state=0)
    for mix, solos in zip(X, y, strict=True):
        assert mix.n_samples == solos.n_samples == min(20 + song for song, _ in stems_of(solos))


@pytest.mark.parametrize(("n_parts", "sizes"), [(3, {3}), ((2, 2), {2}), ((2, 4), {2, 3, 4})])
def test_sizes_of_cross_mixes(n_parts, sizes):
    X, _, _ = numbered().cross_mixes(60, n_parts, n_pools=2, random_state=0)
    assert {len(x.parts) for x in X} == sizes


def test_the_same_seed_gives_the_same_cross_mixes():
    def mixes(seed):
        _, y, pools = numbered().cross_mixes(20, n_pools=3, random_state=seed)
        return [stems_of(solos) for solos in y], list(pools)

    assert mixes(0) == mixes(0) != mixes(1)


def test_arrangements_of_a_song_stay_in_one_pool():
    pieces = [Ensemble(f"piece {i}", f"song {i // 2}", e.parts, e.stems) for i, e in enumerate(numbered(8))]
    for seed in range(5):
        _, y, pools = Ensembles(pieces).cross_mixes(80, 2, n_pools=4, random_state=seed)
        pool_of_song = {}
        for solos, pool in zip(y, pools, strict=True):
            for piece, _ in stems_of(solos):
                assert pool_of_song.setdefault(piece // 2, pool) == pool


def test_instruments_unknown_to_the_score_order_come_last():
    X, _, _ = numbered(2, parts=("voice", "vn", "db")).cross_mixes(20, 3, n_pools=1, random_state=0)
    for mix in X:
        assert "voice" not in mix.parts[: 3 - mix.parts.count("voice")]


@pytest.mark.parametrize("n_pools", [0, -1, 7])
def test_numbers_of_pools_that_cannot_be_are_refused(n_pools):
    with pytest.raises(ValueError, match=f"n_pools={n_pools} must lie between 1 and the number of songs, 6"):
        numbered().cross_mixes(3, n_pools=n_pools)


def test_pools_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="has 4 stems, 5 are needed: use fewer pools"):
        numbered().cross_mixes(6, 5, n_pools=6, random_state=0)


def test_stems_of_two_rates_are_never_mixed():
    """Mixes within each rate, or a refusal at once: never a mix that fails when it is read."""
    ensembles = Ensembles([*numbered(3), *numbered(6, sample_rate=16000)[3:]])
    try:
        X, _, _ = ensembles.cross_mixes(40, 2, n_pools=1, random_state=0)
    except ValueError:
        return
    for x in X:
        np.asarray(x)


def test_parts_stand_in_one_order_everywhere():
    """Slot k is the k-th part in score order: a pair of instruments has one order in all data."""
    order = {}
    ensembles = make_ensembles(60, (2, 5), duration=0.5, sample_rate=8000, random_state=0)
    X, _, _ = ensembles.cross_mixes(60, (2, 5), n_pools=5, random_state=0)
    for parts in [e.parts for e in ensembles] + [x.parts for x in X]:
        for i, a in enumerate(parts):
            for b in parts[i + 1 :]:
                if a != b:
                    assert order.setdefault(frozenset((a, b)), (a, b)) == (a, b)


def test_nothing_is_lost_on_the_way_to_another_process():
    for sequences in (numbered().power_set(), numbered().cross_mixes(10, n_pools=2, random_state=0)):
        for copy, original in zip(pickle.loads(pickle.dumps(sequences)), sequences, strict=True):
            for a, b in zip(copy, original, strict=True):
                assert_array_equal(np.asarray(a), np.asarray(b))
