"""Models on disk: bit-identical, and never code."""

import os
import pickle

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skseparate import Separator, load_separator, save_separator
from skseparate.datasets import make_ensembles
from skseparate.linear_model import LowRankRidge, LowRankRidgeCV
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter

REGRESSORS = [
    LowRankRidge(rank=8),
    LowRankRidge(solver="primal"),
    LowRankRidge(solver="randomized", rank=8, random_state=0),
    LowRankRidgeCV(),
    DummyRegressor(),
    Ridge(),
    KernelRidge(),
    PLSRegression(2),
    MLPRegressor(hidden_layer_sizes=(8,), max_iter=5, random_state=0),
    make_pipeline(StandardScaler(), Ridge()),
]


@pytest.fixture(scope="module")
def data():
    X, y, _ = make_ensembles(n_songs=2, n_parts=2, duration=1.0, sample_rate=8000, random_state=0).power_set()
    return X, y


def separator(regressor):
    return Separator(
        make_pipeline(Segmenter(0.1), STFT(0.02, 0.01)),
        make_pipeline(FrequencyTruncation(1000), Magnitude(0.5)),
        regressor,
        mask="wiener",
    )


@pytest.fixture
def saved(data, tmp_path):
    path = tmp_path / "duo.skseparate"
    save_separator(separator(LowRankRidge(rank=4)).fit(*data), path)
    return path


def rewrite(path, change, tensors=None):
    """Write the model again with another description."""
    with safe_open(path, framework="numpy") as file:
        metadata = change(dict(file.metadata()))
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    save_file(arrays | (tensors or {}), path, metadata=metadata)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("regressor", REGRESSORS, ids=str)
def test_predictions_are_bit_identical(regressor, data, tmp_path):
    fitted = separator(regressor).fit(*data)
    save_separator(fitted, tmp_path / "model")
    loaded = load_separator(tmp_path / "model")
    assert repr(loaded) == repr(fitted)
    for before, after in zip(fitted.predict(data[0]), loaded.predict(data[0]), strict=True):
        np.testing.assert_array_equal(before, after)
    assert os.listdir(tmp_path) == ["model"]


def test_a_loaded_model_separates_at_another_rate(data, saved):
    mixture = make_ensembles(n_songs=1, n_parts=2, duration=1.0, sample_rate=16000, random_state=1)[0].mixture()
    expected = separator(LowRankRidge(rank=4)).fit(*data).predict([mixture])[0]
    np.testing.assert_array_equal(load_separator(saved).predict([mixture])[0], expected)


def test_foreign_classes_are_refused_and_leave_nothing(data, tmp_path):
    class MyRidge(Ridge):
        pass

    for regressor in (RandomForestRegressor(2, max_depth=2), MyRidge()):
        with pytest.raises(ValueError, match=f"a {type(regressor).__name__}: a stored model holds only"):
            save_separator(separator(regressor).fit(*data), tmp_path / "model")
    assert os.listdir(tmp_path) == []


def test_unfitted_and_other_estimators_are_refused(tmp_path):
    for estimator in (Separator(), Ridge()):
        with pytest.raises(ValueError, match="wants a fitted Separator"):
            save_separator(estimator, tmp_path / "model")


def test_missing_folder_is_named(data, tmp_path):
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        save_separator(separator(DummyRegressor()).fit(*data), tmp_path / "nowhere" / "model")


def test_every_truncation_is_refused(saved):
    whole = saved.read_bytes()
    for length in (0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1):
        saved.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="truncated"):
            load_separator(saved)


def test_a_pickle_is_refused_and_not_run(tmp_path):
    ran = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return (ran.mkdir, ())

    (tmp_path / "model").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="not a model of skseparate"):
        load_separator(tmp_path / "model")
    assert not ran.exists()


def test_not_a_file_text_and_foreign_tensors_are_refused(tmp_path):
    (tmp_path / "text").write_text("hello " * 100)
    save_file({"a": np.zeros(3)}, tmp_path / "foreign")
    for name, message in (("", "not a file"), ("text", "not a model"), ("foreign", "not a model of skseparate")):
        with pytest.raises(ValueError, match=message):
            load_separator(tmp_path / name)


def test_an_absurd_size_is_refused(saved):
    saved.write_bytes((2**62).to_bytes(8, "little") + saved.read_bytes()[8:])
    with pytest.raises(ValueError, match="not a model"):
        load_separator(saved)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"LowRankRidge"', '"os.system"', "not a class that models may hold"),
        ('"segment_length_": 800', '"segment_length_": 8000', "does not fit together"),
        ('"segment_length_": 800', '"segment_length_": 80000000000', "does not fit together"),
        ('"x_factors_"', '"predict"', "cannot hold"),
        ('"x_factors_"', '"__class__"', "cannot hold"),
        ('"wiener"', '"magic"', "does not fit together"),
        ('"tensor"', '"tensors"', "damaged"),
        ('"shape": [', '"shape": [7, ', "has shape"),
        ("{", "[", "cannot be read"),
    ],
)
def test_damaged_descriptions_are_refused(saved, old, new, message):
    def change(metadata):
        assert old in metadata["estimator"]
        return metadata | {"estimator": metadata["estimator"].replace(old, new)}

    rewrite(saved, change)
    with pytest.raises(ValueError, match=message):
        load_separator(saved)


def test_factors_of_another_shape_are_refused(saved):
    with safe_open(saved, framework="numpy") as file:
        name = next(key for key in file.keys() if key.endswith("x_factors_"))  # noqa: SIM118
        shape = file.get_tensor(name).shape

    def change(metadata):
        text = f'"tensor": "{name}", "shape": [{shape[0]}, {shape[1]}]'
        assert text in metadata["estimator"]
        narrower = f'"tensor": "{name}", "shape": [{shape[0] - 1}, {shape[1]}]'
        return metadata | {"estimator": metadata["estimator"].replace(text, narrower)}

    rewrite(saved, change, {name: np.zeros((shape[0] - 1, shape[1]))})
    with pytest.raises(ValueError, match="does not fit together"):
        load_separator(saved)


def test_a_newer_format_is_refused(saved):
    rewrite(saved, lambda metadata: metadata | {"version": "2"})
    with pytest.raises(ValueError, match="upgrade skseparate"):
        load_separator(saved)


def test_saving_over_a_model_replaces_it_whole(data, saved):
    before = saved.read_bytes()
    save_separator(separator(DummyRegressor()).fit(*data), saved)
    assert saved.read_bytes() != before
    assert type(load_separator(saved).regressor_) is DummyRegressor


def test_parameters_that_came_after_the_file_take_their_defaults():
    shipped = load_separator("ensemble")
    assert shipped.get_params()["cache_size"] == 500
