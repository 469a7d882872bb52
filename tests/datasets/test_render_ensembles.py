"""Ensembles rendered from scores, by a renderer of sines; and the entries that keep what is made."""

import pickle
from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
from joblib import Parallel, delayed

from skseparate.datasets import StemCache, render_ensembles
from skseparate.datasets._render._instruments import RANGES
from skseparate.datasets.rendering import PLAIN, Effects, Notes, Score

RATE = 16000
DRY = Effects().without("noise")


class Sines:
    """A renderer of sines, that remembers what it was asked for."""

    def __init__(self, name="sines", instruments=tuple(RANGES), gain=1.0):
        self.name, self.instruments, self.gain = name, tuple(instruments), gain
        self.calls = []

    def render(self, played, instrument, sample_rate, n_samples):
        self.calls.append((instrument, played, sample_rate))
        samples = np.zeros(n_samples, np.float32)
        for onset, offset, pitch in zip(played.onset, played.offset, played.pitch, strict=True):
            first, last = int(np.ceil(onset * sample_rate)), int(offset * sample_rate)
            time = np.arange(last - first) / sample_rate
            sound = np.cos(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time)
            samples[first:last] += self.gain * sound[: max(0, n_samples - first)]
        return samples


class Silence(Sines):
    def render(self, played, instrument, sample_rate, n_samples):
        return np.zeros(n_samples, np.float32)


def part(n, centre, rng, duration=1.0):
    pitch = (centre + rng.randint(-6, 7, n)).astype(np.int16)
    return Notes(np.arange(n) * duration, np.full(n, duration), pitch, np.zeros(n, bool))


def score(name="one", song="song", sizes=(12, 12, 12), tempo=((0, 120),), seed=0):
    """A part for each size, which is its number of quarter notes."""
    rng = np.random.RandomState(seed)
    parts = tuple(part(n, centre, rng) for n, centre in zip(sizes, np.linspace(74, 50, len(sizes)), strict=True))
    return Score(name, song, parts, np.array(tempo, float), "CC0", "made up")


@pytest.fixture
def render(tmp_path):
    """`render_ensembles` with a folder of its own, and all that tests share."""

    def rendered(scores=None, renderers=None, folder="cache", **options):
        options = {"random_state": 0, "duration": 3.0, **options}
        renderers = [Sines()] if renderers is None else renderers
        return render_ensembles(scores or [score()], renderers, cache=StemCache(tmp_path / folder), **options)

    return rendered


def stems(ensembles):
    return [np.array(stem) for ensemble in ensembles for stem in ensemble.stems]


def played(ensemble):
    """What the renderer of an ensemble's stems was asked to play."""
    return [stem._performance.played[k] for k, stem in enumerate(ensemble.stems)]


