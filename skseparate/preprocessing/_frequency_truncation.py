"""Keep the low frequencies of a spectrogram."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from skseparate.preprocessing._base import SignalTransformer, is_tensor, pad_last


def resize_bins(spectrograms, n_bins, fill="repeat"):
    """Cut the last axis to `n_bins`, or lengthen it by its last bin (or by zeros).

    Parameters
    ----------
    spectrograms : ndarray or torch.Tensor of shape (..., n_bins_in)
        Frequency last.
    n_bins : int
        Bins wanted.
    fill : {"repeat", "zero"}, default="repeat"
        What stands above the last bin.

    Returns
    -------
    resized : ndarray or torch.Tensor of shape (..., n_bins)
    """
    n_missing = n_bins - spectrograms.shape[-1]
    if n_missing <= 0:
        return spectrograms[..., :n_bins]
    if fill == "zero":
        return pad_last(spectrograms, 0, n_missing)
    top = spectrograms[..., -1:]
    if is_tensor(spectrograms):
        import torch

        return torch.cat([spectrograms, top.expand(*top.shape[:-1], n_missing)], dim=-1)
    return np.concatenate([spectrograms, np.broadcast_to(top, (*top.shape[:-1], n_missing))], axis=-1)


class FrequencyTruncation(SignalTransformer):
    """Keep the bins of a spectrogram up to a frequency.

    Only what the regressor learns is truncated, never the audio: the inverse repeats the top kept
    bin, so a mask carries on above the cut.

    Parameters
    ----------
    max_frequency : float, default=8192
        In Hz; the bin at this frequency is the last one kept. Above the Nyquist frequency all are.
    fill : {"repeat", "zero"}, default="repeat"
        What the inverse puts above the cut: the top kept bin, or silence (a hard cut).
    sample_rate : float, default=None
        In Hz. None where a `Separator` tells it from the recording.

    Attributes
    ----------
    n_bins_in_ : int
        Bins seen at `fit`; they reach from 0 Hz to the Nyquist frequency.
    n_bins_ : int
        Bins kept. A later spectrogram with fewer bins is padded with zeros, one with more is cut.
    n_features_in_ : int
        Columns of a 2-D table seen at `fit`.

    See Also
    --------
    STFT : Makes the spectrograms.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.preprocessing import FrequencyTruncation
    >>> spectrogram = np.arange(5.0).reshape(1, 1, 5)  # 0, 1, 2, 3 and 4 kHz
    >>> truncation = FrequencyTruncation(max_frequency=2000, sample_rate=8000)
    >>> truncation.fit_transform(spectrogram)
    array([[[0., 1., 2.]]])
    >>> truncation.inverse_transform([[[0.0, 1.0, 2.0]]])
    array([[[0., 1., 2., 2., 2.]]])
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        "max_frequency": [Interval(Real, 0, None, closed="left")],
        "fill": [StrOptions({"repeat", "zero"})],
        "sample_rate": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(self, max_frequency=8192, fill="repeat", sample_rate=None):
        self.max_frequency = max_frequency
        self.fill = fill
        self.sample_rate = sample_rate

    def _learn(self, spectrogram):
        if self.sample_rate is None:
            raise ValueError(
                "FrequencyTruncation(max_frequency) is in Hz and the sample rate is unknown: give sample_rate in Hz."
            )
        self.n_bins_in_ = spectrogram.shape[-1]
        bin_width = self.sample_rate / 2 / max(1, self.n_bins_in_ - 1)
        self.n_bins_ = min(self.n_bins_in_, int(self.max_frequency / bin_width + 1e-6) + 1)

    def _forward(self, spectrograms):
        return resize_bins(spectrograms, self.n_bins_, fill="zero")

    def _backward(self, spectrograms):
        return resize_bins(spectrograms, self.n_bins_in_, fill=self.fill)
