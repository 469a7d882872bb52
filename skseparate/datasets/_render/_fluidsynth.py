"""Parts played by FluidSynth with sound fonts, in process."""

import os
import threading
from ctypes import c_int, c_void_p
from functools import cache
from pathlib import Path

import numpy as np
import soxr

from skseparate.datasets._render._instruments import OTHERS, PROGRAMS, RANGES
from skseparate.datasets._render._types import CONTROL_RATE, Played

BLOCK_LENGTH = 64  # FluidSynth's own block: events inside it wait for the next, so that none is split.
# Fonts hold sounds up to 22 kHz and FluidSynth does not filter what it aliases: render high and decimate.
LOWEST_RATE = 32000
N_VOICES = 16  # Channels of each instrument: a note keeps its bend while the next ones sound.
BEND_RANGE = 12  # Semitones.
MEZZO_FORTE = 80  # Velocity.
LOUDNESS = 0.1  # RMS of mezzo-forte, -20 dBFS.
LEGATO_LEAD, LEGATO_FADE = 0.12, 0.05  # Seconds: the attack passes unheard before a legato note is faded in.
JOIN = 0.1  # Longest gap, in seconds, that a legato note still bridges.
FOLDERS = (
    "/usr/share/sounds/sf2", "/usr/share/sounds/sf3", "/usr/share/soundfonts", "/usr/local/share/soundfonts",
    "/opt/homebrew/share/soundfonts", "/usr/local/share/sounds/sf2", "/opt/homebrew/share/fluid-synth/sf2",
    "/usr/local/share/fluid-synth/sf2",
)  # fmt: skip
EXPRESSION, VOLUME, PAN, LSB, DATA, RPN_LSB, RPN = 11, 7, 10, 38, 6, 100, 101
OFF, ON, CONTROL, BEND = range(4)
_PROGRAMS = {**PROGRAMS, **{name: program for name, (program, _, _) in OTHERS.items()}}


def find_fonts():
    """Sound fonts of this machine.

    Looks where Debian and Homebrew install them, and in the files and folders that the environment
    variable ``SKSEPARATE_FONTS`` lists.

    Returns
    -------
    fonts : dict of str to str
        Path of each, by the stem of its file; a font that has several names is listed once.
    """
    given = [place for place in os.environ.get("SKSEPARATE_FONTS", "").split(os.pathsep) if place]
    fonts, seen = {}, set()
    for place in map(Path, (*given, *FOLDERS)):
        files = [place] if place.is_file() else sorted(place.glob("*.sf[23]"))
        # Debian's alternatives name one of the others.
        for file in sorted(files, key=lambda file: file.stem.startswith("default")):
            if file.exists() and file.resolve() not in seen and file.stem not in fonts:
                seen.add(file.resolve())
                fonts[file.stem] = str(file)
    return fonts


class FluidSynthRenderer:
    """Plays parts with a sound font.

    Parameters
    ----------
    font_path : str
        An sf2 or sf3 file.

    Attributes
    ----------
    name : str
        Stem of the font's file.
    instruments : tuple of str
        Abbreviations of the instruments that it can play: all, and names of some that URMP has not.
    """

    instruments = (*RANGES, *OTHERS)

    def __init__(self, font_path):
        _fluidsynth()
        if not Path(font_path).is_file():
            raise ValueError(
                f"There is no sound font {str(font_path)!r}: install fonts by `apt-get install libfluidsynth3 "
                "fluid-soundfont-gm musescore-general-soundfont`, or name yours in SKSEPARATE_FONTS."
            )
        self.font_path = str(font_path)
        self.name = Path(font_path).stem

    def render(self, played, instrument, sample_rate, n_samples):
        """Play a part.

        Parameters
        ----------
        played : Played
            What to play; its swell is left to others.
        instrument : str
            An abbreviation in `instruments`.
        sample_rate : int
            In Hz.
        n_samples : int
            Length of the audio; what sounds later is cut off.

        Returns
        -------
        audio : ndarray of float32 of shape (n_samples,)
            Mono, without reverberation; mezzo-forte is at about -20 dBFS.
        """
        if instrument not in self.instruments:
            raise ValueError(f"instrument must be one of {', '.join(self.instruments)}; got {instrument!r}.")
        factor = _factor(sample_rate)
        gain = _gain(self.font_path, instrument, sample_rate * factor, os.getpid())
        audio = _synth(self.font_path, sample_rate * factor, os.getpid()).play(played, instrument, n_samples * factor)
        if factor > 1:
            audio = soxr.resample(audio, sample_rate * factor, sample_rate)
        audio = np.pad(audio, (0, max(0, n_samples - len(audio))))[:n_samples]
        return (gain * audio).astype(np.float32)


