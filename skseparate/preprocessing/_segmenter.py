"""Cut signals into overlapping segments and cross-fade them back together."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from skseparate.preprocessing._base import SignalTransformer, is_tensor, pad_last


def count_segments(n_samples, segment_length, segment_hop):
    """How many segments cover `n_samples` samples; at least one."""
    return 1 + max(0, -((segment_length - n_samples) // segment_hop))


def crossfade(segment_length, segment_hop):
    """Weights of a segment, ``(segment_length,)``: linear ramps over the overlap, nowhere zero."""
    n_ramp = segment_length - segment_hop
    ramp = np.minimum(1.0, np.arange(1, segment_length + 1) / (n_ramp + 1))
    return np.minimum(ramp, ramp[::-1])


class OverlapAdd:
    """Add segments up as they come and give back the samples that no later segment will touch.

    Parameters
    ----------
    segment_length, segment_hop : int
        In samples.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.preprocessing import OverlapAdd
    >>> overlap_add = OverlapAdd(segment_length=4, segment_hop=3)
    >>> overlap_add.push(np.ones((2, 4)))
    array([1., 1., 1., 1., 1., 1.])
    >>> overlap_add.flush()
    array([1.])
    """

    def __init__(self, segment_length, segment_hop):
        self.segment_length = segment_length
        self.segment_hop = segment_hop
        self._fade = crossfade(segment_length, segment_hop)
        self._sum = None  # the weighted tail that the next segments will still add to
        self._weight = None

    def push(self, segments):
        """Add segments ``(..., n_segments, segment_length)``; return the finished samples.

        Returns
        -------
        signal : ndarray of shape (..., n_segments * segment_hop)
        """
        *leading, n_segments, _ = segments.shape
        n_done = n_segments * self.segment_hop
        n_total = n_done - self.segment_hop + self.segment_length
        total, weight = np.zeros((*leading, n_total), segments.dtype), np.zeros(n_total)
        if self._sum is not None:
            total[..., : self._sum.shape[-1]] = self._sum
            weight[: self._weight.shape[-1]] = self._weight
        fade = self._fade.astype(segments.dtype)
        for k in range(n_segments):
            where = slice(k * self.segment_hop, k * self.segment_hop + self.segment_length)
            total[..., where] += segments[..., k, :] * fade
            weight[where] += self._fade
        self._sum, self._weight = total[..., n_done:], weight[n_done:]
        return total[..., :n_done] / weight[:n_done].astype(segments.dtype)

    def flush(self):
        """Return the rest, ``(..., segment_length - segment_hop)``."""
        return self._sum / self._weight.astype(self._sum.dtype)


class Segmenter(SignalTransformer):
    """Cut signals into segments of equal duration that overlap.

    The last segment is padded with zeros. Going back, segments cross-fade linearly over their
    overlap, so that estimates which differ from one segment to the next make no click at the seam.

    Parameters
    ----------
    duration : float, default=10.0
        Duration of a segment, in seconds.
    overlap : float, default=0.1
        Share of a segment that it has in common with the next, in [0, 1).
    sample_rate : float, default=None
        In Hz. None where a `Separator` tells it from the recording.

    Attributes
    ----------
    segment_length_ : int
        Samples in a segment.
    segment_hop_ : int
        Samples from the start of a segment to the start of the next.
    n_features_in_ : int
        Columns of a 2-D table seen at `fit`.

    See Also
    --------
    STFT : The next step of a representation.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.preprocessing import Segmenter
    >>> segmenter = Segmenter(duration=0.5, overlap=0.2, sample_rate=100)
    >>> mixture, solos = np.zeros(120), np.zeros((3, 120))
    >>> [segments.shape for segments in segmenter.fit_transform([mixture, solos])]
    [(3, 50), (3, 3, 50)]
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        "duration": [Interval(Real, 0, None, closed="neither")],
        "overlap": [Interval(Real, 0, 1, closed="left")],
        "sample_rate": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(self, duration=10.0, overlap=0.1, sample_rate=None):
        self.duration = duration
        self.overlap = overlap
        self.sample_rate = sample_rate

    def _learn(self, signal):
        if self.sample_rate is None:
            raise ValueError(
                "Segmenter(duration) is in seconds and the sample rate is unknown: give sample_rate in Hz."
            )
        # floor, so that the number of STFT frames is the same at every rate; the small term is for 0.3 s * 16 kHz
        self.segment_length_ = max(1, int(self.duration * self.sample_rate + 1e-6))
        self.segment_hop_ = max(1, round(self.segment_length_ * (1 - self.overlap)))

    def _forward(self, signals):
        n_samples = signals.shape[-1]
        n_segments = count_segments(n_samples, self.segment_length_, self.segment_hop_)
        n_padded = (n_segments - 1) * self.segment_hop_ + self.segment_length_
        signals = pad_last(signals, 0, n_padded - n_samples)
        if is_tensor(signals):
            return signals.unfold(-1, self.segment_length_, self.segment_hop_)
        windows = np.lib.stride_tricks.sliding_window_view(signals, self.segment_length_, axis=-1)
        return np.ascontiguousarray(windows[..., :: self.segment_hop_, :])

    def _backward(self, segments):
        if segments.ndim < 2 or segments.shape[-1] < self.segment_length_:
            raise ValueError(
                f"segments must have shape (..., n_segments, {self.segment_length_}), got {segments.shape}."
            )
        # an inverse STFT is followed by padding, which is cut here
        overlap_add = OverlapAdd(self.segment_length_, self.segment_hop_)
        head = overlap_add.push(segments[..., : self.segment_length_])
        return np.concatenate([head, overlap_add.flush()], axis=-1)
