"""Networks built for prediction: without weights of their own, and with their normalisations folded."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from skseparate._parts import told_codes
from skseparate.neural_network._inference import fold_norms, unfilled
from skseparate.neural_network._model import Model

NETWORKS = {
    "cnn": {"depth": 2, "channels": 4},
    "unet": {"depth": 2, "channels": 4},
    "blstm": {"width": 16},
    "ensemble": {"width": 12, "depth": 2},
}


def model(name):
    """A network whose normalisations have seen something."""
    torch.manual_seed(0)
    network = Model(name, NETWORKS[name], (9, 40), (2, 9, 40), "sigmoid").eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
            if layer.affine:
                nn.init.uniform_(layer.weight, 0.5, 1.5)
                nn.init.normal_(layer.bias, std=0.3)
    return network


def rows(network):
    some = torch.rand(3, 360)
    return torch.cat([some, torch.tensor(told_codes([("vn", "vc")] * 3)).float()], 1) if network.is_told else some


@pytest.mark.parametrize("name", NETWORKS)
def test_folded_network_says_the_same(name):
    network = model(name)
    with torch.inference_mode():
        before = network(rows_ := rows(network))
        after = fold_norms(network)(rows_)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    np.testing.assert_allclose(after, before, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_unfilled_network_takes_the_weights(name):
    network = model(name)
    with unfilled():
        empty = Model(name, NETWORKS[name], (9, 40), (2, 9, 40), "sigmoid").eval()
    assert all(p.is_meta for p in empty.parameters())
    empty.load_state_dict(network.state_dict(), assign=True)
    with torch.inference_mode():
        assert (empty(rows_ := rows(network)) == network(rows_)).all()


def test_loading_imports_neither_compiler_nor_trainer():
    code = (
        "import sys, skseparate as s; s.load_separator('ensemble'); print({'torch._dynamo', 'skorch'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
