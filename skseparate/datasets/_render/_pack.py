"""Many scores in one small file, and one in a cache entry."""

import io
import json
import zipfile
from itertools import pairwise

import numpy as np

from skseparate.datasets._render._types import Notes, Score
from skseparate.datasets._render._voices import TICKS


def pack_scores(scores):
    """Put scores into one small file, to be read without music21.

    Parameters
    ----------
    scores : sequence of Score
        Read already, or ScoreFiles, which are read now; times are rounded to ``1 / TICKS`` of a quarter note.

    Returns
    -------
    content : bytes
        Of an npz file without pickles.
    """
    parts = [_columns(part) for score in scores for part in score.parts]
    notes = np.concatenate([np.zeros((4, 0), np.int32), *parts], axis=1)
    facts = json.dumps([_facts(score) for score in scores], ensure_ascii=False).encode()
    file = io.BytesIO()
    np.savez_compressed(file, facts=np.frombuffer(facts, dtype=np.uint8), notes=notes)
    return file.getvalue()


def unpack_scores(content):
    """Read what `pack_scores` made.

    Parameters
    ----------
    content : bytes
        Of the file.

    Returns
    -------
    scores : list of Score
        In the same order.

    Raises
    ------
    ValueError
        If it is something else.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            facts = json.loads(file["facts"].tobytes())
            steps, durations, pitches, slurred = file["notes"]
        columns = steps, durations / TICKS, pitches.astype(np.int16), slurred.astype(bool)
        ends = np.cumsum([0, *(n_notes for score in facts for _, n_notes in score["parts"])])
        bounds = pairwise(ends)
        return [_unpacked(score, columns, bounds) for score in facts]
    except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ValueError("This is no file of scores, or a broken one: make it again with pack_scores.") from error


def _columns(part):
    """Integers of shape (4, n_notes); steps from onset to onset, for there are few of them: they compress well."""
    steps = np.diff(_ticks(part.onset), prepend=0)
    return np.stack([steps, _ticks(part.duration), part.pitch, part.slurred]).astype(np.int32)


def _ticks(quarters):
    return np.rint(np.asarray(quarters) * TICKS).astype(np.int64)


def _facts(score):
    score = getattr(score, "score", score)  # of a ScoreFile
    texts = {key: getattr(score, key) for key in ("name", "song", "licence", "source")}
    parts = [(part.instrument, len(part.onset)) for part in score.parts]
    return {**texts, "parts": parts, "tempo": np.asarray(score.tempo).tolist()}


def _unpacked(facts, columns, bounds):
    # The parts come first: else zip would take one pair of bounds too many.
    parts = [
        _notes(columns, *bound, instrument) for (instrument, _), bound in zip(facts["parts"], bounds, strict=False)
    ]
    tempo = np.array(facts["tempo"], dtype=np.float64).reshape(-1, 2)
    return Score(facts["name"], facts["song"], tuple(parts), tempo, facts["licence"], facts["source"])


def _notes(columns, start, stop, instrument):
    steps, durations, pitches, slurred = (column[start:stop] for column in columns)
    return Notes(np.cumsum(steps, dtype=np.int64) / TICKS, durations, pitches, slurred, instrument)
