"""A network between scaled inputs and masked outputs, and the networks by name."""

from importlib import import_module
from inspect import signature
from math import prod

import torch
from torch import nn

from skseparate._parts import N_CODES

NETWORKS = {
    "mlp": ("_mlp", "MLP"),
    "cnn": ("_cnn", "CNN"),
    "unet": ("_unet", "UNet"),
    "blstm": ("_blstm", "BLSTM"),
    "ensemble": ("_ensemble", "Ensemble"),
}
# Scaled inputs are cut here: a feature that hardly varied in training may jump by any factor later.
MOST_DEVIATIONS = 20.0


def network_class(module):
    """The class of a network, from its name or itself."""
    if not isinstance(module, str):
        return module
    file, name = NETWORKS[module]
    return getattr(import_module(f"skseparate.neural_network.{file}"), name)


def takes_frames(module):
    """Whether a network wants rows as frames by bins; one that does not say so does."""
    return getattr(network_class(module), "frames", True)


def is_told(module):
    """Whether a network is told the parts of each row: their codes stand behind its features."""
    return getattr(network_class(module), "told_parts", False)


class Model(nn.Module):
    """Scale the features, run the network, and turn what it says into estimates.

    Parameters
    ----------
    module : str or class
        The network: see `NeuralRegressor`.
    params : dict
        Its own parameters.
    in_shape : tuple of int
        ``(n_frames, n_bins)``, or ``(n_features,)`` for tables and networks on flattened features.
    out_shape : tuple of int
        ``(n_slots, n_frames, n_bins)``, or ``(n_outputs,)`` for tables.
    output : {"sigmoid", "softmax", "direct"}
        Masks of the input, each by itself or shared out among the slots; or scaled back to the targets' mean and
        deviation.

    Attributes
    ----------
    network : torch.nn.Module
        From ``(batch, *in_shape)`` to ``(batch, *out_shape)``.
    mask : torch.nn.Module
        What makes masks of that, or nothing.
    """

    def __init__(self, module, params, in_shape, out_shape, output):
        super().__init__()
        self.in_shape, self.out_shape = tuple(in_shape), tuple(out_shape)
        network = network_class(module)
        _refuse_unknown(network, params)
        self.network = network(in_shape=self.in_shape, out_shape=self.out_shape, **params)
        self.mask = {"sigmoid": nn.Sigmoid(), "softmax": nn.Softmax(dim=1), "direct": nn.Identity()}[output]
        self.is_masking, self.is_told = output != "direct", is_told(module)
        scaled = self.in_shape[-1:]  # bins: their frames are alike
        self.register_buffer("x_mean", torch.zeros(scaled))
        self.register_buffer("x_scale", torch.ones(scaled))
        if not self.is_masking:
            self.register_buffer("y_mean", torch.zeros(self.out_shape))
            self.register_buffer("y_scale", torch.ones(self.out_shape))

    def set_scales(self, inputs, targets):
        """Take what was learned of the training rows.

        Parameters
        ----------
        inputs, targets : Moments
            Of flattened rows.
        """
        if self.is_told:  # it finds its own level
            return
        mean, deviation = inputs.over(self.in_shape[-1])
        if len(self.in_shape) > 1:  # an empty bin must not be blown up until its rounding errors are heard
            deviation = deviation.clip(1e-3 * deviation.max(), None)
        self.x_mean.copy_(torch.as_tensor(mean))
        self.x_scale.copy_(torch.as_tensor(_nonzero(deviation)))
        if not self.is_masking:
            self.y_mean.copy_(torch.as_tensor(targets.mean).reshape(self.out_shape))
            self.y_scale.copy_(torch.as_tensor(_nonzero(targets.deviation)).reshape(self.out_shape))

    def forward(self, x):
        """Estimates ``(batch, *out_shape)`` from rows ``(batch, n_features)``; as many slots as codes, where told."""
        if self.is_told:
            x, codes = x[:, : prod(self.in_shape)].reshape(len(x), *self.in_shape), x[:, prod(self.in_shape) :]
            said = self.network(x, codes.long().unflatten(1, (-1, N_CODES)))
            return self.mask(said.to(x.dtype)) * x[:, None]
        x = x.reshape(len(x), *self.in_shape)
        scaled = ((x - self.x_mean) / self.x_scale).clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)
        said = self.network(scaled)
        if said.shape[1:] != self.out_shape:
            raise ValueError(
                f"{type(self.network).__name__} gives {tuple(said.shape[1:])} a row, {self.out_shape} is wanted."
            )
        said = said.to(x.dtype)  # half precision ends at the network
        if not self.is_masking:
            return self.y_mean + self.y_scale * said
        return self.mask(said) * x.reshape(len(x), 1, *self.out_shape[1:])

    @property
    def n_features(self):
        """int: Columns of a row, the codes of its parts among them."""
        return prod(self.in_shape) + (N_CODES * self.out_shape[0] if self.is_told else 0)

    @property
    def n_parameters(self):
        """int: Numbers that are trained."""
        return sum(prod(p.shape) for p in self.parameters())


def _refuse_unknown(network, params):
    """One clear error for a parameter that the network does not have."""
    known = signature(network).parameters
    if any(p.kind is p.VAR_KEYWORD for p in known.values()):
        return
    if unknown := sorted(set(params) - set(known)):
        has = ", ".join(f"module__{name}" for name in known if name not in ("in_shape", "out_shape")) or "none"
        raise ValueError(f"module__{unknown[0]} is no parameter of {network.__name__}, which has {has}.")


def _nonzero(deviation):
    """1 for what never varied."""
    deviation = deviation.copy()
    deviation[deviation == 0] = 1
    return deviation
