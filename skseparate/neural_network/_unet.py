"""The U-Net."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import interpolate, pad

from skseparate.neural_network._layers import begin_undecided, convolve, initialise, with_pitch


class UNet(nn.Module):
    """Down to coarse spectrograms and back up, joined to the fine ones of each level [1]_.

    Parameters
    ----------
    in_shape : tuple of int
        ``(n_frames, n_bins)``.
    out_shape : tuple of int
        ``(n_slots, n_frames, n_bins)``.
    depth : int, default=4
        Levels; each halves frames and bins.
    channels : int, default=8
        Of the finest level; each next one has twice as many, up to 8 times.
    activation : str, default="relu"
        See `MLP`.
    init : {"kaiming", "xavier", "normal"}, default="kaiming"
        See `MLP`.
    dropout : float, default=0.0
        Share of the channels of the coarsest level that are left out at each step of training.

    References
    ----------
    .. [1] A. Jansson et al., "Singing voice separation with deep U-Net convolutional networks", ISMIR 2017.

    Notes
    -----
    Shapes: ``(batch, n_frames, n_bins)`` to ``(batch, n_slots, n_frames, n_bins)``; sizes that cannot be halved are
    padded and cut.
    """

    frames = True

    def __init__(self, in_shape, out_shape, depth=4, channels=8, activation="relu", init="kaiming", dropout=0.0):
        super().__init__()
        widths = [channels * min(8, 2**k) for k in range(depth + 1)]
        self.first = convolve(2, widths[0], activation)
        self.down = nn.ModuleList(convolve(n_in, n_out, activation, stride=2) for n_in, n_out in pairwise(widths))
        self.dropout = nn.Dropout2d(dropout)
        self.up = nn.ModuleList(convolve(n_in + n_out, n_out, activation) for n_in, n_out in pairwise(reversed(widths)))
        self.last = nn.Conv2d(widths[0], out_shape[0], 1)
        initialise(self, init)
        begin_undecided(self.last)

    def forward(self, x):
        n_frames, n_bins = x.shape[-2:]
        factor = 2 ** len(self.down)
        h = self.first(pad(with_pitch(x), (0, -n_bins % factor, 0, -n_frames % factor)))
        finer = []
        for layer in self.down:
            finer.append(h)
            h = layer(h)  # (batch, channels, n_frames / 2, n_bins / 2)
        h = self.dropout(h)
        for layer in self.up:
            h = layer(torch.cat([interpolate(h, scale_factor=2), finer.pop()], dim=1))
        return self.last(h)[..., :n_frames, :n_bins]
