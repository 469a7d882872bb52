"""Players, not organ pipes: from written notes to notes as they are played."""

from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from skseparate.datasets._render._instruments import STRINGS
from skseparate.datasets._render._types import CONTROL_RATE, Played

# Vibrato by instrument: share of players who use it, and depth in cents (half of peak to peak).
VIBRATO = {
    "vn": (0.95, 24), "va": (0.95, 21), "vc": (0.9, 17), "db": (0.6, 10), "fl": (0.6, 11), "ob": (0.35, 9),
    "bn": (0.35, 8), "cl": (0.1, 4), "sax": (0.5, 11), "hn": (0.15, 5), "tpt": (0.3, 7),
    "tbn": (0.3, 7), "tba": (0.2, 6), "voice": (0.7, 25), "choir": (0.3, 10), "english horn": (0.35, 9),
}  # fmt: skip


@dataclass(frozen=True)
class Effects:
    """What players and rooms add; each can be switched off by 0 or turned up, 1 being usual.

    Parameters
    ----------
    rubato, onsets, articulation, intonation, vibrato, dynamics, breath, colour, levels, room, noise : float
        Strength of: tempo changes that all share; loose onsets between players; detached and legato notes;
        pitch of players and notes; vibrato; phrasing and swells; breath and bow noise; colour of body and
        microphone; levels of the parts; a room; the noise floor.

    Examples
    --------
    >>> from skseparate.datasets.rendering import Effects
    >>> effects = Effects(room=0.5).without("vibrato", "noise")
    >>> effects.room, effects.vibrato, effects.onsets
    (0.5, 0.0, 1.0)
    """

    rubato: float = 1.0
    onsets: float = 1.0
    articulation: float = 1.0
    intonation: float = 1.0
    vibrato: float = 1.0
    dynamics: float = 1.0
    breath: float = 1.0
    colour: float = 1.0
    levels: float = 1.0
    room: float = 1.0
    noise: float = 1.0

    def without(self, *names):
        """The same with some of them switched off."""
        return replace(self, **dict.fromkeys(names, 0.0))


PLAIN = Effects(**dict.fromkeys((f.name for f in fields(Effects)), 0.0))


def beat_times(tempo, last, effects, rng):
    """When each beat comes: the tempo that all players share.

    Parameters
    ----------
    tempo : ndarray of shape (n_changes, 2)
        See `Score`.
    last : float
        Last beat, in quarter notes.
    effects : Effects
        Its `rubato`.
    rng : RandomState

    Returns
    -------
    beats, seconds : ndarray of shape (n_points,)
        To be interpolated.
    """
    grid = np.arange(0, last + 2, 0.25)
    beats = np.union1d(grid, tempo[tempo[:, 0] < last + 2, 0])
    steps = np.searchsorted(tempo[:, 0], beats, side="right") - 1
    speed = tempo[np.maximum(steps, 0), 1] / 60
    wander = gaussian_filter1d(rng.standard_normal(len(grid)), 12, mode="nearest")
    wander = np.interp(beats, grid, wander / (wander.std() + 1e-9))
    phrases = 0.03 * np.sin(2 * np.pi * (beats / 16 + rng.uniform()))
    speed = speed * np.exp(effects.rubato * (0.035 * wander + phrases + np.log(rng.uniform(0.85, 1.15))))
    seconds = np.concatenate([[0.0], np.cumsum(np.diff(beats) / speed[:-1])])
    return beats, seconds


def play(notes, beats, seconds, instrument, phrase, effects, rng):
    """How one player plays a part.

    Parameters
    ----------
    notes : Notes
        What is written.
    beats, seconds : ndarray
        See `beat_times`.
    instrument : str
        URMP's abbreviation.
    phrase : ndarray
        Dynamics that all share, in dB at `CONTROL_RATE`.
    effects : Effects
        How much of what.
    rng : RandomState

    Returns
    -------
    played : Played
    """
    # each effect has random numbers of its own: switching it off leaves the others as they are
    timing, pitch, vibrato, dynamics = (np.random.RandomState(rng.randint(2**31)) for _ in range(4))
    onset, offset, legato = _timing(notes, beats, seconds, instrument, effects, timing)
    n_controls = int(np.ceil((offset.max() + 2) * CONTROL_RATE))
    spans = list(zip((onset * CONTROL_RATE).astype(int), (offset * CONTROL_RATE).astype(int) + 1, strict=True))
    tuning = effects.intonation * (pitch.normal(0, 4) + pitch.normal(0, 9, len(onset)))
    bend = effects.intonation * _wander(n_controls, 1.5, 4.0, pitch)
    level = effects.dynamics * (dynamics.normal(0, 1.8, len(onset)) + 0.12 * (notes.pitch - notes.pitch.mean()))
    shapes = _shapes(spans, n_controls, instrument, dynamics)
    swell = effects.dynamics * (_fit(phrase, n_controls) + _wander(n_controls, 3.0, 1.5, dynamics) + shapes)
    bend += _vibrato(spans, n_controls, instrument, effects, vibrato, swell)
    return Played(onset, offset, notes.pitch + tuning / 100, level, legato, bend.astype("f4"), swell.astype("f4"))


