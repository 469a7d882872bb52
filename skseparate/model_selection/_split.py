"""Splits by song, and a guard against splits that are not."""

import warnings

import numpy as np
from sklearn.utils import check_random_state

N_TRIALS = 200


class LeakWarning(UserWarning):
    """Music stands on both sides of a split."""


def song_split(X, songs, sizes=(0.6, 0.2, 0.2), random_state=0):
    """Split recordings by song into train, test and validation, balanced by hours and number of parts.

    All mixes of a song fall on one side. Of many random deals, each improved by moving single songs, the one
    is kept whose hours of duos, trios, quartets and quintets come nearest to the sizes asked for.

    Parameters
    ----------
    X : sequence of recordings
        The mixtures; nothing is decoded.
    songs : array of shape (n_recordings,)
        Their songs.
    sizes : sequence of float, default=(0.6, 0.2, 0.2)
        Shares of the sides: train, test and validation.
    random_state : int, RandomState instance or None, default=0
        Decides the deals.

    Returns
    -------
    sides : list of ndarray of int
        Indices of the recordings of each side, in order.

    Raises
    ------
    ValueError
        If there are fewer songs than sides, or a size is not positive.

    Examples
    --------
    >>> from skseparate.datasets import make_ensembles
    >>> from skseparate.model_selection import song_split
    >>> X, y, songs = make_ensembles(n_songs=10, n_parts=(2, 3), random_state=0).power_set()
    >>> train, test, validation = song_split(X, songs)
    >>> sum(len(set(songs[side])) for side in (train, test, validation))
    10
    """
    sizes = np.asarray(sizes, dtype=float)
    names, songs = np.unique(songs, return_inverse=True)
    if (sizes <= 0).any() or len(names) < len(sizes):
        raise ValueError(f"{len(sizes)} positive sizes need as many songs; got sizes {sizes} and {len(names)} songs.")
    seconds = _seconds_by_size(X, songs, len(names))
    wanted = np.outer(sizes / sizes.sum(), seconds.sum(axis=0))
    rng = check_random_state(random_state)
    deals = [_improved(rng.permutation(np.arange(len(names)) % len(sizes)), seconds, wanted) for _ in range(N_TRIALS)]
    side = min(deals, key=lambda deal: _distance(deal, seconds, wanted))
    return [np.flatnonzero(side[songs] == k) for k in range(len(sizes))]


def _seconds_by_size(X, songs, n_songs):
    """Seconds of each song, by number of parts: ``(n_songs, n_sizes)``."""
    sizes = np.array([len(getattr(x, "parts", None) or ()) for x in X])
    seconds = np.zeros((n_songs, sizes.max() + 1))
    for i, x in enumerate(X):
        rate = getattr(x, "sample_rate", None) or 1
        seconds[songs[i], sizes[i]] += x.shape[-1] / rate
    return seconds[:, seconds.any(axis=0)]


def _distance(side, seconds, wanted):
    """How far a deal is from what is wanted, in shares of what there is of each size."""
    dealt = np.stack([seconds[side == k].sum(axis=0) for k in range(len(wanted))])
    missing = np.sum(dealt.sum(axis=1) == 0)  # no side may be empty
    return np.sum(((dealt - wanted) / wanted.sum(axis=0)) ** 2) + 10 * missing


def _improved(side, seconds, wanted):
    """The deal after moving single songs while that brings it nearer."""
    best = _distance(side, seconds, wanted)
    improving = True
    while improving:
        improving = False
        for song in range(len(side)):
            for k in range(len(wanted)):
                moved = side.copy()
                moved[song] = k
                if (distance := _distance(moved, seconds, wanted)) < best - 1e-12:
                    side, best, improving = moved, distance, True
    return side


def find_leaks(train, test, takes=True):
    """Say what music stands on both sides of a split.

    Parameters
    ----------
    train, test : sequence of recordings
        The sides.
    takes : bool, default=True
        Whether to compare the very takes, too; reads every stem once.

    Returns
    -------
    leaks : list of str
        One sentence a leak; empty where there is none.

    Examples
    --------
    >>> from skseparate.datasets import make_ensembles
    >>> from skseparate.model_selection import find_leaks
    >>> X, y, songs = make_ensembles(n_songs=2, n_parts=2, duration=1.0, random_state=0).power_set()
    >>> find_leaks(X[:1], X[1:])
    []
    >>> find_leaks(X, X[1:])
    ["song 'song 01' stands on both sides.", '2 takes stand on both sides.']
    """
    leaks = [f"song {song!r} stands on both sides." for song in sorted(_songs(train) & _songs(test))]
    shared = len(_takes(train) & _takes(test)) if takes else 0
    if shared:
        leaks.append(f"{shared} take{'s stand' if shared > 1 else ' stands'} on both sides.")
    return leaks


def _songs(recordings):
    return {song for r in recordings if (song := getattr(r, "song", None)) is not None}


def _takes(recordings):
    return {take for r in recordings if getattr(r, "sources", None) is not None for take in r.sources.takes}


class LeakGuard:
    """A splitter that warns where another puts mixes of one song, or one take, on both sides.

    Parameters
    ----------
    cv : splitter
        Any of scikit-learn's.
    takes : bool, default=True
        See `find_leaks`.

    Examples
    --------
    >>> from sklearn.model_selection import GroupKFold
    >>> from skseparate.datasets import make_ensembles
    >>> from skseparate.model_selection import LeakGuard
    >>> X, y, songs = make_ensembles(n_songs=2, n_parts=2, duration=1.0, random_state=0).power_set()
    >>> [len(test) for _, test in LeakGuard(GroupKFold(2)).split(X, y, songs)]
    [1, 1]
    """

    def __init__(self, cv, takes=True):
        self.cv = cv
        self.takes = takes

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds of the splitter."""
        return self.cv.get_n_splits(X, y, groups)

    def split(self, X, y=None, groups=None):
        """Yield the splitter's folds, and warn of leaks.

        Yields
        ------
        train, test : ndarray of int
            Indices.
        """
        for fold, (train, test) in enumerate(self.cv.split(X, y, groups)):
            for leak in find_leaks([X[i] for i in train], [X[i] for i in test], self.takes):
                warnings.warn(f"fold {fold}: {leak}", LeakWarning, stacklevel=2)
            yield train, test
