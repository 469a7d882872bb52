"""How far one goes who can hum along: each part by the harmonics of its line."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from skseparate.baseline._oracle import BaseOracle
from skseparate.lines import frame_lines, harmonic_estimates


class HumSeparator(BaseOracle):
    """Give each part the harmonics of its line, as one who listens and can hum every line.

    It needs recordings that know their `lines`, the fundamental frequency of each part, and refuses any other.
    It is told where the harmonics are, not how loud they are: that it fits to the mixture.

    Parameters
    ----------
    hold : float, default=0.2
        For how long before and after its line a tone still sounds, in seconds: attack, release and room.
    tolerance : float, default=10.0
        Standard deviation of the lines' own error, in cents.
    rest : bool, default=False
        Whether one more solo takes what no line explains.
    mask : {"ratio", "wiener"}, default="ratio"
        Shares in proportion to the estimated magnitudes or to their squares.
    representation : Pipeline, default=None
        As in `Separator`; ends in an `STFT`.
    sample_rate : float, default=None
        Rate of recordings that do not know theirs, in Hz.

    See Also
    --------
    skseparate.lines.harmonic_masks : The masks, and the method's sources.
    skseparate.datasets.Ensembles.with_lines : Tracks the lines of stems that know none.
    skseparate.lines.score_lines : Lines of a score, aligned to the recording.
    IdealMask : Is told the solos themselves.

    Notes
    -----
    Where all parts are silent by their lines, the mixture is shared equally, or is the rest's where one is asked
    for. A part whose line is silent gets nothing while another sounds.

    Examples
    --------
    >>> from skseparate.baseline import HumSeparator
    >>> from skseparate.datasets import make_ensembles
    >>> X, y, _ = make_ensembles(n_songs=2, n_parts=2, duration=2.0, random_state=0).power_set()
    >>> HumSeparator().fit(X, y).score(X, y) > 5
    True
    """

    told = "the true pitch"
    knows = "lines"
    remedy = "use ensembles.with_lines(), or give it lines of a score, skseparate.lines.with_lines"
    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        **BaseOracle._parameter_constraints,
        "hold": [Interval(Real, 0, None, closed="left")],
        "tolerance": [Interval(Real, 0, None, closed="left")],
        "rest": ["boolean"],
        "mask": [StrOptions({"ratio", "wiener"})],
    }

    def __init__(self, hold=0.2, tolerance=10.0, rest=False, mask="ratio", representation=None, sample_rate=None):
        self.hold = hold
        self.tolerance = tolerance
        self.rest = rest
        self.mask = mask
        self.representation = representation
        self.sample_rate = sample_rate

    def _estimator(self, chain, lines):
        def estimate(first, last, spectrograms):
            f0, spread, frame = frame_lines(chain, lines, first, last, self.hold)
            segments = [
                harmonic_estimates(abs(spectrograms[k]), f0[:, k], frame, spread[:, k], self.tolerance, self.rest)
                for k in range(last - first)
            ]
            return np.stack(segments, axis=1)

        return estimate, self.mask
