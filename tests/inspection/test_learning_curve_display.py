"""The learning curve: every epoch where it belongs, failures too."""

import json
import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skseparate import Separator
from skseparate.inspection import LearningCurveDisplay
from skseparate.neural_network import NeuralRegressor, TrainingError
from skseparate.preprocessing import STFT, Segmenter


def record(epoch, **more):
    """What a network notes of an epoch, as far as it is drawn."""
    facts = {"epoch": epoch, "train_loss": 1 / epoch, "valid_loss": 0.5 + abs(epoch - 3), "gradient_norm": 2.0}
    facts |= {"update_ratio": 1e-3, "dead": {"0": 0.1, "1": 0.2}, "saturated": {"mask": 0.9, "2": 0.3}, "lr": 0.01}
    return facts | more


@pytest.fixture
def table():
    X = np.random.default_rng(0).normal(size=(64, 4))
    return X, X @ np.arange(4.0)


@pytest.fixture
def history():
    return [record(epoch) for epoch in range(1, 7)]


def curves(ax):
    """Values of the curves of an axes by label, without lines across it."""
    return {line.get_label(): line.get_ydata() for line in ax.lines if line.get_marker() != "None"}


def test_every_value_is_drawn(history):
    display = LearningCurveDisplay(history).plot()
    losses, gradient, update, units, rate = map(curves, display.axes_)
    assert_array_equal(losses["training"], 1 / np.arange(1, 7))
    assert_array_equal(losses["validation"], [2.5, 1.5, 0.5, 1.5, 2.5, 3.5])
    assert [next(iter(c.values()))[0] for c in (gradient, update, rate)] == [2.0, 1e-3, 0.01]
    assert_array_equal(units["dead"], [0.2] * 6)
    assert_array_equal(units["saturated"], [0.3] * 6, "the mask may saturate")
    assert_array_equal(display.axes_[0].lines[0].get_xdata(), np.arange(1, 7))
    assert [ax.get_ylabel() for ax in display.axes_][3:] == ["Lost units", "Learning rate"]
    assert display.axes_[-1].get_xlabel() == "Epoch"
    assert display.figure_ is display.axes_[0].figure


def test_the_best_epoch_is_the_one_that_was_kept(history):
    def best(records):
        labels = [line.get_label() for line in LearningCurveDisplay(records).plot().axes_[0].lines]
        return labels[-1]

    assert best(history) == "best epoch (3)"
    assert best([r | {"valid_loss": None} for r in history]) == "best epoch (6)"


def test_without_validation_there_is_no_curve_of_it(history):
    display = LearningCurveDisplay([r | {"valid_loss": None} for r in history]).plot()
    assert list(curves(display.axes_[0])) == ["training"]


def test_scales_fit_the_values(history):
    def scale(**facts):
        records = [r | {k: v[i] for k, v in facts.items()} for i, r in enumerate(history)]
        display = LearningCurveDisplay(records).plot()
        display.figure_.canvas.draw()
        return [ax.get_yscale() for ax in display.axes_]

    assert scale(gradient_norm=[1e3, 1e2, 10, 1, 0.1, 0.01])[1] == "log"
    assert scale(gradient_norm=[1e3, 1e2, 10, 1, 0.1, 0])[1] == "linear", "a gradient that died is seen"
    assert scale(gradient_norm=[0] * 6)[1] == "linear"
    assert scale(train_loss=[-1, -2, -5, -10, -20, -25])[0] == "linear"


def test_a_fitted_network_and_what_holds_it(table, duos):
    X, y = table
    network = NeuralRegressor(max_epochs=3, random_state=0).fit(X, y)
    pipeline = make_pipeline(StandardScaler(), NeuralRegressor(max_epochs=3, random_state=0)).fit(X, y)
    search = GridSearchCV(NeuralRegressor(max_epochs=3, random_state=0), {"lr": [1e-3]}, cv=2).fit(X, y)
    separator = Separator(
        make_pipeline(Segmenter(0.5), STFT(0.04, 0.01)), regressor=NeuralRegressor(max_epochs=3, random_state=0)
    ).fit(*duos[:2])
    for estimator in (network, pipeline, search, separator):
        display = LearningCurveDisplay.from_estimator(estimator)
        losses = curves(display.axes_[0])["training"]
        assert_array_equal(losses, [r["train_loss"] for r in display.history])
        assert len(losses) == 3
    assert display.history is separator.regressor_.history_


