"""Parts played with recordings of single notes, shifted in pitch and looped, with their own attacks and releases."""

import io
import os
import re
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from sklearn.utils import check_random_state

from skseparate.datasets._render._fluidsynth import joined_notes
from skseparate.datasets._render._instruments import OTHERS, RANGES
from skseparate.datasets._render._note_analysis import Note, make_note
from skseparate.datasets._render._types import CONTROL_RATE

LOUDNESS = 0.1  # RMS of mezzo-forte, -20 dBFS.
LEVELS = {"pianissimo": -12, "piano": -8, "mezzo-piano": -4, "mezzo-forte": 0, "forte": 5, "fortissimo": 9}
SPACING = 2  # Semitones between the recordings that are kept.
FADE = 0.045  # Seconds of the crossfade from one legato note to the next.
CUT = 0.02  # Seconds in which a recording passes over to its release.
CHOICE = 1.5  # Semitones by which a recording that is chosen may be farther than the nearest.
DYNAMIC_COST = 0.5  # Semitones that a decibel is worth.
# Instruments without recordings: whose notes they borrow, how far away the best are, for which pitches. A viola is
# larger than a violin and smaller than a cello: shifting a note shifts the resonances of its body as well.
BORROWED = {"va": (("vn", 3, 57, 128), ("vc", -3, 0, 57))}
TONEJS = {
    "violin": "vn", "cello": "vc", "contrabass": "db", "flute": "fl", "clarinet": "cl", "bassoon": "bn",
    "french-horn": "hn", "trumpet": "tpt", "trombone": "tbn", "tuba": "tba", "saxophone": "sax",
}  # fmt: skip
PHILHARMONIA = {
    "violin": "vn", "viola": "va", "cello": "vc", "double-bass": "db", "flute": "fl", "oboe": "ob",
    "clarinet": "cl", "bassoon": "bn", "french-horn": "hn", "trumpet": "tpt", "trombone": "tbn", "tuba": "tba",
    "saxophone": "sax",
}  # fmt: skip
# What a file of Philharmonia says of its length, the best first: a loop wants a long note.
LENGTHS = ("long", "15", "very-long", "1", "05")
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
N_TAPS, N_PHASES = 8, 512


