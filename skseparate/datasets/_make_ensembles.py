"""Synthetic ensembles: data with known stems, built in."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from skseparate._recording import Recording
from skseparate.datasets._cache import cached_samples
from skseparate.datasets._counterpoint import BEATS_PER_CHORD, compose
from skseparate.datasets._ensembles import SCORE_ORDER, Ensemble, Ensembles, part_range
from skseparate.datasets._synthesis import INSTRUMENTS, render_line
from skseparate.lines import notes_line
from skseparate.lines._line import hertz

VOICE_SPAN = 19  # semitones: a player's part stays within a twelfth


class SyntheticStem(Recording):
    """A line that is rendered when it is read, always the same.

    Parameters
    ----------
    notes : tuple of (float, float, int)
        Onset and duration in seconds, and MIDI note.
    part : str
        Its instrument.
    song : str
        Its song.
    n_samples : int
        Its length.
    sample_rate : float
        In Hz.
    seed : int
        Of the player.
    """

    def __init__(self, notes, part, song, n_samples, sample_rate, seed):
        self.notes, self.parts, self.song = notes, (part,), song
        self.shape, self.sample_rate, self.seed = (n_samples,), sample_rate, seed

    @property
    def take(self):
        """tuple: Equal for stems that sound the same."""
        return (self.notes, self.parts[0], self.n_samples, self.sample_rate, self.seed)

    @property
    def line(self):
        """Line: Of the notes as written, without vibrato and tuning."""
        onset, duration, pitch = np.array(self.notes).reshape(-1, 3).T
        return notes_line(onset, onset + duration, hertz(pitch))

    def read(self, start, stop):
        return cached_samples(self.take, lambda: render_line(*self.take))[start:stop]

    def __repr__(self):
        return f"<SyntheticStem: {self.parts[0]}, {len(self.notes)} notes>"


@validate_params(
    {
        "n_songs": [Interval(Integral, 1, None, closed="left")],
        "n_parts": [Interval(Integral, 1, 8, closed="both"), tuple],
        "duration": [Interval(Real, 0, None, closed="neither")],
        "sample_rate": [Interval(Real, 1000, None, closed="left")],
        "instruments": ["array-like", None],
        "doubling": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_ensembles(
    n_songs=10, n_parts=(2, 5), *, duration=20.0, sample_rate=16000, instruments=None, doubling=True, random_state=None
):
    """Make synthetic ensembles with known stems; nothing is downloaded.

    Harmonic instruments with attack, decay, vibrato and breath play voice-led counterpoint: each song
    has its key, tempo and progression, each voice its rhythm, each player a tuning and a tone.

    Parameters
    ----------
    n_songs : int, default=10
        How many.
    n_parts : int or (int, int), default=(2, 5)
        Parts of each, or the fewest and the most.
    duration : float, default=20.0
        Of each song, in seconds.
    sample_rate : int, default=16000
        In Hz.
    instruments : sequence of str, default=None
        Instruments to draw from; by default URMP's thirteen: fl, ob, tpt, vn, cl, sax, va, hn, tbn,
        bn, vc, tba and db.
    doubling : bool, default=True
        Whether an instrument may be drawn more than once for an ensemble.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same ensembles at every call.

    Returns
    -------
    ensembles : Ensembles
        Parts from treble to bass. Stems are rendered when they are read.

    Raises
    ------
    ValueError
        If an instrument is not known, or there are too few without doubling.

    Examples
    --------
    >>> from skseparate.datasets import make_ensembles
    >>> ensembles = make_ensembles(n_songs=2, n_parts=2, instruments=["vn", "vc"], random_state=0)
    >>> ensembles[0].mixture()
    <Mixture: vn + vc, 20.0 s at 16000 Hz>
    """
    rng = check_random_state(random_state)
    instruments = tuple(SCORE_ORDER if instruments is None else instruments)
    if unknown := sorted(set(instruments) - set(INSTRUMENTS)):
        raise ValueError(f"instruments {unknown} are not known; choose from {sorted(INSTRUMENTS)}.")
    fewest, most = part_range(n_parts, limit=8)
    if not doubling and most > len(set(instruments)):
        raise ValueError(f"{most} parts need as many instruments without doubling, got {len(set(instruments))}.")
    sizes = rng.randint(fewest, most + 1, size=n_songs)
    return Ensembles(
        _make_song(f"song {i:02d}", size, duration, sample_rate, instruments, doubling, rng)
        for i, size in enumerate(sizes)
    )


def _make_song(name, n_parts, duration, sample_rate, instruments, doubling, rng):
    drawn = map(str, rng.choice(instruments, n_parts, replace=doubling))
    parts = tuple(sorted(drawn, key=SCORE_ORDER.index))
    seconds_per_beat = 60 / rng.uniform(66, 120)
    n_chords = 1 + int(duration / (BEATS_PER_CHORD * seconds_per_beat))
    lines = compose(_voice_ranges(parts), n_chords, rng)
    stems = tuple(
        SyntheticStem(
            tuple((onset * seconds_per_beat, beats * seconds_per_beat, pitch) for onset, beats, pitch in line),
            part,
            name,
            int(duration * sample_rate),
            sample_rate,
            int(rng.randint(2**31)),
        )
        for part, line in zip(parts, lines, strict=True)
    )
    return Ensemble(name, name, parts, stems)


def _voice_ranges(parts):
    """Where each voice lies: within its instrument, and spread from treble to bass."""
    ranges = []
    for k, part in enumerate(parts):
        instrument = INSTRUMENTS[part]
        wanted = np.interp(k, (0, max(1, len(parts) - 1)), (72, 46))
        low = int(np.clip(wanted - VOICE_SPAN / 2, instrument.low, max(instrument.low, instrument.high - VOICE_SPAN)))
        ranges.append((low, min(instrument.high, low + VOICE_SPAN)))
    return ranges
