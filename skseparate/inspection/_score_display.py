"""Scores of an evaluation, side by side."""

import numpy as np

from skseparate._recording import as_pairs
from skseparate.evaluation import evaluate
from skseparate.evaluation._table import MEASURES
from skseparate.inspection import _drawing

MEASURE_LABELS = {
    "si_sdr_improvement": "SI-SDR improvement (dB)",
    "si_sdr": "SI-SDR (dB)",
    "sdr_improvement": "SDR improvement (dB)",
    "sdr": "SDR (dB)",
    "sir": "SIR (dB)",
    "sar": "SAR (dB)",
    "swap_rate": "Share of seconds swapped",
}
COLUMN_LABELS = {"n_parts": "Number of parts", None: ""}


class ScoreDisplay:
    """Means of systems over songs with their intervals, told apart by a column, or paired with one system.

    It is recommended to use `from_evaluation`, `from_estimator` or `from_predictions`. A line a value, such as a number
    of parts, and on it a marker a system; bars are 95 % bootstrap intervals over songs, and single songs have none.

    Parameters
    ----------
    rows : list of dict
        ``system``, ``value`` (of the column), ``mean``, ``low``, ``high`` and ``n_songs``.
    measure : str
        Of which measure.
    by : str or None
        Which column tells rows apart.
    against : str or None
        From which system the others differ.
    labels : dict of str to str
        What the legend calls each system.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn into.
    figure_ : matplotlib Figure
        Around it.

    See Also
    --------
    skseparate.evaluation.evaluate : Makes the scores.

    Examples
    --------
    >>> from skseparate.evaluation import Evaluation
    >>> from skseparate.inspection import ScoreDisplay
    >>> rows = [{"system": s, "song": song, "n_parts": 2, "si_sdr": x}
    ...         for s, scores in {"a": (1.0, 3.0), "b": (0.0, 1.0)}.items() for song, x in zip("xy", scores)]
    >>> display = ScoreDisplay.from_evaluation(Evaluation(rows), measure="si_sdr", by="song")
    >>> display.ax_.get_xlabel()
    'SI-SDR (dB)'
    >>> paired = ScoreDisplay.from_evaluation(Evaluation(rows), measure="si_sdr", by=None, against="b")
    >>> [row["mean"] for row in paired.rows]
    [1.5]
    """

    def __init__(self, rows, *, measure, by, against, labels):
        self.rows = rows
        self.measure = measure
        self.by = by
        self.against = against
        self.labels = labels

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        groups=None,
        cv=None,
        measure="si_sdr_improvement",
        by="n_parts",
        against=None,
        ax=None,
    ):
        """Score separators by `evaluate` and draw the scores.

        Parameters
        ----------
        estimator : separator or dict of str to separator
            Fitted, unless `cv` is given.
        X : sequence of recordings
            The mixtures.
        y : sequence of arrays of shape (n_parts, n_samples)
            Their solos.
        groups, cv
            Of `skseparate.evaluation.evaluate`.
        measure, by, against, ax
            Of `from_evaluation`.

        Returns
        -------
        display : ScoreDisplay

        Raises
        ------
        ValueError
            As `evaluate` and `from_evaluation`.
        ImportError
            If Matplotlib is missing.
        """
        _drawing.pyplot()  # rather than after the evaluation
        bss = measure in ("sdr", "sdr_improvement", "sir", "sar")
        evaluation = evaluate(estimator, X, y, groups=groups, cv=cv, bss=bss)
        return cls.from_evaluation(evaluation, measure=measure, by=by, against=against, ax=ax)

    @classmethod
    def from_predictions(
        cls, X, y, predictions, *, groups=None, measure="si_sdr_improvement", by="n_parts", against=None, ax=None
    ):
        """Score solos that are there, of whatever made them, and draw the scores.

        Parameters
        ----------
        X : sequence of recordings
            The mixtures.
        y : sequence of arrays of shape (n_parts, n_samples)
            Their true solos.
        predictions : sequence of arrays of shape (n_parts, n_samples), or dict of str to such sequences
            The solos to be scored, in the order of X; of several systems by their names.
        groups
            Of `skseparate.evaluation.evaluate`.
        measure, by, against, ax
            Of `from_evaluation`.

        Returns
        -------
        display : ScoreDisplay

        Raises
        ------
        ValueError
            As `evaluate` and `from_evaluation`, or if there is not one prediction a recording.
        ImportError
            If Matplotlib is missing.

        Examples
        --------
        >>> import numpy as np
        >>> from skseparate.inspection import ScoreDisplay
        >>> y = np.random.default_rng(0).normal(size=(2, 2, 8000))
        >>> X = y.sum(axis=1)
        >>> display = ScoreDisplay.from_predictions(X, y, {"halves": np.stack([X, X], axis=1) / 2}, by=None)
        >>> list(display.labels)
        ['mixture', 'halves']
        """
        X, y = as_pairs(X, y)
        predictions = predictions if isinstance(predictions, dict) else {"predictions": predictions}
        systems = {name: _Predicted(X, solos, name) for name, solos in predictions.items()}
        chosen = {"groups": groups, "measure": measure, "by": by, "against": against, "ax": ax}
        return cls.from_estimator(systems, X, y, **chosen)

    @classmethod
    def from_evaluation(cls, evaluation, *, measure="si_sdr_improvement", by="n_parts", against=None, ax=None):
        """Draw scores that are there.

        Parameters
        ----------
        evaluation : Evaluation
            The scores.
        measure : str, default="si_sdr_improvement"
            Which measure.
        by : str or None, default="n_parts"
            Column to tell apart, such as ``"n_parts"``, ``"instrument"`` or ``"song"``; None for all together.
        against : str, default=None
            A system: then the others' differences from it are drawn, paired by song, with the p-value of the
            sign-flip permutation test over all songs in the legend.
        ax : matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : ScoreDisplay

        Raises
        ------
        ValueError
            If the evaluation lacks the measure, the column or the system.
        ImportError
            If Matplotlib is missing.
        """
        _check_evaluation(evaluation, measure, by, against)
        rows = _means(evaluation, measure, by) if against is None else _differences(evaluation, measure, by, against)
        if not rows:
            raise ValueError(f"no other system shares a song with {against}: there is nothing to compare.")
        drawn = {row["system"] for row in rows}
        labels = {s: _label(evaluation, s, against, measure) for s in evaluation.systems if s in drawn}
        return cls(rows, measure=measure, by=by, against=against, labels=labels).plot(ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : ScoreDisplay
        """
        values = list(dict.fromkeys(row["value"] for row in sorted(self.rows, key=lambda row: row["value"])))
        n_systems = len(self.labels)
        height = min(1.5 + len(values) * (0.2 + 0.16 * n_systems), 40)
        self.ax_ = _drawing.panels(ax, (1, 1), type(self).__name__, (8, height))[0, 0]
        self.figure_ = self.ax_.figure
        for k, (system, style) in enumerate(zip(self.labels, _drawing.styles(n_systems), strict=True)):
            rows = [row for row in self.rows if row["system"] == system]
            places = (
                np.array([values.index(row["value"]) for row in rows]) + (k - (n_systems - 1) / 2) * 0.8 / n_systems
            )
            self._draw_system(rows, places, style, self.labels[system])
        self._label_axes(values)
        return self

    def _draw_system(self, rows, places, style, label):
        mean, low, high = (np.array([row[name] for row in rows]) for name in ("mean", "low", "high"))
        # an interval of equal values may be off by its last bit
        reach = np.clip([mean - low, high - mean], 0, None)
        self.ax_.errorbar(mean, places, xerr=reach, label=label, **style | {"linestyle": "none"}, capsize=3)

    def _label_axes(self, values):
        ax, n_songs = self.ax_, {}
        for row in self.rows:
            n_songs[row["value"]] = max(row["n_songs"], n_songs.get(row["value"], 0))
        plural = {v: f"{n} song{'s' * (n > 1)}" for v, n in n_songs.items()}
        ticks = [str(v) if self.by == "song" else f"{v} ({plural[v]})" for v in values]
        ax.set_yticks(range(len(values)), ticks)
        ax.set_ylim(len(values) - 0.4, -0.6)  # the first value on top
        for k in range(1, len(values)):
            ax.axhline(k - 0.5, color="0.85", linewidth=0.8, zorder=0)
        ax.axvline(0, color=_drawing.NEUTRAL, linewidth=1, linestyle=":", zorder=0)
        ax.grid(axis="x", alpha=0.3)
        label = MEASURE_LABELS.get(self.measure, self.measure)
        ax.set_xlabel(label if self.against is None else f"{label}, less that of {self.against}")
        ax.set_ylabel(COLUMN_LABELS.get(self.by, str(self.by).capitalize()))
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4 if self.against is None else 2, frameon=False)


class _Predicted:
    """A separator that has separated already."""

    def __init__(self, X, solos, name):
        if len(solos) != len(X):
            raise ValueError(f"{name} has {len(solos)} predictions for {len(X)} recordings: they must be as many.")
        self._solos = {id(recording): np.asarray(known) for recording, known in zip(X, solos, strict=True)}

    def predict(self, X):
        return [self._solos[id(recording)] for recording in X]


def _check_evaluation(evaluation, measure, by, against):
    columns = evaluation.columns
    if not any(evaluation.by_song(system, measure) for system in evaluation.systems):
        known = [m for m in MEASURES if m in columns]
        raise ValueError(f"the evaluation has no {measure!r}: it has {known}.")
    if by is not None and by not in columns:
        raise ValueError(f"by={by!r} is no column of the evaluation: it has {list(columns)}.")
    if against is not None and against not in evaluation.systems:
        raise ValueError(f"against={against!r} is no system of the evaluation: it has {evaluation.systems}.")


def _means(evaluation, measure, by):
    summary = evaluation.summary(measure, by=() if by is None else by)
    return [row | {"value": "all" if by is None else row[by]} for row in summary]


def _differences(evaluation, measure, by, against):
    """Of every other system, for each value of the column, over the songs that both have."""
    rows = []
    for value in ["all"] if by is None else sorted(set(evaluation.columns[by])):
        chosen = evaluation if by is None else evaluation.select(**{by: value})
        base = chosen.by_song(against, measure)
        rows += [
            {"system": system, "value": value} | vars(chosen.compare(system, against, measure))
            for system in chosen.systems
            if system != against and base.keys() & chosen.by_song(system, measure).keys()
        ]
    return rows


def _label(evaluation, system, against, measure):
    if against is None:
        return system
    comparison = evaluation.compare(system, against, measure)
    return f"{system} ({comparison.mean:+.2g}, p = {comparison.pvalue:.2g})"
