"""Reduced-rank ridge regression as pure functions over rows that may be lazy.

Minimise ``|Y - X W V'|^2 + alpha |W V'|^2`` over factors of rank r, X and Y centred. The minimum is the
ridge fit, projected on the leading right singular vectors of the ridge fit of the *augmented* data
``[X; sqrt(alpha) I]`` (Mukherjee and Zhu, 2011): not the truncated SVD of the ridge coefficients, whose
objective is higher.

Rows are arrays, or tables with ``blocks(n_rows)`` (`skseparate._segments.Segments`).
"""

import numpy as np
from scipy import linalg
from sklearn.utils import gen_batches

# Bytes of one block of rows where all pairs of blocks are multiplied: large, as lazy rows are read again for each.
GRAM_BYTES = 2**29
# Bytes of one block of rows that is multiplied by a thin matrix: few enough blocks that the products, not the sums
# over blocks, take the time.
SKETCH_BYTES = 2**28
# Columns in a product of float32 rows, whose sums over columns are then added up in float64.
N_COLUMNS = 4096


def row_blocks(rows, n_rows):
    """Yield ``(slice, block)`` over rows that are lazy or an array."""
    blocks = rows.blocks(n_rows) if hasattr(rows, "blocks") else (rows[s] for s in gen_batches(len(rows), n_rows))
    start = 0
    for block in blocks:
        yield slice(start, start + len(block)), block
        start += len(block)


