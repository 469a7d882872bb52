"""A solo within its mixture, as waveforms."""

from skseparate._recording import n_samples_of
from skseparate.inspection import _drawing, _signals


class WaveformDisplay:
    """Waveform of a mixture, and of one solo over it.

    It is recommended to use `from_estimator` or `from_predictions`. Waveforms are drawn by their peaks, as an
    editor of audio does: recordings of any length are read block by block, and a click of one sample is seen.

    Parameters
    ----------
    mixture, solo : Envelope
        Lowest and highest sample of each column, in the units of the samples, and their times in seconds.
    name : str, default="solo"
        What the legend calls the solo.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn into.
    figure_ : matplotlib Figure
        Around it.

    See Also
    --------
    SpectrogramDisplay : The same two over time and frequency.
    SeparationDisplay : All parts, beside their references.

    Examples
    --------
    >>> from skseparate.datasets import make_ensembles
    >>> from skseparate.inspection import WaveformDisplay
    >>> X, y, _ = make_ensembles(n_songs=1, n_parts=2, duration=2.0, random_state=0).power_set()
    >>> display = WaveformDisplay.from_predictions(X[0], y[0].read(0, 32000)[0])
    >>> display.ax_.get_xlabel()
    'Time (s)'
    >>> bool(display.solo.peak < display.mixture.peak)
    True
    """

    def __init__(self, mixture, solo, *, name="solo"):
        self.mixture = mixture
        self.solo = solo
        self.name = name

    @classmethod
    def from_estimator(cls, estimator, recording, *, part=0, sample_rate=None, ax=None):
        """Separate a recording and draw one of its solos.

        Parameters
        ----------
        estimator : separator
            Fitted.
        recording : Recording or array of shape (n_samples,)
            The mixture.
        part : int, default=0
            Which solo, in score order.
        sample_rate : float, default=None
            In Hz, where neither the recording nor the separator knows it.
        ax : matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : WaveformDisplay

        Raises
        ------
        ValueError
            If there is no such part, the recording is not finite or its rate is unknown.
        ImportError
            If Matplotlib is missing.
        """
        _drawing.pyplot()  # rather than after the separation
        recording = _signals.check_signal(recording, "recording")
        rate = _signals.rate_of(recording, sample_rate, estimator)
        name, solo = _signals.predicted_part(estimator, recording, part)
        return cls._from_blocks(recording, solo, rate, name).plot(ax)

    @classmethod
    def from_predictions(cls, mixture, solo, *, sample_rate=None, name="solo", ax=None):
        """Draw a mixture and a solo.

        Parameters
        ----------
        mixture : Recording or array of shape (n_samples,)
            The mixture.
        solo : Recording or array of shape (n_samples,)
            The true or an estimated solo.
        sample_rate : float, default=None
            In Hz, where the mixture does not know it.
        name : str, default="solo"
            What the legend calls the solo.
        ax : matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : WaveformDisplay

        Raises
        ------
        ValueError
            If they are not equally long or not finite, or the rate is unknown.
        ImportError
            If Matplotlib is missing.
        """
        _drawing.pyplot()
        mixture, solo = _signals.check_signal(mixture, "mixture"), _signals.check_signal(solo, "solo")
        _signals.check_alike(mixture, solo, "mixture", "solo")
        rate = _signals.rate_of(mixture, sample_rate)
        return cls._from_blocks(mixture, _signals.blocks_of(solo, "solo"), rate, name).plot(ax)

    @classmethod
    def _from_blocks(cls, mixture, solo, rate, name):
        n_samples = n_samples_of(mixture)
        blocks = _signals.blocks_of(mixture, "mixture")
        return cls(*(_signals.envelope_of(b, n_samples, rate) for b in (blocks, solo)), name=name)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw into; by default a new figure.

        Returns
        -------
        display : WaveformDisplay
        """
        self.ax_ = _drawing.panels(ax, (1, 1), type(self).__name__, (9, 3))[0, 0]
        self.figure_ = self.ax_.figure
        _drawing.draw_envelope(self.ax_, self.mixture, _drawing.DARK, "mixture")
        _drawing.draw_envelope(self.ax_, self.solo, _drawing.LIGHT, self.name)
        _drawing.set_peak(self.ax_, max(self.mixture.peak, self.solo.peak))
        self.ax_.set(xlabel="Time (s)", ylabel="Amplitude")
        self.ax_.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
        return self