class NoteBank:
    """Notes of one set of recordings.

    Parameters
    ----------
    notes : dict of str to list of Note
        By the abbreviation of the instrument.
    sample_rate : int
        Of the notes, in Hz.
    """

    def __init__(self, notes, sample_rate):
        self.notes = {
            instrument: sorted(group, key=lambda note: (note.pitch, note.level))
            for instrument, group in notes.items()
            if group
        }
        self.sample_rate = sample_rate

    def save(self, path):
        """Write the bank as one npz file, without pickles."""
        notes = [(instrument, note) for instrument, group in self.notes.items() for note in group]
        numbers = [(n.pitch, n.level, n.gain, n.onset, n.loop_start, n.loop_stop, len(n.samples)) for _, n in notes]
        with open(path, "wb") as file:
            np.savez_compressed(
                file,
                sample_rate=self.sample_rate,
                instruments=np.array([instrument for instrument, _ in notes], dtype="U16"),
                numbers=np.array(numbers, dtype=np.float64).reshape(-1, 7),
                samples=np.concatenate([np.zeros(0, np.int16), *(note.samples for _, note in notes)]),
            )

    @classmethod
    def load(cls, path):
        """Read a bank that `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            instruments, numbers, samples = file["instruments"], file["numbers"], file["samples"]
            rate = int(file["sample_rate"])
        stops = np.cumsum(numbers[:, -1]).astype(int)
        notes = {}
        for instrument, row, part in zip(instruments, numbers, np.split(samples, stops[:-1]), strict=True):
            note = Note(*map(float, row[:2]), part, float(row[2]), *map(int, row[3:6]))
            notes.setdefault(str(instrument), []).append(note)
        return cls(notes, rate)


class NoteBankRenderer:
    """Plays parts with the notes of a bank.

    Parameters
    ----------
    bank : NoteBank
        Recordings.
    name : str
        Of the set of recordings.

    Attributes
    ----------
    instruments : tuple of str
        Abbreviations of the instruments that it can play.
    """

    def __init__(self, bank, name):
        self.bank, self.name = bank, name
        self._pools = {name: pool for name in (*RANGES, *OTHERS) if (pool := _pool(bank.notes, name))}
        self.instruments = tuple(self._pools)

    def render(self, played, instrument, sample_rate, n_samples, random_state=None):
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
        random_state : int, RandomState instance or None, default=None
            Chooses among recordings that are about as near; with None, the nearest is taken.

        Returns
        -------
        audio : ndarray of float32 of shape (n_samples,)
            Mono; mezzo-forte is at about -20 dBFS.
        """
        if instrument not in self._pools:
            raise ValueError(f"instrument must be one of {', '.join(self.instruments)}; got {instrument!r}.")
        rng = None if random_state is None else check_random_state(random_state)
        rate = self.bank.sample_rate
        audio = np.zeros(-(-n_samples * rate // sample_rate), np.float32)
        joined, last = joined_notes(played), None
        for i in range(len(played.onset)):
            last = _choose(self._pools[instrument], played.pitch[i], played.level[i], rng, last)
            _play(audio, played, i, joined, last, rate)
        if rate != sample_rate:
            audio = soxr.resample(audio, rate, sample_rate)
        return np.pad(audio, (0, max(0, n_samples - len(audio))))[:n_samples]


def tonejs_bank(folder, sample_rate=16000):
    """Bank of the npm packages ``tonejs-instrument-*-mp3``.

    Parameters
    ----------
    folder : str
        Where the packages lie, as `npm pack` or `npm install` leaves them. Their samples are under CC BY 3.0.
    sample_rate : int, default=16000
        Of the bank, in Hz.

    Returns
    -------
    bank : NoteBank
        One dynamic.
    """
    found = {}
    for package, name, content in _packaged(Path(folder)):
        parsed = re.fullmatch(r"([A-G]s?)(-?\d)\.mp3", name)
        instrument = TONEJS.get(package.removesuffix("-mp3"))
        if parsed and instrument:
            found.setdefault((instrument, 0.0), {})[_midi(*parsed.groups())] = [content]
    return _bank(found, sample_rate, folder)


def philharmonia_bank(folder, sample_rate=16000):
    """Bank of the Philharmonia Orchestra's sound samples.

    Parameters
    ----------
    folder : str
        With mp3 files at any depth, such as ``violin_A3_1_forte_arco-normal.mp3``.
    sample_rate : int, default=16000
        Of the bank, in Hz.

    Returns
    -------
    bank : NoteBank
        All dynamics.
    """
    found = {}
    for path in sorted(Path(folder).rglob("*.mp3")):
        fields = path.stem.split("_")
        pitch = re.fullmatch(r"([A-G]s?)(\d)", fields[1]) if len(fields) == 5 else None
        if not pitch or fields[0] not in PHILHARMONIA or fields[2] not in LENGTHS or fields[3] not in LEVELS:
            continue
        if fields[4] in ("normal", "arco-normal"):
            group = found.setdefault((PHILHARMONIA[fields[0]], float(LEVELS[fields[3]])), {})
            group.setdefault(_midi(*pitch.groups()), []).append((LENGTHS.index(fields[2]), path.read_bytes()))
    for group in found.values():
        for pitch, takes in group.items():
            group[pitch] = [content for _, content in sorted(takes, key=lambda take: take[0])]
    return _bank(found, sample_rate, folder)


def _packaged(folder):
    """Package, file name and content of each mp3 file in packages, unpacked or not."""
    pattern = re.compile(r"tonejs-instrument-([a-z-]+-mp3)")
    for path in sorted(folder.rglob("*.mp3")):
        if match := pattern.search(str(path.parent)):
            yield match.group(1), path.name, path.read_bytes()
    for path in sorted(folder.glob("tonejs-instrument-*-mp3-*.tgz")):
        with tarfile.open(path) as archive:
            for member in archive.getmembers():
                if member.name.endswith(".mp3"):
                    content = archive.extractfile(member).read()
                    yield pattern.search(path.name).group(1), Path(member.name).name, content


def _midi(name, octave):
    return STEPS[name[0]] + name.endswith("s") + 12 * (int(octave) + 1)


def _bank(found, sample_rate, folder):
    """Bank of what can be read: of each instrument and dynamic a note every few semitones."""
    if not found:
        raise ValueError(f"There are no notes in {os.fspath(folder)!r}: give the folder that holds their mp3 files.")
    notes = {}
    for (instrument, level), group in sorted(found.items()):
        last = -np.inf
        for pitch in sorted(group):
            if pitch - last < SPACING:
                continue
            takes = (make_note(_decoded(content, sample_rate), sample_rate, pitch, level) for content in group[pitch])
            if (note := next(filter(None, takes), None)) is not None:
                notes.setdefault(instrument, []).append(note)
                last = pitch
    return NoteBank(notes, sample_rate)


def _decoded(content, sample_rate):
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    return soxr.resample(samples.mean(axis=1), rate, sample_rate)


def _pool(notes, instrument):
    """Notes that an instrument is played with, and the pitches that each of them suits best."""
    if instrument in notes:
        return [(note, note.pitch) for note in notes[instrument]]
    sources = [source for source in BORROWED.get(instrument, ()) if source[0] in notes]
    pool = [(note, note.pitch - away, low, high) for name, away, low, high in sources for note in notes[name]]
    # Each source has its pitches, lest the player change instruments from note to note.
    return [(note, best) for note, best, low, high in pool if len(sources) == 1 or low <= best < high]


def _choose(pool, pitch, level, rng, last):
    """The nearest recording, or one that is about as near and is not the last one."""
    cost = np.array([abs(best - pitch) + DYNAMIC_COST * abs(note.level - level) for note, best in pool])
    if rng is None:
        return pool[int(np.argmin(cost))][0]
    near = [pool[i][0] for i in np.flatnonzero(cost <= cost.min() + CHOICE)]
    others = [note for note in near if note is not last] or near
    return others[rng.randint(len(others))]


def _play(audio, played, i, joined, note, rate):
    """Add one note to the audio."""
    follows = i + 1 < len(joined) and joined[i + 1]
    half = FADE / 2
    step = 2 ** ((played.pitch[i] - note.pitch) / 12)
    begin = played.onset[i] - (half if joined[i] else note.onset / step / rate)
    end = played.onset[i + 1] + half if follows else played.offset[i]
    begin, end = round(begin * rate), max(round(end * rate), round((played.onset[i] + half) * rate))
    longest = max(len(note.samples) - note.loop_stop, 3 * int(CUT * rate))
    n_held, n_release = end - begin, 0 if follows else int(longest / step)
    phase = _phase(played, played.pitch[i] - note.pitch, begin, n_held + n_release, rate)
    phase += note.loop_start if joined[i] else 0
    sound = _interpolated(_source(note, phase[n_held - 1], follows, rate), phase)
    fade = np.sin(np.linspace(0, np.pi / 2, int(FADE * rate), dtype=np.float32))[: len(sound)]
    if joined[i]:
        sound[: len(fade)] *= fade
    if follows:
        sound[len(sound) - len(fade) :] *= fade[::-1]
    sound *= LOUDNESS * note.gain * 10 ** (played.level[i] / 20)
    first, last = max(0, begin), min(len(audio), begin + len(sound))
    if last > first:
        audio[first:last] += sound[first - begin : last - begin]


def _phase(played, semitones, begin, length, rate):
    """Place in the recording of each sample that is played, from 0."""
    if not len(played.bend):
        return 2 ** (semitones / 12) * np.arange(length, dtype=np.float64)
    times = np.arange(begin, begin + length) * (CONTROL_RATE / rate)
    bend = np.interp(times, np.arange(len(played.bend)), played.bend)
    steps = np.exp2((semitones + bend / 100) / 12)
    return np.cumsum(steps) - steps[0]


def _source(note, stop, follows, rate):
    """The recording as long as it is held, up to ``stop``, and its release from there."""
    stop, loop = int(stop) + 1, note.samples[note.loop_start : note.loop_stop]
    n_loops = max(0, -(-(stop + rate // 4 - note.loop_stop) // len(loop)))
    held = np.concatenate([note.samples[: note.loop_stop], *([loop] * n_loops)]).astype(np.float32)
    if follows:
        return held
    cut, period = int(CUT * rate), int(np.ceil(rate / (440 * 2 ** ((note.pitch - 69) / 12))))
    release = note.samples[note.loop_stop :].astype(np.float32)
    pattern = held[stop : stop + cut]
    if len(release) < cut + period:
        ending = held[stop : stop + 3 * cut]
        return np.concatenate([held[:stop], ending * np.linspace(1, 0, len(ending), dtype=np.float32)])
    # Begin the release where its waveform goes on from the one that is left, as loud as that.
    release = release[int(np.argmax(np.correlate(release[: cut + period], pattern, "valid"))) :]
    release *= min(2.0, float(np.sqrt(np.sum(pattern**2) / max(np.sum(release[:cut] ** 2), 1.0))))
    ramp = np.linspace(0, 1, cut, dtype=np.float32)
    release[:cut] = ramp * release[:cut] + (1 - ramp) * pattern
    return np.concatenate([held[:stop], release])


def _interpolated(source, phase):
    """Values of the recording between its samples; zeros after its end."""
    place = np.floor(phase).astype(np.int64)
    bank = _kernels()[((phase - place) * N_PHASES).astype(np.int64)]
    padded = np.pad(source, (N_TAPS // 2 - 1, N_TAPS))
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_TAPS)
    return np.einsum("ij,ij->i", bank, windows[np.minimum(place, len(source))])


@cache
def _kernels():
    """Windowed sinc functions, one for each fraction of a sample."""
    fraction = (np.arange(N_PHASES)[:, np.newaxis] + 0.5) / N_PHASES
    distance = np.arange(1 - N_TAPS // 2, N_TAPS // 2 + 1) - fraction
    window = np.i0(6 * np.sqrt(np.maximum(0, 1 - (2 * distance / N_TAPS) ** 2)))
    kernels = np.sinc(0.94 * distance) * window
    return (kernels / kernels.sum(axis=1, keepdims=True)).astype(np.float32)
