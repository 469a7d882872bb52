"""Players, casting and colour: what is added to written notes, and what is left as it is."""

from collections import Counter
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest

from skseparate.datasets._render._casting import TOLERANCE, cast, fitting_shift
from skseparate.datasets._render._colour import breathed, coloured, noisy, reverberated, swelled
from skseparate.datasets._render._instruments import RANGES, STRINGS
from skseparate.datasets._render._players import PLAIN, Effects, beat_times, phrase_curve, play
from skseparate.datasets._render._types import CONTROL_RATE, Notes

NAMES = [f.name for f in fields(Effects)]
RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000]
LEAST = 0.04  # Seconds that every note is held, come what may.


def only(**strengths):
    """Effects that are all off but for these."""
    return Effects(**{**dict.fromkeys(NAMES, 0.0), **strengths})


def written(n=40, duration=1.0, pitch=67, slurred=False):
    """Notes one after another."""
    duration = np.broadcast_to(np.asarray(duration, float), n).copy()
    onset = np.concatenate([[0], np.cumsum(duration)[:-1]])
    pitches = np.broadcast_to(np.asarray(pitch, np.int16), n).copy()
    return Notes(onset, duration, pitches, np.broadcast_to(slurred, n).copy())


def runs(rng, n=80):
    """Notes of any length, with rests here and slurs there."""
    notes = written(n, rng.choice([0.125, 0.25, 0.5, 1, 3], n), rng.randint(60, 76, n), rng.rand(n) < 0.3)
    return Notes(notes.onset, np.where(rng.rand(n) < 0.2, 0.5, 1) * notes.duration, notes.pitch, notes.slurred)


def perform(notes, effects, instrument="vn", seed=0, tempo=((0, 120),)):
    rng = np.random.RandomState(seed)
    last = notes.onset[-1] + notes.duration[-1]
    beats, seconds = beat_times(np.array(tempo, float), last, effects, rng)
    phrase = phrase_curve(int(seconds[-1] * CONTROL_RATE) + 1, rng)
    return play(notes, beats, seconds, instrument, phrase, effects, np.random.RandomState(seed + 1))


def equal(one, other, *names):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


ALL = ("onset", "offset", "pitch", "level", "legato", "bend", "swell")


class TestPlain:
    @pytest.mark.parametrize(
        "tempo",
        [[(0, 60)], [(0, 120), (4, 60)], [(0, 90), (2.1, 200), (2.3, 45), (10 + 1 / 3, 77)]],
        ids=["one", "two", "between the notes"],
    )
    def test_onsets_are_the_scores(self, tempo):
        notes = written(24, [0.5, 1, 0.25, 0.25] * 6)
        changes = [*tempo, (1e9, 1)]

        def seconds(beat):
            spans = pairwise(changes)
            return sum(max(0, min(beat, b) - a) * 60 / speed for (a, speed), (b, _) in spans)

        played = perform(notes, PLAIN, tempo=tempo)
        np.testing.assert_allclose(played.onset, [seconds(b) for b in notes.onset], atol=1e-9)
        ends = [seconds(b) for b in notes.onset + notes.duration]
        np.testing.assert_allclose(played.offset, np.maximum(ends, played.onset + LEAST), atol=1e-9)

    @pytest.mark.parametrize("seed", range(3))
    def test_nothing_is_added(self, seed):
        notes = written(20, pitch=np.arange(60, 80))
        played = perform(notes, PLAIN, seed=seed)
        np.testing.assert_array_equal(played.pitch, notes.pitch)
        assert not played.level.any()
        assert not played.bend.any()
        assert not played.swell.any()
        assert not played.legato.any()

    def test_slurs_are_kept(self):
        slurred = np.arange(12) % 3 > 0
        assert np.array_equal(perform(written(12, slurred=slurred), PLAIN).legato, slurred)

    def test_one_note(self):
        for effects in (PLAIN, Effects(), Effects(**dict.fromkeys(NAMES, 3.0))):
            played = perform(written(1), effects)
            assert len(played.onset) == 1
            assert all(np.isfinite(getattr(played, name)).all() for name in ALL)


