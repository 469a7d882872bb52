"""The ceiling of every table."""

from sklearn.utils._param_validation import StrOptions

from skseparate.baseline._oracle import BaseOracle


class IdealMask(BaseOracle):
    """Mask the mixture by the magnitudes of its true sources: how far masks can go.

    An oracle: it needs recordings that know their `sources` and refuses any other.

    Parameters
    ----------
    mask : {"ratio", "wiener", "binary"}, default="ratio"
        Shares in proportion to the magnitudes or to their squares, or everything to the loudest source.
    representation : Pipeline, default=None
        As in `Separator`.
    sample_rate : float, default=None
        Rate of recordings that do not know theirs, in Hz.

    See Also
    --------
    MixtureSeparator : The floor.
    OracleEqualiser : How far masks go that do not change with time.
    skseparate.Separator : Estimates what this one is told.

    References
    ----------
    .. [1] A. Liutkus and R. Badeau, "Generalized Wiener filtering with fractional power
           spectrograms", ICASSP 2015.
    .. [2] D. Wang, "On ideal binary mask as the computational goal of auditory scene analysis", 2005.

    Examples
    --------
    >>> from skseparate.baseline import IdealMask
    >>> from skseparate.datasets import make_ensembles
    >>> X, y, _ = make_ensembles(n_songs=2, n_parts=2, duration=2.0, random_state=0).power_set()
    >>> IdealMask().fit(X, y).score(X, y) > 10
    True
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        **BaseOracle._parameter_constraints,
        "mask": [StrOptions({"ratio", "wiener", "binary"})],
    }

    def __init__(self, mask="ratio", representation=None, sample_rate=None):
        self.mask = mask
        self.representation = representation
        self.sample_rate = sample_rate

    def _estimator(self, chain, sources):
        def estimate(first, last, _):
            magnitudes = chain.encode(chain.waveforms(sources, first, last))
            if self.mask == "binary":
                return ((magnitudes == magnitudes.max(axis=0)) & (magnitudes > 0)).astype(magnitudes.dtype)
            return magnitudes

        return estimate, "wiener" if self.mask == "wiener" else "ratio"
