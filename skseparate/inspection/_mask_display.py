"""How the parts share a mixture over time and frequency."""

from dataclasses import replace

import numpy as np

from skseparate._masks import masks
from skseparate._recording import n_samples_of
from skseparate.inspection import _drawing, _signals


class MaskDisplay:
    """Masks of all parts: the share of each in the magnitudes of all, over time and frequency.

    It is recommended to use `from_estimator` or `from_predictions`. The shares are those of the solos, whatever made
    them: of the true solos they are the ideal ratio mask, of a separator's the mask that it applied (with
    ``mask="direct"``, its shares). Recordings of any length are drawn in bounded memory, by the mean magnitude in
    each cell.

    Parameters
    ----------
    masks : Cells
        Shares from 0 to 1, ``(n_parts, n_rows, n_columns)``, which sum to 1.
    levels : ndarray of shape (n_rows, n_columns)
        Of all parts together in dB; where there is silence, nobody's share is drawn.
    names : list of str
        Of the parts.

    Attributes
    ----------
    axes_ : ndarray of shape (n_parts,) of matplotlib Axes
        One a part.
    figure_ : matplotlib Figure
        Around them.

    See Also
    --------
    SpectrogramDisplay : What the masks are applied to.
    skseparate.baseline.IdealMask : Separates by the true masks.

    Examples
    --------
    >>> from skseparate.datasets import make_ensembles
    >>> from skseparate.inspection import MaskDisplay
    >>> ensembles = make_ensembles(1, 2, duration=2.0, instruments=["vn", "vc"], doubling=False, random_state=0)
    >>> X, y, _ = ensembles.power_set()
    >>> display = MaskDisplay.from_predictions(y[0], max_frequency=4000)
    >>> [ax.get_title() for ax in display.axes_]
    ['vn', 'vc']
    >>> bool((abs(display.masks.values.sum(axis=0) - 1) < 1e-6).all())
    True
    """

    def __init__(self, masks, levels, *, names):
        self.masks = masks
        self.levels = levels
        self.names = names

    @classmethod
    def from_estimator(
        cls, estimator, recording, *, frame=0.12, scale="log", max_frequency=None, sample_rate=None, ax=None
    ):
        """Separate a recording and draw the masks of its parts.

        Parameters
        ----------
        estimator : separator
            Fitted.
        recording : Recording or array of shape (n_samples,)
            The mixture.
        frame : float, default=0.12
            Of the picture's own STFT, in seconds; a quarter of it is the hop.
        scale : {"log", "linear"}, default="log"
            Of the frequency axis.
        max_frequency : float, default=None
            Up to where, in Hz; by default half the sample rate.
        sample_rate : float, default=None
            In Hz, where neither the recording nor the separator knows it.
        ax : sequence of n_parts matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : MaskDisplay

        Raises
        ------
        ValueError
            If the recording is not finite, its rate is unknown, or an option is none.
        ImportError
            If Matplotlib is missing.
        """
        _drawing.pyplot()  # rather than after the separation
        recording = _signals.check_signal(recording, "recording")
        rate = _signals.rate_of(recording, sample_rate, estimator)
        solos = _signals.predicted_solos(estimator, recording)
        return cls._from_blocks(recording, solos, rate, (frame, scale, max_frequency)).plot(ax)

    @classmethod
    def from_predictions(cls, solos, *, frame=0.12, scale="log", max_frequency=None, sample_rate=None, ax=None):
        """Draw the masks that solos amount to.

        Parameters
        ----------
        solos : Recording or array of shape (n_parts, n_samples)
            True or estimated.
        frame : float, default=0.12
            Of the STFT, in seconds; a quarter of it is the hop.
        scale : {"log", "linear"}, default="log"
            Of the frequency axis.
        max_frequency : float, default=None
            Up to where, in Hz; by default half the sample rate.
        sample_rate : float, default=None
            In Hz, where the solos do not know it.
        ax : sequence of n_parts matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : MaskDisplay

        Raises
        ------
        ValueError
            If the solos are not finite, their rate is unknown, or an option is none.
        ImportError
            If Matplotlib is missing.
        """
        _drawing.pyplot()
        solos = _signals.check_signal(solos, "solos", ndim=2)
        rate = _signals.rate_of(solos, sample_rate)
        blocks = _signals.blocks_of(solos, "solos")
        return cls._from_blocks(solos, blocks, rate, (frame, scale, max_frequency)).plot(ax)

    @classmethod
    def _from_blocks(cls, recording, solos, rate, options):
        # means, since the loudest frames of two parts may be different ones
        cells = _signals.cells_of(solos, n_samples_of(recording), rate, *options, np.add)
        levels = _signals.decibels(cells.values.sum(axis=0))
        shares = replace(cells, values=masks(cells.values, None, "ratio"))
        return cls(shares, levels, names=_signals.part_names(recording, len(cells.values)))

    def plot(self, ax=None, *, dynamic_range=60.0):
        """Draw.

        Parameters
        ----------
        ax : sequence of n_parts matplotlib Axes, default=None
            What to draw into; by default a new figure.
        dynamic_range : float, default=60.0
            Cells so many dB below the loudest are left blank.

        Returns
        -------
        display : MaskDisplay
        """
        n_parts, name = len(self.names), type(self).__name__
        figsize = (9, 1 + 2.2 * n_parts)
        self.axes_ = _drawing.panels(ax, (n_parts, 1), name, figsize, sharex=True, sharey=True)[:, 0]
        self.figure_ = self.axes_[0].figure
        quiet = self.levels <= max(self.levels.max() - dynamic_range, _signals.SILENCE_DB)
        for ax, shares, title in zip(self.axes_, self.masks.values, self.names, strict=True):
            drawn = replace(self.masks, values=np.ma.masked_where(quiet, shares))
            mesh = _drawing.draw_cells(ax, drawn, _drawing.SHARE_MAP, 0, 1)
            ax.set_title(title)
        self.axes_[-1].set_xlabel("Time (s)")
        self.figure_.colorbar(mesh, ax=list(self.axes_), label="Share of the magnitude")
        return self
