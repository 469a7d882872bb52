"""Mixes for training, made from shards of rendered stems while they are wanted."""

import json
from pathlib import Path

import numpy as np
import soxr
import torch

from skseparate._parts import part_codes

RATE = 16000
FRAME, HOP = 1920, 480  # 0.12 s and 0.03 s
SCALE = 1 / 65534  # rendered stems lie about 30 dB below full scale: they are stored 6 dB louder
# How often a mix has so many parts.
SIZES = {2: 0.28, 3: 0.3, 4: 0.32, 5: 0.1}


class Corpus:
    """Takes in shards: int16 stems one after another, and a JSON file that says where they lie.

    Parameters
    ----------
    folder : str
        Where `render` wrote the shards.
    names : sequence of str
        Which of them, by the beginnings of their names.
    """

    def __init__(self, folder, names):
        self.takes = []
        for name in names:
            for facts in sorted(Path(folder).glob(f"{name}.*.json")):
                samples = np.memmap(facts.with_suffix(".i16"), np.int16, "r")
                for take in json.loads(facts.read_text()):
                    stems = [(part, samples[offset : offset + n]) for part, _, offset, n in take["stems"]]
                    self.takes.append((take["name"], take["song"], stems))

    def __len__(self):
        return len(self.takes)


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
        """Batch of a number: `size` mixes of so many seconds.

        Returns
        -------
        stems : tensor of shape (size, n_parts, length)
        equalisers : tensor of shape (size, n_parts, n_bins)
        codes : tensor of shape (size, n_parts, 4)
        """
        rng = np.random.default_rng([self.seed, number])
        sizes = rng.choice(list(SIZES), size=size, p=list(SIZES.values()))
        drawn = [self._mix(n_parts, round(seconds * RATE), rng) for n_parts in sizes]
        return tuple(torch.from_numpy(_stacked(values)) for values in zip(*drawn, strict=True))

    def _mix(self, n_parts, length, rng):
        while True:
            parts, stems = self._draw(n_parts, length, rng)
            if sum(np.abs(stem).max() > 0.003 for stem in stems) >= 2:
                break
        stems = np.stack(stems)
        if rng.random() < 0.6:
            stems = _faster(stems, 2 ** rng.uniform(-0.06, 0.06), length)
        stems = stems[:, :length]
        gains = 10 ** (rng.normal(0, 3.5, len(stems)) / 20) * rng.choice([-1, 1], len(stems))
        stems = (stems * gains[:, None]).astype(np.float32)
        return stems, _equalisers(n_parts, rng), part_codes(parts, n_parts)

    def _draw(self, n_parts, length, rng):
        stems = ()
        while len(stems) < n_parts:
            _, _, stems = self.corpus.takes[rng.integers(len(self.corpus))]
        chosen = np.sort(rng.choice(len(stems), n_parts, replace=False))
        start = rng.integers(0, max(1, min(len(s) for _, s in stems) - length))
        picked = [(stems[k][0], _cut(stems[k][1], start, length)) for k in chosen]
        if rng.random() < 0.1:  # a part of other music, which nothing but its sound tells apart
            _, _, other = self.corpus.takes[rng.integers(len(self.corpus))]
            part, samples = other[rng.integers(len(other))]
            start = rng.integers(0, max(1, len(samples) - length))
            picked[rng.integers(len(picked))] = part, _cut(samples, start, length)
        return [part for part, _ in picked], [samples for _, samples in picked]


def _stacked(values):
    """One array; mixes of fewer parts than the largest are padded."""
    stacked = np.zeros((len(values), max(map(len, values)), *values[0].shape[1:]), values[0].dtype)
    for row, value in zip(stacked, values, strict=True):
        row[: len(value)] = value
    return stacked


def _cut(samples, start, length):
    """A little more than is needed, so that faster playing does not run out of it."""
    cut = samples[start : start + length + length // 16].astype(np.float32) * np.float32(SCALE)
    return np.pad(cut, (0, length + length // 16 - len(cut)))


def _faster(stems, speed, length):
    played = soxr.resample(np.ascontiguousarray(stems.T), RATE * speed, RATE, quality="QQ").T
    return np.pad(played[:, :length], ((0, 0), (0, max(0, length - played.shape[1]))))


def _equalisers(n, rng):
    """Random smooth gains of each bin: cosines along the octaves, and a tilt."""
    octaves = np.log2(np.maximum(np.arange(FRAME // 2 + 1) * RATE / FRAME, 40) / 40) / np.log2(200)
    decibels = rng.normal(0, 2.0, (n, 1)) * 2 * (octaves - 0.5)
    for k in range(1, 7):
        decibels = decibels + rng.normal(0, 1.6, (n, 1)) * np.cos(np.pi * k * octaves + rng.uniform(0, 6.3, (n, 1)))
    return (10 ** (decibels / 20)).astype(np.float32)


def spectrograms(waveforms):
    """STFT as `skseparate.preprocessing.STFT` defines it: ``(..., n_samples)`` to ``(..., n_frames, n_bins)``."""
    window = torch.hann_window(FRAME, device=waveforms.device)
    padded = torch.nn.functional.pad(waveforms, (FRAME - HOP, FRAME - HOP))
    return torch.fft.rfft(padded.unfold(-1, FRAME, HOP) * window) / window.sum()


def energy(spectrogram):
    """Of ``(..., n_frames, n_bins)``: ``(...)``."""
    return torch.view_as_real(spectrogram).square().sum(dim=(-3, -2, -1))
