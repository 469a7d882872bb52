"""Scores of composed ensembles, and the ensembles themselves."""

import numpy as np
import pytest

from skseparate.datasets import make_ensembles
from skseparate.datasets.rendering import Notes, Score

BPM = 90.0


def _written(ensemble):
    """The score that an ensemble played from at `BPM`, as far as it is recorded."""
    parts, beats = [], BPM / 60
    for stem in ensemble.stems:
        onset, duration, pitch = np.array(stem.notes).reshape(-1, 3).T
        length = stem.n_samples / stem.sample_rate
        onset, duration, pitch = (x[onset < length - 0.2] for x in (onset, duration, pitch))
        duration = np.minimum(duration, length - onset)
        notes = Notes(onset * beats, duration * beats, pitch.astype(np.int16), np.zeros(len(onset), bool))
        parts.append(notes)
    return Score("composed", "composed", tuple(parts), np.array([[0.0, BPM]]), "CC0", "own")


@pytest.fixture(scope="session")
def quartet():
    """Twelve seconds of four parts at 16 kHz, and their score."""
    ensemble = make_ensembles(1, 4, duration=12.0, random_state=3)[0]
    return ensemble, _written(ensemble)


@pytest.fixture(scope="session")
def written():
    """The score of any composed ensemble."""
    return _written
