"""Scores of recordings, for the rows that are told them."""

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from skseparate import ScoreInformedSeparator
from skseparate.datasets._make_ensembles import SyntheticStem
from skseparate.datasets.rendering import Notes, Score, read_score
from skseparate.lines import score_lines, with_lines

BPM = 90.0  # what scores of composed songs say, however fast they are played


class ToldTheScore(ScoreInformedSeparator):
    """Aligns the score of each recording by itself, instead of being told lines."""

    def iter_predict(self, recording, n_parts=None, channels=None):
        score = score_of(recording)
        yield from super().iter_predict(
            with_lines(recording, score_lines(recording, score)), n_parts=n_parts, channels=channels
        )


def score_of(recording):
    """The score of a mixture's parts: URMP's MIDI file, or what a composed song was played from; None for others."""
    stems = recording.sources._stems
    if all(isinstance(stem, SyntheticStem) for stem in stems):
        return Score("composed", recording.song, tuple(map(_notes, stems)), np.array([[0.0, BPM]]), "CC0", "own")
    paths = [Path(getattr(stem, "path", "")) for stem in stems]
    (folder,) = {path.parent for path in paths}
    if not (files := sorted(folder.glob("Sco_*.mid"))):
        return None
    staves = [int(re.match(r"AuSep_(\d+)_", path.name)[1]) - 1 for path in paths]
    score = _read(files[0])
    return replace(score, parts=tuple(score.parts[k] for k in staves))


def disturbed(score, rng, wrong=0.1, missing=0.1):
    """A score with wrong notes, octaves among them, missing notes and another tempo."""
    parts = tuple(_disturbed(part, rng, wrong, missing) for part in score.parts)
    return replace(score, parts=parts, tempo=score.tempo * [1, rng.uniform(0.7, 1.4)])


def _disturbed(notes, rng, wrong, missing):
    pitch = notes.pitch.copy()
    chosen = rng.random(len(pitch)) < wrong
    pitch[chosen] += rng.choice([-12, -2, -1, 1, 2, 12], chosen.sum()).astype(pitch.dtype)
    kept = rng.random(len(pitch)) >= missing
    return Notes(notes.onset[kept], notes.duration[kept], pitch[kept], notes.slurred[kept], notes.instrument)


def _notes(stem):
    onset, duration, pitch = np.array(stem.notes).reshape(-1, 3).T
    inside = onset < stem.n_samples / stem.sample_rate
    beats = BPM / 60
    return Notes(
        onset[inside] * beats, duration[inside] * beats, pitch[inside].astype(np.int16), np.zeros(inside.sum())
    )


_read = lru_cache(read_score)
