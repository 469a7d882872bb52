"""Augmentation: new mixes of the training songs' own parts, made while training."""

from dataclasses import asdict, dataclass, fields

import numpy as np
import soxr


@dataclass(frozen=True)
class Augmentation:
    """How mixes are varied; each setting 0 (or False) switches its kind off.

    Parameters
    ----------
    subset : float, default=0.3
        Chance that parts of a row of three or more are left out; two or more stay.
    swap : float, default=0.5
        Chance that a part is played by the same slot (the same instrument, where parts are known) of another row
        of the pool: another take, another song. Doubled instruments stay together: what tells the first desk from the
        second is how they lie to each other.
    gain : float, default=6.0
        Each part is made up to so many dB louder or softer.
    flip : bool, default=True
        Whether parts change their sign, one in two.
    resample : float, default=0.03
        Rows are played up to so much faster or slower, one in two.
    """

    subset: float = 0.3
    swap: float = 0.5
    gain: float = 6.0
    flip: bool = True
    resample: float = 0.03

    @classmethod
    def of(cls, setting):
        """From True, or a dict of settings that differ from the defaults.

        Raises
        ------
        ValueError
            If a setting is not known.
        """
        settings = {} if setting is True else dict(setting)
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(settings) - set(known)):
            raise ValueError(f"augmentation has no settings {', '.join(unknown)}; it has {', '.join(known)}.")
        return cls(**settings)

    def __call__(self, solos, parts, rng):
        """Vary a pool of rows.

        Parameters
        ----------
        solos : ndarray of shape (n_rows, n_slots, n_samples)
            Absent parts are silent, and come last. Not changed.
        parts : sequence of (tuple of str or None)
            The parts of each row.
        rng : numpy.random.Generator
            The only source of chance.

        Returns
        -------
        solos : ndarray of shape (n_rows, n_slots, n_samples)
            The mixture is their sum.
        parts : list of (tuple of str or range)
            The parts of each row that are left; numbers where they were not known.
        """
        counts = [len(p) if p is not None else _count(s) for p, s in zip(parts, solos, strict=True)]
        names = [p if p is not None else range(n) for p, n in zip(parts, counts, strict=True)]
        varied = self._swap(solos, names, rng)
        for i, n_parts in enumerate(counts):
            varied[i, :n_parts] *= self._gains(n_parts, rng)[:, None].astype(solos.dtype)
            if n_parts > 2 and rng.random() < self.subset:
                kept = np.sort(rng.choice(n_parts, rng.integers(2, n_parts), replace=False))
                varied[i, : len(kept)] = varied[i, kept]
                varied[i, len(kept) :] = 0  # slot k stays the k-th part present
                names[i] = tuple(names[i][k] for k in kept)
            if self.resample and rng.random() < 0.5:
                varied[i] = _resample(varied[i], 1 + self.resample * rng.uniform(-1, 1))
        return varied, names

    def _swap(self, solos, names, rng):
        """Parts from other rows, of the same name."""
        where = {}
        for i, row in enumerate(names):
            for k, name in enumerate(row):
                where.setdefault(name, []).append((i, k))
        varied = solos.copy()
        for i, row in enumerate(names):
            for k, name in enumerate(row):
                if row.count(name) == 1 and rng.random() < self.swap:  # desks are told apart by each other
                    varied[i, k] = solos[where[name][rng.integers(len(where[name]))]]
        return varied

    def _gains(self, n_parts, rng):
        gains = 10 ** (rng.uniform(-self.gain, self.gain, n_parts) / 20)
        return gains * rng.choice([-1, 1], n_parts) if self.flip else gains

    def as_dict(self):
        """dict: All settings."""
        return asdict(self)


def _count(solos):
    """Parts of a row that does not know them: up to the last slot that sounds."""
    sounding = np.flatnonzero(solos.any(axis=-1))
    return int(sounding[-1]) + 1 if len(sounding) else 0


def _resample(solos, speed):
    """Play ``(n_slots, n_samples)`` faster; what is missing at the end is silent."""
    n_samples = solos.shape[-1]
    played = soxr.resample(np.ascontiguousarray(solos.T), n_samples * speed, n_samples, quality="MQ").T[:, :n_samples]
    return np.pad(played, ((0, 0), (0, n_samples - played.shape[1])))