def rows_per_block(rows, n_bytes):
    """Rows that take about `n_bytes`."""
    return max(1, n_bytes // (rows.shape[1] * rows.dtype.itemsize))


# --------------------------------------------------------------------------------------------- dual


def gram(rows, shift=0):
    """Gram matrix of the rows less `shift`, ``(n, n)`` in float64, from pairs of blocks."""
    n_rows = rows_per_block(rows, GRAM_BYTES)
    products = np.empty((len(rows), len(rows)))
    for i, block in row_blocks(rows, n_rows):
        block = block - shift
        products[i, i] = _product(block, block)
        for j, other in row_blocks(rows, n_rows):
            if j.start >= i.start:
                break
            products[i, j] = _product(block, other - shift)
            products[j, i] = products[i, j].T
    return products


def near_mean(rows):
    """Mean of the first rows: less this, rows far from zero keep their digits in products."""
    _, block = next(row_blocks(rows, rows_per_block(rows, 2**25)))
    return block.mean(axis=0)


def _product(a, b):
    """``a @ b.T``: products in the dtype of the rows, sums in float64."""
    total = np.zeros((len(a), len(b)))
    for columns in gen_batches(a.shape[1], N_COLUMNS):
        total += a[:, columns] @ b[:, columns].T
    return total


def center_gram(products, train):
    """Gram matrix of all rows, less the mean of the training rows.

    Parameters
    ----------
    products : ndarray of shape (n, n)
        Gram matrix.
    train : ndarray of shape (n_train,)
        Indices.

    Returns
    -------
    centred : ndarray of shape (n, n)
    """
    means = products[:, train].mean(axis=1)
    return products - means[:, None] - means[None, :] + means[train].mean()


class DualPath:
    """Solutions for every alpha and rank from one eigendecomposition of the centred Gram matrices.

    With K = X X' = U L U', G = Y Y', D = L / (L + alpha) and the leading eigenpairs (E, Q) of
    D^½ U'GU D^½, the factors are ``V = Y' C`` and ``W = X' A``, where ``C = U D^½ Q E^-½`` and
    ``A = U (L + alpha)^-1 U' G C``.

    Parameters
    ----------
    K, G : ndarray of shape (n, n)
        Centred Gram matrices of the training rows and of their targets.
    precision : float, default=0.0
        Machine precision of the rows, where it is less than that of K.
    """

    def __init__(self, K, G, precision=0.0):
        eigenvalues, vectors = linalg.eigh(K)
        # centring leaves at least one direction empty; alpha = 0 must not divide by it
        smallest = max(len(K) * np.finfo(K.dtype).eps, precision)
        kept = eigenvalues > smallest * max(eigenvalues[-1], 0)
        self.eigenvalues, self.vectors = eigenvalues[kept], vectors[:, kept]
        self.targets = self.vectors.T @ G @ self.vectors

    def coefficients(self, alpha, rank):
        """Dual factors A and C, ``(n, rank)`` each, leading directions first; fewer where the rank is less."""
        shrunk = self.eigenvalues + alpha
        root = np.sqrt(self.eigenvalues / shrunk)
        fit = root[:, None] * self.targets * root
        strengths, directions = _leading(fit, rank)
        c = root[:, None] * directions / np.sqrt(strengths)
        return self.vectors @ (self.targets @ c / shrunk[:, None]), self.vectors @ c


def _leading(symmetric, rank):
    """Leading eigenpairs of a positive semi-definite matrix, largest first, null ones left out."""
    n = len(symmetric)
    if n == 0:
        return np.empty(0), np.empty((0, 0))
    first = 0 if rank is None else max(0, n - rank)
    values, vectors = linalg.eigh(symmetric, subset_by_index=(first, n - 1))
    kept = values > n * np.finfo(symmetric.dtype).eps * max(values[-1], np.finfo(float).tiny)
    return values[kept][::-1], vectors[:, kept][:, ::-1]


def primal_from_dual(rows, coefficients):
    """``rows.T @ coefficients`` and the mean of the rows, in one pass; both in float64."""
    total, mean = np.zeros((rows.shape[1], coefficients.shape[1])), np.zeros(rows.shape[1])
    for where, block in row_blocks(rows, rows_per_block(rows, SKETCH_BYTES)):
        few = coefficients[where].astype(block.dtype, copy=False)
        for columns in gen_batches(rows.shape[1], N_COLUMNS):
            panel = block[:, columns]
            total[columns] += panel.T @ few
            mean[columns] += panel.sum(axis=0, dtype=np.float64)
    return total, mean / len(rows)


# ------------------------------------------------------------------------------------------- primal


class Moments:
    """Means and centred second moments of rows and targets, exact however they arrive.

    Attributes
    ----------
    n_rows : int
        Rows seen.
    x_mean, y_mean : ndarray of shape (n_features,) and (n_targets,)
        Means.
    xx, xy : ndarray of shape (n_features, n_features) and (n_features, n_targets)
        Sums of products of centred rows.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating formulae and a pairwise algorithm
           for computing sample variances", 1979.
    """

    def __init__(self, n_features, n_targets, fit_intercept):
        self.n_rows, self.fit_intercept = 0, fit_intercept
        self.x_mean, self.y_mean = np.zeros(n_features), np.zeros(n_targets)
        self.xx, self.xy = np.zeros((n_features, n_features)), np.zeros((n_features, n_targets))

    def update(self, X, Y):
        """Add a block of rows and targets."""
        n_total = self.n_rows + len(X)
        if self.fit_intercept:
            x_mean, y_mean = X.mean(axis=0, dtype=np.float64), Y.mean(axis=0, dtype=np.float64)
            X, Y = X - x_mean.astype(X.dtype), Y - y_mean.astype(Y.dtype)
            x_shift, y_shift = x_mean - self.x_mean, y_mean - self.y_mean
            weight = self.n_rows * len(X) / n_total
            self.xx += weight * np.outer(x_shift, x_shift)
            self.xy += weight * np.outer(x_shift, y_shift)
            self.x_mean += x_shift * len(X) / n_total
            self.y_mean += y_shift * len(X) / n_total
        self.xx += X.T @ X
        self.xy += X.T @ Y
        self.n_rows = n_total


def solve_primal(xx, xy, alpha, rank):
    """Factors W ``(n_features, rank)`` and V ``(n_targets, rank)`` from second moments.

    With the Cholesky factor R R' = X'X + alpha and M = R^-1 X'Y, V holds the leading right singular
    vectors of M, and W = R'^-1 M V.
    """
    eigenvalues, vectors = linalg.eigh(xx)
    shrunk = eigenvalues + alpha
    kept = eigenvalues > len(xx) * np.finfo(xx.dtype).eps * max(eigenvalues[-1], np.finfo(float).tiny)
    root, vectors = 1 / np.sqrt(shrunk[kept]), vectors[:, kept]
    m = root[:, None] * (vectors.T @ xy)
    strengths, directions = _leading(m @ m.T, rank)
    v = m.T @ (directions / np.sqrt(strengths))
    return vectors @ (root[:, None] * directions * np.sqrt(strengths)), v
