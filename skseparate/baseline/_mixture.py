"""The floor of every table."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skseparate._base import BaseSeparator
from skseparate._recording import as_list, as_pairs, n_samples_of, read

BLOCK_LENGTH = 2**18


class MixtureSeparator(BaseSeparator):
    """Give every part the mixture itself: 0 dB improvement, the floor of every table.

    Attributes
    ----------
    n_slots_ : int
        The most parts that a recording had at `fit`.

    See Also
    --------
    IdealMask : The ceiling.

    Examples
    --------
    >>> from skseparate.baseline import MixtureSeparator
    >>> from skseparate.datasets import make_ensembles
    >>> X, y, _ = make_ensembles(n_songs=2, n_parts=2, duration=2.0, random_state=0).power_set()
    >>> MixtureSeparator().fit(X, y).score(X, y)
    0.0
    """

    learns = False

    def fit(self, X, y):
        """Learn how many parts there are.

        Parameters
        ----------
        X : sequence of recordings
            The mixtures.
        y : sequence of arrays of shape (n_parts, n_samples)
            Their solos.

        Returns
        -------
        self : MixtureSeparator
        """
        X, y = as_pairs(X, y)
        self.n_slots_ = max(solos.shape[0] for solos in y)
        return self

    def iter_predict(self, recording, n_parts=None, channels=None):
        check_is_fitted(self)
        n_parts = n_parts or len(getattr(recording, "parts", None) or range(self.n_slots_))
        (recording,) = as_list([recording], "recording")
        signal = recording if channels is None else channels
        for start in range(0, n_samples_of(signal), BLOCK_LENGTH):
            block = np.asarray(read(signal, start, start + BLOCK_LENGTH))
            yield np.broadcast_to(block, (n_parts, *block.shape))