class TestSeeds:
    def test_same_seed_same_notes(self):
        notes = runs(np.random.RandomState(0))
        assert equal(perform(notes, Effects(), seed=3), perform(notes, Effects(), seed=3), *ALL)

    def test_another_seed_plays_otherwise(self):
        notes = runs(np.random.RandomState(0))
        one, other = perform(notes, Effects(), seed=3), perform(notes, Effects(), seed=4)
        for name in ("onset", "offset", "pitch", "level", "legato", "bend", "swell"):
            assert not equal(one, other, name), name

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("instrument", ["vn", "cl"])
    def test_switching_one_off_leaves_the_others(self, name, instrument):
        touches = {
            "rubato": {"onset", "offset", "legato", "bend", "swell"},
            "onsets": {"onset", "offset", "legato", "bend", "swell"},
            "articulation": {"offset", "legato", "bend", "swell"},
            "intonation": {"pitch", "bend"},
            "vibrato": {"bend", "swell"},
            "dynamics": {"level", "swell"},
        }.get(name, set())
        notes = runs(np.random.RandomState(1))
        usual, without = (perform(notes, e, instrument, 1) for e in (Effects(), Effects().without(name)))
        assert equal(usual, without, *(set(ALL) - touches))
        for changed in touches - {"legato", *(("bend", "swell") if instrument == "cl" else ())}:
            assert not equal(usual, without, changed)

    def test_vibrato_off_leaves_the_drift(self):
        notes = written(20)
        both, drift, wave = (
            perform(notes, only(**e)).bend for e in ({"vibrato": 1, "intonation": 1}, {"intonation": 1}, {"vibrato": 1})
        )
        np.testing.assert_allclose(both, drift + wave, atol=1e-4)

    def test_no_such_effect(self):
        with pytest.raises(TypeError, match="tremolo"):
            Effects().without("tremolo")

    def test_without_leaves_the_original(self):
        usual = Effects()
        assert usual.without("room", "noise") == Effects(room=0, noise=0)
        assert usual == Effects()
        assert usual.without(*NAMES) == PLAIN


class TestTime:
    def test_parts_share_the_tempo(self):
        rng = np.random.RandomState(0)
        beats, seconds = beat_times(np.array([[0.0, 100.0], [9.0, 70.0]]), 40, only(rubato=1), rng)
        slow, fast = (
            play(notes, beats, seconds, "vn", np.zeros(1), only(rubato=1), np.random.RandomState(k))
            for k, notes in enumerate([written(20, 2.0), written(40, 1.0)])
        )
        np.testing.assert_array_equal(slow.onset, fast.onset[::2])
        assert np.std(np.diff(slow.onset)[6:]) > 0.01

    @pytest.mark.parametrize("seed", range(8))
    def test_rubato_stays_musical(self, seed):
        speed = 0.5 / np.diff(perform(written(200), only(rubato=1), seed=seed).onset)
        assert 0.8 < np.median(speed) < 1.25
        assert np.all(np.abs(np.log(speed / np.median(speed))) < 0.3)
        assert np.all(np.abs(np.diff(np.log(speed))) < 0.08)  # no jumps from beat to beat

    def test_rubato_keeps_the_tempo_changes(self):
        onset = perform(written(80), only(rubato=1), tempo=[(0, 120), (40, 40)]).onset
        assert np.median(np.diff(onset)[41:]) / np.median(np.diff(onset)[:39]) == pytest.approx(3, rel=0.25)

    def test_players_are_some_milliseconds_apart(self):
        notes = written(200)
        onsets = np.array([perform(notes, only(onsets=1), seed=s).onset for s in range(12)])
        apart = np.abs(onsets - onsets[:1])[1:, 1:]
        assert 0.010 < np.median(apart) < 0.035
        assert np.quantile(apart, 0.99) < 0.15
        ahead = (onsets - notes.onset / 2)[:, 1:].mean(axis=1)
        assert np.all(np.abs(ahead) < 0.03)
        loose = np.array([perform(notes, only(onsets=2), seed=s).onset for s in range(12)])
        np.testing.assert_allclose((loose - notes.onset / 2)[:, 1:], 2 * (onsets - notes.onset / 2)[:, 1:], atol=1e-9)

    @pytest.mark.parametrize("instrument", ["vn", "fl", "tba"])
    @pytest.mark.parametrize("strength", [0.0, 1.0, 3.0])
    def test_notes_stay_in_order(self, instrument, strength):
        effects = Effects(onsets=strength, articulation=strength, rubato=strength)
        for seed in range(15):
            notes = runs(np.random.RandomState(seed))
            played = perform(notes, effects, instrument, seed, [(0, 60 + 15 * seed)])
            assert played.onset[0] >= 0
            assert np.all(np.diff(played.onset) >= 0)
            assert np.all(played.offset - played.onset >= LEAST - 1e-9)
            gap = played.onset[1:] - played.offset[:-1]
            assert np.all(np.abs(gap[played.legato[1:]]) <= LEAST + 1e-9)  # they touch
            apart = ~played.legato[1:] & (np.diff(played.onset) >= LEAST)
            assert np.all(gap[apart] >= -1e-9)  # one at a time
            assert not played.legato[0]
            assert len(played.bend) >= played.offset.max() * CONTROL_RATE
            assert len(played.swell) == len(played.bend)

    def test_no_legato_over_a_rest(self):
        notes = written(60, slurred=True)
        notes = Notes(notes.onset, np.where(np.arange(60) % 4 == 3, 0.5, 1.0), notes.pitch, notes.slurred)
        for seed in range(10):
            legato = perform(notes, Effects(), seed=seed).legato
            assert not legato[::4].any()
            assert legato.reshape(-1, 4)[:, 1:].mean() > 0.8

    def test_detached_notes_are_shorter(self):
        held = [perform(written(60), only(articulation=1), seed=s) for s in range(20)]
        detached = [(p.offset - p.onset)[:-1][~p.legato[1:]] / 0.5 for p in held]
        assert 0.8 < np.mean(np.concatenate(detached)) < 0.97
        share = [p.legato.mean() for p in held]
        assert 0.1 < np.mean(share) < 0.6
        assert np.std(share) > 0.08  # habits of players


