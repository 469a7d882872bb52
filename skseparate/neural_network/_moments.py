"""Mean and deviation of rows that are read once, and a fingerprint of them."""

import hashlib
import json

import numpy as np


class Moments:
    """Running mean and sum of squares of each column, by blocks.

    Attributes
    ----------
    n_rows : int
        Rows seen.
    mean : ndarray of shape (n_columns,)
    squares : ndarray of shape (n_columns,)
        Sum of squared differences from the mean.
    """

    def __init__(self, n_columns):
        self.n_rows, self.mean, self.squares = 0, np.zeros(n_columns), np.zeros(n_columns)

    def update(self, block):
        """Add a block of rows, ``(n_rows, n_columns)``."""
        block = np.asarray(block, dtype=np.float64)
        n_rows, mean = len(block), block.mean(axis=0)
        total = self.n_rows + n_rows
        self.squares += ((block - mean) ** 2).sum(axis=0) + (mean - self.mean) ** 2 * (self.n_rows * n_rows / total)
        self.mean += (mean - self.mean) * (n_rows / total)
        self.n_rows = total

    @property
    def deviation(self):
        """ndarray of shape (n_columns,): Standard deviation; 0 where all that varies is rounding."""
        deviation = np.sqrt(self.squares / self.n_rows)
        return np.where(deviation > 1e-7 * abs(self.mean), deviation, 0)

    def over(self, n_last):
        """Mean and deviation over everything but the last axis of `n_last`."""
        means = self.mean.reshape(-1, n_last)
        variances = (self.deviation**2).reshape(-1, n_last)
        return means.mean(axis=0), np.sqrt(variances.mean(axis=0) + means.var(axis=0))

    def scale(self, about_mean):
        """float: Root mean square of all columns, about their means or about zero; 1 where there is nothing."""
        power = np.mean(self.deviation**2) + (0 if about_mean else np.mean(self.mean**2))
        return float(np.sqrt(power)) or 1.0


def row_blocks(rows, index, n_bytes=2**24):
    """Yield the rows of a sorted index in blocks of about 16 MiB."""
    n_rows = max(1, n_bytes // (8 * rows.shape[1]))
    for start in range(0, len(index), n_rows):
        yield rows[index[start : start + n_rows]]


def fingerprint(X, y):
    """Digest of every value of rows and targets, and of the songs and parts that they know.

    Parameters
    ----------
    X, y : array or Segments
        Read once, in blocks.

    Returns
    -------
    digest : str
    """
    digest = hashlib.blake2b(digest_size=16)
    for rows in (X, y):
        known = [[str(v) for v in getattr(rows, name, ())] for name in ("songs", "parts")]
        digest.update(json.dumps([list(rows.shape), known]).encode())
        for block in row_blocks(rows, np.arange(len(rows))):
            digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()
