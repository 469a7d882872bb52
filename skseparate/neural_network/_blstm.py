"""The recurrent network."""

import torch
from torch import nn

from skseparate.neural_network._layers import activation_layer, begin_undecided, initialise


class BLSTM(nn.Module):
    """Frames one after the other, in both directions: a network of the Open-Unmix kind [1]_.

    Parameters
    ----------
    in_shape : tuple of int
        ``(n_frames, n_bins)``.
    out_shape : tuple of int
        ``(n_slots, n_frames, n_bins)``.
    depth : int, default=2
        Recurrent layers.
    width : int, default=256
        Units between the layers; each direction has half as many.
    init : {"kaiming", "xavier", "normal"}, default="xavier"
        Of the layers that are not recurrent; see `MLP`.
    dropout : float, default=0.0
        Between recurrent layers.

    References
    ----------
    .. [1] F.-R. Stöter et al., "Open-Unmix: a reference implementation for music source separation",
           Journal of Open Source Software 4(41), 2019.

    Notes
    -----
    Shapes: ``(batch, n_frames, n_bins)`` to ``(batch, n_slots, n_frames, n_bins)``.
    """

    frames = True

    def __init__(self, in_shape, out_shape, depth=2, width=256, init="xavier", dropout=0.0):
        super().__init__()
        n_bins, n_slots = in_shape[-1], out_shape[0]
        self.squeeze = nn.Linear(n_bins, width, bias=False)
        self.squeeze_norm = nn.LayerNorm(width)
        self.squeeze_activation = activation_layer("tanh")
        self.lstm = nn.LSTM(
            width, width // 2, depth, batch_first=True, bidirectional=True, dropout=dropout if depth > 1 else 0.0
        )
        self.mix = nn.Linear(width + 2 * (width // 2), width, bias=False)
        self.mix_norm = nn.LayerNorm(width)
        self.mix_activation = activation_layer("relu")
        self.spread = nn.Linear(width, n_slots * n_bins)
        self.n_slots = n_slots
        initialise(self, init)
        begin_undecided(self.spread)

    def forward(self, x):
        h = self.squeeze_activation(self.squeeze_norm(self.squeeze(x)))  # (batch, n_frames, width)
        h = torch.cat([h, self.lstm(h)[0]], dim=-1)
        h = self.mix_activation(self.mix_norm(self.mix(h)))
        return self.spread(h).unflatten(-1, (self.n_slots, -1)).transpose(1, 2)
