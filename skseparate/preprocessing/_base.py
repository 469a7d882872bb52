"""What the transformers share: signals of any leading shape, alone, in lists, or as a 2-D table."""

from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_is_fitted, validate_data


def is_tensor(x):
    """Whether `x` is a torch tensor; asks without importing torch."""
    return type(x).__module__.partition(".")[0] == "torch"


def is_list_of_signals(X):
    """Whether `X` is a sequence of arrays or recordings rather than one array or nested numbers."""
    if isinstance(X, np.ndarray):
        return X.dtype == object and X.ndim == 1
    return isinstance(X, Sequence) and len(X) > 0 and hasattr(X[0], "__array__")


def pad_last(x, before, after):
    """Zeros before and after the last axis of an array or a tensor."""
    if is_tensor(x):
        import torch

        return torch.nn.functional.pad(x, (before, after))
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, after)])


def whole_samples(seconds, sample_rate, name):
    """`seconds` as a whole number of samples, refused where it is not one."""
    samples = seconds * sample_rate
    if abs(samples - round(samples)) > 1e-6 or round(samples) < 1:
        raise ValueError(
            f"{name}={seconds:g} s is {samples:g} samples at {sample_rate:g} Hz, and must be a whole number of at "
            f"least one: change {name} or resample the recording (0.12 and 0.03 s fit 16, 32, 44.1, 48 and 96 kHz)."
        )
    return round(samples)


class SignalTransformer(TransformerMixin, BaseEstimator):
    """Base of the invertible transformers.

    Accepts a 2-D real array (a scikit-learn table, one signal a row, as many columns at every call),
    an array of three or more axes, a list (or 1-D object array, or lazy sequence) of recordings or
    arrays of any shapes, or a torch tensor. Lists map to lists.

    Subclasses learn shapes, never statistics: `_learn` from one signal at `fit`, then `_forward` and
    `_backward`, which take NumPy arrays and torch tensors alike.
    """

    def fit(self, X, y=None):
        """Learn the shapes from the first signal of `X`.

        Parameters
        ----------
        X : array of shape (..., n_samples) or list of such
            The signals.
        y : None
            Ignored.

        Returns
        -------
        self : object
        """
        self._validate_params()
        signals = self._validated(X, reset=True)
        self._learn(signals[0] if isinstance(signals, list) else signals)
        return self

    def transform(self, X):
        """Map the signals down.

        Parameters
        ----------
        X : array of shape (n_signals, n_samples) or (..., n_samples), or list of arrays or recordings
            The signals; see the class for the shape of what comes back.

        Returns
        -------
        X_new : ndarray, or list of ndarray where `X` is a list
        """
        return self._map(self._forward, X)

    def inverse_transform(self, X):
        """Map back up what `transform` gave, or an estimate of it.

        Parameters
        ----------
        X : array, or list of arrays
            As `transform` gives them.

        Returns
        -------
        X_original : ndarray, or list of ndarray where `X` is a list
        """
        check_is_fitted(self)
        if is_list_of_signals(X):
            return [self._backward(_finite(x)) for x in X]
        return self._backward(_finite(X))

    def _map(self, function, X):
        check_is_fitted(self)
        signals = self._validated(X, reset=False)
        return [function(x) for x in signals] if isinstance(signals, list) else function(signals)

    def _validated(self, X, reset):
        if is_tensor(X):
            return X
        if is_list_of_signals(X):
            return [_finite(x) for x in X]
        if getattr(X, "ndim", 0) >= 3:
            return _finite(X)
        # scikit-learn's own table: it refuses 1-D, complex, ragged, empty and non-finite input
        return validate_data(self, X, reset=reset, dtype=(np.float64, np.float32))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _finite(x):
    """`x` as a numeric array: floats or complex, not empty, no NaN."""
    if is_tensor(x):
        return x
    x = np.asarray(x)
    if x.dtype.kind in "iub":
        x = x.astype(np.float64)
    if x.dtype.kind not in "fc":
        raise ValueError(f"a signal must hold numbers, got dtype {x.dtype}.")
    if x.ndim == 0 or x.size == 0:
        raise ValueError(f"a signal must hold at least one sample, got an array of shape {x.shape}.")
    assert_all_finite(x)
    return x
