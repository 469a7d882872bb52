"""What the command's subcommands do with folders of stems."""

import sys
from contextlib import suppress

import numpy as np
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate._files import fitting_rate
from skseparate.datasets import load_bach10, load_ensembleset, load_stems, load_urmp
from skseparate.datasets._bach10 import find_bach10
from skseparate.datasets._ensembleset import find_ensembleset
from skseparate.datasets._urmp import find_urmp
from skseparate.linear_model import LowRankRidge
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

HOP = 0.06
# How a network that has learned goes on, on a few recordings; the shipped model carries it as its own parameters.
FINE_TUNING = {
    "lr": 3e-4,
    "lr_schedule": "cosine",
    "max_epochs": 10**6,
    "time_limit": 300.0,
    "batch_size": 2,
    "loss": "waveform_snr",
    "augmentation": True,
    "hold_norms": True,
    "retain": 0.5,
}
GRID = {"regressor__alpha": [1.0, 10.0, 100.0], "regressor__rank": [16, 64]}


def load_ensembles(path, accepts=None, say=None):
    """Load a folder of stems in any layout; rates that do not suit are resampled, with a word.

    Parameters
    ----------
    path : str or path
        The folder.
    accepts : callable, default=None
        Whether a sample rate in Hz suits; by default all do.
    say : callable, default=None
        Told which rates were resampled.
    """
    ensembles = _load(path)
    rates = {stem.sample_rate for ensemble in ensembles for stem in ensemble.stems}
    odd = sorted(rate for rate in rates if accepts is not None and not accepts(rate))
    if not odd:
        return ensembles
    rate = fitting_rate(odd[-1], accepts)
    say(
        f"{path}: stems of {', '.join(map(str, odd))} Hz do not divide into the model's frames: resampled to {rate} Hz."
    )
    return _load(path, sample_rate=rate)


def _load(path, sample_rate=None):
    for find, load in ((find_urmp, load_urmp), (find_bach10, load_bach10), (find_ensembleset, load_ensembleset)):
        with suppress(ValueError):
            find(path)
            return load(path, sample_rate=sample_rate)
    return load_stems(path, sample_rate=sample_rate)


def rate_fits(sample_rate):
    """Whether the hop of `fit_separator` is a whole number of samples."""
    return abs(HOP * sample_rate - round(HOP * sample_rate)) < 1e-6


def fit_separator(X, y, songs, regressor, segment=None, alpha=10.0, rank=64, minutes=5.0, search=False):
    """Fit a linear or a neural separator; with `search`, choose penalty and rank of the ridge by song.

    Parameters
    ----------
    X, y, songs : sequence
        Mixtures, solos and songs.
    regressor : str
        "ridge", "equaliser", or the name of a network.
    segment : float, default=None
        In seconds; by default 0.12 for linear separators and 2 for networks.
    alpha, rank : float and int
        Of the ridge.
    minutes : float, default=5.0
        How long to train a network.
    search : bool, default=False
        Whether to search.

    Returns
    -------
    separator : Separator
    score : float or None
        Mean SI-SDR improvement on the songs left out in the search, in dB.
    """
    if not len(X):
        raise ValueError("there is no piece of two or more parts: at least two stems in one folder are needed.")
    linear = {"ridge": LowRankRidge(alpha, rank), "equaliser": DummyRegressor()}
    if regressor == "ensemble":
        separator = ensemble_separator(_network(regressor, minutes), segment or 4.0)
    else:
        separator = Separator(
            make_pipeline(Segmenter(segment or (0.12 if regressor in linear else 2.0)), STFT(hop=HOP)),
            make_pipeline(FrequencyTruncation(4000), Magnitude(0.5)),
            linear.get(regressor) or _network(regressor, minutes),
        )
    if not search:
        return separator.fit(X, y), None
    n_songs = len(set(songs))
    if n_songs < 2 or regressor != "ridge":
        raise ValueError(f"--search compares ridges on songs left out: it needs two songs or more, got {n_songs}.")
    search = GridSearchCV(separator, GRID, cv=_feasible_folds(y, songs), refit=False, error_score="raise").fit(X, y)
    return separator.set_params(**search.best_params_).fit(X, y), float(search.best_score_)


def ensemble_separator(regressor, segment=10.0, overlap=0.2):
    """What the network that is told the parts hears, and how segments are joined.

    Parameters
    ----------
    regressor : NeuralRegressor
        With module "ensemble".
    segment : float, default=10.0
        In seconds.
    overlap : float, default=0.2
        Share of a segment.

    Returns
    -------
    separator : Separator
    """
    return Separator(
        make_pipeline(Segmenter(segment, overlap), STFT(frame=0.12, hop=0.03)),
        make_pipeline(FrequencyTruncation(8000), Magnitude()),
        regressor,
    )


def fine_tune(separator, X, y, minutes=5.0):
    """Let a neural separator go on learning from one's own stems.

    Parameters
    ----------
    separator : Separator
        Fitted, such as ``load_separator("ensemble")``; changed in place.
    X, y : sequence
        Mixtures and solos.
    minutes : float, default=5.0
        How long.

    Returns
    -------
    separator : Separator
    """
    if not len(X):
        raise ValueError("there is no piece of two or more parts: at least two stems in one folder are needed.")
    own = {"time_limit": 60 * minutes, "random_state": 0, "verbose": sys.stderr.isatty()}
    return separator.fine_tune(X, y, **(FINE_TUNING | own))


def _network(module, minutes):
    """A network that trains for some minutes on mixes that are never twice the same."""
    from skseparate.neural_network import NeuralRegressor  # torch, which the rest does without

    return NeuralRegressor(
        module,
        time_limit=60 * minutes,
        max_epochs=10**6,
        augmentation=True,
        random_state=0,
        verbose=sys.stderr.isatty(),
    )


def _feasible_folds(y, songs):
    """Folds by song, without mixes of more parts than each training side has seen."""
    sizes = np.array([solos.shape[0] for solos in y])
    folds = list(GroupKFold(min(5, len(set(songs)))).split(sizes, groups=songs))
    limit = min(sizes[train].max() for train, _ in folds)
    return [tuple(side[sizes[side] <= limit] for side in fold) for fold in folds]
