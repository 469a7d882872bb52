"""What settings are chosen by: rendered songs kept aside, heard and unheard fonts, and two real pieces."""

import itertools
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from _ensemble_mixing import RATE, SCALE, Corpus, energy, fast_precision, spectrograms

from skseparate._parts import part_codes


class Validation:
    """Clips of known parts, always the same.

    Parameters
    ----------
    folder : str
        Of the rendered corpus.
    real : dict of str to path
        Folders of real pieces in URMP's layout.
    n_clips : int
        Of each number of parts and kind of font.
    seconds : float
        Of a rendered clip.
    """

    def __init__(self, folder, real=None, n_clips=8, seconds=10.0, names=("valid", "unheard_valid")):
        self.clips = []
        for name in names:
            self.clips += _rendered(Corpus(folder, [name]), name, n_clips, round(seconds * RATE))
        for name, path in (real or {}).items():
            self.clips += _real(Path(path), name)

    @torch.inference_mode()
    def __call__(self, net):
        """Mean SI-SDR improvement in dB, taken in the STFT: dict of (kind, number of parts) to float."""
        net.eval()
        device = next(net.parameters()).device
        scores = {}
        for kind, parts, stems in self.clips:
            targets = spectrograms(stems.to(device))
            mixture = targets.sum(dim=0)
            codes = torch.from_numpy(part_codes(parts, len(parts))).to(device)
            with fast_precision(device):
                logits = net(mixture.abs()[None], codes[None])
            estimates = logits[0].float().softmax(dim=0) * mixture
            gain = _si_sdr(estimates, targets) - _si_sdr(mixture.expand_as(targets), targets)
            sounding = energy(targets) > 1e-6 * energy(targets).sum()
            scores.setdefault((kind, len(parts)), []).append(gain[sounding].mean().item())
        return {key: float(np.mean(values)) for key, values in sorted(scores.items())}


def _si_sdr(estimates, targets):
    e, t = torch.view_as_real(estimates).flatten(1), torch.view_as_real(targets).flatten(1)
    gain = (e * t).sum(1, keepdim=True) / t.square().sum(1, keepdim=True).clamp(min=1e-12)
    return 10 * torch.log10((gain * t).square().sum(1) / (e - gain * t).square().sum(1).clamp(min=1e-12) + 1e-12)


def _rendered(corpus, kind, n_clips, length):
    rng = np.random.default_rng(0)
    for size in (2, 3, 4):
        for k in range(n_clips):
            _, _, stems = corpus.takes[k * len(corpus) // n_clips]
            chosen = np.sort(rng.choice(len(stems), min(size, len(stems)), replace=False))
            start = rng.integers(0, len(stems[0][1]) - length)
            audio = torch.stack([stems[i][1][start : start + length] for i in chosen]).float() * SCALE
            yield kind, [stems[i][0] for i in chosen], audio


def _real(folder, kind, seconds=30):
    files = sorted(folder.glob("AuSep_*.wav"), key=lambda f: int(f.name.split("_")[1]))
    parts, stems = folder.name.split("_")[2:], []
    for file in files:
        audio, rate = soundfile.read(file, dtype="float32")
        audio = soxr.resample(audio, rate, RATE) if rate != RATE else audio
        begin = max(0, len(audio) // 2 - seconds * RATE // 2)
        stems.append(audio[begin : begin + seconds * RATE])
    stems = np.stack([s[: min(map(len, stems))] for s in stems])
    for size in range(2, len(parts) + 1):
        for chosen in itertools.combinations(range(len(parts)), size):
            yield kind, [parts[i] for i in chosen], torch.from_numpy(stems[list(chosen)])
