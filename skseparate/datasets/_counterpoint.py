"""Chamber music for the built-in ensembles: voice-led harmony with independent rhythms."""

from itertools import product

import numpy as np

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 11)}
# Which degree of the scale may follow which: functional harmony.
NEXT_DEGREE = {0: (3, 4, 5, 1), 1: (4, 4, 6), 2: (5, 3), 3: (4, 1, 0), 4: (0, 0, 5), 5: (1, 3), 6: (0,)}
# Rhythms of half a bar, in beats; the sum of each is 2.
RHYTHMS = ((2.0,), (1.0, 1.0), (1.5, 0.5), (1.0, 0.5, 0.5), (0.5, 0.5, 1.0), (0.5, 0.5, 0.5, 0.5))
BEATS_PER_CHORD = 2
P_REST = 0.08


def compose(ranges, n_chords, rng):
    """Compose one line a voice.

    Parameters
    ----------
    ranges : sequence of (int, int)
        Lowest and highest MIDI note of each voice, treble first.
    n_chords : int
        Length in chords of two beats.
    rng : RandomState
        Source of all choices.

    Returns
    -------
    lines : list of list of (float, float, int)
        For each voice its notes: onset and duration in beats, and MIDI note.
    """
    tonic, mode = rng.randint(12), ("major", "minor")[rng.randint(2)]
    scale = [(tonic + step) % 12 for step in SCALES[mode]]
    chords = _voice_chords(ranges, _progression(n_chords, rng), scale)
    activity = rng.permutation(len(ranges)) / max(1, len(ranges) - 1)
    return [_line([chord[v] for chord in chords], scale, ranges[v], activity[v], rng) for v in range(len(ranges))]


def _progression(n_chords, rng):
    degrees = [0]
    while len(degrees) < n_chords - 1:
        degrees.append(int(rng.choice(NEXT_DEGREE[degrees[-1]])))
    return [*degrees, 0][:n_chords]


def _voice_chords(ranges, degrees, scale):
    """One note a voice for each chord, each as near to the last as good counterpoint lets it be."""
    notes, chords = [(low + high) // 2 for low, high in ranges], []
    for degree in degrees:
        chord = [scale[(degree + step) % 7] for step in (0, 2, 4)]
        choices = [_nearest(note, chord, *limits) for note, limits in zip(notes, ranges, strict=True)]
        notes = min(product(*choices), key=lambda new: _cost(notes, new, chord))
        chords.append(notes)
    return chords


def _nearest(note, chord, low, high, n_choices=4):
    """The chord tones within range that lie nearest to a note."""
    tones = [n for n in range(low, high + 1) if n % 12 in chord]
    return sorted(tones, key=lambda n: (abs(n - note), n))[:n_choices]


def _cost(old, new, chord):
    """How bad a step from one chord to the next is, by the rules of the textbook."""
    motion = sum(abs(a - b) for a, b in zip(old, new, strict=True))
    missing = len(set(chord[:2])) - len({n % 12 for n in new} & set(chord[:2]))
    crossings = sum(max(0, new[v + 1] - new[v] + 1) for v in range(len(new) - 1))
    unrooted = new[-1] % 12 != chord[0]
    return motion + 6 * missing + 4 * crossings + 3 * unrooted + 12 * _parallels(old, new)


def _parallels(old, new):
    """Pairs of voices that move from a fifth or octave to the same interval."""
    n_voices = len(new)
    return sum(
        new[a] != old[a] and (old[a] - old[b]) % 12 == (new[a] - new[b]) % 12 and (new[a] - new[b]) % 12 in (0, 7)
        for a in range(n_voices)
        for b in range(a + 1, n_voices)
    )


def _line(chord_notes, scale, limits, activity, rng):
    """Turn one voice's chord tones into a melody: rhythm, and scale steps that pass on to the next tone."""
    line = []
    for k, note in enumerate(chord_notes):
        onset, goal = k * BEATS_PER_CHORD, chord_notes[min(k + 1, len(chord_notes) - 1)]
        rhythm = RHYTHMS[min(len(RHYTHMS) - 1, rng.poisson(3 * activity + 0.3))]
        pitch = note
        for i, duration in enumerate(rhythm):
            if i > 0:
                pitch = _step(pitch, goal, note, scale, limits, rng)
            if i == 0 or rng.uniform() > P_REST:
                line.append((onset, duration, int(pitch)))
            onset += duration
    return line


def _step(pitch, goal, home, scale, limits, rng):
    """The next tone of the scale towards the goal, or a neighbour of the chord tone where they are the same."""
    direction = np.sign(goal - pitch) or (rng.choice((-1, 1)) if pitch == home else np.sign(home - pitch))
    following = _next_tone(pitch, direction, scale)
    within = limits[0] <= following <= limits[1]
    return following if within else _next_tone(pitch, -direction, scale)


def _next_tone(pitch, direction, scale):
    """The nearest tone of the scale above or below."""
    pitch += direction
    while pitch % 12 not in scale:
        pitch += direction
    return pitch
