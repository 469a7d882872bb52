"""Dynamic time warping, from coarse to fine."""

import numpy as np

COARSE = 8  # frames that the first pass takes together
RADIUS = 60  # frames on either side of the coarse path that the second pass looks at
# What a step costs: both sequences move on, only the first, only the second. Two half steps cost more than a whole.
WEIGHTS = (2.0, 1.5, 1.5)


def warping_path(a, b):
    """The path along which two sequences of features match best.

    A first pass over means of `COARSE` frames tells where the second, in full, has to look: so ten minutes take
    seconds.

    Parameters
    ----------
    a : ndarray of shape (n_a, n_features)
        Features, of length at most 1 each.
    b : ndarray of shape (n_b, n_features)
        The same of another sequence.

    Returns
    -------
    path : ndarray of int of shape (n_steps, 2)
        Pairs of frames, from ``(0, 0)`` to the last of both; neither ever goes back.

    References
    ----------
    .. [1] M. Müller, H. Mattes and F. Kurth, "An efficient multiscale approach to audio synchronization", ISMIR 2006.
    .. [2] S. Ewert, M. Müller and P. Grosche, "High resolution audio synchronization using chroma onset features",
           ICASSP 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from skseparate.lines._dtw import warping_path
    >>> warping_path(np.array([[0.0], [1.0], [0.0]]), np.array([[0.0], [1.0], [1.0], [0.0]])).tolist()
    [[0, 0], [1, 1], [1, 2], [2, 3]]
    """
    if min(len(a), len(b)) < 2 * COARSE:
        return _path(a, b, None)
    coarse = _path(_pooled(a), _pooled(b), None) * COARSE + COARSE // 2
    return _path(a, b, np.vstack([[0, 0], coarse, [len(a) - 1, len(b) - 1]]))


def best_excerpt(a, b):
    """Where in a long sequence a short one is.

    Parameters
    ----------
    a, b : ndarray of shape (n_a, n_features) and (n_b, n_features)
        The long sequence and the short one; see `warping_path`.

    Returns
    -------
    first, last : int
        Frames of `a`, the last exclusive: half to double as many as `b` has.

    References
    ----------
    .. [1] M. Müller, "Information Retrieval for Music and Motion", Springer, 2007: subsequence DTW, chapter 4.4.
    """
    n_a, a, b = len(a), _pooled(a), _pooled(b)
    n_a_coarse = len(a)
    costs = 0.5 * (np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)) - a @ b.T  # (n_a, n_b)
    never = np.full(n_a_coarse, np.inf), np.zeros(n_a_coarse, int)
    before = [never, (costs[:, 0], np.arange(n_a_coarse))]  # total cost and start of what ends in each frame of a
    for last, cost in zip(costs.T, costs.T[1:], strict=False):
        candidates = [_later(*before[1], 1), _later(*before[1], 2), _later(*before[0], 1)]
        candidates[2] = candidates[2][0] + last, candidates[2][1]  # every frame of b costs, also where a waits
        best = np.argmin([total for total, _ in candidates], axis=0)
        total, start = (np.choose(best, [candidate[i] for candidate in candidates]) for i in (0, 1))
        before = [before[1], (total + cost, start)]
    total, start = before[1]
    last = int(total.argmin())
    return int(start[last]) * COARSE, min(n_a, (last + 1) * COARSE)


def _later(total, start, n):
    """Both, moved on by `n` frames."""
    return np.concatenate([np.full(n, np.inf), total[:-n]]), np.concatenate([np.zeros(n, int), start[:-n]])


def _pooled(features):
    """Means of `COARSE` frames each."""
    n = -(-len(features) // COARSE)
    padded = np.pad(features, ((0, n * COARSE - len(features)), (0, 0)), mode="edge")
    return padded.reshape(n, COARSE, -1).mean(axis=1)


def _path(a, b, around):
    """Accumulate costs along anti-diagonals, each at once, then walk back."""
    lows, highs = _bounds(len(a), len(b), around)
    before = [(0, np.zeros(0)), (0, np.zeros(0))]  # the two diagonals before: first row, and costs
    steps = []
    for k, (low, high) in enumerate(zip(lows, highs, strict=True)):
        rows = np.arange(low, high + 1)
        cost = 0.5 * np.square(a[rows] - b[k - rows]).sum(axis=1) + 1e-6
        candidates = np.stack(
            [
                _at(before[0], rows - 1) + WEIGHTS[0] * cost,
                _at(before[1], rows - 1) + WEIGHTS[1] * cost,
                _at(before[1], rows) + WEIGHTS[2] * cost,
            ]
        )
        best = candidates.argmin(axis=0)
        total = candidates[best, np.arange(len(rows))] if k else cost
        steps.append(best.astype(np.int8))
        before = [before[1], (low, total)]
    return _walked_back(steps, lows, len(a), len(b))


def _bounds(n_a, n_b, around):
    """First and last row of each anti-diagonal, within the radius of a path where there is one."""
    diagonals = np.arange(n_a + n_b - 1)
    lows, highs = np.maximum(0, diagonals - n_b + 1), np.minimum(n_a - 1, diagonals)
    if around is not None:
        centre = np.interp(diagonals, around.sum(axis=1), around[:, 0]).astype(int)
        lows = np.minimum(np.maximum(lows, centre - RADIUS), highs)
        highs = np.maximum(np.minimum(highs, centre + RADIUS), lows)
    return lows, highs


def _at(diagonal, rows):
    """Costs of rows of a diagonal, infinite outside of it."""
    first, costs = diagonal
    found = np.full(len(rows), np.inf)
    inside = (rows >= first) & (rows < first + len(costs))
    found[inside] = costs[rows[inside] - first]
    return found


def _walked_back(steps, lows, n_a, n_b):
    i, j = n_a - 1, n_b - 1
    path = [(i, j)]
    while i or j:
        step = steps[i + j][i - lows[i + j]]
        i, j = i - (step != 2), j - (step != 1)
        path.append((i, j))
    return np.array(path[::-1])
