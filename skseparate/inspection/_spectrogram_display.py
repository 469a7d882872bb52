"""A solo under its mixture, as spectrograms."""

from dataclasses import replace

import numpy as np

from skseparate._recording import n_samples_of
from skseparate.inspection import _drawing, _signals


class SpectrogramDisplay:
    """Spectrogram of a mixture, and of one solo below it.

    It is recommended to use `from_estimator` or `from_predictions`. Each cell of the picture has the loudest frame
    and bin in it, so that recordings of any length are drawn in bounded memory and no partial is lost.

    Parameters
    ----------
    mixture, solo : Cells
        Levels in dB, 0 for a sinusoid of amplitude 1 and -200 for silence, with the edges of the cells in seconds
        and Hz.
    name : str, default="solo"
        Title of the solo.

    Attributes
    ----------
    axes_ : ndarray of shape (2,) of matplotlib Axes
        Mixture and solo.
    figure_ : matplotlib Figure
        Around them.

    See Also
    --------
    WaveformDisplay : The same two as waveforms.
    MaskDisplay : How all parts share the mixture.

    Examples
    --------
    >>> from skseparate.datasets import make_ensembles
    >>> from skseparate.inspection import SpectrogramDisplay
    >>> X, y, _ = make_ensembles(n_songs=1, n_parts=2, duration=2.0, random_state=0).power_set()
    >>> display = SpectrogramDisplay.from_predictions(X[0], y[0].read(0, 32000)[0], max_frequency=4000)
    >>> [ax.get_title() for ax in display.axes_]
    ['mixture', 'solo']
    >>> bool(display.solo.values.max() < 0)
    True
    """

    def __init__(self, mixture, solo, *, name="solo"):
        self.mixture = mixture
        self.solo = solo
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        recording,
        *,
        part=0,
        frame=0.12,
        scale="log",
        max_frequency=None,
        sample_rate=None,
        ax=None,
    ):
        """Separate a recording and draw one of its solos.

        Parameters
        ----------
        estimator : separator
            Fitted.
        recording : Recording or array of shape (n_samples,)
            The mixture.
        part : int, default=0
            Which solo, in score order.
        frame : float, default=0.12
            Of the picture's own STFT, in seconds; a quarter of it is the hop.
        scale : {"log", "linear"}, default="log"
            Of the frequency axis.
        max_frequency : float, default=None
            Up to where, in Hz; by default half the sample rate.
        sample_rate : float, default=None
            In Hz, where neither the recording nor the separator knows it.
        ax : sequence of 2 matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : SpectrogramDisplay

        Raises
        ------
        ValueError
            If there is no such part, the recording is not finite, its rate is unknown, or an option is none.
        ImportError
            If Matplotlib is missing.
        """
        _drawing.pyplot()  # rather than after the separation
        recording = _signals.check_signal(recording, "recording")
        rate = _signals.rate_of(recording, sample_rate, estimator)
        name, solo = _signals.predicted_part(estimator, recording, part)
        return cls._from_blocks(recording, solo, rate, name, (frame, scale, max_frequency)).plot(ax)

    @classmethod
    def from_predictions(
        cls,
        mixture,
        solo,
        *,
        frame=0.12,
        scale="log",
        max_frequency=None,
        sample_rate=None,
        name="solo",
        ax=None,
    ):
        """Draw a mixture and a solo.

        Parameters
        ----------
        mixture : Recording or array of shape (n_samples,)
            The mixture.
        solo : Recording or array of shape (n_samples,)
            The true or an estimated solo.
        frame : float, default=0.12
            Of the STFT, in seconds; a quarter of it is the hop.
        scale : {"log", "linear"}, default="log"
            Of the frequency axis.
        max_frequency : float, default=None
            Up to where, in Hz; by default half the sample rate.
        sample_rate : float, default=None
            In Hz, where the mixture does not know it.
        name : str, default="solo"
            Title of the solo.
        ax : sequence of 2 matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : SpectrogramDisplay

        Raises
        ------
        ValueError
            If they are not equally long or not finite, the rate is unknown, or an option is none.
        ImportError
            If Matplotlib is missing.
        """
        _drawing.pyplot()
        mixture, solo = _signals.check_signal(mixture, "mixture"), _signals.check_signal(solo, "solo")
        _signals.check_alike(mixture, solo, "mixture", "solo")
        rate = _signals.rate_of(mixture, sample_rate)
        blocks = _signals.blocks_of(solo, "solo")
        return cls._from_blocks(mixture, blocks, rate, name, (frame, scale, max_frequency)).plot(ax)

    @classmethod
    def _from_blocks(cls, mixture, solo, rate, name, options):
        n_samples, levels = n_samples_of(mixture), []
        for blocks in (_signals.blocks_of(mixture, "mixture"), solo):
            cells = _signals.cells_of(blocks, n_samples, rate, *options, np.maximum)
            levels.append(replace(cells, values=_signals.decibels(cells.values)))
        return cls(*levels, name=name)

    def plot(self, ax=None, *, dynamic_range=60.0):
        """Draw.

        Parameters
        ----------
        ax : sequence of 2 matplotlib Axes, default=None
            What to draw into; by default a new figure.
        dynamic_range : float, default=60.0
            How far below the loudest cell of the mixture levels are told apart, in dB.

        Returns
        -------
        display : SpectrogramDisplay
        """
        name = type(self).__name__
        self.axes_ = _drawing.panels(ax, (2, 1), name, (9, 6), sharex=True, sharey=True)[:, 0]
        self.figure_ = self.axes_[0].figure
        loudest = self.mixture.values.max()
        top = loudest if loudest > _signals.SILENCE_DB else 0.0  # silence must not be the loudest there is
        for ax, cells, title in zip(self.axes_, (self.mixture, self.solo), ("mixture", self.name), strict=True):
            mesh = _drawing.draw_cells(ax, cells, _drawing.LEVEL_MAP, top - dynamic_range, top)
            ax.set_title(title)
        self.axes_[-1].set_xlabel("Time (s)")
        self.figure_.colorbar(mesh, ax=list(self.axes_), label="Level (dB, full-scale sine = 0)", extend="min")
        return self