def test_a_history_may_be_stored(table):
    history = NeuralRegressor(max_epochs=3, random_state=0).fit(*table).history_
    again = LearningCurveDisplay(json.loads(json.dumps(history))).plot()
    assert_array_equal(curves(again.axes_[0])["training"], [r["train_loss"] for r in history])


def test_a_training_that_failed_is_drawn(table):
    X, y = table
    network = NeuralRegressor(max_epochs=20, lr=1e30, optimizer="sgd", random_state=0)
    with pytest.raises(TrainingError):
        network.fit(X, y)
    display = LearningCurveDisplay.from_estimator(network)
    display.figure_.canvas.draw()
    assert len(display.history) >= 1


def test_epochs_that_were_not_finite_are_gaps(history):
    failed = {"epoch": 7, "train_loss": None, "non_finite": 3, "lr": 0.01}
    display = LearningCurveDisplay([*history, failed]).plot()
    losses = curves(display.axes_[0])
    assert np.isnan(losses["training"][6]) and np.isnan(losses["validation"][6])
    assert np.isnan(curves(display.axes_[3])["dead"][6])
    display.figure_.canvas.draw()
    assert display.axes_[0].lines[-1].get_label() == "not finite (7)"
    only = LearningCurveDisplay([failed]).plot()
    assert [t.get_text() for t in only.axes_[0].get_legend().get_texts()] == ["not finite (7)"]
    assert curves(only.axes_[0]) == {}
    only.figure_.canvas.draw()


def test_curves_differ_in_grey(history, luminance):
    first, second = LearningCurveDisplay(history).plot().axes_[0].lines[:2]
    assert abs(luminance(first.get_color()) - luminance(second.get_color())) > 0.3
    assert first.get_linestyle() != second.get_linestyle() and first.get_marker() != second.get_marker()


def test_what_has_no_history(history):
    with pytest.raises(ValueError, match=r"^Ridge has no history of a training: pass a NeuralRegressor.*\.$"):
        LearningCurveDisplay.from_estimator(Ridge())
    with pytest.raises(ValueError, match=r"^Separator has no history"):
        LearningCurveDisplay.from_estimator(Separator())
    with pytest.raises(ValueError, match=r"^NeuralRegressor has no history"):
        LearningCurveDisplay.from_estimator(NeuralRegressor())
    with pytest.raises(ValueError, match="history is empty"):
        LearningCurveDisplay([]).plot()
    with pytest.raises(ValueError, match="LearningCurveDisplay draws 5 panels: pass as many axes, got 2"):
        LearningCurveDisplay(history).plot(plt.subplots(2)[1])


def test_without_matplotlib(history, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="Displays need Matplotlib"):
        LearningCurveDisplay(history).plot()


def test_a_history_kept_in_a_file_draws_the_same(tmp_path):
    history = [{"epoch": k, "train_loss": 1 / k, "valid_loss": None, "lr": 0.1} for k in (1, 2, 3)]
    (tmp_path / "history.json").write_text(json.dumps(history))
    display = LearningCurveDisplay.from_predictions(json.loads((tmp_path / "history.json").read_text()))
    line = display.axes_[0].lines[0]
    assert_allclose(line.get_xydata(), [(1, 1), (2, 1 / 2), (3, 1 / 3)])
    with pytest.raises(ValueError, match="no epoch was completed"):
        LearningCurveDisplay.from_predictions([])
    with pytest.raises(ValueError, match="number of its epoch"):
        LearningCurveDisplay.from_predictions([{"train_loss": 1.0}])
