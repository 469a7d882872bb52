"""The ceiling of every table."""

from numbers import Real

from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skseparate._base import BaseSeparator, default_representation, fit_representation, iter_solos
from skseparate._recording import as_list, describe, sample_rate_of
from skseparate._segments import Chain
from skseparate.preprocessing import Magnitude


class IdealRatioMask(BaseSeparator):
    """Mask the mixture by the magnitudes of its true sources: how far masks can go.

    An oracle: it needs recordings that know their `sources` and refuses any other.

    Parameters
    ----------
    representation : Pipeline, default=None
        As in `Separator`.
    mask : {"ratio", "wiener"}, default="ratio"
        Shares in proportion to the magnitudes or to their squares.
    sample_rate : float, default=None
        Rate of recordings that do not know theirs, in Hz.

    See Also
    --------
    MixtureSeparator : The floor.
    skseparate.Separator : Estimates what this one is told.

    References
    ----------
    .. [1] A. Liutkus and R. Badeau, "Generalized Wiener filtering with fractional power
           spectrograms", ICASSP 2015.

    Examples
    --------
    >>> from skseparate.baseline import IdealRatioMask
    >>> from skseparate.datasets import make_ensembles
    >>> X, y, _ = make_ensembles(n_songs=2, n_parts=2, duration=2.0, random_state=0).power_set()
    >>> IdealRatioMask().fit(X, y).score(X, y) > 10
    True
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        "representation": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "mask": [StrOptions({"ratio", "wiener"})],
        "sample_rate": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(self, representation=None, mask="ratio", sample_rate=None):
        self.representation = representation
        self.mask = mask
        self.sample_rate = sample_rate

    def fit(self, X=None, y=None):
        """Check the parameters; there is nothing to learn.

        Parameters
        ----------
        X, y : ignored
            As in `Separator`.

        Returns
        -------
        self : IdealRatioMask
        """
        self._validate_params()
        self.representation_ = clone(default_representation() if self.representation is None else self.representation)
        return self

    def iter_predict(self, recording, n_parts=None, channels=None):
        check_is_fitted(self)
        (recording,) = as_list([recording], "recording")
        sources = getattr(recording, "sources", None)
        if sources is None:
            raise ValueError(
                f"{describe(recording)} does not know its sources, which IdealRatioMask needs: use mixes from "
                "Ensembles.power_set or skseparate.datasets.Mixture."
            )
        if n_parts is not None and n_parts != sources.shape[0]:
            raise ValueError(f"{describe(recording)} has {sources.shape[0]} sources; {n_parts} were asked for.")
        rate = sample_rate_of(recording, self.sample_rate)
        representation, spectrograms = fit_representation(self.representation_, recording, rate)
        chain = Chain(representation, Magnitude().fit([spectrograms]))

        def estimate(first, last, _):
            return chain.encode(chain.waveforms(sources, first, last))

        yield from iter_solos(chain, recording, estimate, self.mask, channels)