def same(one, other):
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def loud(samples):
    """Level of the loud tenths of a second that sound, in dB."""
    blocks = samples[: len(samples) // 1600 * 1600].reshape(-1, 1600).astype(float)
    power = np.mean(blocks**2, axis=1)
    return 10 * np.log10(np.quantile(power[power > 1e-4 * power.max()], 0.9))


class TestSeeds:
    def test_same_seed_same_stems(self, render):
        one, other = (render(n_takes=2, folder=folder) for folder in "ab")
        assert same(stems(one), stems(other))
        assert [e.parts for e in one] == [e.parts for e in other]

    def test_another_seed_other_stems(self, render):
        one, other = (render(random_state=seed, n_parts=3, folder=str(seed)) for seed in (0, 1))
        assert not any(len(a) == len(b) and np.allclose(a, b) for a in stems(one) for b in stems(other))

    def test_takes_differ(self, render):
        takes = render(n_takes=6, n_parts=3)
        assert len({stem.take for e in takes for stem in e.stems}) == 18
        assert len({e.parts for e in takes}) > 1
        assert len({e.stems[0].n_samples for e in takes}) == 6
        assert len({e.name for e in takes}) == 6

    def test_random_states_are_used_up(self, render):
        rng = np.random.RandomState(0)
        assert not same(stems(render(random_state=rng)), stems(render(random_state=rng)))

    @pytest.mark.parametrize("name", ["breath", "colour", "room", "vibrato", "intonation", "dynamics"])
    def test_switching_one_off_leaves_the_noise(self, render, name):
        def noise(effects):
            pairs = zip(stems(render(effects=effects)), stems(render(effects=effects.without("noise"))), strict=True)
            return [with_noise - without for with_noise, without in pairs]

        for usual, other in zip(noise(Effects()), noise(Effects().without(name)), strict=True):
            assert usual.any()
            np.testing.assert_allclose(usual, other, atol=1e-6)

    @pytest.mark.parametrize("name", ["breath", "colour", "room", "vibrato", "intonation", "dynamics"])
    def test_switching_one_off_leaves_the_levels(self, render, name):
        usual, other = (stems(render(effects=effects)) for effects in (DRY, DRY.without(name)))
        for a, b in zip(usual, other, strict=True):
            assert loud(a) == pytest.approx(loud(b), abs=0.3)

    @pytest.mark.parametrize("name", [f.name for f in fields(Effects)])
    def test_switching_one_off_leaves_who_plays_what(self, render, name):
        renderers = [Sines(str(k)) for k in range(5)]
        usual, other = (render(None, renderers, n_takes=4, effects=e) for e in (Effects(), Effects().without(name)))
        assert [e.parts for e in usual] == [e.parts for e in other]
        names = [[stem.renderer for e in ensembles for stem in e.stems] for ensembles in (usual, other)]
        assert names[0] == names[1]
        assert all(
            len(a.onset) == len(b.onset) and np.array_equal(a.pitch.round(), b.pitch.round())
            for e, o in zip(usual, other, strict=True)
            for a, b in zip(played(e), played(o), strict=True)
        )
        assert {s.take for e in usual for s in e.stems}.isdisjoint(s.take for e in other for s in e.stems)

    def test_breath_is_added_and_nothing_else(self, render):
        bare = PLAIN
        for without, with_breath in zip(
            stems(render(effects=bare)), stems(render(effects=replace(bare, breath=1.0))), strict=True
        ):
            scale = np.dot(without, with_breath) / np.dot(without, without)
            noise = with_breath - scale * without
            assert scale == pytest.approx(1, abs=0.03)
            assert 0 < np.linalg.norm(noise) < 0.1 * np.linalg.norm(without)


class TestPlain:
    def test_onsets_are_the_scores(self, render):
        for ensemble in render(effects=PLAIN, n_takes=3, n_parts=3, duration=1e3):
            starts = [np.flatnonzero(stem)[0] / RATE for stem in stems([ensemble])]
            assert np.ptp(starts) == 0
            assert 0.2 <= starts[0] <= 1.5
            for notes in played(ensemble):
                np.testing.assert_allclose(notes.onset - notes.onset[0], 0.5 * np.arange(12), atol=1e-9)
                assert abs(notes.onset[0] - starts[0]) < 1.01 / RATE

    def test_levels_are_equal(self, render):
        levels = [loud(stem) for stem in stems(render(effects=PLAIN, n_takes=3))]
        assert np.ptp(levels) < 0.3

    def test_what_renderers_gain_is_levelled(self, render):
        quiet, usual = (stems(render(None, [Sines(str(g), gain=g)], effects=PLAIN)) for g in (0.001, 1.0))
        for a, b in zip(quiet, usual, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)

    def test_nothing_sounds_before_and_after(self, render):
        for ensemble in render(effects=PLAIN):
            for stem, notes in zip(stems([ensemble]), played(ensemble), strict=True):
                assert not stem[: int(notes.onset[0] * RATE)].any()
                assert not stem[int(notes.offset.max() * RATE) + 1 :].any()
                assert len(stem) > (notes.offset.max() + 1) * RATE


class TestExcerpt:
    def test_tempo_is_that_of_the_place(self, render):
        """C in the slow half, F sharp in the fast."""
        pitch = np.repeat([60, 66], 200).astype(np.int16)
        notes = Notes(np.arange(400.0), np.ones(400), pitch, np.zeros(400, bool))
        slow_fast = Score("a", "a", (notes, notes), np.array([[0.0, 60.0], [200.0, 180.0]]), "", "")
        heard = set()
        for ensemble in render([slow_fast], effects=PLAIN, n_takes=20, duration=12.0):
            for part in played(ensemble):
                fast = np.round(part.pitch[:-1]) % 12 == 6
                np.testing.assert_allclose(np.diff(part.onset), np.where(fast, 1 / 3, 1), atol=1e-9)
                heard |= set(fast)
        assert heard == {False, True}

    @pytest.mark.parametrize("effects", [PLAIN, Effects()], ids=["plain", "usual"])
    @pytest.mark.parametrize("tempo", [[(0, 60)], [(0, 240), (8, 100), (60, 50), (61, 100)], [(0, 30), (1, 200)]])
    def test_duration_is_about_right(self, render, effects, tempo):
        long = score(sizes=(400, 400, 400), tempo=tempo)
        ensembles = render([long], effects=effects, n_takes=6, duration=15.0)
        seconds = [e.stems[0].n_samples / RATE for e in ensembles]
        assert np.median(seconds) == pytest.approx(15 + 0.85 + 1.5, rel=0.15)
        assert max(seconds) < 1.25 * 15 + 5

    def test_short_scores_are_played_whole(self, render):
        for ensemble in render(n_takes=3, duration=100.0, n_parts=3):
            assert [len(notes.onset) for notes in played(ensemble)] == [12, 12, 12]

    def test_it_begins_anywhere(self, render):
        rising = Notes(np.arange(300.0), np.ones(300), np.arange(300).astype(np.int16) // 10 + 58, np.zeros(300, bool))
        ensembles = render([Score("a", "a", (rising,) * 2, np.array([[0.0, 120.0]]), "", "")], n_takes=12)
        assert len({int(played(e)[0].pitch[0].round()) for e in ensembles}) > 5

    @pytest.mark.parametrize("n_parts", [2, (2, 3), (3, 5), 5])
    def test_number_of_parts(self, render, n_parts):
        few, most = (n_parts, n_parts) if isinstance(n_parts, int) else n_parts
        ensembles = render([score(sizes=(12,) * 7)], n_parts=n_parts, n_takes=25)
        assert {len(e.parts) for e in ensembles} == set(range(few, most + 1))
        assert len(ensembles) == 25

    def test_all_parts_of_small_scores(self, render):
        sizes = Counter(len(e.parts) for e in render(n_parts=(2, 9), n_takes=30))
        assert max(sizes) == 3
        assert sizes[3] > sizes[2]

    def test_parts_keep_their_order(self, render):
        """From the highest staff down, whichever are left out."""
        for ensemble in render([score(sizes=(12,) * 5)], effects=PLAIN, n_takes=10):
            lengths = [stem.n_samples for stem in ensemble.stems]
            assert len(set(lengths)) == 1
            assert len(ensemble.parts) == len(ensemble.stems)
            assert [stem.parts for stem in ensemble.stems] == [(part,) for part in ensemble.parts]

    def test_parts_of_few_notes_are_dropped(self, render):
        ensembles = render([score(sizes=(12, 3, 12, 1))], n_parts=4, n_takes=3)
        assert len(ensembles) == 0
        ensembles = render([score(sizes=(12, 3, 12, 1))], n_parts=(2, 9), n_takes=20)
        assert {len(e.parts) for e in ensembles} == {2}
        assert 3 < len(ensembles) < 20 + 1

    @pytest.mark.parametrize("sizes", [(12, 0, 12), (0, 12, 12)])
    def test_parts_without_notes_are_dropped(self, render, sizes):
        assert {len(e.parts) for e in render([score(sizes=sizes)], n_takes=5)} == {2}

    def test_unplayable_scores_are_left_out(self, render):
        scores = [score("few", sizes=(2, 2)), score("solo", sizes=(12,)), score("none", sizes=(0, 0)), score("duo")]
        ensembles = render([*scores, Score("empty", "empty", (), np.array([[0.0, 60.0]]), "", "")], n_takes=2)
        assert [e.name for e in ensembles] == ["duo take 1", "duo take 2"]
        assert len(render(scores[:3])) == 0

    def test_instruments_fit_the_parts(self, render):
        renderer = Sines()
        ensembles = render([score(sizes=(12,) * 5)], [renderer], n_takes=10, duration=4.0)
        for ensemble in ensembles:
            for instrument, notes in zip(ensemble.parts, played(ensemble), strict=True):
                low, high = RANGES[instrument]
                assert np.mean((notes.pitch < low - 0.6) | (notes.pitch > high + 0.6)) <= 0.02
            assert max(Counter(ensemble.parts).values()) <= 2


class TestStems:
    def test_mixture_is_the_sum(self, render):
        for ensemble in render(n_takes=2):
            mixture, solos = np.array(ensemble.mixture()), np.array(ensemble.solos())
            np.testing.assert_array_equal(mixture, solos.sum(axis=0))
            assert same(list(solos), stems([ensemble]))
            assert solos.dtype == np.float32

    def test_rendered_when_read_and_once(self, render):
        renderer = Sines()
        ensembles = render([score(), score("two", "other")], [renderer], n_takes=2, n_parts=3)
        description = ensembles.describe()
        assert description["stems"] == 12
        assert not description["odd"]
        X, y, _ = ensembles.power_set()
        assert renderer.calls == []
        assert (len(X), len(y)) == (16, 16)
        ensembles[0].stems[1].read(100, 200)
        assert len(renderer.calls) == 1
        first = stems(ensembles)
        assert len(renderer.calls) == 12
        assert same(first, stems(ensembles))
        np.array(X[-1])
        assert len(renderer.calls) == 12

    def test_entries_outlive_the_ensembles(self, render):
        stems(render())
        renderer = Sines()
        again = stems(render(None, [renderer]))
        assert renderer.calls == []
        assert all(stem.any() for stem in again)

    def test_songs_are_the_scores(self, render):
        scores = [score("a", "x"), score("b", "y"), score("c", "x")]
        ensembles = render(scores, n_takes=2)
        assert [e.song for e in ensembles] == ["x", "x", "y", "y", "x", "x"]
        assert list(ensembles.power_set(min_parts=9)[2]) == []
        assert set(ensembles.power_set()[2]) == {"x", "y"}
        assert all(stem.song == e.song for e in ensembles for stem in e.stems)

    @pytest.mark.parametrize("renderer", [Sines(), Silence()])
    @pytest.mark.parametrize("rate", [8000, 16000, 44100])
    def test_rates(self, render, rate, renderer):
        (ensemble,) = render(None, [renderer], sample_rate=rate, n_parts=2, duration=2.5)
        (usual,) = render(None, [renderer], sample_rate=RATE, n_parts=2, duration=2.5)
        assert ensemble.parts == usual.parts
        assert all(np.array_equal(a.onset, b.onset) for a, b in zip(played(ensemble), played(usual), strict=True))
        for stem, other in zip(ensemble.stems, usual.stems, strict=True):
            assert stem.sample_rate == rate
            assert stem.n_samples / rate == pytest.approx(other.n_samples / RATE, abs=2 / 8000)
            samples = np.array(stem)
            assert samples.shape == stem.shape
            assert np.isfinite(samples).all()
            assert 0 < np.abs(samples).max() < 1

    def test_silence_stays_silence(self, render):
        for stem in stems(render(None, [Silence()], effects=DRY)):
            assert not stem.any()

    def test_rests_do_not_raise_the_level(self, render):
        """A part of four notes in thirty seconds is no louder than one that never rests."""
        rng = np.random.RandomState(0)
        busy = part(60, 70, rng)
        for first in (0, 40):
            notes = part(4, 60, rng)
            seldom = Notes(notes.onset + first, notes.duration, notes.pitch, notes.slurred)
            sparse = Score("a", "a", (busy, seldom), np.array([[0.0, 120.0]]), "", "")
            for effects in (PLAIN, Effects()):
                samples = stems(render([sparse], effects=effects, duration=100.0, n_parts=2))
                peaks = [np.abs(s).max() for s in samples]
                assert 0.1 * peaks[0] < peaks[1] < 10 * peaks[0]

    @pytest.mark.parametrize("seed", range(4))
    def test_nothing_clips(self, render, seed):
        assert max(np.abs(stem).max() for stem in stems(render(random_state=seed, n_takes=3))) < 1

    def test_players_follow_one_tempo(self, render):
        effects = replace(PLAIN, rubato=1.0)
        for ensemble in render(effects=effects, n_takes=3, n_parts=3):
            first, *others = played(ensemble)
            assert np.ptp(np.diff(first.onset)) > 1e-3
            assert all(np.array_equal(first.onset, other.onset) for other in others)

    def test_another_process_renders_the_same(self, render):
        here, there = render(folder="here", n_takes=2), render(folder="there", n_takes=2)
        found = Parallel(n_jobs=2)(delayed(stems)([ensemble]) for ensemble in there)
        assert same(stems(here), [stem for ensemble in found for stem in ensemble])

    def test_pickled_before_and_after_reading(self, render):
        (ensemble,) = render()
        before = pickle.loads(pickle.dumps(ensemble))
        first = stems([ensemble])
        after = pickle.loads(pickle.dumps(ensemble))
        assert same(first, stems([before]))
        assert same(first, stems([after]))
        assert [stem.take for stem in before.stems] == [stem.take for stem in after.stems]

    def test_reprs(self, render):
        ensembles = render(n_parts=3)
        assert repr(ensembles) == "<Ensembles: 1 pieces of 1 songs, 3 stems>"
        assert "16000 Hz" in repr(ensembles[0].stems[0])


class TestRenderers:
    def test_all_are_used(self, render):
        renderers = [Sines(str(k)) for k in range(4)]
        used = Counter(stem.renderer for e in render(None, renderers, n_takes=60) for stem in e.stems)
        assert set(used) == set("0123")
        assert min(used.values()) > 0.5 * sum(used.values()) / 4

    def test_doubled_parts_share_theirs_in_half_of_the_takes(self, render):
        renderers = [Sines(str(k)) for k in range(30)]
        shared = []
        for ensemble in render(None, renderers, n_takes=200):
            for instrument, count in Counter(ensemble.parts).items():
                if count == 2:
                    pair = {s.renderer for s in ensemble.stems if s.parts == (instrument,)}
                    shared.append(len(pair) == 1)
        assert np.mean(shared) == pytest.approx(0.5, abs=0.15)

    def test_each_plays_what_it_has(self, render):
        strings, winds = (
            Sines("strings", ("vn", "va", "vc", "db")),
            Sines("winds", set(RANGES) - {"vn", "va", "vc", "db"}),
        )
        ensembles = render(None, [strings, winds], n_takes=8, duration=2.0)
        stems(ensembles)
        assert strings.calls
        assert winds.calls
        for renderer in (strings, winds):
            assert {instrument for instrument, *_ in renderer.calls} <= set(renderer.instruments)
        assert all((s.renderer == "strings") == (s.parts[0] in strings.instruments) for e in ensembles for s in e.stems)

    def test_parts_are_given_to_what_there_is(self, render):
        few = [Sines("two", ("vn", "tba")), Sines("kazoo", ("kazoo",)), Sines("none", ())]
        ensembles = render([score(sizes=(12,) * 5)], few, n_takes=10, n_parts=(2, 5))
        assert {part for e in ensembles for part in e.parts} == {"vn", "tba"}
        assert {stem.renderer for e in ensembles for stem in e.stems} == {"two"}
        assert all(max(Counter(e.parts).values()) <= 2 for e in ensembles if len(e.parts) <= 4)
        assert all(stem.any() for stem in stems(ensembles[:1]))

    @pytest.mark.parametrize(
        ("scores", "renderers"),
        [([], [Sines()]), ([score()], []), ([], []), ([score()], [Sines("a", ("kazoo",)), Sines("b", ())])],
        ids=["no scores", "no renderers", "neither", "no instruments"],
    )
    def test_nothing_to_render(self, scores, renderers):
        with pytest.raises(ValueError, match="needs at least one score, and one renderer that has an instrument"):
            render_ensembles(scores, renderers)

    @pytest.mark.parametrize("n_parts", [0, (3, 2), (2, 3, 4), 2.5])
    def test_wrong_number_of_parts(self, render, n_parts):
        with pytest.raises((ValueError, TypeError)):
            render(n_parts=n_parts)

    def test_iterators_will_do(self, render):
        assert len(render(iter([score(), score("two")]), iter([Sines()]), n_takes=2)) == 4


class TestTake:
    """Names of entries: equal where the sound is, and only there."""

    def takes(self, ensembles):
        return {stem.take for e in ensembles for stem in e.stems}

    def test_equal_for_equal_sound(self, render):
        assert self.takes(render()) == self.takes(render(folder="elsewhere"))
        renamed = self.takes(render([score("renamed", "song")]))
        assert self.takes(render()) == renamed

    @pytest.mark.parametrize(
        "change",
        [
            {"renderers": [Sines("others")]},
            {"effects": Effects(vibrato=1.1)},
            {"effects": PLAIN},
            {"sample_rate": 44100},
            {"scores": [score(seed=1)]},
            {"scores": [score(tempo=[(0, 121)])]},
            {"scores": [score(tempo=[(0, 120), (2, 60)])]},
            {"random_state": 1},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_differs(self, render, change):
        one, other = self.takes(render()), self.takes(render(**change))
        assert one.isdisjoint(other)

    def test_is_a_files_name(self, render):
        assert all(take.isalnum() for take in self.takes(render()))

    def test_slurs_count(self, render):
        plain = score()
        slurred = replace(plain, parts=tuple(replace(p, slurred=np.arange(12) % 2 > 0) for p in plain.parts))
        assert self.takes(render([plain])).isdisjoint(self.takes(render([slurred])))


class TestMade:
    """`StemCache.made`."""

    @pytest.fixture
    def cache(self, tmp_path):
        return StemCache(tmp_path / "cache")

    @pytest.fixture
    def make(self):
        class Make:
            calls = 0

            def __call__(self, n=1000):
                self.calls += 1
                return np.arange(n) / 1000

        return Make()

    def test_made_once(self, cache, make):
        first, second = (cache.made("key", 1000, make) for _ in range(2))
        assert make.calls == 1
        for samples in (first, second):
            assert samples.dtype == np.float32
            np.testing.assert_array_equal(samples, (np.arange(1000) / 1000).astype(np.float32))
        with pytest.raises(ValueError, match="read-only"):
            first[0] = 1

    def test_kept_on_disk(self, cache, make):
        cache.made("key", 1000, make)
        StemCache(cache.folder).made("key", 1000, make)
        assert make.calls == 1
        assert cache.info()["entries"] == 1
        assert cache.info()["bytes"] == 4000

    def test_another_key_another_entry(self, cache, make):
        cache.made("key", 1000, make)
        other = cache.made("other", 1000, lambda: np.zeros(1000))
        assert not other.any()
        assert cache.made("key", 1000, make)[-1] > 0.9
        assert make.calls == 1

    def test_entries_of_another_size_are_made_again(self, cache, make):
        cache.made("key", 1000, make)
        longer = cache.made("key", 1200, lambda: make(1200))
        assert longer.shape == (1200,)
        assert make.calls == 2

    def test_removed_entries_are_made_again(self, cache, make):
        held = cache.made("key", 1000, make)
        assert cache.clear() == 4000
        assert held[-1] > 0.9  # whoever has it mapped keeps it
        cache.made("key", 1000, make)
        assert make.calls == 2

    def test_failures_leave_nothing(self, cache, make):
        def fail():
            raise RuntimeError("no sound")

        with pytest.raises(RuntimeError, match="no sound"):
            cache.made("key", 1000, fail)
        assert not any(cache.folder.iterdir())
        assert cache.made("key", 1000, make).shape == (1000,)

    def test_used_longest_ago_is_removed(self, tmp_path, make):
        cache = StemCache(tmp_path, max_bytes=9000)
        for key in "abc":
            cache.made(key, 1000, make)
        assert cache.info()["entries"] == 2
        cache.made("c", 1000, make)
        assert make.calls == 3
        cache.made("a", 1000, make)
        assert make.calls == 4

    def test_strided_arrays(self, cache):
        samples = np.arange(2000, dtype=np.float32)
        np.testing.assert_array_equal(cache.made("key", 1000, lambda: samples[::-2]), samples[::-2])
