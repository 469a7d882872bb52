"""What makes a trained network quick: to build, and to ask."""

from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode

# What draws first weights: functions of `torch.nn.init`, and methods of tensors.
_FILLS = {"normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_", "constant_", "fill_", "zero_"}


class _NoFilling(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(function, "__name__", None) in _FILLS:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)


@contextmanager
def unfilled():
    """Context in which networks are built without weights, and without memory for them, until some are loaded.

    A hostile file may ask for any size; and to draw weights that are thrown away would import a compiler, for seconds.
    """
    with torch.device("meta"), _NoFilling():
        yield


def fold_norms(network):
    """Let each convolution do what the batch normalisation after it does: once trained, that is linear.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode; changed in place. Wherever a convolution and a normalisation of images are neighbours
        in a module, one must be applied right after the other, as in all networks of the library.

    Returns
    -------
    network : torch.nn.Module
        Says the same, but for rounding.
    """
    for module in list(network.modules()):
        for (name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity())
    return network
