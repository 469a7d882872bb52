"""Training that is killed, interrupted, resumed and refused."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EarlyStopping

from skseparate import Separator, load_separator, save_separator
from skseparate.datasets import make_ensembles
from skseparate.neural_network import NeuralRegressor, TrainingWarning, _checkpoint
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

SCRIPT = """
import time
import torch
import numpy as np
from skorch.callbacks import Callback
from skseparate.neural_network import NeuralRegressor

torch.set_num_threads(1)

class Slow(Callback):
    n_epochs = 0

    def on_epoch_end(self, net, **kwargs):
        Slow.n_epochs += 1
        print("epoch", flush=True)
        time.sleep({pause})

rng = np.random.default_rng(0)
X = rng.normal(size=(100, 6))
Y = np.sin(X @ rng.normal(size=(6, 3)))
network = NeuralRegressor(
    max_epochs=8, random_state=0, checkpoint={path!r}, module__width=16, module__dropout=0.2,
    early_stopping=True, patience=8, lr_schedule="plateau", callbacks=[Slow()],
).fit(X, Y)
"""


def table(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 5))
    return X, np.sin(X @ rng.normal(size=(5, 2)))


def small(path=None, **params):
    return NeuralRegressor(max_epochs=4, random_state=0, checkpoint=path, module__width=8).set_params(**params)


def assert_same_weights(a, b):
    assert a.keys() == b.keys()
    for name in a.keys():  # noqa: SIM118 - npz files are no dicts
        np.testing.assert_array_equal(a[name], b[name])


def test_a_killed_training_ends_as_an_undisturbed_one(tmp_path):
    path = str(tmp_path / "killed")
    killed = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(path=path, pause=0.3)], stdout=subprocess.PIPE, text=True
    )
    for _ in range(4):  # in the midst of training, with three epochs behind it
        killed.stdout.readline()
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    killed.stdout.close()
    n_threads = torch.get_num_threads()
    resumed, undisturbed = {}, {}
    try:
        exec(SCRIPT.format(path=path, pause=0), resumed)
        exec(SCRIPT.format(path=str(tmp_path / "undisturbed"), pause=0), undisturbed)
    finally:
        torch.set_num_threads(n_threads)
    assert 4 <= resumed["Slow"].n_epochs < undisturbed["Slow"].n_epochs == 8
    assert_same_weights(resumed["network"].weights_, undisturbed["network"].weights_)


class Interrupt(Callback):
    """Ctrl-C in the midst of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, training, **kwargs):
        if training and len(net.history) == self.epoch:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)


def test_an_interruption_keeps_the_best_weights(tmp_path):
    with pytest.warns(TrainingWarning, match="interrupted after 2 epochs"):
        stopped = small(callbacks=[Interrupt(3)]).fit(*table())
    assert len(stopped.history_) == 2
    assert_same_weights(stopped.weights_, small(max_epochs=2).fit(*table()).weights_)


def test_an_interruption_can_be_resumed(tmp_path):
    path = str(tmp_path / "net.pt")
    with pytest.warns(TrainingWarning):
        small(path, callbacks=[Interrupt(3)]).fit(*table())
    resumed = small(path).fit(*table())
    assert_same_weights(resumed.weights_, small().fit(*table()).weights_)
    assert [record["epoch"] for record in resumed.history_] == [1, 2, 3, 4]


def test_new_mixes_are_resumed_too(duo, tmp_path):
    options = {"augmentation": True, "batch_size": 4, "module__channels": 4, "module__dropout": 0.3, "random_state": 0}
    network = NeuralRegressor("unet", max_epochs=3, checkpoint=tmp_path / "net.pt", **options)
    with pytest.warns(TrainingWarning):
        separator(clone(network).set_params(callbacks=[Interrupt(2)])).fit(*duo)
    resumed = separator(network).fit(*duo)
    undisturbed = separator(clone(network).set_params(checkpoint=None)).fit(*duo)
    assert_same_weights(resumed.regressor_.weights_, undisturbed.regressor_.weights_)
    save_separator(resumed, tmp_path / "model")
    assert load_separator(tmp_path / "model").regressor_.checkpoint == str(tmp_path / "net.pt")


def test_an_interruption_before_the_first_epoch_leaves_a_network():
    with pytest.warns(TrainingWarning, match="after 0 epochs"):
        stopped = small(callbacks=[Interrupt(1)]).fit(*table())
    assert np.isfinite(stopped.predict(table()[0])).all()


def test_a_callback_may_stop_without_a_word():
    stopped = small(callbacks=[EarlyStopping("train_loss", patience=1, threshold=10.0)]).fit(*table())
    assert 0 < len(stopped.history_) < 4


