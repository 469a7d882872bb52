"""What the oracles share: they know the true sources of the mixture in front of them."""

from numbers import Real

from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from skseparate._base import BaseSeparator, default_representation, fit_representation, iter_solos
from skseparate._recording import as_list, describe, sample_rate_of
from skseparate._segments import Chain
from skseparate.preprocessing import Magnitude


class BaseOracle(BaseSeparator):
    """A separator that is told the true sources: subclasses say how it masks by them."""

    told = "the true solos"
    learns = False
    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        "representation": [HasMethods(["fit", "transform", "inverse_transform"]), None],
        "sample_rate": [Interval(Real, 0, None, closed="neither"), None],
    }

    def fit(self, X=None, y=None):
        """Check the parameters; there is nothing to learn.

        Parameters
        ----------
        X, y : ignored
            As in `Separator`.

        Returns
        -------
        self : estimator
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
                f"{describe(recording)} does not know its sources, which {type(self).__name__} needs: use mixes from "
                "Ensembles.power_set or skseparate.datasets.Mixture."
            )
        if n_parts is not None and n_parts != sources.shape[0]:
            raise ValueError(f"{describe(recording)} has {sources.shape[0]} sources; {n_parts} were asked for.")
        rate = sample_rate_of(recording, self.sample_rate)
        representation, spectrograms = fit_representation(self.representation_, recording, rate)
        chain = Chain(representation, Magnitude().fit([spectrograms]))
        estimate, mask = self._estimator(chain, sources)
        yield from iter_solos(chain, recording, estimate, mask, channels)

    def _estimator(self, chain, sources):
        """What `iter_solos` estimates by, and its kind of mask."""
        raise NotImplementedError  # pragma: no cover - the protocol
