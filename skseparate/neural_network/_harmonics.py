"""A logarithmic frequency axis, and harmonics stacked as channels."""

import math
from functools import lru_cache

import numpy as np
import torch

LOWEST = 40.0  # Hz: the lowest notes of basses and tubas
BINS_PER_OCTAVE = 36
N_LOG = 272
# Multiples of a bin's frequency whose bins are stacked: half of it tells an octave above from the note itself.
HARMONICS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)


@lru_cache(maxsize=4)
def log_frequency_maps(n_bins, bin_width, device="cpu"):
    """Matrices from linear bins to a logarithmic axis, and back.

    Parameters
    ----------
    n_bins : int
        Linear bins, from 0 Hz.
    bin_width : float
        Hz from one to the next.
    device : torch.device or str
        Where to.

    Returns
    -------
    to_log : tensor of shape (n_bins, N_LOG)
        Means over triangles as wide as the axis is coarse, or as a linear bin where it is finer.
    from_log : tensor of shape (N_LOG, n_bins)
        Linear interpolation in log frequency; held beyond the ends.
    """
    centres = LOWEST * 2 ** (np.arange(N_LOG) / BINS_PER_OCTAVE) / bin_width  # in linear bins
    spread = np.maximum(1.0, centres * (2 ** (1 / BINS_PER_OCTAVE) - 1))
    distance = np.abs(np.arange(n_bins)[:, None] - centres) / spread
    to_log = np.maximum(0, 1 - distance)
    to_log /= np.maximum(to_log.sum(axis=0), 1e-9)
    place = BINS_PER_OCTAVE * np.log2(np.maximum(np.arange(n_bins), 1e-3) * bin_width / LOWEST)
    place = np.clip(place, 0, N_LOG - 1)
    from_log = np.maximum(0, 1 - np.abs(np.arange(N_LOG)[:, None] - place))
    with torch.inference_mode(False):  # kept for training as well
        return tuple(torch.tensor(m, dtype=torch.float32, device=device) for m in (to_log, from_log))


def harmonic_stack(x):
    """Stack the bins of multiples of each bin's frequency as channels.

    Parameters
    ----------
    x : tensor of shape (batch, n_frames, N_LOG)

    Returns
    -------
    stacked : tensor of shape (batch, len(HARMONICS), n_frames, N_LOG)
        Zero beyond the axis.
    """
    channels = []
    for multiple in HARMONICS:
        shift = round(BINS_PER_OCTAVE * math.log2(multiple))
        moved = torch.zeros_like(x)
        if shift >= 0:
            moved[..., : x.shape[-1] - shift] = x[..., shift:]
        else:
            moved[..., -shift:] = x[..., :shift]
        channels.append(moved)
    return torch.stack(channels, dim=1)
