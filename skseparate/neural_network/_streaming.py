"""Batches of rows in shuffled order, read (and mixed) as they are wanted."""

import numpy as np
import torch

from skseparate._parts import part_codes

# Neighbouring rows are read together: their segments overlap, and decoding forward is cheap.
RUN = 4
# Rows are shuffled once more among so many batches.
POOL = 4


class Stream:
    """Batches of the rows of an index; the order of an epoch depends on the seed and its number only.

    Parameters
    ----------
    X, y : array or Segments of shape (n_rows, n_columns)
        Rows and targets. No more than `POOL` batches of them are held at once.
    index : ndarray of int
        Rows to take, ascending.
    batch_size : int
        Rows of a batch.
    out_shape : tuple of int
        A target before flattening.
    seed : int or None
        Of the order; None for the rows as they come, without augmentation.
    augmentation : Augmentation or None
        Varies the mixes.
    with_waveforms : bool
        Whether batches carry the mixture's spectrogram and the solos' audio.
    told : bool
        Whether the codes of the parts stand behind the features of each row.
    device : str
        Where batches go.

    Attributes
    ----------
    epoch : int
        Number of the epoch that the next iteration makes.
    seconds : float
        Audio of an epoch; NaN where it is not known.
    """

    def __init__(
        self,
        X,
        y,
        index,
        batch_size,
        out_shape,
        seed=None,
        augmentation=None,
        with_waveforms=False,
        told=False,
        device="cpu",
    ):
        self.X, self.y, self.index, self.batch_size, self.out_shape = X, y, index, batch_size, tuple(out_shape)
        self.seed, self.augmentation, self.with_waveforms, self.device = seed, augmentation, with_waveforms, device
        self.epoch, self.seconds = 0, len(index) * row_seconds(X)
        self._told, self._parts = told, X.parts if augmentation or told else None

    def __len__(self):
        return len(self.index)

    def __iter__(self):
        """Yield ``(rows, targets, extra)``: tensors ``(batch, n_features)``, ``(batch, *out_shape)`` and a dict."""
        rng = None if self.seed is None else np.random.default_rng([self.seed, self.epoch])
        mixing = None if self.seed is None else np.random.default_rng([self.seed, self.epoch, 1])
        order = self.index if rng is None else shuffled_runs(self.index, rng)
        n_pool = POOL * self.batch_size
        for start in range(0, len(order), n_pool):
            pool = order[start : start + n_pool]
            where = np.arange(len(pool)) if rng is None else rng.permutation(len(pool))
            if self.augmentation or self.with_waveforms:
                yield from self._remixed(pool, where, mixing)
            else:
                yield from self._read(pool, where)

    def _read(self, pool, where):
        rows, targets = self.X[pool], self.y[pool]
        for start in range(0, len(pool), self.batch_size):
            some = where[start : start + self.batch_size]
            named = self._named(rows[some], self._parts[pool[some]] if self._told else None)
            yield named, self._tensor(targets[some]).reshape(-1, *self.out_shape), None

    def _remixed(self, pool, where, rng):
        """Batches from audio: parts are varied and summed, then transformed."""
        solos = read_waveforms(self.y, pool).astype(np.float32, copy=False)
        parts = self._parts[pool] if self._told else None
        if self.augmentation:
            solos, parts = self.augmentation(solos, self._parts[pool], rng)
            mixtures = solos.sum(axis=1)
        else:
            mixtures = read_waveforms(self.X, pool).astype(np.float32, copy=False)
        for start in range(0, len(pool), self.batch_size):
            some = where[start : start + self.batch_size]
            named = [parts[i] for i in some] if self._told else None
            yield self._encoded(self._carried(mixtures[some]), self._carried(solos[some]), named)

    def _encoded(self, mixtures, solos, parts):
        rows, targets = self.X.encode(mixtures), self.y.encode(solos)
        extra = None
        if self.with_waveforms:
            spectrograms = self.X._chains[0].stft(mixtures)
            extra = {"spectrograms": torch.as_tensor(spectrograms, device=self.device), "solos": self._tensor(solos)}
        rows = self._named(self._tensor(rows).flatten(1), parts)
        return rows, self._tensor(targets).reshape(-1, *self.out_shape), extra

    def _named(self, rows, parts):
        """Rows, and behind them the codes of their parts, where the network is told."""
        rows = self._tensor(rows)
        if not self._told:
            return rows
        codes = np.stack([part_codes(p, self.out_shape[0]).ravel() for p in parts])
        return torch.cat([rows, self._tensor(codes)], dim=1)

    def _carried(self, signals):
        """NumPy's FFT serves the CPU, torch's the accelerator."""
        return signals if self.device == "cpu" else self._tensor(signals)

    def _tensor(self, values):
        return torch.as_tensor(values, dtype=torch.float32, device=self.device)