def test_a_complete_checkpoint_is_the_result(tmp_path):
    path = tmp_path / "net.pt"
    first = small(path).fit(*table())
    written = path.read_bytes()
    again = small(path).fit(*table())
    assert_same_weights(first.weights_, again.weights_)
    assert path.read_bytes() == written and os.listdir(tmp_path) == ["net.pt"]


def test_without_a_seed_the_checkpoint_knows_it(tmp_path):
    path = str(tmp_path / "net.pt")
    with pytest.warns(TrainingWarning):
        small(path, random_state=None, callbacks=[Interrupt(3)]).fit(*table())
    seed = _checkpoint._load(path)["seed"]
    small(path, random_state=None).fit(*table())
    assert _checkpoint._load(path)["seed"] == seed


@pytest.mark.parametrize(
    "params",
    [{"lr": 1e-2}, {"module__width": 9}, {"random_state": 1}, {"max_epochs": 5}, {"module__depth": 1}, {"loss": "l1"}],
)
def test_other_parameters_are_refused(params, tmp_path):
    path = str(tmp_path / "net.pt")
    small(path).fit(*table())
    with pytest.raises(ValueError, match=rf"is of a fit with {next(iter(params))}=.*delete it"):
        small(path, **params).fit(*table())
    small(path, verbose=0, callbacks=[]).fit(*table())


@pytest.mark.parametrize("what", ["X", "y", "fewer"])
def test_other_data_are_refused(what, tmp_path):
    path = str(tmp_path / "net.pt")
    X, Y = table()
    small(path).fit(X, Y)
    if what == "fewer":
        X, Y = X[:-1], Y[:-1]
    else:
        (X if what == "X" else Y)[7, 1] += 1e-6
    with pytest.raises(ValueError, match="is of a fit on other data"):
        small(path).fit(X, Y)


def test_what_is_no_checkpoint_is_refused(tmp_path):
    path = tmp_path / "net.pt"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="is not a checkpoint, or is damaged"):
        small(path).fit(*table())
    small(tmp_path / "good.pt").fit(*table())
    path.write_bytes((tmp_path / "good.pt").read_bytes()[:-100])
    with pytest.raises(ValueError, match="is not a checkpoint, or is damaged"):
        small(path).fit(*table())
    with pytest.raises(ValueError, match="is not a folder"):
        small(tmp_path / "nowhere" / "net.pt").fit(*table())
    with pytest.raises(ValueError, match="exclude each other"):
        small(path, warm_start=True).fit(*table())


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "net.pt"
    _checkpoint.write_checkpoint(path, {"a": 1})

    def full(state, file):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(_checkpoint.torch, "save", full)
    with pytest.raises(OSError, match="no space"):
        _checkpoint.write_checkpoint(path, {"a": 2})
    monkeypatch.undo()
    assert _checkpoint._load(str(path))["a"] == 1


# ---------------------------------------------------------------------------------------- models on disk

NETWORKS = {
    "mlp": {"module__width": 8, "module__activation": ["elu", "tanh"]},
    "cnn": {"module__channels": 4, "module__depth": 2},
    "unet": {"module__channels": 4, "module__depth": 2},
    "blstm": {"module__width": 8},
}


@pytest.fixture(scope="module")
def duo():
    X, y, _ = make_ensembles(n_songs=2, n_parts=2, duration=1.0, sample_rate=8000, random_state=0).power_set()
    return X, y


def separator(regressor):
    features = make_pipeline(FrequencyTruncation(1000), Magnitude(0.5))
    return Separator(make_pipeline(Segmenter(0.2), STFT(0.02, 0.01)), features, regressor)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_saved_network_predicts_bit_for_bit(name, duo, tmp_path):
    network = NeuralRegressor(name, max_epochs=1, random_state=0, augmentation={"swap": 0.1}, **NETWORKS[name])
    fitted = separator(network).fit(*duo)
    save_separator(fitted, tmp_path / "model")
    loaded = load_separator(tmp_path / "model")
    assert repr(loaded) == repr(fitted)
    assert loaded.regressor_.history_ == fitted.regressor_.history_
    for before, after in zip(fitted.predict(duo[0]), loaded.predict(duo[0]), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_loaded_network_separates_without_skorch(duo, tmp_path):
    save_separator(separator(NeuralRegressor("cnn", max_epochs=1, module__depth=1)).fit(*duo), tmp_path / "model")
    code = (
        "import sys; from skseparate import load_separator; import numpy as np; assert 'torch' not in sys.modules;"
        f"load_separator({str(tmp_path / 'model')!r}).predict([np.zeros(4000)]);"
        "assert not {'skorch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_network_of_ones_own_is_not_saved(duo, tmp_path):
    from skseparate.neural_network._cnn import CNN

    fitted = separator(NeuralRegressor(CNN, max_epochs=1, module__depth=1)).fit(*duo)
    with pytest.raises(ValueError, match="cannot store"):
        save_separator(fitted, tmp_path / "model")
