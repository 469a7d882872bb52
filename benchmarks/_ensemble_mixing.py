"""Mixes for training, made from shards of rendered stems while they are wanted."""

import json
from pathlib import Path

import numpy as np
import torch

from skseparate._parts import N_CODES, part_codes
from skseparate.neural_network._precision import autocast, computes_bfloat16

RATE = 16000
FRAME, HOP = 1920, 480  # 0.12 s and 0.03 s
SCALE = 1 / 65534  # rendered stems lie about 30 dB below full scale: they are stored 6 dB louder
QUIET = 200  # what is not louder, of 32767, rests
# How often a mix has so many parts.
SIZES = {2: 0.28, 3: 0.3, 4: 0.32, 5: 0.1}


class Corpus:
    """Takes in shards: int16 stems one after another, and a JSON file that says where they lie.

    Parameters
    ----------
    folder : str
        Where `render` writes the shards.
    names : sequence of str
        Which of them, by the beginnings of their names.
    device : str, default="cpu"
        Where stems are kept: on the CPU they stay on disk.
    gigabytes : float, default=inf
        At most so much is taken in.
    """

    def __init__(self, folder, names, device="cpu", gigabytes=float("inf")):
        self.folder, self.names, self.device, self.room = Path(folder), names, device, gigabytes * 1e9
        self.takes, self.most_parts, self._known = [], 0, set()
        self.grow()

    def __len__(self):
        return len(self.takes)

    def grow(self, most=None):
        """Take in shards that are new in the folder, `most` of them at a time."""
        found = [facts for name in self.names for facts in sorted(self.folder.glob(f"{name}.*.json"))]
        for facts in [facts for facts in found if facts not in self._known][:most]:
            self._known.add(facts)
            samples = torch.from_numpy(np.memmap(facts.with_suffix(".i16"), np.int16, "c"))
            self.room -= samples.nbytes
            if self.room < 0:
                continue
            samples = samples.to(self.device)
            for take in json.loads(facts.read_text()):
                stems = [(part, samples[first : first + n], peaks) for part, _, first, n, peaks in take["stems"]]
                self.takes.append((take["name"], take["song"], stems))
                self.most_parts = max(self.most_parts, len(stems))


