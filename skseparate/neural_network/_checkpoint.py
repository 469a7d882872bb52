"""Checkpoints of a training: one file, written in one step, that holds no code."""

import json
import os
import pickle

import torch

FORMAT = 1
# What does not change the result.
NOT_COMPARED = ("verbose", "checkpoint", "callbacks")


def describe_params(params):
    """Parameters as text that is equal for equal parameters.

    Parameters
    ----------
    params : dict
        Of the estimator.

    Returns
    -------
    described : dict of str to str
    """
    described = {}
    for name, value in params.items():
        if name not in NOT_COMPARED:
            is_class = isinstance(value, type)
            described[name] = f"{value.__module__}.{value.__qualname__}" if is_class else _text(value)
    return described


def _text(value):
    """Text of a value; a random generator's own would differ from run to run."""
    return type(value).__name__ if hasattr(value, "randint") else repr(value)


def write_checkpoint(path, state):
    """Write a checkpoint under another name and move it into place once it is on the disk.

    Parameters
    ----------
    path : str or path
        Replaced as a whole: whoever reads it finds the old one or the new one.
    state : dict
        Tensors, numbers, text, and lists and dicts of these.
    """
    path = os.fspath(path)
    partial = path + ".part"
    with open(partial, "wb") as file:
        torch.save({"format": FORMAT, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def read_checkpoint(path, params, data):
    """Read a checkpoint, if there is one that belongs to this fit.

    Parameters
    ----------
    path : str or path
        Where it would be.
    params : dict of str to str
        As `describe_params` gives them.
    data : str
        Fingerprint of rows and targets.

    Returns
    -------
    state : dict or None
        None where there is no file yet.

    Raises
    ------
    ValueError
        If the file is no checkpoint, or one of other parameters or data.
    """
    path = os.fspath(path)
    if not os.path.isdir(folder := os.path.dirname(path) or os.curdir):
        raise ValueError(f"checkpoint={path!r}: {folder} is not a folder; create it first.")
    if not os.path.exists(path):
        return None
    state = _load(path)
    stored = json.loads(state["params"])
    for name in sorted(set(stored) | set(params)):
        if stored.get(name) != params.get(name):
            raise ValueError(
                f"checkpoint={path!r} is of a fit with {name}={stored.get(name)}, not {params.get(name)}: give another "
                "path, or delete it to begin anew."
            )
    if state["data"] != data:
        raise ValueError(
            f"checkpoint={path!r} is of a fit on other data: give another path, or delete it to begin anew."
        )
    return state


def _load(path):
    """What a file holds, which may be anything."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        known = state["format"] == FORMAT
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise ValueError(f"checkpoint={path!r} is not a checkpoint, or is damaged: delete it to begin anew.") from error
    if not known:
        raise ValueError(f"checkpoint={path!r} has format {state['format']}, this skseparate reads {FORMAT}.")
    return state
