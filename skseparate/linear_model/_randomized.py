"""Reduced-rank ridge regression by sketches of rows and targets: a few passes over tables of any size.

The solution of `_solvers` is sought in a subspace of the space of rows. Its first block are the leading
directions of a sketch of the targets (Halko, Martinsson and Tropp, 2011); each power pass over the rows adds
the block that conjugate gradients would go to next. All passes are kept, not the last alone: block Krylov
spaces (Musco and Musco, 2015). A subspace of all rows gives the solution of the dual.

Never more than a few matrices of features by sketch are held, and of rows by sketch.
"""

import numpy as np
from scipy import linalg
from sklearn.utils import gen_batches

from skseparate.linear_model._solvers import (
    N_COLUMNS,
    SKETCH_BYTES,
    near_mean,
    primal_from_dual,
    row_blocks,
    rows_per_block,
)


class Sketched:
    """A table of rows, seen only through products with thin matrices, as if it were centred.

    Parameters
    ----------
    rows : array or Segments of shape (n, n_columns)
        Rows.
    centred : bool
        Whether products are those of the rows less their mean.
    """

    def __init__(self, rows, centred):
        self.rows, self.centred = rows, centred
        self.shift = near_mean(rows) if centred else None

    def times(self, factors):
        """``X @ factors``, ``(n, k)`` in float64: one pass."""
        return self._pass(factors)[0]

    def power(self, factors):
        """``T = X @ factors`` and ``X.T @ T`` in one pass: ``(n, k)`` and ``(n_columns, k)``, in float64."""
        return self._pass(factors, np.zeros(factors.shape))

    def _pass(self, factors, total=None):
        products = np.empty((len(self.rows), factors.shape[1]))
        column_sums = np.zeros(len(factors))
        for where, block in row_blocks(self.rows, rows_per_block(self.rows, SKETCH_BYTES)):
            product = np.zeros((len(block), factors.shape[1]))
            for columns, panel in self._panels(block):
                product += panel @ factors[columns]
            products[where] = product
            if total is not None:
                product = product.astype(block.dtype, copy=False)
                for columns, panel in self._panels(block):
                    total[columns] += panel.T @ product
                    column_sums[columns] += panel.sum(axis=0, dtype=np.float64)
        if self.centred:
            self._centre(products, total, column_sums)
        return products, total

    @staticmethod
    def _centre(products, total, column_sums):
        """Turn products of rows that are not centred into those of rows that are, in place."""
        means = products.mean(axis=0)
        products -= means
        if total is not None:
            for columns in gen_batches(len(total), N_COLUMNS):
                total[columns] -= np.outer(column_sums[columns], means)

    def _panels(self, block):
        """Slices of columns and what the block holds there, less the shift: small enough to stay in the cache."""
        for columns in gen_batches(block.shape[1], N_COLUMNS):
            yield columns, block[:, columns] if self.shift is None else block[:, columns] - self.shift[columns]


def solve_randomized(X, y, alpha, rank, n_oversamples, n_iter, fit_intercept, rng):
    """Factors of the low-rank ridge, from n_iter + 3 passes over the rows and n_iter + 2 over the targets.

    Parameters
    ----------
    X, y : array or Segments of shape (n, n_features) and (n, n_targets)
        Rows and targets.
    alpha : float
        Penalty.
    rank, n_oversamples : int
        Directions of the prediction, and how many more are sketched.
    n_iter : int
        Power passes over either side.
    fit_intercept : bool
        Whether to centre.
    rng : RandomState
        Makes the sketch.

    Returns
    -------
    x_factors, x_mean : ndarray of shape (n_features, rank) and (n_features,)
        W and the mean of the rows.
    y_factors, y_mean : ndarray of shape (n_targets, rank) and (n_targets,)
        V and the mean of the targets.
    """
    size = min(rank + n_oversamples, len(X))
    targets = _sketch_targets(Sketched(y, fit_intercept), size, n_iter, rng)
    block = _start(targets, size, fit_intercept, rng)
    # not given a name here, so that _krylov can let go of it
    basis, images = _krylov(
        Sketched(X, fit_intercept), block, primal_from_dual(X, block)[0].astype(X.dtype, copy=False), n_iter
    )
    coefficients = _within(basis, images, targets, alpha, np.finfo(X.dtype).eps, size)
    fitted, y_mean = primal_from_dual(y, images @ coefficients)
    strengths, directions = _strongest(fitted.T @ fitted, rank)
    y_factors = fitted @ (directions / strengths)
    del fitted
    x_factors, x_mean = primal_from_dual(X, basis @ (coefficients @ (directions * strengths)))
    return x_factors, x_mean, y_factors, y_mean


