"""How far one goes without listening: fixed filters."""

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import StrOptions

from skseparate._recording import sample_rate_of
from skseparate.baseline._oracle import BaseOracle


class OracleEqualiser(BaseOracle):
    """Give each part its true share of the power in each frequency band, all along the recording.

    A graphic equaliser a part, set by one who knows the solos. It hears nothing of the music as it goes by,
    so a separator that does not beat it has learned timbres at best.

    Parameters
    ----------
    bands : {"third-octave", "bin"}, default="third-octave"
        Width of a band: a third of an octave, with one of them centred on 1 kHz, or a bin of the STFT.
    representation : Pipeline, default=None
        As in `Separator`.
    sample_rate : float, default=None
        Rate of recordings that do not know theirs, in Hz.

    See Also
    --------
    IdealMask : May change with time.

    Notes
    -----
    Of uncorrelated sources, the share of the power is the gain of least squared error (the Wiener filter).

    Examples
    --------
    >>> from skseparate.baseline import OracleEqualiser
    >>> from skseparate.datasets import make_ensembles
    >>> X, y, _ = make_ensembles(n_songs=2, n_parts=2, duration=2.0, random_state=0).power_set()
    >>> coarse, fine = OracleEqualiser().fit(X, y), OracleEqualiser("bin").fit(X, y)
    >>> 0 < coarse.score(X, y) < fine.score(X, y)
    True
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's protocol
        **BaseOracle._parameter_constraints,
        "bands": [StrOptions({"third-octave", "bin"})],
    }

    def __init__(self, bands="third-octave", representation=None, sample_rate=None):
        self.bands = bands
        self.representation = representation
        self.sample_rate = sample_rate

    def _estimator(self, chain, sources):
        power = sum(
            np.square(chain.encode(chain.waveforms(sources, b.start, b.stop)), dtype=np.float64).sum(axis=(1, 2))
            for b in gen_batches(chain.n_segments(sources), chain.block_length)
        )
        if self.bands == "third-octave":
            power = _pooled(power, third_octave(power.shape[-1], sample_rate_of(sources, self.sample_rate)))

        def estimate(first, last, spectrograms):
            shape = (len(power), *spectrograms.shape)
            return np.broadcast_to(power[:, None, None], shape).astype(spectrograms.real.dtype)

        return estimate, "ratio"


def third_octave(n_bins, sample_rate):
    """Band of each bin of an STFT.

    Parameters
    ----------
    n_bins : int
        From 0 Hz to half the sample rate.
    sample_rate : float
        In Hz.

    Returns
    -------
    bands : ndarray of int of shape (n_bins,)
        From 0; the bin at 0 Hz belongs to the lowest.
    """
    frequencies = np.linspace(0, sample_rate / 2, n_bins)
    frequencies[0] = frequencies[1]
    bands = np.rint(3 * np.log2(frequencies / 1000)).astype(int)
    return bands - bands.min()


def _pooled(power, bands):
    """Power of its band at each bin."""
    totals = np.zeros((len(power), bands.max() + 1))
    np.add.at(totals, (slice(None), bands), power)
    return totals[:, bands]