class TestPitch:
    def test_intonation_is_about_ten_cents(self):
        notes = written(60)
        cents = np.array([100 * (perform(notes, only(intonation=1), seed=s).pitch - 67) for s in range(40)])
        assert 8 < np.std(cents) < 12
        assert 2 < np.std(cents.mean(axis=1)) < 7  # of players
        assert np.abs(np.mean(cents)) < 3
        assert np.abs(cents).max() < 60

    def test_drift_is_slow_and_small(self):
        bends = [perform(written(60), only(intonation=1), seed=s).bend for s in range(10)]
        assert 1 < np.std(bends) < 6
        assert max(np.abs(np.diff(b)).max() for b in bends) * CONTROL_RATE < 60  # cents a second

    def test_vibrato_has_a_players_rate(self):
        rates = []
        for seed in range(30):
            played = perform(written(6, 8.0), only(vibrato=1), seed=seed)
            for first in played.onset + 0.7:
                wave = played.bend[int(first * CONTROL_RATE) :][:256]
                if wave.any():
                    spectrum = np.abs(np.fft.rfft((wave - wave.mean()) * np.hanning(256), 4096))
                    rates.append(np.argmax(spectrum) * CONTROL_RATE / 4096)
        assert len(rates) > 90
        assert np.mean((np.array(rates) > 4.5) & (np.array(rates) < 7.5)) > 0.93
        assert np.median(rates) == pytest.approx(5.8, abs=0.4)
        assert np.std(rates) > 0.15

    def test_vibrato_grows_with_its_strength(self):
        once, twice = (perform(written(20), only(vibrato=s)).bend for s in (1, 2))
        np.testing.assert_allclose(twice, 2 * once, rtol=1e-4, atol=1e-3)

    def test_vibrato_is_as_deep_as_on_a_violin(self):
        depth = [np.abs(perform(written(20), only(vibrato=1), seed=s).bend).max() for s in range(30)]
        assert 15 < np.median(depth) < 50

    def test_strings_play_it_and_clarinets_do_not(self):
        def share(instrument):
            return np.mean([perform(written(8), only(vibrato=1), instrument, s).bend.any() for s in range(60)])

        assert share("vn") > 0.85
        assert share("cl") < 0.3

    def test_short_notes_have_none(self):
        assert not any(perform(written(40, 0.4), only(vibrato=1), seed=s).bend.any() for s in range(5))

    @pytest.mark.parametrize("instrument", RANGES)
    def test_every_instrument_plays(self, instrument):
        played = perform(runs(np.random.RandomState(0)), Effects(), instrument)
        assert all(np.isfinite(getattr(played, name)).all() for name in ALL)


