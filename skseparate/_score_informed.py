"""A separator that is helped by the lines of a score."""

from numbers import Real

from sklearn.base import clone
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from skseparate._base import BaseSeparator, iter_solos
from skseparate._masks import masks
from skseparate._recording import as_list, describe
from skseparate._separator import Separator
from skseparate.lines import frame_lines, harmonic_weights


class ScoreInformedSeparator(BaseSeparator):
    """Improve a separator's masks by the lines of a score.

    What the separator gives a part is weighted by how near it is to the harmonics of the part's line: the separator
    knows how instruments sound, the score where their tones are. Where they contradict each other neither is believed
    blindly: `floor` is what is left of a part where its line has nothing.

    Parameters
    ----------
    separator : Separator
        Fitted, such as ``load_separator("ensemble")``, or to be fitted by `fit`.
    floor : float, default=0.1
        Weight of what lies between the harmonics of a line, or where it is silent, against 1 on them: the larger, the
        less the score is believed; 1 is as good as none.
    hold : float, default=0.2
        For how long before and after its line a tone still sounds, in seconds: attack, release and room.
    tolerance : float, default=10.0
        Standard deviation of the lines' own error, in cents.

    Attributes
    ----------
    separator_ : Separator
        The fitted one.

    See Also
    --------
    skseparate.lines.score_lines : Lines of a score, aligned to a recording.
    skseparate.lines.with_lines : Tells them to the recording.
    skseparate.baseline.HumSeparator : The lines alone.

    Notes
    -----
    With the shipped model, a score is worth 1.0 dB on one real piece and 0.5 dB on rendered ones; with a tenth of its
    notes wrong and a tenth missing 0.0 and 0.1 dB: ``benchmarks/score_informed.py``. The floor was chosen on that
    piece, as what loses nothing where scores have mistakes: a fifth of it is worth as much where they have none.

    References
    ----------
    .. [1] S. Ewert, B. Pardo, M. Müller and M. D. Plumbley, "Score-informed source separation for musical audio
           recordings: an overview", IEEE Signal Processing Magazine 31(3), 2014.
    .. [2] M. Miron, J. Janer and E. Gómez, "Monaural score-informed source separation for classical music using
           convolutional neural networks", ISMIR 2017: networks and scores, combined by masks.

    Examples
    --------
    >>> from skseparate import ScoreInformedSeparator, Separator
    >>> from skseparate.datasets import make_ensembles
    >>> X, y, _ = make_ensembles(n_songs=3, n_parts=2, duration=2.0, random_state=0).power_set()
    >>> separator = Separator().fit(X[:2], y[:2])
    >>> informed = ScoreInformedSeparator(separator).fit()
    >>> informed.score(X[2:], y[2:]) > separator.score(X[2:], y[2:])
    True
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        "separator": [Separator],
        "floor": [Interval(Real, 0, 1, closed="right")],
        "hold": [Interval(Real, 0, None, closed="left")],
        "tolerance": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, separator, floor=0.1, hold=0.2, tolerance=10.0):
        self.separator = separator
        self.floor = floor
        self.hold = hold
        self.tolerance = tolerance

    def fit(self, X=None, y=None):
        """Fit a clone of the separator; without recordings, take it as it is.

        Parameters
        ----------
        X, y : sequence of recordings and of their solos, default=None
            As of `Separator.fit`.

        Returns
        -------
        self : ScoreInformedSeparator

        Raises
        ------
        ValueError
            As `Separator.fit`; without recordings, if the separator is not fitted.
        """
        self._validate_params()
        if X is None:
            check_is_fitted(self.separator, "regressor_")
        self.separator_ = self.separator if X is None else clone(self.separator).fit(X, y)
        return self

    @property
    def told(self):
        """str: What it is told of each recording beside the mixture, for tables."""
        return f"{self.separator.told}, the score"

    @property
    def sample_rate_(self):
        """float or None: The separator's."""
        return self.separator_.sample_rate_

    def accepts_rate(self, sample_rate):
        """Whether recordings of a sample rate in Hz can be separated: see `Separator.accepts_rate`."""
        check_is_fitted(self)
        return self.separator_.accepts_rate(sample_rate)

    def iter_predict(self, recording, n_parts=None, channels=None):
        check_is_fitted(self)
        (recording,) = as_list([recording], "recording")
        lines = getattr(recording, "lines", None)
        if lines is None:
            raise ValueError(
                f"{describe(recording)} does not know its lines: tell it those of a score, "
                "skseparate.lines.with_lines(recording, score_lines(recording, score))."
            )
        if n_parts is not None and n_parts != len(lines):
            raise ValueError(f"{describe(recording)} has {len(lines)} lines; {n_parts} parts were asked for.")
        (chain,) = self.separator_._chains([recording])
        estimate = self._informed(self.separator_._estimator(chain, recording, len(lines)), chain, lines)
        yield from iter_solos(chain, recording, estimate, "ratio", channels)

    def _informed(self, estimate, chain, lines):
        """The separator's shares of each bin, weighted by the harmonics of the lines."""
        mask = self.separator_.mask if self.separator_.mask != "direct" else "ratio"

        def informed(first, last, spectrograms):
            shares = masks(estimate(first, last, spectrograms), None, mask)
            f0, spread, frame = frame_lines(chain, lines, first, last, self.hold)
            for k, magnitudes in enumerate(abs(spectrograms)):
                weights = harmonic_weights(magnitudes, f0[:, k], frame, spread[:, k], self.tolerance)
                shares[:, k] *= weights + shares.dtype.type(self.floor)
            return shares

        return informed