def _sketch_targets(table, size, n_iter, rng):
    """Root R of ``R R'``, near ``Y Y'``: ``(n, max(n_iter, 1) * size)`` or fewer columns."""
    dtype = table.rows.dtype
    factors = _gaussian(table.rows, min(size, table.rows.shape[1]), rng)
    if n_iter == 0:
        return table.times(factors)
    products, total = table.power(factors)
    block, rotation = _orthonormal(products, dtype)
    basis, images = _krylov(table, block, _rotated(total, rotation, dtype), n_iter - 1)
    return images @ _whitening(basis.T @ images, np.finfo(dtype).eps)


def _start(targets, size, centred, rng):
    """Leading directions of the targets, filled up at random to `size` columns where they have fewer."""
    targets = _orthonormal(targets, targets.dtype, 1e-8)[0][:, :size]
    n, found = targets.shape
    filling = rng.standard_normal((n, size - found))
    if centred:
        filling -= filling.mean(axis=0)
    return _orthonormal(np.hstack([targets, filling]), filling.dtype, 1e-8)[0]


def _krylov(table, block, factors, n_iter):
    """A basis S in the space of rows, orthonormal, and its image ``X X' S``: at most ``(n, (n_iter + 1) * size)``.

    From its first block and ``factors = X.T @ block``.
    """
    dtype = table.rows.dtype
    basis, images = [block], []
    for _ in range(n_iter):
        image, total = table.power(factors)
        block, rotation = _orthonormal(image, dtype)
        factors = _rotated(total, rotation, dtype)
        basis.append(block)
        images.append(image)
    images.append(table.times(factors))
    # what only differs from the other blocks by rounding would bring its rounding errors with it, much enlarged
    basis, rotation = _orthonormal(np.hstack(basis), dtype, np.finfo(dtype).eps ** 0.8)
    return basis, np.hstack(images) @ rotation


def _within(basis, images, targets, alpha, precision, size):
    """Dual coefficients, in the basis, of the `size` directions that fit the targets best: ``(n_basis, size)``.

    Their fits E = images @ coefficients satisfy ``E'E + alpha a'S'K S a = 1``, so that the ridge within
    them is ``E'Y``.
    """
    whitening = _whitening(images.T @ images + alpha * (basis.T @ images), precision)
    best = _orthonormal((images @ whitening).T @ targets, targets.dtype)[0]
    return whitening @ best[:, :size]


def _whitening(matrix, precision):
    """W with ``W' M W = 1`` for a positive semi-definite M, null directions left out."""
    values, vectors = linalg.eigh((matrix + matrix.T) / 2)
    kept = values > precision * max(values, default=0)
    return vectors[:, kept] / np.sqrt(values[kept])


def _strongest(symmetric, rank):
    """Roots of the leading eigenvalues and their vectors, largest first, null ones left out."""
    values, vectors = linalg.eigh(symmetric)
    kept = values > len(values) * np.finfo(float).eps * max(values[-1], np.finfo(float).tiny) if len(values) else []
    return np.sqrt(values[kept])[::-1][:rank], vectors[:, kept][:, ::-1][:, :rank]


def _orthonormal(matrix, dtype, tolerance=None):
    """Orthonormal basis of the columns and what they are multiplied by to give it."""
    left, singular, right = linalg.svd(matrix, full_matrices=False)
    tolerance = tolerance or 10 * max(matrix.shape) ** 0.5 * np.finfo(dtype).eps
    kept = singular > tolerance * max(singular, default=0)
    return left[:, kept], right[kept].T / singular[kept]


def _gaussian(rows, size, rng):
    fast = np.random.default_rng(rng.randint(2**31 - 1))  # RandomState makes no float32
    return fast.standard_normal((rows.shape[1], size), rows.dtype)


def _rotated(total, rotation, dtype):
    """``total @ rotation`` in the dtype of the rows, without a second matrix in float64."""
    factors = np.empty((len(total), rotation.shape[1]), dtype)
    for columns in gen_batches(len(total), N_COLUMNS):
        factors[columns] = total[columns] @ rotation
    return factors
