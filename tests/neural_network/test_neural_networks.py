"""Shapes, initialisations and masks of the networks."""

import numpy as np
import pytest
import torch

from skseparate.neural_network._layers import ACTIVATIONS, INITS
from skseparate.neural_network._model import NETWORKS, Model, takes_frames

# "ensemble" is told the parts: tests/test_ensemble_model.py
UNTOLD = [name for name in NETWORKS if name != "ensemble"]
ROWS, SLOTS, FRAMES, BINS = 3, 2, 7, 21
SMALL = {
    "mlp": {"width": 8, "depth": 2},
    "cnn": {"channels": 4, "depth": 2},
    "unet": {"channels": 4, "depth": 3},
    "blstm": {"width": 8, "depth": 2},
}


def small_model(name, output="sigmoid", **params):
    in_shape = (FRAMES, BINS) if takes_frames(name) else (FRAMES * BINS,)
    torch.manual_seed(0)
    return Model(name, SMALL[name] | params, in_shape, (SLOTS, FRAMES, BINS), output).eval()


@pytest.mark.parametrize("name", UNTOLD)
@pytest.mark.parametrize("output", ["sigmoid", "softmax", "direct"])
def test_estimates_have_a_slot_for_each_part(name, output):
    rows = torch.rand(ROWS, FRAMES * BINS)
    estimates = small_model(name, output)(rows)
    assert estimates.shape == (ROWS, SLOTS, FRAMES, BINS)
    assert torch.isfinite(estimates).all()


@pytest.mark.parametrize("name", UNTOLD)
def test_masks_share_out_the_row(name):
    rows = torch.rand(ROWS, FRAMES * BINS)
    row = rows.reshape(ROWS, FRAMES, BINS)
    alone = small_model(name, "sigmoid")(rows)
    assert (alone >= 0).all() and (alone <= row.unsqueeze(1)).all()
    shared = small_model(name, "softmax")(rows)
    torch.testing.assert_close(shared.sum(dim=1), row)


@pytest.mark.parametrize("name", UNTOLD)
def test_every_weight_is_reached_by_the_gradient(name):
    model = small_model(name).train()
    model(torch.rand(4, FRAMES * BINS)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters() if p.ndim > 1)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_takes_each_activation_and_initialisation(activation, init):
    model = small_model("mlp", activation=activation, init=init)
    assert type(model.network.layers[1]) is ACTIVATIONS[activation]
    assert model(torch.rand(ROWS, FRAMES * BINS)).shape == (ROWS, SLOTS, FRAMES, BINS)


def test_initialisations_have_their_deviations():
    wide = {"width": 400, "depth": 1, "init_scale": 0.2}
    first = {init: small_model("mlp", init=init, **wide).network.layers[0].weight for init in INITS}
    n_in = FRAMES * BINS
    expected = {"kaiming": (2 / n_in) ** 0.5, "xavier": (2 / (n_in + 400)) ** 0.5, "normal": 0.2}
    for init, weight in first.items():
        assert weight.std().item() == pytest.approx(expected[init], rel=0.05), init


def test_an_activation_a_layer():
    model = small_model("mlp", activation=["tanh", "elu"])
    assert [type(model.network.layers[i]).__name__ for i in (1, 3)] == ["Tanh", "ELU"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"activation": "step"}, "module__activation='step' is not known"),
        ({"activation": ["relu"]}, "names 1 activations for module__depth=2"),
        ({"init": "orthogonal"}, "module__init='orthogonal' is not known"),
    ],
)
def test_wrong_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        small_model("mlp", **params)


def test_inputs_are_scaled_and_cut():
    class Moment:
        mean, deviation = np.full(4, 100.0), np.array([1.0, 2.0, 0.0, 1.0])

        def over(self, n_last):
            return self.mean, self.deviation

    model = Model("mlp", {"width": 2, "depth": 1}, (4,), (1,), "direct")
    model.set_scales(Moment(), type("", (), {"mean": np.zeros(1), "deviation": np.ones(1)}))
    seen = []
    model.network.register_forward_hook(lambda layer, args, output: seen.append(args[0]))
    model(torch.tensor([[101.0, 104.0, 100.5, 1e9]]))
    torch.testing.assert_close(seen[0], torch.tensor([[1.0, 2.0, 0.5, 20.0]]))
