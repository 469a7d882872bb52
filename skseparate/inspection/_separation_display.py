"""What a separation got right and wrong, part by part."""

import numpy as np

from skseparate._recording import n_samples_of, read
from skseparate.inspection import _drawing, _signals
from skseparate.metrics._si_sdr import InnerProducts

COLUMNS, COLOURS = ("Reference", "Estimate", "Error"), (_drawing.DARK, _drawing.LIGHT, _drawing.NEUTRAL)


class SeparationDisplay:
    """Reference, estimate and error of each part, with its score.

    It is recommended to use `from_estimator` or `from_predictions`. A row a part, its three waveforms on one scale.
    Recordings of any length are read and scored block by block.

    Parameters
    ----------
    signals : Envelope
        Of shape ``(3, n_parts, n_columns)``: references, estimates and their difference, in the units of the samples.
    si_sdr : ndarray of shape (n_parts,)
        Score of each part, in dB.
    si_sdr_improvement : ndarray of shape (n_parts,)
        How much better than the mixture, in dB.
    names : list of str
        Of the parts.

    Attributes
    ----------
    axes_ : ndarray of shape (n_parts, 3) of matplotlib Axes
        Reference, estimate and error.
    figure_ : matplotlib Figure
        Around them.

    See Also
    --------
    skseparate.metrics.si_sdr : The score.
    ScoreDisplay : Scores of many recordings.

    Notes
    -----
    SI-SDR does not mind how loud an estimate is; the error that is drawn does.

    Examples
    --------
    >>> from skseparate.baseline import IdealMask
    >>> from skseparate.datasets import make_ensembles
    >>> from skseparate.inspection import SeparationDisplay
    >>> X, y, _ = make_ensembles(n_songs=1, n_parts=2, duration=2.0, random_state=0).power_set()
    >>> display = SeparationDisplay.from_estimator(IdealMask().fit(X, y), X[0], y[0])
    >>> display.axes_.shape
    (2, 3)
    >>> display.axes_[0, 1].get_title()
    'Estimate: SI-SDR ... dB (+...)'
    """

    def __init__(self, signals, si_sdr, si_sdr_improvement, *, names):
        self.signals = signals
        self.si_sdr = si_sdr
        self.si_sdr_improvement = si_sdr_improvement
        self.names = names

    @classmethod
    def from_estimator(cls, estimator, recording, references, *, sample_rate=None, ax=None):
        """Separate a recording and draw its solos beside the true ones.

        Parameters
        ----------
        estimator : separator
            Fitted.
        recording : Recording or array of shape (n_samples,)
            The mixture.
        references : Recording or array of shape (n_parts, n_samples)
            The true solos, in score order.
        sample_rate : float, default=None
            In Hz, where neither the recording nor the separator knows it.
        ax : sequence of n_parts * 3 matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : SeparationDisplay

        Raises
        ------
        ValueError
            If recording and solos do not match, are not finite, or the rate is unknown.
        ImportError
            If Matplotlib is missing.
        """
        _drawing.pyplot()  # rather than after the separation
        recording, references = _checked(recording, references, "recording")
        rate = _signals.rate_of(recording, sample_rate, estimator)
        estimates = _signals.predicted_solos(estimator, recording, references.shape[0])
        return cls._from_blocks(recording, references, estimates, rate).plot(ax)

    @classmethod
    def from_predictions(cls, mixture, references, estimates, *, sample_rate=None, ax=None):
        """Draw estimated solos beside the true ones.

        Parameters
        ----------
        mixture : Recording or array of shape (n_samples,)
            The mixture.
        references : Recording or array of shape (n_parts, n_samples)
            The true solos.
        estimates : Recording or array of shape (n_parts, n_samples)
            The estimated ones, in the same order.
        sample_rate : float, default=None
            In Hz, where the mixture does not know it.
        ax : sequence of n_parts * 3 matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : SeparationDisplay

        Raises
        ------
        ValueError
            If mixture and solos do not match, are not finite, or the rate is unknown.
        ImportError
            If Matplotlib is missing.
        """
        _drawing.pyplot()
        mixture, references = _checked(mixture, references, "mixture")
        estimates = _signals.check_signal(estimates, "estimates", ndim=2)
        _signals.check_alike(references, estimates, "references", "estimates")
        rate = _signals.rate_of(mixture, sample_rate)
        return cls._from_blocks(mixture, references, _signals.blocks_of(estimates, "estimates"), rate).plot(ax)

    @classmethod
    def _from_blocks(cls, mixture, references, estimates, rate):
        products = InnerProducts()
        blocks = _compared(mixture, references, estimates, products)
        signals = _signals.envelope_of(blocks, n_samples_of(mixture), rate)
        scores, floor = products.si_sdr()
        names = _signals.part_names(mixture, len(scores))
        return cls(signals, scores, scores - floor, names=names)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : sequence of n_parts * 3 matplotlib Axes, default=None
            What to draw into, row by row; by default a new figure.

        Returns
        -------
        display : SeparationDisplay
        """
        n_parts, name = len(self.names), type(self).__name__
        figsize = (12, 0.8 + 1.7 * n_parts)
        self.axes_ = _drawing.panels(ax, (n_parts, 3), name, figsize, sharex=True, sharey="row")
        self.figure_ = self.axes_[0, 0].figure
        for k, row in enumerate(self.axes_):
            peak = max(self.signals[column, k].peak for column in range(3))
            for column, ax in enumerate(row):
                _drawing.draw_envelope(ax, self.signals[column, k], COLOURS[column])
                _drawing.set_peak(ax, peak)
                ax.set_title(self._title(column, k))
            row[0].set_ylabel(self.names[k])
        for ax in self.axes_[-1]:
            ax.set_xlabel("Time (s)")
        return self

    def _title(self, column, k):
        if column == 0 and self.signals[0, k].peak == 0:
            return "Reference: silent"
        if column == 1:
            return f"Estimate: SI-SDR {self.si_sdr[k]:.1f} dB ({self.si_sdr_improvement[k]:+.1f})"
        return COLUMNS[column]


def _checked(mixture, references, name):
    mixture = _signals.check_signal(mixture, name)
    references = _signals.check_signal(references, "references", ndim=2)
    _signals.check_alike(mixture, references, name, "references")
    return mixture, references


def _compared(mixture, references, estimates, products):
    """Yield references, estimates and errors, ``(3, n_parts, n_block)``, and add them to the products."""
    start = 0
    for block in estimates:
        stop = start + block.shape[-1]
        true = np.asarray(read(references, start, stop))
        if len(block) != len(true):
            raise ValueError(f"there are {len(block)} estimates and {len(true)} references: they must be as many.")
        products.add(block, true, np.asarray(read(mixture, start, stop)))
        yield np.stack([true, block, block - true])
        start = stop
