"""Ensembles rendered from scores."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np
from sklearn.utils import check_random_state

from skseparate._recording import Recording
from skseparate.datasets._ensembles import Ensemble, Ensembles, part_range
from skseparate.datasets._render._casting import cast
from skseparate.datasets._render._colour import breathed, coloured, noisy, reverberated, swelled
from skseparate.datasets._render._instruments import OTHER, OTHERS, RANGES
from skseparate.datasets._render._players import PLAIN, Effects, beat_times, phrase_curve, play
from skseparate.datasets._render._types import CONTROL_RATE, Notes
from skseparate.datasets._stem_cache import StemCache
from skseparate.lines import Line, notes_line
from skseparate.lines._line import hertz

FORMAT = 2
LEAD_SECONDS = (0.2, 1.5)
TAIL_SECONDS = 1.5
FEWEST_NOTES = 4


def render_ensembles(
    scores,
    renderers,
    *,
    n_takes=1,
    n_parts=(2, 5),
    duration=40.0,
    effects=None,
    others=0.0,
    sample_rate=16000,
    cache=None,
    random_state=None,
):
    """Render scores as ensembles of players, each with a stem of its own.

    Each take is another performance: other instruments, players, tempo, renderers and room. Nothing is rendered
    until it is read, and then kept in a `StemCache`.

    Parameters
    ----------
    scores : sequence of Score
        As `music21_scores`, `openscore_scores` and `folder_scores` read them.
    renderers : sequence of renderer
        `FluidSynthRenderer` and `NoteBankRenderer`; each part is given to one that has its instrument.
    n_takes : int, default=1
        Performances of each score.
    n_parts : int or (int, int), default=(2, 5)
        Parts of an ensemble, or the fewest and the most; of larger scores some parts are left out.
    duration : float, default=40.0
        How much of a score is played in a take, in seconds; from anywhere in it.
    effects : Effects, default=None
        What players and rooms add; all of it by default, ``PLAIN`` for none.
    others : float, default=0.0
        Share of parts that are played by an instrument that URMP has not (a piano, a singer), where a renderer has
        any; such a part is called "other".
    sample_rate : int, default=16000
        In Hz.
    cache : StemCache, default=None
        By default one in the user's cache folder.
    random_state : int, RandomState instance or None, default=None
        Decides everything.

    Returns
    -------
    ensembles : Ensembles
        Songs are the scores' songs.

    Raises
    ------
    ValueError
        If there is no score, or no renderer that has an instrument.

    See Also
    --------
    make_ensembles : Built-in synthetic ones, which need nothing installed.

    Notes
    -----
    Split by song, and apart from that by renderer: what a model is worth shows on a font or a set of notes that it
    never heard. Each stem knows its `renderer`. Stems are 100 and more times faster to render than to hear.

    Examples
    --------
    >>> from skseparate.datasets import render_ensembles
    >>> from skseparate.datasets.rendering import FluidSynthRenderer, find_fonts, openscore_scores
    >>> renderers = [FluidSynthRenderer(path) for path in find_fonts().values()]  # doctest: +SKIP
    >>> scores = openscore_scores("StringQuartets")  # doctest: +SKIP
    >>> ensembles = render_ensembles(scores, renderers, n_takes=3, random_state=0)  # doctest: +SKIP
    """
    scores, renderers = list(scores), list(renderers)
    if not scores or not any(i in RANGES for renderer in renderers for i in renderer.instruments):
        raise ValueError("render_ensembles needs at least one score, and one renderer that has an instrument.")
    fewest, most = part_range(n_parts)
    rng = check_random_state(random_state)
    cache = StemCache() if cache is None else cache
    effects = Effects() if effects is None else effects
    ensembles = []
    for score in scores:
        for take in range(n_takes):
            seed = int(rng.randint(2**31))
            performance = Performance(
                score, seed, (fewest, most), duration, effects, others, sample_rate, tuple(renderers)
            )
            if performance.is_playable:
                ensembles.append(_ensemble(performance, f"{score.name} take {take + 1}", cache))
    return Ensembles(ensembles)


def _ensemble(performance, name, cache):
    song, parts = performance.score.song, performance.parts
    stems = tuple(RenderedStem(performance, k, cache) for k in range(len(parts)))
    return Ensemble(name, song, parts, stems)


@dataclass(frozen=True, eq=False)
class Performance:
    """One take of a score: who plays what and when. All of it follows from the seed."""

    score: object
    seed: int
    n_parts: tuple
    duration: float
    effects: Effects
    others: float
    sample_rate: int
    renderers: tuple = field(repr=False)

    @property
    def is_playable(self):
        """bool: Whether enough parts have notes in the excerpt."""
        return len(self._excerpt) >= max(2, self.n_parts[0])

    @property
    def instruments(self):
        """tuple of str: Of the parts that play, from the highest staff down."""
        return tuple(instrument for instrument, _ in self._cast)

    @property
    def parts(self):
        """tuple of str: What the parts are called."""
        return tuple(OTHER if instrument in OTHERS else instrument for instrument in self.instruments)

    @cached_property
    def _cut(self):
        """Beat at which the take begins, and the notes of the parts that play, counted from it."""
        rng = self._rng("excerpt")
        parts = [part for part in self.score.parts if len(part.onset)]
        if not parts:
            return 0.0, []
        size = rng.randint(self.n_parts[0], self.n_parts[1] + 1)
        if len(parts) > size:
            parts = [parts[k] for k in sorted(rng.choice(len(parts), size, replace=False))]
        last = max(p.onset[-1] + p.duration[-1] for p in parts)
        beats, seconds = beat_times(self.score.tempo, last, PLAIN, rng)
        start = rng.uniform(0, max(0.0, np.interp(last, beats, seconds) - self.duration))
        first, stop = np.interp([start, start + self.duration], seconds, beats)
        cut = [_between(part, first, stop) for part in parts]
        return first, [part for part in cut if len(part.onset) >= FEWEST_NOTES]

    @property
    def _excerpt(self):
        return self._cut[1]

    @cached_property
    def _tempo(self):
        """Tempo from where the take begins."""
        beats = self.score.tempo[:, 0] - self._cut[0]
        begun = max(0, np.searchsorted(beats, 0, side="right") - 1)
        return np.column_stack([np.maximum(beats, 0), self.score.tempo[:, 1]])[begun:]

    @cached_property
    def _cast(self):
        available = [i for i in RANGES if any(i in renderer.instruments for renderer in self.renderers)]
        members = cast(self._excerpt, self._rng("cast"), available)
        strange = [name for name in OTHERS if any(name in renderer.instruments for renderer in self.renderers)]
        if not self.others or not strange:
            return members
        return [self._exchanged(*member, strange, self._rng("other", k)) for k, member in enumerate(members)]

    def _exchanged(self, instrument, shift, strange, rng):
        """Now and then an instrument that URMP has not, at the same pitch."""
        if rng.random() >= self.others:
            return instrument, shift
        return strange[rng.randint(len(strange))], shift

    @cached_property
    def played(self):
        """list of Played: One a part, all after the same silence."""
        rng = self._rng("tempo")
        last = max(p.onset[-1] + p.duration[-1] for p in self._excerpt)
        beats, seconds = beat_times(self._tempo, last, self.effects, rng)
        seconds = seconds + rng.uniform(*LEAD_SECONDS)
        phrase = phrase_curve(int(seconds[-1] * CONTROL_RATE) + 1, rng)
        return [
            play(_shifted(part, shift), beats, seconds, instrument, phrase, self.effects, self._rng("player", k))
            for k, (part, (instrument, shift)) in enumerate(zip(self._excerpt, self._cast, strict=True))
        ]

    @cached_property
    def n_samples(self):
        """int: Of every stem."""
        return int((max(p.offset.max() for p in self.played) + TAIL_SECONDS) * self.sample_rate)

    def renderer_of(self, k):
        """The renderer of a part: the same for all parts of one instrument in about half of the takes."""
        instrument = self.instruments[k]
        able = [renderer for renderer in self.renderers if instrument in renderer.instruments]
        shared = self._rng("shared").random() < 0.5
        return able[self._rng("renderer", instrument if shared else k).randint(len(able))]

    def render(self, k):
        """Render one part, with all that its player and the room add.

        Returns
        -------
        samples : ndarray of float32 of shape (n_samples,)
        """
        instrument, played, effects, rate = self.instruments[k], self.played[k], self.effects, self.sample_rate
        room_rng = self._rng("room")
        samples = self.renderer_of(k).render(played, instrument, rate, self.n_samples)
        samples = swelled(samples, played.swell, rate)
        samples = breathed(samples, instrument, effects.breath, rate, self._rng("breath", k))
        samples = coloured(samples, instrument, effects.colour, rate, self._rng("colour", k))
        room = (room_rng.uniform(0.15, 0.9), room_rng.uniform(-22, -3), int(room_rng.randint(2**31)))
        samples = reverberated(samples, effects.room, room, k, rate)
        distance = room_rng.uniform(-8, 6)  # of the microphones, or whoever set their gain
        level = -30 + effects.levels * (distance + self._rng("level", k).normal(0, 2.0))
        samples = noisy(_levelled(samples, level), effects.noise, level, rate, self._rng("noise", k))
        return samples.astype(np.float32)

    def key(self, k):
        """Name of a part for a cache: equal for equal sound."""
        parts = [[a.tolist() for a in (p.onset, p.duration, p.pitch, p.slurred)] for p in self._excerpt]
        facts = [FORMAT, k, self.seed, asdict(self.effects), self.sample_rate, self._cast, self.renderer_of(k).name]
        text = json.dumps([facts, parts, self._tempo.tolist()], default=float)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _rng(self, *purpose):
        """Random numbers of one purpose, so that switching an effect off leaves all others as they are."""
        digest = hashlib.blake2b(repr((self.seed, *purpose)).encode(), digest_size=4).digest()
        return np.random.RandomState(int.from_bytes(digest, "little"))


class RenderedStem(Recording):
    """A part of a `Performance`, rendered when it is read and kept in a `StemCache`."""

    def __init__(self, performance, k, cache):
        self._performance, self._k, self._cache = performance, k, cache
        self.sample_rate, self.song = performance.sample_rate, performance.score.song
        self.parts = (performance.parts[k],)
        self.name = f"{performance.score.name}, {self.parts[0]}"

    @property
    def shape(self):
        return (self._performance.n_samples,)

    @property
    def renderer(self):
        """str: Name of the font or set of notes."""
        return self._performance.renderer_of(self._k).name

    @cached_property
    def take(self):
        """str: Equal for equal sound."""
        return self._performance.key(self._k)

    @cached_property
    def line(self):
        """Line: Of the notes as they are played, vibrato included."""
        played = self._performance.played[self._k]
        line = notes_line(played.onset, played.offset, hertz(played.pitch))
        bend = np.zeros(len(line.times))
        n = min(len(bend), len(played.bend))
        bend[:n] = played.bend[:n]
        return Line(line.times, line.frequencies * 2 ** (bend / 1200))

    def read(self, start, stop):
        return self._cache.made(self.take, self.n_samples, lambda: self._performance.render(self._k))[start:stop]

    def __repr__(self):
        return f"<RenderedStem {self.name}: {self.n_samples / self.sample_rate:.1f} s at {self.sample_rate:g} Hz>"


def _between(notes, first, last):
    """Notes that begin between two beats, counted from the first."""
    chosen = (notes.onset >= first) & (notes.onset < last)
    onset = notes.onset[chosen] - first
    return Notes(onset, notes.duration[chosen], notes.pitch[chosen], notes.slurred[chosen], notes.instrument)


def _shifted(notes, semitones):
    return Notes(notes.onset, notes.duration, notes.pitch + semitones, notes.slurred, notes.instrument)


def _levelled(samples, decibels):
    """Bring the loud part of a stem to a level below full scale; its rests do not count."""
    blocks = samples[: len(samples) // 1600 * 1600].reshape(-1, 1600)
    loud = np.sqrt(np.square(blocks, dtype=np.float64).mean(axis=1))
    sounding = loud[loud > 0.01 * loud.max(initial=0)]
    level = np.quantile(sounding, 0.9) if len(sounding) else 0
    return samples * np.float32(10 ** (decibels / 20) / level) if level > 0 else samples
