"""How a network learned, and why not."""

import numpy as np

from skseparate.inspection import _drawing

# An update of this size beside the weights is healthy.
HEALTHY_RATIO = 1e-3


class LearningCurveDisplay:
    """Losses of a network by epoch, and below them what tells why it does not learn.

    It is recommended to use `from_estimator` or `from_predictions`. From the top: training and validation loss, with
    the best epoch; the norm of the gradient; how large an update is beside the weights, in the layer where it is
    largest; dead and saturated units, in the layer that has most; the learning rate. An epoch whose values were not
    finite is marked, and a gap.

    Parameters
    ----------
    history : list of dict
        One an epoch, as ``NeuralRegressor.history_``.

    Attributes
    ----------
    axes_ : ndarray of shape (5,) of matplotlib Axes
        Losses, gradient, update, units and rate.
    figure_ : matplotlib Figure
        Around them.

    See Also
    --------
    skseparate.neural_network.NeuralRegressor : Keeps the history, also of a training that failed.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.inspection import LearningCurveDisplay
    >>> from skseparate.neural_network import NeuralRegressor
    >>> X = np.random.default_rng(0).normal(size=(64, 4))
    >>> network = NeuralRegressor(max_epochs=3, random_state=0).fit(X, X @ np.ones(4))
    >>> display = LearningCurveDisplay.from_estimator(network)
    >>> display.axes_[0].get_ylabel(), display.axes_[-1].get_xlabel()
    ('Loss', 'Epoch')
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw the history of a network.

        Parameters
        ----------
        estimator : NeuralRegressor, or a Separator, Pipeline or search that holds one
            Trained, with or without success.
        ax : sequence of 5 matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : LearningCurveDisplay

        Raises
        ------
        ValueError
            If there is no history.
        ImportError
            If Matplotlib is missing.
        """
        return cls(_history_of(estimator)).plot(ax)

    @classmethod
    def from_predictions(cls, history, *, ax=None):
        """Draw a history that is there, such as one kept in a file: no network is needed.

        Parameters
        ----------
        history : list of dict
            One an epoch, with ``epoch`` and any of ``train_loss``, ``valid_loss``, ``gradient_norm``,
            ``update_ratio``, ``dead``, ``saturated`` (dict of layer to share), ``lr`` and ``non_finite``; what is
            missing or None is a gap.
        ax : sequence of 5 matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : LearningCurveDisplay

        Raises
        ------
        ValueError
            If there is no epoch, or one has no number.
        ImportError
            If Matplotlib is missing.

        Examples
        --------
        >>> from skseparate.inspection import LearningCurveDisplay
        >>> display = LearningCurveDisplay.from_predictions([{"epoch": 1, "train_loss": 2.0}])
        >>> display.axes_[0].get_ylabel()
        'Loss'
        """
        history = list(history)
        if any(record.get("epoch") is None for record in history):
            raise ValueError("each record of a history needs the number of its epoch, as 'epoch'.")
        return cls(history).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : sequence of 5 matplotlib Axes, default=None
            What to draw into, from the top; by default a new figure.

        Returns
        -------
        display : LearningCurveDisplay

        Raises
        ------
        ValueError
            If the history is empty.
        """
        if not self.history:
            raise ValueError("the history is empty: no epoch was completed.")
        ratios = {"height_ratios": [2.2, 1, 1, 1, 1]}
        panels = _drawing.panels(ax, (5, 1), type(self).__name__, (7, 9), sharex=True, gridspec_kw=ratios)
        self.axes_ = panels[:, 0]
        self.figure_ = self.axes_[0].figure
        losses, gradient, update, units, rate = self.axes_
        self._draw(losses, "Loss", {"training": self._values("train_loss"), "validation": self._values("valid_loss")})
        self._mark_epochs(losses)
        self._draw(gradient, "Gradient norm", {"": self._values("gradient_norm")})
        self._draw(update, "Update ratio", {"": self._values("update_ratio")})
        update.axhline(HEALTHY_RATIO, color=_drawing.NEUTRAL, linestyle=":", linewidth=1, label="healthy")
        self._draw(units, "Lost units", {kind: self._worst(kind) for kind in ("dead", "saturated")})
        units.set(yscale="linear", ylim=(-0.05, 1.05))
        self._draw(rate, "Learning rate", {"": self._values("lr")})
        self._finish()
        return self

    def _values(self, name):
        """A column of the history; NaN where there is nothing."""
        return np.array([np.nan if record.get(name) is None else record[name] for record in self.history])

    def _worst(self, kind):
        """Largest share of lost units among the hidden layers: masks are meant to saturate."""
        shares = [[v for layer, v in (r.get(kind) or {}).items() if layer != "mask"] for r in self.history]
        return np.array([max(epoch, default=np.nan) for epoch in shares])

    def _draw(self, ax, label, curves):
        epochs = self._values("epoch")
        spacing = max(1, len(epochs) // 20)
        for style, (name, values) in zip(_drawing.styles(2), curves.items(), strict=False):
            if np.isfinite(values).any():
                ax.plot(epochs, values, **style, markersize=4, markevery=spacing, label=name or None)
        ax.set_ylabel(label)
        values = np.concatenate(list(curves.values()))
        _fit_axis(ax, values[np.isfinite(values)], from_zero=ax is not self.axes_[0])

    def _mark_epochs(self, ax):
        """The epoch whose weights were kept, by the songs left out if there are any, and the one that failed."""
        epochs, values = self._values("epoch"), self._values("valid_loss")
        values = self._values("train_loss") if np.isnan(values).all() else values
        if np.isfinite(values).any():
            best = epochs[np.nanargmin(values)]
            ax.axvline(best, color=_drawing.NEUTRAL, linestyle=":", linewidth=1, label=f"best epoch ({best:g})")
        if self.history[-1].get("non_finite"):
            ax.axvline(epochs[-1], color="black", linestyle="-.", linewidth=2, label=f"not finite ({epochs[-1]:g})")

    def _finish(self):
        from matplotlib.ticker import MaxNLocator

        epochs = self._values("epoch")
        for ax in self.axes_:
            ax.grid(alpha=0.3)
            ax.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
            if ax.get_legend_handles_labels()[0]:
                ax.legend(fontsize="small")
        self.axes_[-1].set_xlabel("Epoch")
        self.axes_[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        self.figure_.align_ylabels(list(self.axes_))


def _history_of(estimator):
    """The history of the network inside an estimator."""
    name = type(estimator).__name__
    while not hasattr(estimator, "history_"):
        inner = getattr(estimator, "best_estimator_", None) or getattr(estimator, "regressor_", None)
        inner = estimator[-1] if inner is None and hasattr(estimator, "named_steps") else inner
        if inner is None:
            raise ValueError(f"{name} has no history of a training: pass a NeuralRegressor, or what holds one, fitted.")
        estimator = inner
    return estimator.history_


def _fit_axis(ax, values, from_zero):
    """Logarithmic where values span decades and none is zero or negative, as a loss in dB may be."""
    if len(values) and values.min() > 0 and values.max() > 10 * values.min():
        ax.set_yscale("log")
    elif len(values) and from_zero:
        ax.set_ylim(0, 1.1 * values.max() or 1)
