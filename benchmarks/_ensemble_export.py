"""From the state of a training to the file that is shipped."""

import numpy as np
import torch

from skseparate import save_separator
from skseparate._recipes import FINE_TUNING, ensemble_separator
from skseparate.datasets import ArrayRecording
from skseparate.neural_network import NeuralRegressor

SEGMENT, OVERLAP = 10.0, 0.05


def separator_of(path):
    """Separator with the averaged weights of a training.

    It is fitted on a moment of noise for its shapes, and then given the weights.

    Parameters
    ----------
    path : str
        State that a `Trainer` saved.

    Returns
    -------
    separator : Separator
    """
    state = torch.load(path, weights_only=True)
    settings = {f"module__{name}": value for name, value in state["settings"].items()}
    regressor = NeuralRegressor("ensemble", max_epochs=1, random_state=0, **settings)
    separator = ensemble_separator(regressor, SEGMENT, OVERLAP)
    rng = np.random.default_rng(0)
    solos = rng.standard_normal((5, 16000)).astype(np.float32)
    mixture = ArrayRecording(solos.sum(axis=0), 16000, ("vn", "vn", "va", "vc", "db"))
    separator.fit([mixture], [solos])
    fitted = separator.regressor_
    for name, value in state["mean"].items():
        if f"network.{name}" in fitted.weights_:
            fitted.weights_[f"network.{name}"] = _small(value.numpy())
    fitted.history_, fitted._network = [], None
    fitted.set_params(**FINE_TUNING)
    return separator


def _small(values):
    """Half precision for matrices, which are nearly all of the numbers."""
    return values.astype(np.float16) if values.ndim > 1 else values


def export(state, path):
    """Write the file that is shipped."""
    save_separator(separator_of(state), path)
