"""How much the parts of a piece overlap in time and frequency."""

import numpy as np
import scipy.fft
from scipy.signal import get_window
from sklearn.utils import gen_batches

from skseparate._recording import n_samples_of, read

FRAME, HOP = 0.12, 0.03
BLOCK_FRAMES = 128


def overlap_difficulty(solos, sample_rate, *, frame=FRAME, hop=HOP):
    """How much parts overlap in time and frequency: 0 where they lie apart, 1 where nothing tells them apart.

    In each bin of a spectrogram, the ideal ratio mask leaves a part its share of the magnitudes, and loses the rest of
    its energy to the others. This is the mean over parts of the share of their energy that is lost so, divided by the
    highest that there is, ``(n - 1) / n`` for n parts that sound.

    Parameters
    ----------
    solos : array or Recording of shape (n_parts, n_samples)
        The true solos, or estimates of them. A lazy recording is read block by block.
    sample_rate : float
        In Hz.
    frame, hop : float, default=0.12 and 0.03
        Of the spectrogram, in seconds: the default of `STFT`, the resolution at which masks work.

    Returns
    -------
    difficulty : float
        From 0 to 1. It does not depend on the order of the parts, nor on a gain that all have in common; it is 1 if
        and only if their magnitudes are equal up to a gain each. Silent parts do not count, and where fewer than two
        sound, there is nothing to separate: 0. Independent white noises score about 0.8 for two parts, 0.9 for five.

    Raises
    ------
    ValueError
        If the solos are not ``(n_parts, n_samples)``, empty or not finite, or a hop or frame holds no sample.

    See Also
    --------
    si_sdr_improvement : How much of it a separator undoes.

    Notes
    -----
    The measure is the library's own; its share of magnitudes is the ideal ratio mask of [1]_. On 40 mixes of real
    takes, Spearman's correlation with the SI-SDR of each system is -0.43 (the shipped model), -0.55 (the mixture),
    -0.58 (the best fixed filter), -0.91 (harmonic masks of the true pitch) and -0.96 (the ideal ratio mask):
    ``benchmarks/leaderboard.py``.

    References
    ----------
    .. [1] Y. Wang, A. Narayanan and D. Wang, "On training targets for supervised speech separation", IEEE/ACM Trans.
           Audio, Speech, and Language Processing 22(12), 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.metrics import overlap_difficulty
    >>> time = np.arange(8000) / 8000
    >>> low, high = np.sin(2 * np.pi * 440 * time), np.sin(2 * np.pi * 880 * time)
    >>> round(overlap_difficulty([low, high], 8000), 2)
    0.0
    >>> round(overlap_difficulty([low, low + high], 8000), 2)
    0.75
    >>> round(overlap_difficulty([low, 0.1 * low], 8000), 2)
    1.0
    """
    solos = solos if hasattr(solos, "read") else np.asarray(solos)
    if len(solos.shape) != 2 or 0 in solos.shape:
        raise ValueError(f"solos must be (n_parts, n_samples) and hold samples, got shape {tuple(solos.shape)}.")
    overlap = Overlap()
    for block, _ in padded_blocks([solos], sample_rate, frame, hop):
        if not np.isfinite(block).all():
            raise ValueError("solos must be finite, but hold NaN or infinity.")
        overlap.add(frame_powers(block, sample_rate, frame, hop))
    return overlap.difficulty()


class Overlap:
    """Energy that parts share, summed block by block.

    Attributes
    ----------
    energies : ndarray of shape (n_parts,)
        Of each part.
    lost : ndarray of shape (n_parts,)
        What the ideal ratio mask loses of each.
    """

    def __init__(self):
        self.energies = self.lost = 0.0

    def add(self, powers):
        """Add power spectrograms of all parts, ``(n_parts, n_frames, n_bins)``."""
        powers = np.asarray(powers, np.float64)
        magnitudes = np.sqrt(powers)
        total = magnitudes.sum(axis=0)
        others = np.divide(total - magnitudes, total, out=np.zeros_like(powers), where=total > 0)
        self.energies = self.energies + powers.sum(axis=(1, 2))
        self.lost = self.lost + (powers * others).sum(axis=(1, 2))

    def of_parts(self):
        """Share of each part's energy that lies where others sound, ``(n_parts,)``; 0 for a silent one."""
        return np.divide(self.lost, self.energies, out=np.zeros_like(self.lost), where=self.energies > 0)

    def difficulty(self):
        """Their mean over the parts that sound, divided by the highest that there is."""
        n_sounding = np.count_nonzero(self.energies)
        if n_sounding < 2:
            return 0.0
        return float(np.clip(self.of_parts().sum() / (n_sounding - 1), 0, 1))


def frame_powers(padded, sample_rate, frame=FRAME, hop=HOP):
    """Power spectrograms of a block that `padded_blocks` read.

    Parameters
    ----------
    padded : ndarray of shape (..., n_padded)
        Real signals.
    sample_rate, frame, hop : float
        In Hz and seconds.

    Returns
    -------
    powers : ndarray of shape (..., n_frames, n_bins)
    """
    frame_length, hop_length = _lengths(sample_rate, frame, hop)
    window = get_window("hann", frame_length)
    frames = np.lib.stride_tricks.sliding_window_view(padded, frame_length, axis=-1)[..., ::hop_length, :]
    spectra = scipy.fft.rfft(frames * (window / window.sum()).astype(padded.dtype), overwrite_x=True)
    return spectra.real**2 + spectra.imag**2


def padded_blocks(recordings, sample_rate, frame=FRAME, hop=HOP):
    """Read blocks with half a frame around them, silent before the beginning and after the end.

    Frame k of `frame_powers` has its middle at ``k * hop``.

    Parameters
    ----------
    recordings : sequence of arrays or Recordings of shape (..., n_samples)
        The first says how long all are: shorter ones end in silence, longer ones are cut.
    sample_rate, frame, hop : float
        In Hz and seconds.

    Yields
    ------
    *blocks : ndarray of shape (..., n_padded)
        Of each recording.
    inside : slice
        Which samples of them belong to the block itself.
    """
    frame_length, hop_length = _lengths(sample_rate, frame, hop)
    before = frame_length // 2
    n_samples = n_samples_of(recordings[0])
    for block in gen_batches(n_samples, BLOCK_FRAMES * hop_length):
        n_frames = -((block.start - block.stop) // hop_length)
        first = block.start - before
        last = first + (n_frames - 1) * hop_length + frame_length
        # a frame may end before the block does, where the hop is longer than half of it
        last = max(last, block.stop)
        yield (
            *(_read_padded(recording, first, last, n_samples) for recording in recordings),
            slice(before, before + block.stop - block.start),
        )


def _read_padded(recording, first, last, n_samples):
    begin, end = max(first, 0), min(last, n_samples, n_samples_of(recording))
    inside = read(recording, min(begin, end), end)
    if inside.dtype.kind != "f":
        inside = inside.astype(np.float64)
    before = max(0, -first)
    margins = (before, last - first - before - inside.shape[-1])
    return np.pad(inside, [(0, 0)] * (inside.ndim - 1) + [margins])


def _lengths(sample_rate, frame, hop):
    """Samples of a frame and of a hop."""
    if not (np.isfinite(sample_rate) and sample_rate > 0):
        raise ValueError(f"sample_rate must be a positive number of Hz, got {sample_rate}.")
    lengths = round(frame * sample_rate), round(hop * sample_rate)
    if min(lengths) < 1:
        raise ValueError(f"a frame of {frame:g} s and a hop of {hop:g} s at {sample_rate:g} Hz hold no sample.")
    return lengths
