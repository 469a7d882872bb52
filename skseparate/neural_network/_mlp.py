"""The fully connected network."""

from itertools import pairwise
from math import prod

from torch import nn

from skseparate.neural_network._layers import activation_layer, initialise


class MLP(nn.Module):
    """Fully connected layers on flattened features: the first attempt's network, with inputs that are scaled.

    Parameters
    ----------
    in_shape : tuple of int
        ``(n_features,)``.
    out_shape : tuple of int
        ``(n_outputs,)``, or ``(n_slots, n_frames, n_bins)``.
    depth : int, default=2
        Hidden layers.
    width : int, default=256
        Units of each.
    activation : str or list of str, default="relu"
        "relu", "leaky_relu", "elu", "gelu", "silu", "tanh" or "sigmoid"; or one a hidden layer.
    init : {"kaiming", "xavier", "normal"}, default="kaiming"
        How weights are drawn; "normal" has deviation `init_scale`. Biases begin at zero.
    init_scale : float, default=0.01
        Deviation of "normal".
    dropout : float, default=0.0
        Share of the hidden units that are left out at each step of training.

    Notes
    -----
    Shapes: ``(batch, n_features)`` to ``(batch, *out_shape)``.
    """

    frames = False

    def __init__(
        self, in_shape, out_shape, depth=2, width=256, activation="relu", init="kaiming", init_scale=0.01, dropout=0.0
    ):
        super().__init__()
        names = [activation] * depth if isinstance(activation, str) else list(activation)
        if len(names) != depth:
            raise ValueError(f"module__activation names {len(names)} activations for module__depth={depth} layers.")
        widths = [prod(in_shape)] + [width] * depth
        layers = []
        for (n_in, n_out), name in zip(pairwise(widths), names, strict=True):
            layers += [nn.Linear(n_in, n_out), activation_layer(name)]
            layers += [nn.Dropout(dropout)] if dropout else []
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], prod(out_shape)))
        self.out_shape = tuple(out_shape)
        initialise(self, init, init_scale)

    def forward(self, x):
        return self.layers(x.flatten(1)).unflatten(1, self.out_shape)
