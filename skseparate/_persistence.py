"""Separators on disk: data, never code.

A model is one safetensors file. Its arrays are tensors; everything else is JSON in the header: classes by
name, from a registry, with their parameters and what they learned.
"""

import json
import os
from importlib import import_module
from inspect import signature

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from sklearn.base import BaseEstimator

from skseparate._recording import Recording
from skseparate._version import __version__

FORMAT_VERSION = 1

_OWN = "skseparate."
REGISTRY = {
    "Separator": _OWN + "_separator",
    "Segmenter": _OWN + "preprocessing",
    "STFT": _OWN + "preprocessing",
    "FrequencyTruncation": _OWN + "preprocessing",
    "Magnitude": _OWN + "preprocessing",
    "LowRankRidge": _OWN + "linear_model",
    "LowRankRidgeCV": _OWN + "linear_model",
    "DummyRegressor": "sklearn.dummy",
    "Ridge": "sklearn.linear_model",
    "KernelRidge": "sklearn.kernel_ridge",
    "PLSRegression": "sklearn.cross_decomposition",
    "MLPRegressor": "sklearn.neural_network",
    "NeuralRegressor": _OWN + "neural_network",
    "StandardScaler": "sklearn.preprocessing",
    "Pipeline": "sklearn.pipeline",
}
# What only training needs.
NOT_STORED = {
    "LowRankRidge": {"_moments"},
    "MLPRegressor": {"_optimizer", "_random_state", "_label_binarizer"},
    "NeuralRegressor": {"net_", "_network"},
}
# Models that come with the library, by name.
SHIPPED = {"ensemble": os.path.join(os.path.dirname(__file__), "models", "ensemble.skseparate")}
# Samples of a segment that no music needs: what a damaged or hostile file might ask memory for.
MAX_SEGMENT_LENGTH = 2**26
MOST_SLOTS = 64


