import os

import numpy as np
import pytest
from scipy import signal

from skseparate.datasets._render._fluidsynth import FluidSynthRenderer, find_fonts
from skseparate.datasets._render._note_analysis import make_note, measure_pitch
from skseparate.datasets._render._note_bank import NoteBank, NoteBankRenderer, philharmonia_bank, tonejs_bank
from skseparate.datasets._render._types import CONTROL_RATE, Played

RATE = 16000


def frequency(pitch):
    return 440 * 2 ** ((np.asarray(pitch) - 69) / 12)


def sawtooth(pitch, duration=1.2, silence=0.2):
    """A note without aliases: silence, a short attack, a held sound and a release."""
    time = np.arange(int(duration * RATE)) / RATE
    harmonics = np.arange(1, int(0.45 * RATE / frequency(pitch)) + 1)
    sound = np.sin(2 * np.pi * np.outer(time, harmonics) * frequency(pitch)) @ (1 / harmonics)
    envelope = np.minimum(1, time / 0.02) * np.minimum(1, (duration - time) / 0.1)
    return np.concatenate([np.zeros(int(silence * RATE)), 0.2 * envelope * sound, np.zeros(int(silence * RATE))])


def played(onset, offset, pitch, level=0.0, legato=False, bend=()):
    n = len(onset)
    return Played(
        np.array(onset, float),
        np.array(offset, float),
        np.array(pitch, float),
        np.broadcast_to(np.asarray(level, float), n),
        np.broadcast_to(np.asarray(legato, bool), n),
        np.array(bend, np.float32),
    )


def detached(n, low, step=0.5, length=0.4):
    onset = 0.3 + step * np.arange(n)
    return played(onset, onset + length, low + 1.5 * np.arange(n))


@pytest.fixture(scope="module")
def bank():
    notes = [make_note(sawtooth(pitch + 0.2), RATE, pitch, level) for pitch in range(55, 80, 4) for level in (0, 5)]
    return NoteBank({"vn": notes}, RATE)


@pytest.fixture(scope="module")
def renderer(bank):
    return NoteBankRenderer(bank, "saws")


def onsets(audio):
    """Times at which the level passes -18 dB under the median of what sounds, upwards after silence."""
    power = np.sqrt(np.convolve(audio**2, np.ones(80) / 80, "same"))
    loud = power > 0.12 * np.median(power[power > 0.01])
    return np.flatnonzero(np.diff(loud.astype(int)) == 1) / RATE


class TestMakeNote:
    def test_tunes_and_finds_onset(self):
        note = make_note(sawtooth(60.3), RATE, 60, 5.0)
        assert note.pitch == pytest.approx(60.3, abs=0.02)
        assert note.onset / RATE == pytest.approx(0.03, abs=0.012)
        assert 0 < note.onset < note.loop_start < note.loop_stop < len(note.samples)

    @pytest.mark.parametrize("named", [59, 61, 48])
    def test_another_pitch_is_dropped(self, named):
        assert make_note(sawtooth(60), RATE, named, 0) is None

    def test_noise_and_short_notes_are_dropped(self):
        assert make_note(np.random.RandomState(0).randn(RATE), RATE, 60, 0) is None
        assert make_note(sawtooth(60, duration=0.2), RATE, 60, 0) is None
        assert make_note(np.zeros(RATE), RATE, 60, 0) is None


class TestNoteBank:
    def test_round_trip(self, bank, tmp_path):
        bank.save(tmp_path / "bank.npz")
        loaded = NoteBank.load(tmp_path / "bank.npz")
        assert loaded.sample_rate == bank.sample_rate
        assert list(loaded.notes) == ["vn"]
        part = detached(4, 58)
        expected = NoteBankRenderer(bank, "a").render(part, "vn", RATE, 3 * RATE)
        np.testing.assert_array_equal(NoteBankRenderer(loaded, "b").render(part, "vn", RATE, 3 * RATE), expected)

    @pytest.mark.parametrize("build", [tonejs_bank, philharmonia_bank])
    def test_empty_folder(self, build, tmp_path):
        with pytest.raises(ValueError, match="There are no notes in"):
            build(tmp_path)

    def test_builders_read_names(self, tmp_path):
        soundfile = pytest.importorskip("soundfile")
        package = tmp_path / "tonejs-instrument-french-horn-mp3"
        package.mkdir()
        soundfile.write(package / "As3.mp3", sawtooth(58), RATE, format="MP3")
        (tmp_path / "oboe").mkdir()
        soundfile.write(tmp_path / "oboe" / "oboe_A4_1_forte_normal.mp3", sawtooth(69), RATE, format="MP3")
        horn, oboe = tonejs_bank(tmp_path), philharmonia_bank(tmp_path)
        assert {name: [round(n.pitch) for n in group] for name, group in horn.notes.items()} == {"hn": [58]}
        assert {name: [(round(n.pitch), n.level) for n in group] for name, group in oboe.notes.items()} == {
            "ob": [(69, 5)]
        }