class TestDynamics:
    def test_levels_are_balanced_and_rise_with_the_pitch(self):
        notes = written(300, pitch=np.tile([55, 75], 150))
        level = np.mean([perform(notes, only(dynamics=1), seed=s).level for s in range(10)], axis=0)
        assert abs(level.mean()) < 0.5
        assert 1 < level[1::2].mean() - level[::2].mean() < 5

    def test_phrases_are_shared(self):
        phrase = phrase_curve(4000, np.random.RandomState(0))
        beats, seconds = beat_times(np.array([[0.0, 60.0]]), 40, PLAIN, np.random.RandomState(0))
        swells = [
            play(written(40), beats, seconds, "vn", phrase, only(dynamics=1), np.random.RandomState(s)).swell[:3900]
            for s in range(6)
        ]
        assert np.mean(np.corrcoef(swells)[np.triu_indices(6, 1)]) > 0.3
        assert 1 < np.std(swells) < 8
        assert np.abs(swells).max() < 30


# Centres of parts as music is written for so many, and half of what they span.
WRITTEN = {2: (72, 58), 3: (74, 66, 52), 4: (74, 67, 60, 50), 5: (76, 71, 64, 57, 46)}
URMP_SIZES = {2: 11, 3: 12, 4: 14, 5: 7}


def parts(centres, rng, span=8):
    return [written(20, pitch=c + rng.randint(-span, span + 1, 20)) for c in centres]


@pytest.fixture(scope="module")
def casts():
    """400 ensembles of URMP's sizes, with their parts."""
    rng, sizes = np.random.RandomState(0), np.repeat(list(URMP_SIZES), list(URMP_SIZES.values()))
    scores = [parts(WRITTEN[rng.choice(sizes)], rng) for _ in range(400)]
    return [(score, cast(score, np.random.RandomState(k))) for k, score in enumerate(scores)]


class TestCast:
    def test_notes_can_be_played(self, casts):
        for score, chosen in casts:
            assert len(chosen) == len(score)
            for notes, (instrument, shift) in zip(score, chosen, strict=True):
                low, high = RANGES[instrument]
                pitch = notes.pitch + shift
                assert np.mean((pitch < low) | (pitch > high)) <= TOLERANCE
                assert shift % 12 == 0

    def test_most_parts_stay_where_they_are(self, casts):
        assert np.mean([shift == 0 for _, chosen in casts for _, shift in chosen]) > 0.7

    def test_no_instrument_plays_three_parts(self, casts):
        assert max(max(Counter(i for i, _ in chosen).values()) for _, chosen in casts) == 2

    def test_doublings_are_as_frequent_as_in_urmp(self, casts):
        doubled = np.mean([len({i for i, _ in chosen}) < len(chosen) for _, chosen in casts])
        assert doubled == pytest.approx(28 / 44, abs=0.18)

    def test_duos_to_quintets_come_with_and_without(self, casts):
        for size in URMP_SIZES:
            of_size = [chosen for _, chosen in casts if len(chosen) == size]
            doubled = np.mean([len({i for i, _ in chosen}) < size for chosen in of_size])
            assert 0.2 < doubled <= 1, size

    def test_all_instruments_occur(self, casts):
        counts = Counter(i for _, chosen in casts for i, _ in chosen)
        assert set(counts) == set(RANGES)
        assert min(counts.values()) > 5
        assert counts.most_common(1)[0][0] == "vn"

    def test_same_seed_same_cast(self, casts):
        for k, (score, chosen) in enumerate(casts[:20]):
            assert cast(score, np.random.RandomState(k)) == chosen

    @pytest.mark.parametrize("centre", [40, 86])
    def test_five_parts_of_one_register(self, centre):
        for seed in range(30):
            score = parts([centre] * 5, np.random.RandomState(seed), span=6)
            chosen = cast(score, np.random.RandomState(seed))
            assert max(Counter(i for i, _ in chosen).values()) <= 2
            for notes, (instrument, shift) in zip(score, chosen, strict=True):
                assert fitting_shift(notes.pitch + shift, instrument) == 0

    def test_the_first_desk_is_the_higher(self, casts):
        for score, chosen in casts:
            heights = {}
            for notes, (instrument, shift) in zip(score, chosen, strict=True):
                heights.setdefault(instrument, []).append(np.mean(notes.pitch) + shift)
            assert all(high > low for desks in heights.values() for high, low in pairwise(desks))

    def test_only_what_there_is(self, casts):
        for k, (score, _) in enumerate(casts[:40]):
            chosen = [i for i, _ in cast(score, np.random.RandomState(k), ["vn", "vc"])]
            assert set(chosen) <= {"vn", "vc"}
            assert len(chosen) > 4 or max(Counter(chosen).values()) <= 2

    def test_parts_that_nobody_can_play_are_given_out_all_the_same(self):
        wide = [written(40, pitch=np.linspace(22, 104, 40).astype(int))] * 4
        chosen = cast(wide, np.random.RandomState(0))
        assert max(Counter(i for i, _ in chosen).values()) <= 2

    def test_some_notes_may_lie_outside(self):
        pitch = np.full(100, 60, np.int16)
        pitch[0] = 40
        assert fitting_shift(pitch, "fl") == 0
        pitch[:5] = 40
        assert fitting_shift(pitch, "fl") == 24

    @pytest.mark.parametrize(("pitch", "instrument", "shift"), [(40, "vn", 24), (96, "tba", None), (72, "db", -12)])
    def test_shifts(self, pitch, instrument, shift):
        assert fitting_shift(np.array([pitch], np.int16), instrument) == shift


