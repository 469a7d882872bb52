"""The first attempt's network with its own faults, as a module and a callback for `NeuralRegressor`.

Only the faults are here; layers, optimiser, streaming and diagnostics are the library's. What the write-up does not
say (learning rates, widths, the deviation of its normal weights) is chosen in `first_attempt.py`.
"""

import torch
from skorch.callbacks import Callback
from torch import nn

from skseparate.neural_network._mlp import MLP

# Magnitudes of integer samples, by the thousand: so large that saying nothing costs about 5e7, as in its log.
FULL_SCALE = 2.0**15 * 188
# A model cuts scaled inputs at 20 deviations; a deviation so large lets everything through.
LARGE = 1e9


class FirstAttempt(MLP):
    """`MLP` whose inputs are not scaled, and whose exponentials are taken of the whole input.

    ``np.where(z > 0, z, np.exp(z) - 1)`` computes the exponential of every z, also where it is thrown away: the
    values are right, but NumPy warns of an overflow above 709. `overflows` counts what it would have warned of.

    Parameters
    ----------
    in_shape, out_shape, **params
        Of `MLP`.
    """

    def __init__(self, in_shape, out_shape, **params):
        super().__init__(in_shape, out_shape, **params)
        self.overflows = 0
        for layer in self.layers:
            if isinstance(layer, nn.ELU | nn.Sigmoid):
                layer.register_forward_pre_hook(self._exponentiate)

    def _exponentiate(self, layer, inputs):
        z = inputs[0].detach().double()
        self.overflows += int(torch.exp(-z if isinstance(layer, nn.Sigmoid) else z).isinf().sum())

    def forward(self, x):
        return super().forward(x * LARGE)


class Faults(Callback):
    """Undo the scaling of inputs and targets, and take the sum's gradient for the mean's."""

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        model = net.module_
        with torch.no_grad():
            model.x_mean.zero_()
            model.x_scale.fill_(LARGE / FULL_SCALE)
            model.y_mean.zero_()
            model.y_scale.fill_(1 / FULL_SCALE)
        net.criterion_ = summed_gradient


def summed_gradient(estimates, targets, extra=None):
    """Mean squared error of integers with the gradient ``2 (estimate - target)``: the mean's, times the outputs."""
    error = FULL_SCALE * (estimates - targets).flatten(1)
    total = error.square().sum(dim=1).mean()
    return error.square().mean().detach() + (total - total.detach())


class KeepNet(Callback):
    """Keeps hold of the latest net, whose records outlive a training that dies."""

    latest = None

    def on_train_begin(self, net, **kwargs):
        KeepNet.latest = net
