"""Frozen folds of URMP, so that two papers compare."""

import numpy as np

# Made once by dealing the 27 titles so that pieces, their sizes and the 13 instruments spread evenly, then frozen. A
# title is a group, so arrangements and shared takes never stand on both sides. Never edit a list: add a new name.
FOLDS = {
    "urmp-5fold-v1": (
        ("GString", "Jesus", "Pavane", "King", "Slavonic", "Miserere"),
        ("Dance", "March", "Maria", "Hark", "Nocturne", "Pirates", "Arioso"),
        ("Entertainer", "Spring", "Waltz", "Rondeau", "Chorale"),
        ("Sonata", "Surprise", "Fugue", "K515"),
        ("Jupiter", "Allegro", "Rejouissance", "Elise", "Jerusalem"),
    ),
    "urmp-60-20-20-v1": (
        (
            "Jupiter",
            "Sonata",
            "Dance",
            "Spring",
            "Jesus",
            "March",
            "Hark",
            "Surprise",
            "Rejouissance",
            "King",
            "Fugue",
            "Slavonic",
            "Elise",
            "Jerusalem",
            "Miserere",
            "K515",
        ),
        ("Entertainer", "Maria", "Nocturne", "Rondeau", "Chorale"),
        ("Allegro", "GString", "Waltz", "Pavane", "Pirates", "Arioso"),
    ),
}


class UrmpFolds:
    """Named folds of URMP's songs, the same in every paper.

    Parameters
    ----------
    name : {"urmp-5fold-v1", "urmp-60-20-20-v1"}, default="urmp-5fold-v1"
        Five folds for cross-validation; or train, test and validation, of which `split` yields one
        fold, train and test, and `validation` gives the third.

    See Also
    --------
    skseparate.datasets.load_urmp : The data.

    Examples
    --------
    >>> from skseparate.model_selection import UrmpFolds
    >>> UrmpFolds().get_n_splits()
    5
    >>> songs = ["Jupiter", "Sonata", "Dance", "Allegro"]
    >>> all(UrmpFolds().fold_of(song) in range(5) for song in songs)
    True
    """

    def __init__(self, name="urmp-5fold-v1"):
        self.name = name

    def fold_of(self, song):
        """Return the number of the fold that holds a song.

        Raises
        ------
        ValueError
            If the name of the folds or the song is unknown.
        """
        if self.name not in FOLDS:
            raise ValueError(f"there are no folds {self.name!r}; choose from {sorted(FOLDS)}.")
        for fold, songs in enumerate(FOLDS[self.name]):
            if song in songs:
                return fold
        raise ValueError(f"{song!r} is not a song of URMP, so {self.name} has no fold for it.")

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds that `split` yields."""
        return 5 if self.name == "urmp-5fold-v1" else 1

    def split(self, X, y=None, groups=None):
        """Yield train and test indices.

        Parameters
        ----------
        X, y : sequence
            Recordings and solos; only their number counts.
        groups : array of shape (n_recordings,)
            The song of each.

        Yields
        ------
        train, test : ndarray of int
            Folds that none of the recordings falls into are left out.
        """
        folds = self._folds(groups)
        if self.get_n_splits() == 1:
            yield np.flatnonzero(folds == 0), np.flatnonzero(folds == 1)
            return
        for fold in np.unique(folds):
            yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)

    def validation(self, groups):
        """Return the indices of the validation songs of ``urmp-60-20-20-v1``."""
        return np.flatnonzero(self._folds(groups) == 2)

    def _folds(self, groups):
        if groups is None:
            raise ValueError("the folds of URMP go by song: pass groups=songs.")
        return np.array([self.fold_of(song) for song in groups])
