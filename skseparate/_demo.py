"""The main job on built-in data: what `skseparate demo` runs."""

import os

import numpy as np
import soundfile
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate.baseline import IdealMask, MixtureSeparator
from skseparate.datasets import make_ensembles
from skseparate.linear_model import LowRankRidge
from skseparate.metrics import separation_scorer
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

PLAYERS = ("vn", "va", "vc", "db", "fl")


def run_demo(folder, n_songs, n_parts, seed, progress):
    """Fit on all songs but the last, separate that one, write its solos.

    Parameters
    ----------
    folder : path
        Where the WAV files go.
    n_songs, n_parts, seed : int
        See `make_ensembles`.
    progress : callable
        Wraps an iterable and its description.

    Returns
    -------
    scores : dict
        Of each separator on the last song, in dB.
    heading : str
        What was fitted and scored.
    files : list of path
        What was written.
    """
    ensembles = make_ensembles(
        n_songs, n_parts, duration=12.0, instruments=PLAYERS[:n_parts], doubling=False, random_state=seed
    )
    seen, unseen = ensembles[:-1], ensembles[n_songs - 1]
    X, y, songs = seen.power_set(min_parts=2)
    mixture, solos = unseen.mixture(), unseen.solos()
    separators = _separators()
    scores = {}
    for name in progress(separators, "fit and score"):
        separators[name].fit(X, y)
        scores[name] = separation_scorer(separators[name], [mixture], [solos])
    estimates = separators["low-rank ridge"].predict([mixture])[0]
    tracks = {"mixture": np.asarray(mixture)}
    tracks |= {f"{k}_{part}": solo for k, (part, solo) in enumerate(zip(unseen.parts, estimates, strict=True), start=1)}
    files = [_write(folder / f"{name}.wav", track, mixture.sample_rate) for name, track in tracks.items()]
    heading = (
        f"Fitted on {len(X)} mixes of {len(set(songs))} songs; scored on {unseen.name} ({', '.join(unseen.parts)})."
    )
    return scores, heading, files


def _separators():
    """The linear separator between floor and ceiling."""
    representation = make_pipeline(Segmenter(duration=0.12), STFT(hop=0.06))
    features = make_pipeline(FrequencyTruncation(4000), Magnitude(compression=0.5))
    return {
        "mixture (floor)": MixtureSeparator(),
        "learned equaliser": Separator(representation, features, DummyRegressor()),
        "low-rank ridge": Separator(representation, features, LowRankRidge()),
        "ideal ratio mask (ceiling)": IdealMask(representation=representation),
    }


def score_table(scores):
    """Scores as text."""
    lines = [f"{'separator':<28}{'SI-SDR improvement':>20}{'SI-SDR':>12}"]
    for name, score in scores.items():
        lines.append(f"{name:<28}{_rounded(score['si_sdr_improvement']):>17} dB{_rounded(score['si_sdr']):>9} dB")
    return "\n".join(lines)


def _rounded(decibels):
    return f"{round(decibels, 1) + 0.0:.1f}"  # no minus before a zero


def _write(path, track, sample_rate):
    """Write a WAV file under a temporary name, so that no half of one is ever left."""
    partial = path.with_name(f".{path.name}.part")
    soundfile.write(partial, track, sample_rate, subtype="PCM_24", format="WAV")
    os.replace(partial, path)
    return path
