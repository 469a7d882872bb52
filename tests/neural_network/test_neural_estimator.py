"""NeuralRegressor as a scikit-learn estimator, on tables and on lazy rows."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from skseparate import Separator
from skseparate._segments import Segments
from skseparate.linear_model import LowRankRidge
from skseparate.neural_network import NeuralRegressor, TrainingWarning
from skseparate.neural_network._cnn import CNN
from skseparate.neural_network._precision import choose_device
from skseparate.neural_network._streaming import split_rows
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter
from skseparate.utils.estimator_checks import check_separator

FAST = {"module__width": 16, "module__depth": 1, "max_epochs": 25, "lr": 1e-2, "batch_size": 32}
SMALL = {
    "mlp": {"module__width": 8},
    "cnn": {"module__channels": 4, "module__depth": 2},
    "unet": {"module__channels": 4, "module__depth": 2},
    "blstm": {"module__width": 8},
}


@parametrize_with_checks(
    [
        NeuralRegressor(max_epochs=10),
        NeuralRegressor(
            "mlp",
            **FAST,
            module__activation="tanh",
            module__init="xavier",
            early_stopping=True,
            optimizer="adamw",
            lr_schedule="cosine",
            l1_penalty=1e-6,
            gradient_clip=1.0,
        ),
    ],
    xfail_strict=True,
)
def test_scikit_learn_checks_of_networks(estimator, check):
    check(estimator)


def table(n_rows=60):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 5))
    return X, np.sin(X @ rng.normal(size=(5, 2)))


def small(name="mlp", **params):
    return NeuralRegressor(name, max_epochs=2, random_state=0, **SMALL[name]).set_params(**params)


def separator(regressor, compression=0.5):
    return Separator(
        make_pipeline(Segmenter(0.2), STFT(0.02, 0.01)),
        make_pipeline(FrequencyTruncation(1000), Magnitude(compression)),
        regressor,
    )


@pytest.fixture(scope="module")
def rows(duos):
    """Lazy rows of recordings and of their solos."""
    fitted = separator(LowRankRidge(rank=1)).fit(*duos[:2])
    X, y = list(duos[0]), list(duos[1])
    chains = fitted._chains(X)
    return Segments(X, chains), Segments(y, chains, 2)


def assert_same_weights(a, b):
    assert a.weights_.keys() == b.weights_.keys()
    for name, weight in a.weights_.items():
        assert_array_equal(weight, b.weights_[name])


# ------------------------------------------------------------------------------------------ parameters


def test_the_networks_parameters_survive():
    network = NeuralRegressor("mlp", lr=0.5, module__depth=3)
    assert clone(network).get_params() == network.get_params()
    assert clone(network).get_params()["module__depth"] == 3
    assert network.set_params(module__depth=4, module__width=7, lr=0.1) is network
    assert {"module__depth": 4, "module__width": 7, "lr": 0.1}.items() <= clone(network).get_params().items()
    assert repr(network) == "NeuralRegressor(lr=0.1, module__depth=4, module__width=7)"
    assert "module__depth" in network._repr_html_()
    nested = separator(network).set_params(regressor__module__depth=5)
    assert clone(nested).get_params()["regressor__module__depth"] == 5
    assert copy.deepcopy(network).get_params() == network.get_params()


def test_a_search_over_the_networks_depth():
    search = GridSearchCV(small(module__depth=1), {"module__depth": [1, 2, 3]}, cv=2).fit(*table())
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) == 3
    n_layers = sum(name.endswith("weight") for name in search.best_estimator_.weights_)
    assert n_layers == search.best_params_["module__depth"] + 1


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"depth": 3}, "no parameter depth; a network's begin with module__"),
        ({"module__depht": 3}, "module__depht is no parameter of MLP, which has module__depth, module__width"),
        ({"module": "resnet"}, "'module' parameter"),
        ({"lr": 0}, "'lr' parameter"),
        ({"module": "unet"}, "module='unet' wants rows of frames by bins.*take module='mlp'"),
        ({"output": "softmax"}, "for a table, take 'direct'"),
        ({"augmentation": True}, "augmentation needs Segments"),
        ({"loss": "waveform_snr"}, "a loss of the waveform needs Segments"),
    ],
)
def test_wrong_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        NeuralRegressor(**params).fit(*table())


def test_an_unknown_parameter_cannot_be_set():
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        NeuralRegressor().set_params(depth=3)


# --------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_scale_of_a_table_does_not_matter(scale):
    X, Y = table(300)
    network = small(max_epochs=40, lr=2e-2, module__width=64, batch_size=50).fit(scale * X + 3 * scale, scale * Y)
    assert network.score(scale * X + 3 * scale, scale * Y) > 0.9


@pytest.mark.filterwarnings("ignore:.* units of layer:skseparate.neural_network.TrainingWarning")
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", torch.optim.RMSprop, torch.optim.Adagrad])
def test_each_optimiser_learns(optimizer):
    X, Y = table(300)
    network = small(max_epochs=10, optimizer=optimizer, lr=1e-2, weight_decay=1e-4, module__width=32).fit(X, Y)
    assert network.history_[-1]["data_term"] < 0.8 * network.history_[0]["data_term"]


def test_a_network_of_ones_own():
    class Linear(nn.Module):
        def __init__(self, in_shape, out_shape, bias=True):
            super().__init__()
            self.layer = nn.Linear(in_shape[0], out_shape[0], bias=bias)

        def forward(self, x):
            return self.layer(x)

    X, _ = table(200)
    Y = X @ np.arange(10.0).reshape(5, 2) + 5
    network = NeuralRegressor(Linear, max_epochs=60, batch_size=50, lr=0.1, module__bias=False).fit(X, Y)
    assert network.score(X, Y) > 0.99
    with pytest.raises(ValueError, match=r"gives \(2,\) a row, \(3,\) is wanted"):
        NeuralRegressor(lambda in_shape, out_shape: nn.Linear(in_shape[0], 2)).fit(X, np.c_[Y, Y[:, 0]])


def test_a_warm_start_retains_what_it_is_told_to():
    X, Y = table()
    began = small(max_epochs=3).fit(X, Y)
    whole, half = (pickle.loads(pickle.dumps(began)).set_params(warm_start=True, retain=share) for share in (0.0, 0.5))
    whole.fit(X, Y), half.fit(X, Y)
    for name, weights in began.weights_.items():
        assert_allclose(half.weights_[name], (weights + whole.weights_[name]) / 2, atol=1e-6)
    assert any(abs(whole.weights_[name] - weights).max() > 1e-3 for name, weights in began.weights_.items())
    fresh = small(max_epochs=3, retain=0.5).fit(X, Y)  # nothing to retain
    assert_allclose(fresh.predict(X), began.predict(X))


def test_warm_start_goes_on():
    X, Y = table(100)
    network = small(max_epochs=3, warm_start=True)
    first = network.fit(X, Y).history_[-1]["train_loss"]
    network.fit(X, Y)
    assert [record["epoch"] for record in network.history_] == [1, 2, 3, 4, 5, 6]
    assert network.history_[3]["train_loss"] < first
    again = pickle.loads(pickle.dumps(network)).fit(X, Y)
    assert len(again.history_) == 9 and again.history_[-1]["train_loss"] < network.history_[-1]["train_loss"]
    assert len(network.set_params(warm_start=False).fit(X, Y).history_) == 3
    with pytest.raises(ValueError, match="warm_start=True goes on with rows and targets of shapes"):
        network.set_params(warm_start=True).fit(X[:, :3], Y)


def test_a_time_limit_ends_the_training():
    network = small(max_epochs=10**6, time_limit=1.0, lr_schedule="cosine").fit(*table())
    assert 1.0 <= sum(record["seconds"] for record in network.history_) < 5
    assert network.history_[-1]["lr"] < 0.5e-3 < network.history_[0]["lr"]


def test_the_rate_falls_within_an_epoch_that_outlasts_the_time():
    X, Y = table(20_000)
    network = small(max_epochs=10**6, time_limit=1.0, batch_size=1, lr_schedule="cosine").fit(X, Y)
    assert len(network.history_) == 1
    assert network.history_[0]["lr"] < 0.5e-3


def test_early_stopping_keeps_the_best():
    X, Y = table(200)
    Y = Y + np.random.default_rng(1).normal(size=Y.shape)
    network = small(early_stopping=True, patience=3, max_epochs=500, lr=1e-2, module__width=64).fit(X, Y)
    losses = [record["valid_loss"] for record in network.history_]
    best = int(np.argmin(losses))
    assert len(losses) == best + 4 < 500
    expected = small(early_stopping=True, patience=500, max_epochs=best + 1, lr=1e-2, module__width=64).fit(X, Y)
    assert_same_weights(network, expected)


@pytest.mark.filterwarnings("ignore:.* units of layer:skseparate.neural_network.TrainingWarning")
def test_plateau_halves_the_rate():
    network = small(lr_schedule="plateau", max_epochs=30, lr=0.1, module__width=64).fit(*table())
    rates = [record["lr"] for record in network.history_]
    assert set(np.divide(rates[:-1], rates[1:])) <= {1.0, 2.0} and rates[-1] < 0.1


def test_bfloat16_learns_too():
    X, Y = table(300)
    assert small(max_epochs=10, precision="bfloat16", lr=1e-2, module__width=64).fit(X, Y).score(X, Y) > 0.5


@pytest.mark.parametrize("bfloat16_is", [0.5, 0.9, 2.0])
def test_the_precision_that_is_measured_faster_is_taken(bfloat16_is, monkeypatch):
    from skseparate.neural_network import _precision

    seconds = {"float32": 1.0, "bfloat16": bfloat16_is}
    monkeypatch.setattr(_precision, "computes_bfloat16", lambda device: True)
    monkeypatch.setattr(
        _precision, "_time_steps", lambda model, batch, criterion, device, precision: seconds[precision]
    )
    monkeypatch.setattr(_precision, "_measured", {})
    network = small(module__width=300, max_epochs=1).fit(*table())
    expected = "bfloat16" if bfloat16_is == 0.5 else "float32"
    assert network.net_.settings.precision == expected


def test_a_trial_of_precision_leaves_the_model_alone(monkeypatch):
    from skseparate.neural_network import _precision

    monkeypatch.setattr(_precision, "computes_bfloat16", lambda device: True)
    monkeypatch.setattr(_precision, "_measured", {})
    monkeypatch.setattr(_precision, "MARGIN", 1e9)
    tried = small(module__width=300, max_epochs=1, module__dropout=0.5).fit(*table())
    assert len(_precision._measured) == 1
    assert_same_weights(
        tried, small(module__width=300, max_epochs=1, module__dropout=0.5, precision="float32").fit(*table())
    )


# ------------------------------------------------------------------------------------------ lazy rows


@pytest.mark.parametrize("name", SMALL)
def test_the_same_seed_gives_the_same_bits(name, rows):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = small(name).fit(*rows)
    assert torch.equal(torch.get_rng_state(), before)  # nothing global is touched
    torch.manual_seed(2)
    assert_same_weights(first, small(name).fit(*rows))
    other = small(name, random_state=1).fit(*rows)
    assert any((w != other.weights_[k]).any() for k, w in first.weights_.items())


def test_streamed_rows_train_as_the_table(rows):
    X, y = rows
    streamed = small(output="direct").fit(X, y)
    in_memory = small(output="direct").fit(np.asarray(X), np.asarray(y))
    for name, weight in streamed.weights_.items():  # slots, frames and bins apart, or one after the other
        assert_array_equal(weight.ravel(), in_memory.weights_[name].ravel())
    assert_allclose(streamed.predict(X), in_memory.predict(np.asarray(X)), atol=1e-5)


def test_no_more_rows_than_a_few_batches_are_read_at_once(rows, monkeypatch):
    X, y = rows
    sizes = []
    read = Segments._rows
    monkeypatch.setattr(Segments, "_rows", lambda self, a, b: sizes.append(b - a) or read(self, a, b))
    monkeypatch.setattr(Segments, "__array__", None)
    small("cnn", batch_size=2).fit(X, y)
    assert 0 < max(sizes[2:]) <= 8  # the first two are the pass for the scales, in blocks of bytes


@pytest.mark.parametrize("name", SMALL)
def test_estimates_of_segments_are_masked_rows(name, rows):
    X, y = rows
    network = small(name, permutation_invariant=True).fit(X, y)
    estimates = network.predict(X)
    assert estimates.dtype == np.float64 and estimates.shape == y.shape
    masked = estimates.reshape(len(X), *y.row_shape)
    assert (masked >= 0).all() and (masked <= np.asarray(X).reshape(len(X), 1, *X.row_shape) + 1e-6).all()
    assert network.net_.module_.n_parameters == network.n_parameters_
    assert network.history_[0]["audio_rate"] > 0


def test_decibels_are_not_masked(duos):
    fitted = separator(small("cnn"), compression="decibel").fit(*duos[:2])
    assert fitted.regressor_.output_ == "direct"
    assert separator(small("cnn")).fit(*duos[:2]).regressor_.output_ == "sigmoid"


def test_early_stopping_leaves_out_whole_songs(rows, monkeypatch):
    from skseparate.neural_network import _fitting

    X, y = rows
    splits = []
    monkeypatch.setattr(_fitting, "split_rows", lambda *args: splits.append(split_rows(*args)) or splits[-1])
    network = small("cnn", early_stopping=True, validation_fraction=0.4).fit(X, y)
    ((training, validation),) = splits
    assert sorted([*training, *validation]) == list(range(len(X)))
    assert not set(X.songs[training]) & set(X.songs[validation])
    assert len(set(X.songs[validation])) == 2
    assert all(record["valid_loss"] is not None for record in network.history_)
    one_song = X.take(0, 2), y.take(0, 2)
    with pytest.raises(ValueError, match="leaves out whole songs"):
        small("cnn", early_stopping=True).fit(*one_song)


def test_scales_are_those_of_the_training_songs(rows):
    X, y = rows
    network = small("cnn", early_stopping=True, validation_fraction=0.4).fit(X, y)
    training, _ = split_rows(X, 0.4, int(np.random.RandomState(0).randint(2**31 - 1)))
    expected = X[training].reshape(-1, X.row_shape[-1]).mean(axis=0)
    assert_allclose(network.weights_["x_mean"], expected, rtol=1e-5)


def test_a_scaler_may_come_before(duos):
    fitted = separator(make_pipeline(StandardScaler(), small(max_epochs=1))).fit(*duos[:2])
    assert np.isfinite(fitted.predict(duos[0])[0]).all()


def test_networks_and_ridge_on_one_grid(duos):
    X, y, songs = duos
    grid = [{"regressor": [LowRankRidge(rank=4)]}, {"regressor": [small("unet"), small("mlp")]}]
    search = GridSearchCV(separator(None), grid, cv=GroupKFold(2), error_score="raise", refit=False)
    assert np.isfinite(search.fit(X, y, groups=songs).cv_results_["mean_test_score"]).all()
    scores = cross_val_score(separator(small("cnn")), X, y, groups=songs, cv=GroupKFold(2), error_score="raise")
    assert np.isfinite(scores).all()


def test_a_network_beats_the_ridge_on_songs_left_out(duos):
    X, y, _ = duos
    network = NeuralRegressor(
        "cnn", max_epochs=20, batch_size=4, lr=1e-2, random_state=0, module__channels=8, module__depth=3
    )
    scores = [separator(r).fit(X[:3], y[:3]).score(X[3:], y[3:]) for r in (network, LowRankRidge())]
    assert scores[0] > scores[1]


def test_the_data_is_let_go(rows):
    X, y = (Segments(r._recordings, r._chains, r._n_slots) for r in rows)
    alive = weakref.ref(X)
    network = small("cnn").fit(X, y)
    del X, y
    gc.collect()
    assert alive() is None and network.net_ is not None


def test_the_net_is_not_pickled(rows):
    network = small("cnn").fit(*rows)
    pickled = pickle.dumps(network)
    assert len(pickled) < 10**5  # neither data nor optimiser
    again = pickle.loads(pickled)
    assert not hasattr(again, "net_")
    assert_array_equal(again.predict(rows[0]), network.predict(rows[0]))


def test_an_older_torch_steps_without_fusing(monkeypatch):
    from skseparate.neural_network import _fitting

    fused = small().fit(*table())
    monkeypatch.setattr(_fitting, "_can_fuse", lambda optimizer, device: False)
    assert_allclose(small().fit(*table()).predict(table()[0]), fused.predict(table()[0]), atol=1e-4)


@pytest.mark.filterwarnings("ignore::skseparate.neural_network.TrainingWarning")
@pytest.mark.parametrize("check", check_separator(separator(None), generate_only=True), ids=lambda c: c.__name__)
def test_separator_checks_of_a_network(check):
    check(separator(small("unet", max_epochs=1)))


def test_a_named_device_is_kept():
    assert choose_device("cpu") == "cpu"
    assert choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_class_is_taken_as_by_name(rows):
    by_class = NeuralRegressor(CNN, max_epochs=2, random_state=0, **SMALL["cnn"]).fit(*rows)
    assert_same_weights(by_class, small("cnn").fit(*rows))


def test_a_progress_bar(rows, capsys):
    small("cnn", verbose=1).fit(*rows)
    assert "epoch 2/2, loss" in capsys.readouterr().err


def test_warnings_have_their_class():
    assert issubclass(TrainingWarning, UserWarning)
