"""Ensembles with their stems, and the mixtures that can be made of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from skseparate._recording import LazySequence
from skseparate.datasets._recordings import Mixture, Stems

# From treble to bass: the order in which URMP's scores list their parts, whatever the family.
SCORE_ORDER = ("fl", "ob", "tpt", "vn", "cl", "sax", "va", "hn", "tbn", "bn", "vc", "tba", "db")


@dataclass(frozen=True)
class Ensemble:
    """One piece, recorded part by part.

    Parameters
    ----------
    name : str
        Of the piece.
    song : str
        What it shares with other arrangements of the same music.
    parts : tuple of str
        In score order.
    stems : tuple of Recording
        One a part.
    """

    name: str
    song: str
    parts: tuple
    stems: tuple

    def solos(self, chosen=None):
        """Stems of the chosen parts (indices), by default of all."""
        chosen = range(len(self.parts)) if chosen is None else chosen
        return Stems([self.stems[k] for k in chosen], [self.parts[k] for k in chosen], self.song)

    def mixture(self, chosen=None):
        """Mixture of the chosen parts (indices), by default of all."""
        return Mixture(self.solos(chosen), self.name)


class Ensembles(Sequence):
    """A data set: a sequence of `Ensemble`.

    Parameters
    ----------
    ensembles : sequence of Ensemble
        The pieces.

    See Also
    --------
    load_urmp : Real recordings.
    make_ensembles : Built-in synthetic ones.

    Examples
    --------
    >>> from skseparate.datasets import make_ensembles
    >>> ensembles = make_ensembles(n_songs=2, n_parts=3, duration=2.0, random_state=0)
    >>> X, y, songs = ensembles.power_set(min_parts=2)
    >>> len(X), len(y), len(songs)
    (8, 8, 8)
    """

    def __init__(self, ensembles):
        self._ensembles = list(ensembles)

    def __len__(self):
        return len(self._ensembles)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Ensembles(self._ensembles[index])
        return self._ensembles[index]

    def __repr__(self):
        n_songs = len({e.song for e in self})
        return f"<Ensembles: {len(self)} pieces of {n_songs} songs, {sum(len(e.parts) for e in self)} stems>"

    def describe(self):
        """Say what there is, without decoding any of it.

        Returns
        -------
        description : dict
            ``pieces``, ``songs``, ``stems``, ``hours`` (of the pieces), ``mixes`` (of two or more parts),
            ``sample_rates`` in Hz, ``parts`` (stems an instrument), ``sizes`` (pieces a number of parts),
            ``doubled`` (pieces that double an instrument) and ``odd``: sentences on what may surprise.

        Examples
        --------
        >>> from skseparate.datasets import make_ensembles
        >>> make_ensembles(n_songs=2, n_parts=2, instruments=["vn"], random_state=0).describe()["parts"]
        {'vn': 4}
        """
        sizes = Counter(len(e.parts) for e in self)
        return {
            "pieces": len(self),
            "songs": len({e.song for e in self}),
            "stems": sum(len(e.parts) for e in self),
            "hours": round(sum(e.solos().n_samples / e.solos().sample_rate for e in self) / 3600, 3),
            "mixes": sum(2 ** len(e.parts) - len(e.parts) - 1 for e in self),
            "sample_rates": sorted({stem.sample_rate for e in self for stem in e.stems}),
            "parts": dict(Counter(part for e in self for part in e.parts).most_common()),
            "sizes": dict(sorted(sizes.items())),
            "doubled": sum(len(set(e.parts)) < len(e.parts) for e in self),
            "odd": [*_odd_rates(self), *(sentence for e in self for sentence in _oddities(e))],
        }

    def with_lines(self, cache=None):
        """The same pieces, whose stems all know their lines: their own, or else tracked by pYIN from the stem.

        Parameters
        ----------
        cache : StemCache, default=None
            Keeps what was tracked; by default one in the user's cache folder.

        Returns
        -------
        ensembles : Ensembles
            Nothing is tracked until a line is asked for; then it needs librosa (``skseparate[hum]``).

        Examples
        --------
        >>> from skseparate.datasets import make_ensembles
        >>> ensembles = make_ensembles(n_songs=1, n_parts=2, duration=2.0, random_state=0).with_lines()
        >>> len(ensembles[0].mixture().lines)
        2
        """
        from skseparate.datasets._stem_cache import StemCache
        from skseparate.datasets._tracked import tracked

        cache = StemCache() if cache is None else cache
        return Ensembles(
            replace(e, stems=tuple(tracked(stem, part, cache) for stem, part in zip(e.stems, e.parts, strict=True)))
            for e in self
        )

    def power_set(self, min_parts=2, max_parts=None, distinct=False):
        """Every mix of some of the parts of a piece.

        Parameters
        ----------
        min_parts : int, default=2
            Fewest parts in a mix.
        max_parts : int, default=None
            Most parts in a mix; by default all.
        distinct : bool, default=False
            Whether to leave out mixes of the very takes that are mixed already: pieces of URMP share
            some. Costs reading every stem once.

        Returns
        -------
        X : LazySequence of Mixture
            The mixes, smallest first within a piece.
        y : LazySequence of Stems
            Their solos.
        songs : ndarray of str
            Their songs, the groups for splitters.
        """
        if min_parts < 1:
            raise ValueError(f"min_parts={min_parts} must be at least 1.")
        keys, seen = [], set()
        takes = {id(e): [stem.take for stem in e.stems] for e in self} if distinct else None
        for ensemble in self:
            n_parts = len(ensemble.parts)
            for size in range(min_parts, min(n_parts, max_parts or n_parts) + 1):
                for chosen in combinations(range(n_parts), size):
                    mix = frozenset(takes[id(ensemble)][k] for k in chosen) if distinct else None
                    if mix is None or mix not in seen:
                        keys.append((ensemble, chosen))
                        seen.add(mix)
        X = LazySequence(_mixture_of, keys)
        y = LazySequence(_solos_of, keys)
        return X, y, np.array([ensemble.song for ensemble, _ in keys], dtype=str)

    def cross_mixes(self, n_mixes, n_parts=(2, 5), n_pools=5, random_state=None):
        """Mixes across pieces: parts that never played together.

        A mix across songs would leak whichever side of a split it stood on. So the songs are dealt
        into pools, only songs of one pool are mixed, and the pool is the group.

        Parameters
        ----------
        n_mixes : int
            How many mixes.
        n_parts : int or (int, int), default=(2, 5)
            Parts in a mix, or the fewest and the most.
        n_pools : int, default=5
            Into how many groups to deal the songs.
        random_state : int, RandomState instance or None, default=None
            Decides pools and mixes.

        Returns
        -------
        X : LazySequence of Mixture
            The mixes, as long as their shortest stem.
        y : LazySequence of Stems
            Their solos, from treble to bass.
        pools : ndarray of str
            Their pools, the groups for splitters.

        Raises
        ------
        ValueError
            If a pool has too few stems, or the stems more than one sample rate.
        """
        rng = check_random_state(random_state)
        songs = rng.permutation(sorted({e.song for e in self}))
        if not 1 <= n_pools <= len(songs):
            raise ValueError(f"n_pools={n_pools} must lie between 1 and the number of songs, {len(songs)}.")
        rates = {stem.sample_rate for e in self for stem in e.stems}
        if len(rates) > 1:
            raise ValueError(f"stems of {sorted(rates)} Hz cannot be mixed: load them with one sample_rate.")
        fewest, most = part_range(n_parts)
        pools = [self._stems_of(songs[i::n_pools]) for i in range(n_pools)]
        keys = []
        for i in range(n_mixes):
            pool = i % n_pools
            size = rng.randint(fewest, most + 1)
            if len(pools[pool]) < size:
                raise ValueError(f"pool {pool} has {len(pools[pool])} stems, {size} are needed: use fewer pools.")
            chosen = rng.choice(len(pools[pool]), size, replace=False)
            keys.append((f"pool {pool}", *_in_score_order([pools[pool][k] for k in chosen])))
        groups = np.array([pool for pool, _, _ in keys], dtype=str)
        return LazySequence(_cross_mixture_of, keys), LazySequence(_cross_solos_of, keys), groups

    def _stems_of(self, songs):
        songs = set(songs)
        return [pair for e in self if e.song in songs for pair in zip(e.parts, e.stems, strict=True)]


def part_range(n_parts, limit=None):
    """Fewest and most parts, from a number or a pair."""
    fewest, most = (n_parts, n_parts) if isinstance(n_parts, Integral) else _pair(n_parts)
    if not 1 <= fewest <= most <= (limit or most):
        wanted = "at least 1" if limit is None else f"from 1 to {limit}"
        raise ValueError(f"n_parts={n_parts!r} must be a number {wanted}, or the fewest and the most.")
    return fewest, most


def _pair(n_parts):
    if len(n_parts) != 2 or not all(isinstance(n, Integral) for n in n_parts):
        raise ValueError(f"n_parts={n_parts!r} must be a number, or the fewest and the most.")
    return n_parts


def _oddities(ensemble):
    """What may surprise in a piece."""
    if len(ensemble.parts) < 2:
        yield f"{ensemble.name} has a single part, and nothing to separate."
    lengths = [stem.n_samples for stem in ensemble.stems]
    if max(lengths) != min(lengths):
        seconds = (max(lengths) - min(lengths)) / ensemble.stems[0].sample_rate
        yield f"{ensemble.name}: stems differ by up to {seconds:.3f} s; the shorter end in silence."
    unknown = sorted(set(ensemble.parts) - set(SCORE_ORDER))
    if unknown:
        yield f"{ensemble.name}: {', '.join(unknown)} is none of the known instruments, {', '.join(SCORE_ORDER)}."


def _odd_rates(ensembles):
    rates = Counter(e.stems[0].sample_rate for e in ensembles)
    if len(rates) > 1:
        told = ", ".join(f"{count} of {rate} Hz" for rate, count in rates.most_common())
        yield f"Pieces differ in sample rate ({told}): load them with one sample_rate to mix across them."


def _in_score_order(pairs):
    """Parts and stems from treble to bass; instruments unknown to the score order come last."""
    known = {part: i for i, part in enumerate(SCORE_ORDER)}
    parts, stems = zip(*sorted(pairs, key=lambda pair: known.get(pair[0], len(known))), strict=True)
    return parts, stems


# Module-level, so that lazy sequences can be pickled to other processes.


def _mixture_of(key):
    return key[0].mixture(key[1])


def _solos_of(key):
    return key[0].solos(key[1])


def _cross_solos_of(key):
    pool, parts, stems = key
    return Stems(stems, parts, pool, n_samples=min(stem.n_samples for stem in stems))


def _cross_mixture_of(key):
    return Mixture(_cross_solos_of(key), " + ".join(key[1]))