class Mixer:
    """Draws mixes: which parts, where, how loud, how coloured.

    Parameters
    ----------
    corpus : Corpus
    seed : int
        With the number of the batch, decides everything.
    """

    def __init__(self, corpus, seed=0):
        self.corpus, self.seed = corpus, seed

    def batch(self, number, size, seconds):
        """Batch of a number: `size` mixes of so many seconds, on the corpus's device.

        Returns
        -------
        stems : tensor of shape (size, n_parts, length)
        equalisers : tensor of shape (size, n_parts, n_bins)
        codes : tensor of shape (size, n_parts, 4)
        """
        rng = np.random.default_rng([self.seed, number])
        length = round(seconds * RATE)
        sizes = np.minimum(_sizes(size, rng), self.corpus.most_parts)
        n_slots, longer = max(sizes), length + length // 16
        cuts = torch.zeros(size, n_slots, longer, dtype=torch.int16, device=self.corpus.device)
        codes = np.zeros((size, n_slots, N_CODES), np.int64)
        for row, n_parts in enumerate(sizes):
            parts, stems = self._sounding(n_parts, longer, rng)
            codes[row, :n_parts] = part_codes(parts, n_parts)
            for k, samples in enumerate(stems):
                cuts[row, k, : len(samples)] = samples
        speeds = np.where(rng.random(size) < 0.7, 2 ** rng.uniform(-0.08, 0.08, size), 1.0)
        gains = SCALE * 10 ** (rng.normal(0, 3.5, codes.shape[:2]) / 20) * rng.choice([-1, 1], codes.shape[:2])
        speeds, gains, codes = (torch.from_numpy(a).to(cuts.device) for a in (speeds, gains, codes))
        return _faster(cuts, speeds, length) * gains[..., None].float(), self._equalisers(cuts, rng), codes

    def _sounding(self, n_parts, length, rng):
        """Parts and stems of which two sound at least."""
        while True:
            drawn = self._draw(n_parts, length, rng)
            if sum(max(peaks) > QUIET for _, _, peaks in drawn) >= 2:
                return [part for part, _, _ in drawn], [samples for _, samples, _ in drawn]

    def _draw(self, n_parts, length, rng):
        stems = ()
        while len(stems) < n_parts:
            _, _, stems = self.corpus.takes[rng.integers(len(self.corpus))]
        chosen = np.sort(rng.choice(len(stems), n_parts, replace=False))
        start = rng.integers(0, max(1, min(len(stem[1]) for stem in stems) - length))
        drawn = [_cut(stems[k], start, length) for k in chosen]
        if rng.random() < 0.1:  # a part of other music, which nothing but its sound tells apart
            _, _, others = self.corpus.takes[rng.integers(len(self.corpus))]
            other = others[rng.integers(len(others))]
            start = rng.integers(0, max(1, len(other[1]) - length))
            if other[0] not in [part for part, _, _ in drawn]:  # nothing would tell first and second desk apart
                drawn[rng.integers(len(drawn))] = _cut(other, start, length)
        return drawn

    def _equalisers(self, cuts, rng):
        """Random smooth gains of each bin: cosines along the octaves and a tilt, weak or strong."""
        shape = (*cuts.shape[:2], 1)
        octaves = np.log2(np.maximum(np.arange(FRAME // 2 + 1) * RATE / FRAME, 40) / 40) / np.log2(200)
        octaves = torch.tensor(octaves, dtype=torch.float32, device=cuts.device)

        def drawn(values):
            return torch.tensor(values, dtype=torch.float32, device=cuts.device)

        decibels = drawn(rng.normal(0, 4.0, shape)) * (octaves - 0.5)
        for k in range(1, 7):
            waves = (np.pi * k * octaves + drawn(rng.uniform(0, 6.3, shape))).cos()
            decibels = decibels + drawn(rng.normal(0, 1.8, shape)) * waves
        return 10 ** (decibels * drawn(rng.uniform(0.5, 2.0, shape)) / 20)


def _sizes(size, rng):
    """Parts of each mix; of large batches always the same, so that their shapes are."""
    first = 0.5 if size >= 16 else rng.random()
    places = (first + np.arange(size)) / size
    return [list(SIZES)[k] for k in np.searchsorted(np.cumsum(list(SIZES.values()))[:-1], places, side="right")]


def _cut(stem, start, length):
    part, samples, peaks = stem
    return part, samples[start : start + length], peaks[start // RATE : -(-(start + length) // RATE)] or [0]


def _faster(cuts, speeds, length):
    """Play each mix faster or slower, `length` samples of it: cubic interpolation [1]_.

    References
    ----------
    .. [1] E. Catmull, R. Rom, "A class of local interpolating splines", 1974.
    """
    places = torch.arange(length, device=cuts.device) * speeds[:, None]
    before = places.long()
    x = (places - before).float()[:, None]
    taps = [(before + k).clamp(0, cuts.shape[-1] - 1)[:, None].expand(-1, cuts.shape[1], -1) for k in (-1, 0, 1, 2)]
    a, b, c, d = (cuts.gather(-1, tap).float() for tap in taps)
    return b + x / 2 * (c - a + x * (2 * a - 5 * b + 4 * c - d + x * (3 * (b - c) + d - a)))


def spectrograms(waveforms):
    """STFT as `skseparate.preprocessing.STFT` defines it: ``(..., n_samples)`` to ``(..., n_frames, n_bins)``."""
    window = torch.hann_window(FRAME, device=waveforms.device)
    padded = torch.nn.functional.pad(waveforms, (FRAME - HOP, FRAME - HOP))
    return torch.fft.rfft(padded.unfold(-1, FRAME, HOP) * window) / window.sum()


def energy(spectrogram):
    """Of ``(..., n_frames, n_bins)``: ``(...)``."""
    return torch.view_as_real(spectrogram).square().sum(dim=(-3, -2, -1))


def fast_precision(device):
    """Context of bfloat16 where the processor computes with it: emulated, it takes a hundred times as long."""
    return autocast(str(device), "bfloat16" if computes_bfloat16(str(device)) else "float32")
