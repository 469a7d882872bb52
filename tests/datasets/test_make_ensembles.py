"""The built-in synthetic ensembles."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skseparate.datasets import make_ensembles
from skseparate.datasets._ensembles import SCORE_ORDER
from skseparate.datasets._synthesis import INSTRUMENTS


def small(n_songs=3, n_parts=(2, 5), duration=1.5, sample_rate=8000, random_state=0, **options):
    return make_ensembles(
        n_songs, n_parts, duration=duration, sample_rate=sample_rate, random_state=random_state, **options
    )


@pytest.fixture(scope="module")
def scores():
    """Forty songs of 24 s, for what is written; nothing of them is rendered."""
    return small(40, duration=24.0)


def sounds(ensembles):
    return [np.asarray(e.solos()) for e in ensembles]


def test_the_same_seed_gives_the_same_samples():
    for a, b in zip(sounds(small()), sounds(small()), strict=True):
        assert_array_equal(a, b)


def test_the_same_seed_gives_the_same_samples_without_the_cache(monkeypatch):
    before = [solos.copy() for solos in sounds(small())]
    monkeypatch.setattr("skseparate.datasets._make_ensembles.cached_samples", lambda key, make: make())
    for a, b in zip(before, sounds(small()), strict=True):
        assert_array_equal(a, b)


def test_stems_do_not_depend_on_the_order_in_which_they_are_read():
    ensembles = small(random_state=7)
    backwards = [[np.array(stem) for stem in reversed(e.stems)][::-1] for e in reversed(ensembles)][::-1]
    for a, b in zip(backwards, sounds(small(random_state=7)), strict=True):
        assert_array_equal(np.stack(a), b)


def test_another_seed_gives_other_songs():
    a, b = small(random_state=0), small(random_state=1)
    assert [e.parts for e in a] != [e.parts for e in b]
    assert [s.notes for s in a[0].stems] != [s.notes for s in b[0].stems]


def test_songs_differ_from_each_other():
    takes = [stem.take for e in small(6, n_parts=2, instruments=["vn"]) for stem in e.stems]
    assert len(set(takes)) == len(takes)


def test_random_states_are_taken():
    a, b = (small(random_state=np.random.RandomState(3)) for _ in range(2))
    assert [s.take for s in a[0].stems] == [s.take for s in b[0].stems]
    assert len(small(random_state=None)) == 3


@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("duration", [0.25, 1.5])
def test_lengths_and_rates(sample_rate, duration):
    for piece in small(2, sample_rate=sample_rate, duration=duration):
        solos = np.asarray(piece.solos())
        assert solos.shape == (len(piece.parts), int(duration * sample_rate))
        assert piece.mixture().sample_rate == sample_rate
        assert np.isfinite(solos).all() and solos.dtype == np.float32
        assert (abs(solos).max(axis=1) > 1e-3).all()


@pytest.mark.parametrize("n_parts", [1, 2, 8])
def test_numbers_of_parts(n_parts):
    assert {len(e.parts) for e in small(2, n_parts=n_parts)} == {n_parts}


def test_numbers_of_parts_are_drawn_between_the_bounds():
    assert {len(e.parts) for e in small(60, n_parts=(2, 4))} == {2, 3, 4}


def test_nothing_clips_and_no_stem_is_silent():
    for piece in small(12, n_parts=(2, 5), duration=4.0, sample_rate=16000):
        solos = np.asarray(piece.solos())
        assert abs(solos.sum(axis=0)).max() < 1
        levels = np.sqrt((solos**2).mean(axis=1))
        assert (levels > 0.01).all() and (levels < 0.1).all()
        assert (abs(solos.mean(axis=1)) < 1e-3).all()


def test_each_part_of_a_song_is_a_player_of_its_own():
    (piece,) = small(1, n_parts=3, instruments=["vn"])
    assert piece.parts == ("vn", "vn", "vn")
    solos = np.asarray(piece.solos())
    assert (abs(np.corrcoef(solos)[np.triu_indices(3, 1)]) < 0.5).all()


def test_instruments_are_doubled_now_and_then(scores):
    doubled = [len(set(e.parts)) < len(e.parts) for e in scores]
    assert any(doubled) and not all(doubled)
    assert {part for e in scores for part in e.parts} == set(SCORE_ORDER) == set(INSTRUMENTS)


def test_without_doubling_every_instrument_is_there_once():
    for piece in small(20, n_parts=(2, 5), doubling=False):
        assert len(set(piece.parts)) == len(piece.parts)


def test_instruments_are_those_asked_for():
    assert {p for e in small(10, instruments=["va", "vc"]) for p in e.parts} == {"va", "vc"}


def test_parts_stand_from_treble_to_bass(scores):
    """In the order of scores, and on the whole by what they play."""
    falls = 0
    for piece in scores:
        ranks = [SCORE_ORDER.index(part) for part in piece.parts]
        assert ranks == sorted(ranks)
        means = [np.mean([pitch for _, _, pitch in stem.notes]) for stem in piece.stems]
        falls += means[0] > means[-1]
    assert falls > 0.95 * len(scores)


def test_notes_lie_within_the_instrument(scores):
    for piece in scores:
        for part, stem in zip(piece.parts, piece.stems, strict=True):
            pitches = [pitch for _, _, pitch in stem.notes]
            assert min(pitches) >= INSTRUMENTS[part].low, (part, min(pitches))
            assert max(pitches) <= INSTRUMENTS[part].high, (part, max(pitches))


def test_notes_follow_each_other_within_the_song(scores):
    for piece in scores:
        for stem in piece.stems:
            for (onset, duration, _), (following, _, _) in pairwise(stem.notes):
                assert 0 <= onset < following and onset + duration <= following + 1e-9
            assert stem.notes[-1][0] < 24 + 4
            assert len(stem.notes) > 10


def moments(piece):
    """Pitches at each instant at which all parts begin a note: among them every change of chord."""
    lines = [{round(onset, 6): pitch for onset, _, pitch in stem.notes} for stem in piece.stems]
    common = sorted(set.intersection(*(set(line) for line in lines)))
    return np.array([[line[t] for line in lines] for t in common])


def test_chords_change_by_voice_leading(scores):
    """Parallel fifths and octaves, and crossings, are the exception."""
    n_pairs = n_parallels = n_neighbours = n_crossings = n_leaps = n_steps = 0
    for piece in scores:
        chords = moments(piece)
        assert len(chords) > 10
        for old, new in pairwise(chords):
            n_leaps += (abs(new - old) > 7).sum()
            n_steps += len(new)
            for a in range(len(new)):
                for b in range(a + 1, len(new)):
                    n_pairs += 1
                    before, after = (old[a] - old[b]) % 12, (new[a] - new[b]) % 12
                    n_parallels += new[a] != old[a] and before == after and after in (0, 7)
        n_crossings += (np.diff(chords, axis=1) > 0).sum()
        n_neighbours += chords[:, 1:].size
    assert n_parallels < 0.02 * n_pairs
    assert n_crossings < 0.05 * n_neighbours
    assert n_leaps < 0.05 * n_steps


def test_chords_are_chords(scores):
    """At changes of chord all parts together sound at most three pitch classes of one scale."""
    large = [piece for piece in scores if len(piece.parts) > 3]
    assert np.mean([len(set(chord % 12)) <= 3 for piece in large for chord in moments(piece)]) > 0.9
    for piece in scores:
        assert len({pitch % 12 for stem in piece.stems for _, _, pitch in stem.notes}) <= 7


def test_parts_have_rhythms_of_their_own(scores):
    for piece in scores:
        rhythms = {tuple(round(onset, 6) for onset, _, _ in stem.notes) for stem in piece.stems}
        assert len(rhythms) == len(piece.parts)


def test_keys_and_tempos_vary(scores):
    keys = {frozenset(pitch % 12 for stem in e.stems for _, _, pitch in stem.notes) for e in scores}
    assert len(keys) > 10
    assert len({round(e.stems[0].notes[0][1], 3) for e in scores}) > 10


@pytest.mark.parametrize("part", SCORE_ORDER)
def test_every_instrument_plays_in_tune(part):
    """The strongest periodicity of a held note is that of its pitch."""
    from skseparate.datasets._synthesis import render_line

    pitch = (INSTRUMENTS[part].low + INSTRUMENTS[part].high) // 2
    note = render_line([(0.0, 1.0, pitch)], part, 32000, 32000, seed=0)[8000:24000]
    spectrum = abs(np.fft.rfft(note * np.hanning(len(note)), 4 * len(note)))
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    harmonics = f0 * np.arange(1, 9)
    bins = np.round(harmonics / (32000 / (4 * len(note)))).astype(int)
    near = max(spectrum[int(b * 0.985) : int(b * 1.015) + 1].max() for b in bins)
    assert near == pytest.approx(spectrum.max())


def test_stems_are_read_in_part():
    stem = small()[0].stems[0]
    assert_array_equal(stem.read(1000, 2000), np.asarray(stem)[1000:2000])
    assert "notes" in repr(stem)


def test_the_same_song_at_two_rates_is_the_same_music():
    low, high = (small(1, n_parts=2, sample_rate=rate)[0] for rate in (8000, 48000))
    assert [s.notes for s in low.stems] == [s.notes for s in high.stems]
    energy = [np.square(np.asarray(e.mixture())).reshape(15, -1).mean(axis=1) for e in (low, high)]
    assert_allclose(*energy, rtol=1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"instruments": ["vn", "kazoo"]}, r"instruments \['kazoo'\] are not known; choose from"),
        ({"instruments": []}, "instruments|empty"),
        ({"instruments": ["vn", "vn"], "n_parts": 2, "doubling": False}, "2 parts need as many instruments"),
        ({"n_songs": 0}, "'n_songs' parameter"),
        ({"n_parts": 9}, "'n_parts' parameter"),
        ({"n_parts": 0}, "'n_parts' parameter"),
        ({"n_parts": (5, 2)}, "n_parts"),
        ({"n_parts": (0, 0)}, "n_parts"),
        ({"n_parts": (2, 3, 4)}, "n_parts"),
        ({"duration": 0}, "'duration' parameter"),
        ({"sample_rate": 10}, "'sample_rate' parameter"),
        ({"random_state": "today"}, "'random_state' parameter"),
    ],
)
def test_what_cannot_be_made_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_ensembles_go_to_other_processes():
    ensembles = small()
    copy = pickle.loads(pickle.dumps(ensembles))
    for a, b in zip(sounds(copy), sounds(ensembles), strict=True):
        assert_array_equal(a, b)
