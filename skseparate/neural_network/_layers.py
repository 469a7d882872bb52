"""What several networks are made of."""

import torch
from torch import nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
INITS = ("kaiming", "xavier", "normal")


def activation_layer(name):
    """The layer of an activation's name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"module__activation={name!r} is not known; choose from {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]()


def initialise(module, init, scale=0.01):
    """Draw the weights of all linear and convolutional layers; biases become zero.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place.
    init : {"kaiming", "xavier", "normal"}
        Kaiming's for rectifiers, Xavier's for tanh and sigmoid, or a normal of deviation `scale`.
    scale : float
        Deviation of "normal".
    """
    if init not in INITS:
        raise ValueError(f"module__init={init!r} is not known; choose from {', '.join(INITS)}.")
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            if init == "kaiming":
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            elif init == "xavier":
                nn.init.xavier_uniform_(layer.weight)
            else:
                nn.init.normal_(layer.weight, std=scale)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def begin_undecided(layer):
    """Shrink the weights of the last layer of a new network: masks begin near one half, where their slope is large."""
    with torch.no_grad():
        layer.weight.mul_(0.1)


def with_pitch(x):
    """Add a channel that says how high a bin lies, since a filter cannot see where it stands.

    Parameters
    ----------
    x : tensor of shape (batch, n_frames, n_bins)

    Returns
    -------
    x : tensor of shape (batch, 2, n_frames, n_bins)
        The second channel rises from -1 to 1 with the bin.
    """
    height = torch.linspace(-1, 1, x.shape[-1], dtype=x.dtype, device=x.device)
    return torch.stack([x, height.expand_as(x)], dim=1)


def convolve(n_in, n_out, activation="relu", stride=1, dilation=1):
    """A 3 x 3 convolution, batch normalisation and an activation."""
    conv = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), activation_layer(activation))
