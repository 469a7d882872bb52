"""The convolutional network."""

from torch import nn

from skseparate.neural_network._layers import begin_undecided, convolve, initialise, with_pitch


class CNN(nn.Module):
    """Dilated convolutions over frames and bins, each added to what came before, at full resolution.

    Parameters
    ----------
    in_shape : tuple of int
        ``(n_frames, n_bins)``.
    out_shape : tuple of int
        ``(n_slots, n_frames, n_bins)``.
    depth : int, default=4
        Convolutions between the first and the last; layer k looks ``2**k`` frames and bins far.
    channels : int, default=16
        Of each.
    activation : str, default="relu"
        See `MLP`.
    init : {"kaiming", "xavier", "normal"}, default="kaiming"
        See `MLP`.

    Notes
    -----
    Shapes: ``(batch, n_frames, n_bins)`` to ``(batch, n_slots, n_frames, n_bins)``.
    """

    frames = True

    def __init__(self, in_shape, out_shape, depth=4, channels=16, activation="relu", init="kaiming"):
        super().__init__()
        self.first = convolve(2, channels, activation)
        self.middle = nn.ModuleList(convolve(channels, channels, activation, dilation=2**k) for k in range(depth))
        self.last = nn.Conv2d(channels, out_shape[0], 1)
        initialise(self, init)
        begin_undecided(self.last)

    def forward(self, x):
        h = self.first(with_pitch(x))  # (batch, channels, n_frames, n_bins)
        for layer in self.middle:
            h = h + layer(h)
        return self.last(h)