class TestNoteBankRenderer:
    def test_instruments(self, renderer):
        assert renderer.instruments == ("vn", "va")
        with pytest.raises(ValueError, match="instrument must be one of vn, va"):
            renderer.render(detached(1, 60), "tba", RATE, RATE)

    @pytest.mark.parametrize("pitch", [56.5, 61.13, 68.0, 78.7])
    @pytest.mark.parametrize("instrument", ["vn", "va"])
    def test_pitch_and_level(self, renderer, pitch, instrument):
        audio = renderer.render(played([0.5], [3.5], [pitch]), instrument, RATE, 4 * RATE)
        held = audio[int(0.7 * RATE) : int(3.3 * RATE)]
        assert measure_pitch(held, RATE, pitch)[0] == pytest.approx(pitch, abs=0.05)
        assert np.sqrt(np.mean(held**2)) == pytest.approx(0.1, rel=0.15)
        assert np.abs(audio).max() < 1

    def test_bend_is_followed(self, renderer):
        time = np.arange(4 * CONTROL_RATE) / CONTROL_RATE
        audio = renderer.render(played([0.0], [4.0], [64.0], bend=100 * np.sin(np.pi * time / 2)), "vn", RATE, 4 * RATE)
        for second, cents in ((1.0, 100), (2.0, 0), (3.0, -100)):
            part = audio[int((second - 0.06) * RATE) : int((second + 0.06) * RATE)]
            assert measure_pitch(part, RATE, 64 + cents / 100)[0] == pytest.approx(64 + cents / 100, abs=0.08)

    def test_onsets_and_silence(self, renderer):
        part = detached(6, 57, step=0.9)
        audio = renderer.render(part, "vn", RATE, 6 * RATE)
        np.testing.assert_allclose(onsets(audio), part.onset, atol=0.015)
        assert not audio[: int(0.25 * RATE)].any()
        for offset, onset in zip(part.offset[:-1], part.onset[1:], strict=True):
            assert np.abs(audio[int((offset + 0.25) * RATE) : int((onset - 0.05) * RATE)]).max() < 1e-4

    def test_loops_without_clicks(self, bank, renderer):
        smooth = NoteBank({"vn": [make_note(np.sin(2 * np.pi * 311 * np.arange(RATE) / RATE), RATE, 63, 0)]}, RATE)
        audio = NoteBankRenderer(smooth, "sines").render(played([0.1], [6.0], [63.0]), "vn", RATE, 6 * RATE)
        held = audio[int(0.3 * RATE) : int(5.8 * RATE)]
        omega = 2 * np.pi * frequency(63.0) / RATE
        assert np.abs(np.diff(held, 2)).max() < 1.2 * 0.1 * np.sqrt(2) * omega**2
        assert np.abs(signal.hilbert(held)[400:-400]).min() > 0.08

    def test_legato_goes_on(self, renderer):
        part = played([0.2, 1.0, 1.8], [1.0, 1.8, 2.6], [60, 64, 62], legato=[False, True, True])
        audio = renderer.render(part, "vn", RATE, 3 * RATE)
        frames = np.sqrt(np.mean(audio[int(0.3 * RATE) : int(2.5 * RATE)].reshape(-1, 320) ** 2, axis=1))
        assert frames.min() > 0.05
        assert frames.max() < 0.2
        assert measure_pitch(audio[int(1.1 * RATE) : int(1.7 * RATE)], RATE, 64)[0] == pytest.approx(64, abs=0.05)

    def test_determinism(self, renderer):
        onset = 0.5 * np.arange(8)
        part = played(onset, onset + 0.4, 57 + 2 * np.arange(8), level=2.5)
        audio = renderer.render(part, "vn", RATE, 4 * RATE, random_state=3)
        np.testing.assert_array_equal(audio, renderer.render(part, "vn", RATE, 4 * RATE, random_state=3))
        assert not np.array_equal(audio, renderer.render(part, "vn", RATE, 4 * RATE, random_state=4))
        assert np.isfinite(audio).all()

    @pytest.mark.parametrize("sample_rate", [8000, 44100])
    def test_other_rates(self, renderer, sample_rate):
        audio = renderer.render(played([0.2], [1.5], [66.0]), "vn", sample_rate, 2 * sample_rate + 1)
        assert audio.shape == (2 * sample_rate + 1,)
        assert audio.dtype == np.float32
        held = audio[int(0.4 * sample_rate) : int(1.4 * sample_rate)]
        assert measure_pitch(held, sample_rate, 66)[0] == pytest.approx(66, abs=0.05)

    def test_odd_parts(self, renderer):
        assert not renderer.render(played([], [], []), "vn", RATE, 100).any()
        part = played([0.0, 0.01, 5.0], [0.01, 0.02, 9.0], [20, 120, 60], legato=[True, True, True], bend=[50.0])
        audio = renderer.render(part, "vn", RATE, RATE)
        assert audio.shape == (RATE,)
        assert np.isfinite(audio).all()