def save_separator(separator, path):
    """Save a fitted separator as one file that holds no code.

    Written under a temporary name and moved into place when it is whole.

    Parameters
    ----------
    separator : Separator
        Fitted. Its steps must be this library's, or `DummyRegressor`, `Ridge`, `KernelRidge`,
        `PLSRegression`, `MLPRegressor`, `StandardScaler` or `Pipeline`.
    path : str or path
        Where to; an existing file is replaced.

    Raises
    ------
    ValueError
        If a step, or a value that it holds, cannot be stored, or the folder does not exist.
    OSError
        If the disk refuses.

    See Also
    --------
    load_separator : The way back.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.pipeline import make_pipeline
    >>> from skseparate import Separator, load_separator, save_separator
    >>> from skseparate.datasets import make_ensembles
    >>> from skseparate.preprocessing import STFT, Segmenter
    >>> X, y, _ = make_ensembles(n_songs=2, n_parts=2, duration=1.0, random_state=0).power_set()
    >>> separator = Separator(make_pipeline(Segmenter(0.12), STFT())).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "duo.skseparate")
    ...     save_separator(separator, path)
    ...     again = load_separator(path)
    >>> bool((again.predict(X)[0] == separator.predict(X)[0]).all())
    True
    """
    tensors = {}
    tree = _encode(separator, tensors, "separator")
    if type(separator).__name__ != "Separator" or not hasattr(separator, "regressor_"):
        raise ValueError(f"save_separator wants a fitted Separator, got {type(separator).__name__}; call fit first.")
    metadata = {
        "format": "skseparate",
        "version": str(FORMAT_VERSION),
        "written by": __version__,
        "estimator": json.dumps(tree),
    }
    path = os.fspath(path)
    folder, name = os.path.split(path)
    if not os.path.isdir(folder or os.curdir):
        raise ValueError(f"{folder} is not a folder: create it before saving {name} there.")
    partial = os.path.join(folder, f".{name}.{os.getpid()}.part")
    try:
        save_file(tensors, partial, metadata=metadata)
        os.replace(partial, path)
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written: {error}") from error
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def load_separator(path):
    """Load a separator that `save_separator` saved, or one that comes with the library; no code of the file is run.

    Parameters
    ----------
    path : str or path
        The file, or "ensemble" for the model that is told the parts of any ensemble of two to five of URMP's
        instruments (a file of that name is ``./ensemble``).

    Returns
    -------
    separator : Separator
        Fitted; predicts bit for bit what the saved one did.

    Raises
    ------
    ValueError
        If the file is not a model, is truncated or damaged, was written by a newer format, or names a class
        that is not in the registry.

    See Also
    --------
    save_separator : Makes the file.

    Examples
    --------
    See `save_separator`.
    """
    path = os.fspath(path)
    path = SHIPPED.get(path, path)
    if not os.path.isfile(path):
        raise ValueError(
            f"{path} is not a file: a model saved by save_separator or `skseparate fit` is wanted, or "
            f"{' or '.join(SHIPPED)}, which comes with the library."
        )
    try:
        with safe_open(path, framework="numpy") as file:
            tree = _read_header(file.metadata() or {}, path)
            separator = _decode(tree, file, path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a model of skseparate, or is truncated ({error}).") from error
    return separator if path in SHIPPED.values() else _tried(separator, path)  # ours was tried when it was made


def describe_separator(path):
    """Say what a stored separator is.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    description : dict
        ``model``, ``regressor`` (its class), ``parts`` (most of a recording), ``sample_rate`` in Hz and ``segment``
        in seconds (None where it was fitted on arrays of an unknown rate), ``mask``, ``bytes`` and ``version`` (of
        the skseparate that wrote it).

    Raises
    ------
    ValueError
        As `load_separator`.
    """
    separator = load_separator(path)
    with safe_open(SHIPPED.get(path, path), framework="numpy") as file:
        version = (file.metadata() or {}).get("written by", "unknown")
    rate, length = separator.sample_rate_, separator.representation_[0].segment_length_
    return {
        "model": os.fspath(path),
        "regressor": type(separator.regressor_).__name__,
        "parts": separator.n_slots_,
        "sample_rate": rate,
        "segment": length / rate if rate else None,
        "mask": separator.mask,
        "bytes": os.path.getsize(SHIPPED.get(path, path)),
        "version": version,
    }


def _read_header(metadata, path):
    """The tree of estimators, from metadata that may be anyone's."""
    if metadata.get("format") != "skseparate":
        raise ValueError(f"{path} is a safetensors file, but not a model of skseparate.")
    version = metadata.get("version", "")
    if not version.isdecimal() or int(version) > FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version}, this skseparate reads up to {FORMAT_VERSION}: upgrade skseparate."
        )
    try:
        return json.loads(metadata["estimator"])
    except (KeyError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: its description cannot be read.") from error


# ------------------------------------------------------------------------------------------ to JSON


def _encode(value, tensors, where):
    """A value as JSON; arrays go to `tensors` under their place."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return {"scalar": value.item(), "dtype": value.dtype.str}
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        tensors[where] = np.ascontiguousarray(value)
        return {"tensor": where, "shape": list(value.shape)}
    if isinstance(value, list | tuple):
        items = [_encode(item, tensors, f"{where}.{i}") for i, item in enumerate(value)]
        return {type(value).__name__: items}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _encode(item, tensors, f"{where}.{key}") for key, item in value.items()}}
    if isinstance(value, BaseEstimator):
        return _encode_estimator(value, tensors, where)
    kind = type(value).__name__
    raise ValueError(f"save_separator cannot store {where}, a {kind}: only numbers, text and arrays.")


def _encode_estimator(estimator, tensors, where):
    name = type(estimator).__name__
    if name not in REGISTRY or type(estimator) is not _class(name):
        raise ValueError(
            f"save_separator cannot store {where}, a {name}: a stored model holds only {', '.join(sorted(REGISTRY))}."
        )
    skipped = NOT_STORED.get(name, set())
    state = {key: item for key, item in vars(estimator).items() if key not in skipped}
    return {
        "estimator": name,
        "state": {key: _encode(item, tensors, f"{where}.{key}") for key, item in state.items()},
    }


def _class(name):
    return getattr(import_module(REGISTRY[name]), name)


# ---------------------------------------------------------------------------------------- from JSON


def _decode(node, file, path):
    if node is None or isinstance(node, bool | int | float | str):
        return node
    try:
        return _decode_node(node, file, path)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}.") from error


def _decode_node(node, file, path):
    if "scalar" in node:
        return np.dtype(node["dtype"]).type(node["scalar"])
    if "tensor" in node:
        stored = file.get_slice(node["tensor"]).get_shape()
        if stored != node["shape"]:
            raise ValueError(f"{path} is damaged: {node['tensor']} has shape {stored}, {node['shape']} was saved.")
        return file.get_tensor(node["tensor"])
    if "estimator" in node:
        return _decode_estimator(node, file, path)
    if "dict" in node:
        return {key: _decode(item, file, path) for key, item in node["dict"].items()}
    kind = "list" if "list" in node else "tuple"
    return {"list": list, "tuple": tuple}[kind](_decode(item, file, path) for item in node[kind])


def _decode_estimator(node, file, path):
    name = node["estimator"]
    if name not in REGISTRY:
        raise ValueError(f"{path} names {name!r}, which is not a class that models may hold; nothing of it was run.")
    cls = _class(name)
    estimator = cls.__new__(cls)
    for key, item in node["state"].items():
        if not key.isidentifier() or key.startswith("__") or callable(getattr(cls, key, None)):
            raise ValueError(f"{path} is damaged: {name} cannot hold {key!r}.")
        estimator.__dict__[key] = _decode(item, file, path)
    for key, parameter in signature(cls).parameters.items():
        if parameter.default is not parameter.empty:  # a parameter may have come after the file was written
            estimator.__dict__.setdefault(key, parameter.default)
    return estimator


def _tried(separator, path):
    """The separator, after it has separated a moment of silence: shapes that do not fit show here."""
    try:
        segmenter = separator.representation_[0]
        if not 0 < segmenter.segment_length_ <= MAX_SEGMENT_LENGTH:
            raise ValueError(f"segments of {segmenter.segment_length_} samples")
        separator._validate_params()
        for _ in separator.iter_predict(_Silence(segmenter.segment_length_, separator)):
            pass
    except Exception as error:
        raise ValueError(f"{path} is damaged: what it holds does not fit together ({error}).") from error
    return separator


class _Silence(Recording):
    """A silent segment of as many parts as the separator gives; of one where it is told them, and all are alike."""

    def __init__(self, n_samples, separator):
        self.shape, self.sample_rate = (n_samples,), separator.sample_rate_
        is_told = getattr(separator.regressor_, "is_told", False)
        self.parts = ("vn",) * (1 if is_told else min(separator.n_slots_, MOST_SLOTS))

    def read(self, start, stop):
        return np.zeros(stop - start, self.dtype)