def _timing(notes, beats, seconds, instrument, effects, rng):
    """Onsets, offsets and legato: loose between players, joined where slurred, detached elsewhere."""
    start = np.interp(notes.onset, beats, seconds)
    end = np.interp(notes.onset + notes.duration, beats, seconds)
    looseness = rng.uniform(0.012, 0.03)
    start = start + effects.onsets * (rng.normal(0, 0.008) + rng.normal(0, looseness, len(start)))
    start = np.maximum.accumulate(np.maximum(start, 0.0))
    detached = rng.uniform(0.8, 1.0)
    share = 1 + effects.articulation * (np.clip(rng.normal(detached, 0.06, len(start)), 0.4, 1.02) - 1)
    end = np.maximum(start + share * (end - start), start + 0.05)
    gap = np.append(start[1:] - np.interp(notes.onset + notes.duration, beats, seconds)[:-1], np.inf)
    # where the score shows no slurs, some players join notes as they like
    free = rng.random(len(start)) < rng.beta(1.2, 2.5)
    legato = (notes.slurred | (free & (effects.articulation > 0))) & np.append(False, gap[:-1] < 0.06)
    joined = np.append(legato[1:], False)
    overlap = 0.03 if instrument in STRINGS else 0.02
    follower = np.append(start[1:], np.inf)
    end = np.where(joined, follower + overlap, np.minimum(end, follower))
    return start, np.maximum(end, start + 0.04), legato


def _vibrato(spans, n_controls, instrument, effects, rng, swell):
    """Bend by vibrato, in cents, that sets in after each note; the swell follows it a little, in place."""
    bend = np.zeros(n_controls)
    share, depth = VIBRATO.get(instrument, (0.0, 0.0))
    if not effects.vibrato or rng.random() > share:
        return bend
    depth *= effects.vibrato * rng.lognormal(0, 0.3)
    rate, likely = rng.normal(6.0, 0.5), rng.uniform(0.5, 1.0)
    loudness = rng.uniform(0.02, 0.1)  # dB a cent
    for first, last in spans:
        n = min(last, n_controls) - first
        if n < 0.25 * CONTROL_RATE or rng.random() > likely:
            continue
        t = np.arange(n) / CONTROL_RATE
        delay, rise = rng.uniform(0.02, 0.25), rng.uniform(0.1, 0.4)
        strength = np.clip((t - delay) / rise, 0, 1) * depth * rng.lognormal(0, 0.25)
        phase = 2 * np.pi * np.cumsum(rate * np.exp(0.06 * _wander(n, 0.3, 1.0, rng))) / CONTROL_RATE
        wave = strength * np.sin(phase + rng.uniform(0, 2 * np.pi))
        bend[first : first + n] = wave
        swell[first : first + n] += loudness * wave
    return bend


def _shapes(spans, n_controls, instrument, rng):
    """Swell within each note, in dB: winds grow after their attack, most notes fade a little."""
    shapes = np.zeros(n_controls)
    rise = 1.0 if instrument in STRINGS else rng.uniform(1.0, 7.0)
    for first, last in spans:
        n = min(last, n_controls) - first
        t = np.arange(max(n, 0)) / CONTROL_RATE
        place = np.linspace(0, 1, max(n, 1))[:n]
        grown = rise * rng.uniform(0, 1.5) * (np.minimum(t / 0.4, 1) - 1)
        shapes[first : first + n] = grown + rng.normal(0.5, 1.2) * np.sin(np.pi * place) + rng.normal(-1, 1.5) * place
    return shapes


def phrase_curve(n_controls, rng):
    """Dynamics that all players share, in dB at `CONTROL_RATE`: phrases of some seconds, wide apart in level."""
    return _wander(n_controls, rng.uniform(1.5, 5.0), rng.uniform(2.5, 6.0), rng)


def _wander(n, seconds, spread, rng):
    """A smooth random curve of a time scale in seconds and a standard deviation."""
    coarse = max(4, int(np.ceil(n / CONTROL_RATE / seconds)) + 4)
    points = rng.standard_normal(coarse)
    at = np.linspace(0, coarse - 1, n)
    return spread * gaussian_filter1d(np.interp(at, np.arange(coarse), points), max(1.0, 0.3 * seconds * CONTROL_RATE))


def _fit(curve, n):
    """The first `n` values of a curve, held at its end."""
    return curve[:n] if len(curve) >= n else np.pad(curve, (0, n - len(curve)), mode="edge")
