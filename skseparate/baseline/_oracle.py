"""What the oracles share: they are told something true of the mixture in front of them."""

from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted

from skseparate._base import BaseSeparator, default_representation, fit_representation, iter_solos
from skseparate._recording import as_list, describe, sample_rate_of
from skseparate._segments import Chain
from skseparate.preprocessing import Magnitude


class BaseOracle(BaseSeparator):
    """A separator that is told the true sources, or else what `knows` names: subclasses say how it masks by them."""

    told = "the true solos"
    knows = "sources"
    remedy = "use mixes from Ensembles.power_set or skseparate.datasets.Mixture"
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

    def accepts_rate(self, sample_rate):
        """Whether recordings of a sample rate in Hz can be separated: frame and hop are whole samples."""
        check_is_fitted(self)
        try:
            fit_representation(self.representation_, np.zeros(1), sample_rate)
        except ValueError:
            return False
        return True

    def iter_predict(self, recording, n_parts=None, channels=None):
        check_is_fitted(self)
        (recording,) = as_list([recording], "recording")
        known = getattr(recording, self.knows, None)
        if known is None:
            raise ValueError(
                f"{describe(recording)} does not know its {self.knows}, which {type(self).__name__} needs: "
                f"{self.remedy}."
            )
        n_known = known.shape[0] if hasattr(known, "shape") else len(known)
        if n_parts is not None and n_parts != n_known:
            raise ValueError(f"{describe(recording)} has {n_known} {self.knows}; {n_parts} were asked for.")
        rate = sample_rate_of(recording, self.sample_rate)
        representation, spectrograms = fit_representation(self.representation_, recording, rate)
        chain = Chain(representation, Magnitude().fit([spectrograms]))
        estimate, mask = self._estimator(chain, known)
        yield from iter_solos(chain, recording, estimate, mask, channels)

    def _estimator(self, chain, known):
        """What `iter_solos` estimates by, and its kind of mask."""
        raise NotImplementedError  # pragma: no cover - the protocol
