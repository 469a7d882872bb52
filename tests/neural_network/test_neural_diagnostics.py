"""What training notes of itself, and the sentences that it says."""

import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from skseparate.neural_network import NeuralRegressor, TrainingError, TrainingWarning
from skseparate.neural_network import _diagnostics as diagnostics


def table(scale=1.0, n_rows=200):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 5))
    return X, scale * np.sin(X @ rng.normal(size=(5, 2)))


def small(**params):
    return NeuralRegressor(max_epochs=6, random_state=0, module__width=16).set_params(**params)


class Broken(nn.Module):
    """A network with a fault."""

    frames = False

    def __init__(self, in_shape, out_shape, fault="none", bias=0.0, activation="relu"):
        super().__init__()
        self.fault = fault
        self.first = nn.Linear(in_shape[0], 16)
        self.activation = nn.ReLU() if activation == "relu" else nn.Tanh()
        self.last = nn.Linear(16, out_shape[0])
        nn.init.constant_(self.first.bias, bias)
        if fault == "flat":
            for parameter in self.first.parameters():
                parameter.requires_grad_(False)
            nn.init.zeros_(self.last.weight)

    def forward(self, x):
        h = self.activation(self.first(x))
        if self.fault == "exp":
            h = torch.exp(1000 * h)
        if self.fault == "root":
            h = torch.sqrt(h - h.detach())  # whose slope at zero is infinite
        return self.last(h)


def test_every_epoch_is_noted():
    network = small(l1_penalty=1e-3, weight_decay=1e-3, early_stopping=True).fit(*table())
    assert [record["epoch"] for record in network.history_] == list(range(1, 7))
    json.dumps(network.history_)
    for record in network.history_:
        assert record["penalty"] > 0 and record["valid_loss"] > 0 and record["seconds"] > 0
        assert record["train_loss"] == pytest.approx(record["data_term"] + record["penalty"])
        assert 0 < record["gradient_norm"] < 100 and 1e-5 < record["update_ratio"] < 1
        assert set(record["dead"]) == {"layers.1", "layers.3"} and record["non_finite"] == 0
        assert record["audio_rate"] is None


def test_penalties_are_those_of_the_weights():
    network = small(l1_penalty=0.5, weight_decay=0.1, max_epochs=1, lr=1e-9, batch_size=200).fit(*table())
    weights = [w for name, w in network.weights_.items() if name.endswith("weight")]
    expected = sum(0.5 * abs(w).sum() + 0.05 * (w**2).sum() for w in weights)
    assert network.history_[0]["penalty"] == pytest.approx(expected, rel=1e-4)
    decayed = small(optimizer="adamw", weight_decay=0.1, max_epochs=1, lr=1e-9).fit(*table()).history_[0]
    assert decayed["penalty"] > 0 and decayed["train_loss"] == decayed["data_term"]


def test_predicting_the_mean_costs_one():
    X, Y = table(scale=1e4)
    tiny = {"module__init": "normal", "module__init_scale": 1e-6, "module__activation": "tanh"}
    first = small(max_epochs=1, lr=1e-9, **tiny).fit(X, Y + 1e5).history_[0]
    assert first["data_term"] == pytest.approx(1, rel=1e-3)


@pytest.mark.filterwarnings("ignore::skseparate.neural_network.TrainingWarning")
@pytest.mark.parametrize("lr", [1e2, 1e30])
def test_a_huge_rate_stops(lr):
    network = small(optimizer="sgd", lr=lr, max_epochs=50)
    with pytest.raises(TrainingError, match=r"Training stopped in epoch \d+: .*layer.*lower lr \(now 1") as error:
        network.fit(*table())
    assert str(error.value).count(".\n") == 0
    assert not hasattr(network, "weights_")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("exp", r"values of the output of layer last \(Linear\) are not finite; lower lr"),
        ("root", r"of the gradient of layer first (is|are) not finite; lower lr"),
    ],
)
def test_the_layer_that_overflows_is_named(fault, message):
    network = NeuralRegressor(Broken, module__fault=fault, random_state=0)
    with pytest.raises(TrainingError, match=message):
        network.fit(*table())
    assert network.history_[-1]["non_finite"] > 0


def test_rows_that_are_not_finite_are_named():
    model = Broken((3,), (1,))
    rows = torch.zeros(4, 3)
    rows[0, 0] = float("nan")
    assert diagnostics.where_not_finite(model, rows) == ("the rows", 1)
    assert "look for damaged recordings" in diagnostics.say_not_finite("the rows", 1, 1, 1.0)
    with torch.no_grad():
        model.last.weight[0, 0] = float("inf")
    assert diagnostics.where_not_finite(model, torch.zeros(4, 3)) == ("the weights of layer last", 1)


def test_dead_units_are_named():
    network = NeuralRegressor(Broken, module__bias=-100.0, random_state=0, max_epochs=2, lr=1e-6)
    with pytest.warns(TrainingWarning, match=r"100% of the units of layer activation are dead.*lower lr.*'elu'"):
        network.fit(*table())
    assert network.history_[0]["dead"] == {"activation": 1.0}


def test_saturated_units_are_named():
    network = NeuralRegressor(Broken, module__bias=100.0, module__activation="tanh", max_epochs=2, lr=1e-6)
    with pytest.warns(TrainingWarning, match=r"units of layer activation are saturated.*module__init='xavier'"):
        network.fit(*table())


@pytest.mark.filterwarnings("ignore:100% of the units")
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"lr": 1e-12}, r"has stayed at .* for 5 epochs: an update changes layer .* raise lr \(now 1e-12\)"),
        ({"module": Broken, "module__fault": "flat", "module__bias": -100.0}, "stayed at 1.*activation are dead"),
    ],
)
def test_a_flat_loss_is_told(params, message):
    network = NeuralRegressor(random_state=0, max_epochs=6, **params)
    with pytest.warns(TrainingWarning, match=message) as told:
        network.fit(*table())
    assert sum("stayed" in str(w.message) for w in told) == 1


def test_a_flat_loss_of_a_healthy_network_blames_the_network():
    record = {"data_term": 1.0, "dead": {}, "saturated": {}, "update_ratios": {"a": 1e-3, "b": 1e-2}, "lr": 0.1}
    assert "layer b move, but to no avail" in diagnostics.say_flat([record] * 5)
    assert "lower lr (now 0.1)" in diagnostics.say_flat([record | {"update_ratios": {"a": 0.3}}] * 5)


def test_what_learns_is_left_in_peace():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = small(max_epochs=40, lr=1e-2).fit(*table())
        small(max_epochs=8, warm_start=True).fit(*table())
    assert network.history_[-1]["data_term"] < 0.1


def test_the_first_attempts_faults_are_told():
    """Weights that are drawn too wide, before sigmoids."""
    params = {"module__activation": "sigmoid", "module__init": "normal", "module__init_scale": 100.0}
    with pytest.warns(TrainingWarning, match="saturated"):
        small(**params, lr=1e-4).fit(*table())
