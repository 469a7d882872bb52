"""The short-time Fourier transform and its exact inverse, for NumPy arrays and torch tensors."""

from numbers import Real

import numpy as np
import scipy.fft
from scipy.signal import get_window
from sklearn.utils._param_validation import Interval

from skseparate.preprocessing._base import SignalTransformer, is_tensor, pad_last, whole_samples
from skseparate.preprocessing._chunks import Scratch, chunks_of, in_threads, rfft_into


def stft(signals, window, hop_length):
    """Short-time Fourier transform, divided by the window's sum.

    Parameters
    ----------
    signals : ndarray or torch.Tensor of shape (..., n_samples)
        Real signals.
    window : ndarray of shape (frame_length,)
        Analysis window.
    hop_length : int
        Samples from one frame to the next.

    Returns
    -------
    spectrograms : ndarray or torch.Tensor of shape (..., n_frames, n_bins)
        Complex, ``n_bins = frame_length // 2 + 1``. A sinusoid of amplitude a has magnitude a / 2
        whatever the frame. Both ends are padded by ``frame_length - hop_length`` zeros first.

    See Also
    --------
    istft : The inverse.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.preprocessing import istft, stft
    >>> signal = np.random.default_rng(0).normal(size=100)
    >>> spectrogram = stft(signal, np.hanning(17)[:16], hop_length=4)
    >>> spectrogram.shape
    (28, 9)
    >>> bool(np.allclose(istft(spectrogram, np.hanning(17)[:16], hop_length=4)[:100], signal))
    True
    """
    frame_length, margin = len(window), len(window) - hop_length
    n_samples = signals.shape[-1]
    n_frames = 1 + max(0, -((hop_length - margin - n_samples) // hop_length))
    n_padded = (n_frames - 1) * hop_length + frame_length
    padded = pad_last(signals, margin, n_padded - margin - n_samples)
    if is_tensor(signals):
        import torch

        scaled = torch.as_tensor(window / window.sum(), dtype=signals.dtype, device=signals.device)
        return torch.fft.rfft(padded.unfold(-1, frame_length, hop_length) * scaled)
    scaled = (window / window.sum()).astype(signals.dtype)
    frames = np.lib.stride_tricks.sliding_window_view(padded.reshape(-1, n_padded), frame_length, axis=-1)
    frames = frames[:, ::hop_length]
    spectrograms = np.empty((*frames.shape[:2], frame_length // 2 + 1), np.result_type(signals.dtype, np.complex64))
    chunks = chunks_of(*frames.shape, signals.dtype.itemsize)
    scratch = Scratch(max((frames[chunk].size for chunk in chunks), default=0), signals.dtype)

    def transform(chunk):
        windowed = scratch.product(frames[chunk], scaled)
        rfft_into(windowed, spectrograms[chunk])
        scratch.give_back(windowed)

    in_threads(transform, chunks)
    return spectrograms.reshape(*signals.shape[:-1], n_frames, -1)


def istft(spectrograms, window, hop_length):
    """Inverse of `stft` by least squares: weighted overlap-add.

    Parameters
    ----------
    spectrograms : ndarray or torch.Tensor of shape (..., n_frames, n_bins)
        Complex.
    window : ndarray of shape (frame_length,)
        The window of `stft`.
    hop_length : int
        The hop of `stft`.

    Returns
    -------
    signals : ndarray or torch.Tensor of shape (..., n_samples_padded)
        The signals, followed by fewer than `hop_length` samples of padding.

    References
    ----------
    .. [1] D. Griffin and J. Lim, "Signal estimation from modified short-time Fourier transform",
           IEEE Trans. Acoustics, Speech and Signal Processing 32(2), 1984.

    Examples
    --------
    See `stft`.
    """
    frame_length, margin = len(window), len(window) - hop_length
    *leading, n_frames, n_bins = spectrograms.shape
    weights = _synthesis_window(window, hop_length)
    n_grid = n_frames + -(-frame_length // hop_length) - 1
    if is_tensor(spectrograms):
        import torch

        frames = torch.fft.irfft(spectrograms, frame_length)
        weights = torch.as_tensor(weights, dtype=frames.dtype, device=frames.device)
        grid = frames.new_zeros((*leading, n_grid, hop_length))
        _overlap_add(frames * weights, grid)
    else:
        spectrograms = spectrograms.reshape(-1, n_frames, n_bins)
        grid = np.zeros((len(spectrograms), n_grid, hop_length), np.result_type(spectrograms.real.dtype, np.float32))
        weights = weights.astype(grid.dtype)

        def add(chunk):
            frames = scipy.fft.irfft(spectrograms[chunk], frame_length)
            frames *= weights
            _overlap_add(frames, grid[chunk[0], chunk[1].start :])

        chunks = chunks_of(len(spectrograms), n_frames, frame_length, grid.itemsize, least=n_grid - n_frames)
        in_threads(add, chunks[::2])  # neighbours add to the same samples: never at once, and always in this order
        in_threads(add, chunks[1::2])
    return grid.reshape(*leading, n_grid * hop_length)[..., margin : n_frames * hop_length]


def _synthesis_window(window, hop_length):
    """The window, over what the squares of all overlapping windows sum to, times its sum."""
    n_hops = -(-len(window) // hop_length)
    squares = np.pad(window**2, (0, n_hops * hop_length - len(window))).reshape(n_hops, hop_length).sum(axis=0)
    return window * window.sum() / np.tile(squares, n_hops)[: len(window)]


def _overlap_add(frames, grid):
    """Add frames ``(..., n_frames, frame_length)``, each a hop after the last, to a grid ``(..., n_hops, hop_length)``.

    Piece r of each frame falls into the grid, shifted by r: few large sums instead of one a frame.
    """
    n_frames, frame_length, hop_length = *frames.shape[-2:], grid.shape[-1]
    for r, start in enumerate(range(0, frame_length, hop_length)):
        piece = frames[..., start : start + hop_length]
        grid[..., r : r + n_frames, : piece.shape[-1]] += piece


class STFT(SignalTransformer):
    """Short-time Fourier transform with an exact inverse.

    Frame and hop are in seconds and the values are divided by the window's sum, so one model serves
    every sample rate at which they are whole samples: the bins stay ``1 / frame`` Hz apart and a
    sinusoid keeps its magnitude.

    Parameters
    ----------
    frame : float, default=0.12
        Duration of a frame, in seconds; an even number of samples.
    hop : float, default=0.03
        From one frame to the next, in seconds; at most `frame`.
    window : str or tuple, default="hann"
        As `scipy.signal.get_window` takes it.
    sample_rate : float, default=None
        In Hz. None where a `Separator` tells it from the recording.

    Attributes
    ----------
    frame_length_ : int
        Samples in a frame.
    hop_length_ : int
        Samples from one frame to the next.
    window_ : ndarray of shape (frame_length,)
        The window.
    n_features_in_ : int
        Columns of a 2-D table seen at `fit`.

    See Also
    --------
    Segmenter : Cuts recordings into the segments that this transforms.
    Magnitude : What a regressor usually sees of it.

    Notes
    -----
    `transform` gives complex ``(..., n_frames, n_bins)``. Each signal is padded by ``frame - hop``
    at both ends: a Hann window begins at zero, so its first samples could not be inverted otherwise.
    `inverse_transform` gives the signals followed by less than a hop of padding.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.preprocessing import STFT
    >>> signals = np.random.default_rng(0).normal(size=(2, 1000))
    >>> stft = STFT(frame=0.02, hop=0.005, sample_rate=8000)
    >>> spectrograms = stft.fit_transform(signals)
    >>> spectrograms.shape
    (2, 28, 81)
    >>> bool(np.allclose(stft.inverse_transform(spectrograms)[:, :1000], signals))
    True
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        "frame": [Interval(Real, 0, None, closed="neither")],
        "hop": [Interval(Real, 0, None, closed="neither")],
        "window": [str, tuple],
        "sample_rate": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(self, frame=0.12, hop=0.03, window="hann", sample_rate=None):
        self.frame = frame
        self.hop = hop
        self.window = window
        self.sample_rate = sample_rate

    def _learn(self, signal):
        if self.sample_rate is None:
            raise ValueError("STFT(frame, hop) are in seconds and the sample rate is unknown: give sample_rate in Hz.")
        if self.hop > self.frame:
            raise ValueError(
                f"hop={self.hop:g} s is longer than frame={self.frame:g} s: the samples between frames would be lost."
            )
        frame_length = whole_samples(self.frame, self.sample_rate, "frame")
        if frame_length % 2:
            raise ValueError(
                f"frame={self.frame:g} s is {frame_length} samples at {self.sample_rate:g} Hz and must be an even "
                "number, so that the last bin lies at the Nyquist frequency."
            )
        self.hop_length_ = whole_samples(self.hop, self.sample_rate, "hop")
        self.frame_length_ = frame_length
        try:
            self.window_ = get_window(self.window, frame_length, fftbins=True)
        except ValueError as error:
            raise ValueError(f"window={self.window!r} is not one of scipy.signal.get_window: {error}") from error
        self._refuse_uninvertible()

    def _refuse_uninvertible(self):
        n_hops = -(-self.frame_length_ // self.hop_length_)
        squares = np.pad(self.window_**2, (0, n_hops * self.hop_length_ - self.frame_length_))
        coverage = squares.reshape(n_hops, self.hop_length_).sum(axis=0)
        # below 1e-6 of the best covered sample, float32 noise would come back a thousand times louder
        if coverage.min() < 1e-6 * coverage.max():
            raise ValueError(
                f"STFT cannot be inverted: with hop={self.hop:g} s the {self.window!r} windows leave samples "
                f"uncovered; a hop of at most half the frame ({self.frame / 2:g} s) works."
            )

    def _forward(self, signals):
        return stft(signals, self.window_, self.hop_length_)

    def _backward(self, spectrograms):
        n_bins = self.frame_length_ // 2 + 1
        if spectrograms.ndim < 2 or spectrograms.shape[-1] != n_bins:
            raise ValueError(
                f"spectrograms must have shape (..., n_frames, {n_bins}), got {tuple(spectrograms.shape)}."
            )
        return istft(spectrograms, self.window_, self.hop_length_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # real in, complex out
        return tags
