"""Which instruments play, and how many of each: a guess from what the encoder hears."""

import torch
from torch import nn

from skseparate._parts import INSTRUMENTS

# None, one, two, or three and more players of an instrument.
N_COUNTS = 4


class Census(nn.Module):
    """Counts of the instruments of a mixture.

    Parameters
    ----------
    n_channels, n_bins : int
        Of the encoder's coarsest level.
    width : int, default=96
        Units in between.

    Notes
    -----
    Shapes: ``(batch, n_channels, n_frames, n_bins)`` to logits ``(batch, n_instruments, N_COUNTS)``.
    """

    def __init__(self, n_channels, n_bins, width=96):
        super().__init__()
        self.squeeze = nn.Conv1d(2 * n_channels, 24, 3, padding=1)
        self.think = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(24 * n_bins, width), nn.ReLU(), nn.Dropout(0.2))
        self.say = nn.Linear(width, len(INSTRUMENTS) * N_COUNTS)

    def forward(self, h):
        heard = torch.cat([h.mean(dim=2), h.amax(dim=2)], dim=1)  # over the frames
        return self.say(self.think(self.squeeze(heard))).unflatten(1, (-1, N_COUNTS))