def shuffled_runs(index, rng):
    """Shuffle an index by runs of neighbours.

    Parameters
    ----------
    index : ndarray of int
        Ascending.
    rng : numpy.random.Generator
        Shuffles.

    Returns
    -------
    order : ndarray of int
    """
    offset = int(rng.integers(RUN))  # so that runs begin elsewhere at every epoch
    is_edge = (np.diff(index) != 1) | ((index[1:] + offset) % RUN == 0)
    runs = np.split(index, np.flatnonzero(is_edge) + 1)
    return np.concatenate([runs[i] for i in rng.permutation(len(runs))])


def read_waveforms(rows, index):
    """Audio of rows in any order: ``(n, n_samples)``, or ``(n, n_slots, n_samples)`` of solos."""
    edges = np.flatnonzero(np.diff(index) != 1) + 1
    return np.concatenate([rows.waveforms(slice(run[0], run[-1] + 1)) for run in np.split(index, edges)])


def row_seconds(rows):
    """Duration of the audio of a row in s; NaN where it is not known."""
    if not hasattr(rows, "blocks"):
        return float("nan")
    segmenter = rows._chains[0].segmenter
    rate = getattr(rows._recordings[0], "sample_rate", None) or segmenter.sample_rate
    return segmenter.segment_length_ / rate if rate else float("nan")


def check_one_rate(rows, why):
    """Refuse rows of several sample rates where audio is mixed."""
    if len({id(chain) for chain in rows._chains}) > 1:
        raise ValueError(f"{why} needs recordings of one sample rate: resample them (the loaders' sample_rate).")


def to_waveforms(chain):
    """Function from estimated features and the mixture's spectrogram to audio: ratio masks, then the inverse.

    Parameters
    ----------
    chain : Chain
        Representation and features.

    Returns
    -------
    function : callable
        ``(batch, n_slots, n_frames, n_bins)`` and ``(batch, n_frames, n_bins_in)`` to ``(batch, n_slots, n_samples)``.
    """

    def function(estimates, spectrograms):
        # the root of a compressed magnitude has no gradient at zero
        magnitudes = chain.magnitudes(estimates.clamp(min=1e-6), spectrograms.shape[-1])
        shares = magnitudes / magnitudes.sum(dim=1, keepdim=True).clamp(min=1e-12)
        return chain.istft(shares * spectrograms.unsqueeze(1))

    return function


def split_rows(X, fraction, seed):
    """Rows to train on and rows to validate on; whole songs where rows know them.

    Parameters
    ----------
    X : array or Segments
        Rows.
    fraction : float
        Share of songs (or rows) to validate on; at least one.
    seed : int
        Of the draw.

    Returns
    -------
    training, validation : ndarray of int
        Ascending.

    Raises
    ------
    ValueError
        If there is nothing to leave out.
    """
    groups = X.songs if hasattr(X, "songs") else np.arange(len(X))
    names = np.array(sorted(set(groups)))
    if len(names) < 2:
        what, got = (
            ("whole songs", f"{len(names)} song") if hasattr(X, "songs") else ("rows", f"n_samples={len(names)}")
        )
        raise ValueError(f"early_stopping=True leaves out {what} and needs two or more, got {got}.")
    n_left_out = min(len(names) - 1, max(1, round(fraction * len(names))))
    left_out = np.random.default_rng(seed).permutation(len(names))[:n_left_out]
    is_left_out = np.isin(groups.astype(names.dtype), names[left_out])
    return np.flatnonzero(~is_left_out), np.flatnonzero(is_left_out)