def tone(rate, seconds=2.0, silent=0.5):
    """A tone after silence."""
    time = np.arange(int(rate * seconds)) / rate
    return (0.1 * np.sin(2 * np.pi * 440 * time) * (time >= silent)).astype(np.float32)


def decibels(samples):
    return 10 * np.log10(np.mean(np.square(samples, dtype=float)))


class TestColour:
    @pytest.mark.parametrize("rate", [16000, 44100])
    def test_swell_is_a_gain(self, rate):
        samples = tone(rate)
        np.testing.assert_allclose(swelled(samples, np.full(50, 20.0), rate), 10 * samples, rtol=1e-5)
        step = np.where(np.arange(200) < 100, -20.0, 0.0)
        louder = swelled(samples, step, rate)
        assert decibels(louder[int(1.1 * rate) :]) - decibels(louder[rate // 2 : int(0.95 * rate)]) > 19
        assert swelled(samples, np.zeros(0), rate) is samples

    @pytest.mark.parametrize("effect", ["breathed", "coloured", "reverberated"])
    @pytest.mark.parametrize("rate", RATES)
    def test_silence_stays_silence(self, effect, rate):
        samples = np.zeros(rate // 2, np.float32)
        for seed, instrument in enumerate(["vn", "cl"]):
            rng = np.random.RandomState(seed)
            made = {
                "breathed": lambda i=instrument, r=rng: breathed(samples, i, 1, rate, r),
                "coloured": lambda i=instrument, r=rng: coloured(samples, i, 1, rate, r),
                "reverberated": lambda s=seed: reverberated(samples, 1, (0.5, -6.0, s), 0, rate),
            }[effect]()
            assert made.shape == samples.shape
            assert not made.any()

    def test_strength_zero_does_nothing(self):
        samples, rng = tone(16000), np.random.RandomState(0)
        assert breathed(samples, "vn", 0, 16000, rng) is samples
        assert coloured(samples, "vn", 0, 16000, rng) is samples
        assert reverberated(samples, 0, (0.5, -6.0, 1), 0, 16000) is samples
        assert noisy(samples, 0, -24, 16000, rng) is samples

    @pytest.mark.parametrize("rate", [16000, 44100])
    @pytest.mark.parametrize("instrument", ["vn", "vc", "fl", "tpt"])
    def test_breath_follows_the_tone(self, rate, instrument):
        samples = tone(rate)
        for seed in range(6):
            noise = breathed(samples, instrument, 1, rate, np.random.RandomState(seed)) - samples
            below = decibels(noise[int(0.7 * rate) :]) - decibels(samples[int(0.7 * rate) :])
            assert (-47 if instrument in STRINGS else -66) < below < (-24 if instrument in STRINGS else -40)
            assert np.abs(noise[: int(0.4 * rate)]).max() < 1e-4 * np.abs(noise).max()
            twice = breathed(samples, instrument, 2, rate, np.random.RandomState(seed)) - samples
            np.testing.assert_allclose(twice, 2 * noise, atol=1e-6)
            loud = breathed(10 * samples, instrument, 1, rate, np.random.RandomState(seed)) - 10 * samples
            np.testing.assert_allclose(loud, 10 * noise, atol=1e-5)

    @pytest.mark.parametrize("rate", RATES)
    def test_equaliser_does_not_move_the_sound(self, rate):
        click = np.zeros(4001, np.float32)
        click[2000] = 1
        for seed in range(4):
            heard = coloured(click, "fl", 1, rate, np.random.RandomState(seed))
            assert np.argmax(np.abs(heard)) == 2000
            np.testing.assert_allclose(heard, heard[::-1], atol=1e-6)
            gains = 20 * np.log10(np.abs(np.fft.rfft(heard)) + 1e-12)
            assert np.abs(gains).max() < 45
            assert np.ptp(gains) > 1

    @pytest.mark.parametrize("rate", [16000, 44100])
    def test_room_keeps_the_direct_sound(self, rate):
        click = np.zeros(rate, np.float32)
        click[1000] = 1
        heard = reverberated(click, 1, (0.4, -6.0, 5), 0, rate)
        assert heard.shape == click.shape
        assert heard.dtype == np.float32
        until = 1000 + int(0.003 * rate)
        np.testing.assert_allclose(heard[:until], click[:until], atol=1e-6)
        late = heard - click
        assert 10 * np.log10(np.sum(late**2)) == pytest.approx(-6, abs=0.01)
        start, end = late[until : until + rate // 20], late[1000 + int(0.3 * rate) : 1000 + int(0.35 * rate)]
        assert decibels(end) < decibels(start) - 15  # it decays
        np.testing.assert_allclose(reverberated(click, 2, (0.4, -6.0, 5), 0, rate) - click, 2 * late, atol=1e-6)

    def test_players_sit_elsewhere_in_one_room(self):
        samples = tone(16000)
        one, again, seat, room = (
            reverberated(samples, 1, (0.4, -6.0, seed), seat, 16000) for seed, seat in ((5, 0), (5, 0), (5, 1), (6, 0))
        )
        assert np.array_equal(one, again)
        assert not np.allclose(one, seat)
        assert not np.allclose(one, room)
        assert reverberated(samples[:10], 1, (0.4, -6.0, 5), 0, 16000).shape == (10,)
        reverberated(samples, 1, (0.4, -6.0, 2**31 - 1), 12, 16000)

    @pytest.mark.parametrize("rate", [16000, 44100])
    @pytest.mark.parametrize("loud", [-40, -24])
    def test_noise_lies_below_the_loud_level(self, rate, loud):
        for seed in range(8):
            noise = noisy(np.zeros(4 * rate, np.float32), 1, loud, rate, np.random.RandomState(seed))
            assert noise.dtype == np.float32
            assert -40 < decibels(noise) - loud < -18
            assert np.abs(np.diff(noise)).max() < 0.1 * 10 ** (loud / 20)  # no click where it begins anew
            sharp = np.abs(np.fft.rfft(noise)) ** 2
            frequencies = np.fft.rfftfreq(len(noise), 1 / rate)
            in_band = 10 * np.log10(2 * sharp[(frequencies > 1000) & (frequencies < 8000)].sum() / len(noise) ** 2)
            assert -73 < in_band - loud < -55

    def test_noise_does_not_depend_on_the_part(self):
        samples = tone(16000)
        noise = noisy(0 * samples, 1, -24, 16000, np.random.RandomState(0))
        np.testing.assert_allclose(noisy(samples, 1, -24, 16000, np.random.RandomState(0)), samples + noise, atol=1e-7)
        assert len(noisy(samples[:7], 1, -24, 16000, np.random.RandomState(0))) == 7