class _Synth:
    """One FluidSynth with one font at one rate; `play` may be called from any thread."""

    def __init__(self, font_path, rate):
        library = _fluidsynth()
        self.rate, self._lock, self._started = rate, threading.Lock(), {}
        # Presets are read as they are chosen: a whole font takes seconds to decode.
        settings = {"synth.dynamic-sample-loading": 1, "synth.lock-memory": 0, "synth.cpu-cores": 1}
        settings |= {"synth.reverb.active": 0, "synth.chorus.active": 0, "synth.polyphony": 64}
        self._synth = library.Synth(gain=0.5, samplerate=rate, channels=N_VOICES * (len(RANGES) + 1), **settings)
        self._font = self._synth.sfload(font_path)
        if self._font < 0:
            raise ValueError(f"FluidSynth cannot read the sound font {font_path!r}.")
        # The 16-bit output is dithered, from a state that outlives a part.
        self._write = library._fl.fluid_synth_write_float
        self._write.restype = c_int
        self._write.argtypes = [c_void_p, c_int, c_void_p, c_int, c_int, c_void_p, c_int, c_int]

    def play(self, played, instrument, n_samples):
        """Audio of ``n_samples`` at `rate`, without the gain of the instrument."""
        n_blocks = -(-n_samples // BLOCK_LENGTH)
        # a synthesiser has 256 channels at most: instruments that URMP has not share some
        channels = N_VOICES * (list(RANGES).index(instrument) if instrument in RANGES else len(RANGES))
        events = _events(played, self.rate / BLOCK_LENGTH, n_blocks)
        with self._lock:
            self._reset(instrument, channels)
            audio = self._run(events, channels, n_blocks)
        return audio.mean(axis=0)[:n_samples]

    def _reset(self, instrument, first):
        synth = self._synth
        synth.all_sounds_off(-1)  # Of every instrument: what was cut off goes on sounding.
        for channel in range(first, first + N_VOICES):
            if self._started.get(channel) != instrument:
                synth.program_select(channel, self._font, 0, _PROGRAMS[instrument])
                # A registered parameter, the bend's range; then none, lest data reach it again.
                for control, value in (
                    (RPN, 0),
                    (RPN_LSB, 0),
                    (DATA, BEND_RANGE),
                    (LSB, 0),
                    (RPN, 127),
                    (RPN_LSB, 127),
                ):
                    synth.cc(channel, control, value)
                synth.cc(channel, VOLUME, 100)
                synth.cc(channel, PAN, 64)
                self._started[channel] = instrument
            synth.cc(channel, EXPRESSION, 127)
        self._fill(np.zeros((2, BLOCK_LENGTH), np.float32), 0, BLOCK_LENGTH)

    def _run(self, events, first, n_blocks):
        audio = np.zeros((2, n_blocks * BLOCK_LENGTH), np.float32)
        synth, now = self._synth, 0
        actions = {OFF: lambda channel, key, _: synth.noteoff(channel, key), ON: synth.noteon}
        actions |= {CONTROL: synth.cc, BEND: lambda channel, value, _: synth.pitch_bend(channel, value)}
        for block, kind, channel, value, second in events:
            if block > now:
                self._fill(audio, now * BLOCK_LENGTH, block * BLOCK_LENGTH)
                now = block
            actions[kind](first + channel, value, second)
        self._fill(audio, now * BLOCK_LENGTH, n_blocks * BLOCK_LENGTH)
        return audio

    def _fill(self, audio, start, stop):
        if stop > start:
            self._write(self._synth.synth, stop - start, audio[0].ctypes.data, start, 1, audio[1].ctypes.data, start, 1)


def _events(played, rate, n_blocks):
    """What to send and when: sorted rows of block, kind, channel and two values; ``rate`` is in blocks a second."""
    joined = joined_notes(played)
    onset = np.round(played.onset * rate).astype(int)
    offset = np.maximum(np.round(played.offset * rate).astype(int), onset + 1)
    events = []
    for i in range(len(onset)):
        follower = onset[i + 1] if i + 1 < len(onset) and joined[i + 1] else None
        events += _note_events(played, i, (onset[i], offset[i]), joined[i], follower, rate)
    events = [(max(0, int(row[0])), *map(int, row[1:])) for row in events if row[0] < n_blocks]
    return sorted(events, key=lambda row: row[0])


def _note_events(played, i, span, joined, follower, rate):
    """Events of one note; ``follower`` is the onset of a legato note that takes over from it, or None."""
    channel = i % N_VOICES
    key = int(np.clip(np.round(played.pitch[i]), 0, 127))
    lead, fade = (max(1, round(seconds * rate)) for seconds in (LEGATO_LEAD, LEGATO_FADE))
    start, stop = span
    if joined:
        start = max(0, start - lead)
    events = [(start, CONTROL, channel, EXPRESSION, 0 if joined else 127)]
    if joined:
        events += _fade(span[0] - fade // 2, fade, channel, up=True)
    if follower is not None:
        events += _fade(follower - fade // 2, fade, channel, up=False)
        stop = follower + fade
    velocity = int(np.clip(round(MEZZO_FORTE * 10 ** (played.level[i] / 40)), 1, 127))
    events += _bends(played, i, key, channel, (start, stop), rate)
    return [*events, (start, ON, channel, key, velocity), (stop, OFF, channel, key, 0)]


def joined_notes(played):
    """Whether each note takes over from the one before it: legato, and no rest between them."""
    joined = np.array(played.legato, dtype=bool)
    joined[:1] = False
    joined[1:] &= played.onset[1:] - played.offset[:-1] <= JOIN
    return joined


def _fade(start, length, channel, up):
    """Events of a fade of equal power: the amplitude is the square of the expression."""
    angles = np.linspace(0, np.pi / 2, length + 1)
    values = np.round(127 * np.sqrt(np.maximum(0, np.sin(angles) if up else np.cos(angles))))
    return [(start + i, CONTROL, channel, EXPRESSION, value) for i, value in enumerate(values)]


def _bends(played, i, key, channel, span, rate):
    """Events of the bend of one note, from the fraction of its pitch and from the curve."""
    blocks = np.array([span[0]])
    if len(played.bend):
        first, last = (int(block / rate * CONTROL_RATE) for block in span)
        steps = np.arange(first + 1, last + 1)
        blocks = np.concatenate([blocks, np.round(steps * rate / CONTROL_RATE).astype(int)])
    cents = 100 * (played.pitch[i] - key) * np.ones(len(blocks))
    if len(played.bend):
        cents += np.interp(blocks / rate * CONTROL_RATE, np.arange(len(played.bend)), played.bend)
    values = np.clip(np.round(8192 * cents / (100 * BEND_RANGE)), -8192, 8191)
    keep = np.diff(values, prepend=np.inf) != 0
    return [(block, BEND, channel, value, 0) for block, value in zip(blocks[keep], values[keep], strict=True)]


def _factor(sample_rate):
    return max(1, -(-LOWEST_RATE // sample_rate))


# A child of a fork gets its own: what its parent's threads were doing to theirs cannot be told.
@cache
def _synth(font_path, rate, process):
    return _Synth(font_path, rate)


@cache
def _gain(font_path, instrument, rate, process):
    """Gain that brings mezzo-forte to its level: presets differ by 20 dB."""
    low, high = RANGES[instrument] if instrument in RANGES else OTHERS[instrument][1:]
    onset = np.arange(5.0)
    pitch = np.round(np.linspace(low, high, 7)[1:-1])
    scale = Played(onset, onset + 0.8, pitch, np.zeros(5), np.zeros(5, bool))
    audio = _synth(font_path, rate, process).play(scale, instrument, 5 * rate).reshape(5, -1)
    power = np.mean(audio[:, int(0.2 * rate) : int(0.8 * rate)] ** 2, axis=1)
    return float(LOUDNESS / np.sqrt(max(np.median(power), 1e-12)))


@cache
def _fluidsynth():
    try:
        import fluidsynth
    except (ImportError, OSError, AttributeError) as error:
        raise ValueError(
            "Sound fonts need FluidSynth: install it by `apt-get install libfluidsynth3 fluid-soundfont-gm "
            'musescore-general-soundfont` and `python -m pip install "skseparate[render]"`.'
        ) from error
    return fluidsynth