@pytest.fixture(scope="module")
def font():
    try:
        found = find_fonts()
        return FluidSynthRenderer(found[min(found)])
    except (ValueError, TypeError):
        pytest.skip("neither FluidSynth nor a sound font is installed")


class TestFluidSynthRenderer:
    def test_missing_font(self, font, tmp_path):
        with pytest.raises(ValueError, match="apt-get install libfluidsynth3 fluid-soundfont-gm"):
            FluidSynthRenderer(tmp_path / "none.sf2")

    def test_missing_library(self, monkeypatch, font):
        from skseparate.datasets._render import _fluidsynth

        _fluidsynth._fluidsynth.cache_clear()
        monkeypatch.setitem(__import__("sys").modules, "fluidsynth", None)
        with pytest.raises(ValueError, match=r'python -m pip install "skseparate\[render\]"'):
            FluidSynthRenderer(font.font_path)

    def test_fonts_of_environment(self, monkeypatch, tmp_path):
        for name in ("mine.sf2", "default-other.sf3", "text.txt"):
            (tmp_path / name).write_bytes(b"")
        os.symlink(tmp_path / "mine.sf2", tmp_path / "default.sf2")
        monkeypatch.setenv("SKSEPARATE_FONTS", str(tmp_path))
        assert find_fonts()["mine"] == str(tmp_path / "mine.sf2")
        assert "default" not in find_fonts()
        assert "text" not in find_fonts()

    def test_not_a_font(self, font, tmp_path):
        (tmp_path / "broken.sf2").write_bytes(b"nothing")
        with pytest.raises(ValueError, match="cannot read the sound font"):
            FluidSynthRenderer(tmp_path / "broken.sf2").render(detached(1, 60), "fl", RATE, RATE)

    @pytest.mark.parametrize("pitch", [66.0, 70.4])
    def test_pitch_and_level(self, font, pitch):
        audio = font.render(played([0.5], [2.5], [pitch]), "cl", RATE, 3 * RATE)
        held = audio[int(0.7 * RATE) : int(2.3 * RATE)]
        assert measure_pitch(held, RATE, pitch)[0] == pytest.approx(pitch, abs=0.08)
        assert 0.04 < np.sqrt(np.mean(held**2)) < 0.25
        assert np.abs(audio[: int(0.48 * RATE)]).max() < 1e-4
        assert np.abs(audio[int(2.9 * RATE) :]).max() < 1e-3

    def test_bend_is_followed(self, font):
        time = np.arange(4 * CONTROL_RATE) / CONTROL_RATE
        part = played([0.0], [4.0], [66.0], bend=100 * np.sin(np.pi * time / 2))
        audio = font.render(part, "cl", RATE, 4 * RATE)
        for second, cents in ((1.0, 100), (2.0, 0), (3.0, -100)):
            held = audio[int((second - 0.06) * RATE) : int((second + 0.06) * RATE)]
            assert measure_pitch(held, RATE, 66 + cents / 100)[0] == pytest.approx(66 + cents / 100, abs=0.1)

    def test_legato_goes_on(self, font):
        part = played([0.2, 1.0, 1.8], [1.0, 1.8, 2.6], [62, 66, 64], legato=[False, True, True])
        audio = font.render(part, "cl", RATE, 3 * RATE)
        frames = np.sqrt(np.mean(audio[int(0.4 * RATE) : int(2.5 * RATE)].reshape(-1, 400) ** 2, axis=1))
        assert frames.min() > 0.4 * np.median(frames)

    def test_parts_leave_nothing_behind(self, font):
        part = detached(5, 60)
        audio = font.render(part, "fl", RATE, 3 * RATE)
        font.render(played([0.0], [9.0], [50.0], level=9.0, bend=[1200.0]), "cl", RATE, RATE)
        font.render(played([0.0], [9.0], [70.0], level=9.0, bend=[1200.0]), "fl", RATE, RATE)
        np.testing.assert_array_equal(font.render(part, "fl", RATE, 3 * RATE), audio)
        assert np.isfinite(audio).all()

    def test_odd_parts(self, font):
        assert not font.render(played([], [], []), "vn", RATE, 100).any()
        part = played([0.0, 0.01, 5.0], [0.01, 0.02, 9.0], [20, 120, 60], legato=[True, True, True], bend=[50.0])
        audio = font.render(part, "vn", 44100, 44101)
        assert audio.shape == (44101,)
        assert audio.dtype == np.float32
        assert np.isfinite(audio).all()
        with pytest.raises(ValueError, match="instrument must be one of"):
            font.render(part, "kazoo", RATE, RATE)
