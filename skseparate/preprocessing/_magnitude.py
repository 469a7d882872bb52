"""The magnitude of a spectrogram, compressed."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from skseparate.preprocessing._base import SignalTransformer, is_tensor

FLOOR_DB = -120.0


class Magnitude(SignalTransformer):
    """Magnitude of a spectrogram, raised to a power or in decibels.

    Music lies many decibels below its peaks; compression lets a regressor see it.

    Parameters
    ----------
    compression : float in (0, 1] or "decibel", default=1.0
        1 is the magnitude itself, 0.5 its square root, "decibel" is ``20 log10`` of it, not below
        -120 dB.

    Attributes
    ----------
    n_features_in_ : int
        Columns of a 2-D table seen at `fit`.

    See Also
    --------
    STFT : Makes the spectrograms.

    Notes
    -----
    The phase is lost: `inverse_transform` gives magnitudes. What no magnitude can be (a negative
    estimate, or one at the floor of the decibels) becomes 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.preprocessing import Magnitude
    >>> magnitude = Magnitude(compression=0.5).fit([np.array([[3 + 4j, 0]])])
    >>> magnitude.transform([np.array([[-4, 9j]])])
    [array([[2., 3.]])]
    >>> magnitude.inverse_transform([np.array([[2.0, 3.0, -1.0]])])
    [array([[4., 9., 0.]])]
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        "compression": [Interval(Real, 0, 1, closed="right"), StrOptions({"decibel"})],
    }

    def __init__(self, compression=1.0):
        self.compression = compression

    def _learn(self, spectrogram):
        """Nothing to learn."""

    def _forward(self, spectrograms):
        if self.compression == "decibel":
            floor = 10 ** (FLOOR_DB / 20)
            return 20 * _namespace(spectrograms).log10(abs(spectrograms).clip(floor, None))
        magnitude = abs(spectrograms)
        return magnitude if self.compression == 1 else magnitude**self.compression

    def _backward(self, features):
        if self.compression == "decibel":
            magnitude = 10 ** (features / 20)
            return magnitude * (features > FLOOR_DB)
        magnitude = features.clip(0, None)
        return magnitude if self.compression == 1 else magnitude ** (1 / self.compression)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def _namespace(x):
    if is_tensor(x):
        import torch

        return torch
    return np
