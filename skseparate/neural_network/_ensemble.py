"""The network that is told the parts: one model for any ensemble."""

from numbers import Real

import torch
from torch import nn
from torch.nn.functional import interpolate, pad, pixel_shuffle, pixel_unshuffle

from skseparate._parts import MOST_PARTS, N_DESKS, N_INSTRUMENTS
from skseparate.neural_network._census import Census
from skseparate.neural_network._harmonics import HARMONICS, N_LOG, harmonic_stack, log_frequency_maps
from skseparate.neural_network._precision import image_layout

# What an absent part's mask is worth before the softmax.
ABSENT = -30.0
# Frames and bins of the finest level that are taken together, as channels: a quarter of the work.
PATCH = 2
MOST_TRANSPOSITIONS = 16


class Ensemble(nn.Module):
    """One mask a part, from the mixture and the names of its parts.

    The spectrum is looked at on a logarithmic frequency axis, where another pitch is a shift, with its harmonics
    stacked as channels [1]_. An encoder that all parts share leads down to a coarse view of the mixture; there each
    part, known by its instrument, desk and place in the score, follows its own line along time and beside the other
    parts by attention, and a small decoder a part leads back up [2]_.

    Parameters
    ----------
    in_shape : tuple of int
        ``(n_frames, n_bins)``; any other numbers will do as well.
    out_shape : tuple of int
        ``(n_slots, n_frames, n_bins)``; not used: there are as many slots as parts.
    bin_width : float, default=1 / 0.12
        Hz from bin to bin: one over the STFT's frame in seconds.
    width : int, default=48
        Channels of the finest level, a multiple of 12; all others follow.
    depth : int, default=2
        Blocks of a level of the encoder.
    lines : int, default=2
        Blocks that follow the parts along time.
    transpositions : sequence of float, default=(-1.0, 1.0)
        In semitones: once trained, it hears the mixture transposed by each of them, and the mean of what it says
        counts [3]_. ``[0.0]`` hears it once, as it is, in half the time.

    References
    ----------
    .. [1] R. Bittner et al., "Deep salience representations for F0 estimation in polyphonic music", ISMIR 2017.
    .. [2] A. Jansson et al., "Singing voice separation with deep U-Net convolutional networks", ISMIR 2017;
           J. Pons et al. and E. Perez et al., "FiLM: visual reasoning with a general conditioning layer", AAAI 2018.
    .. [3] K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR
           2015, who average over moved views of a picture: here a transposition moves the logarithmic axis.

    Notes
    -----
    Shapes: magnitudes ``(batch, n_frames, n_bins)`` and parts ``(batch, n_parts, 4)``, see `part_codes`, to
    ``(batch, n_parts, n_frames, n_bins)``, to be shared out by a softmax over the parts.
    """

    frames = True
    told_parts = True  # forward takes the parts

    def __init__(self, in_shape, out_shape, bin_width=1 / 0.12, width=48, depth=2, lines=2, transpositions=(-1.0, 1.0)):
        super().__init__()
        self.bin_width, self.transpositions = bin_width, _checked(transpositions)
        shared, own, told = (width, 2 * width, 8 * width // 3), (2 * width // 3, width, 4 * width // 3), 3 * width
        self.parts = PartEmbedding(told)
        self.encoder = nn.ModuleList(
            [
                _stage(len(HARMONICS) * PATCH**2, shared[0], depth - 1, 1),
                _stage(shared[0], shared[1], depth, (1, 2)),
                _stage(shared[1], shared[2], depth, 2),
            ]
        )
        self.split = FiLM(shared[2], own[2], told)
        self.lines = nn.ModuleList(Line(own[2], N_LOG // 8, 4 * width) for _ in range(lines))
        self.skips = nn.ModuleList(FiLM(shared[k], own[k], told) for k in (1, 0))
        self.decoder = nn.ModuleList(Rise(own[k + 1], own[k]) for k in (1, 0))
        self.last = nn.Conv2d(own[0], PATCH**2, 3, padding=1)
        self.census = Census(shared[2], N_LOG // 8)

    def forward(self, magnitudes, parts):
        if self.training:
            return self.hear(magnitudes, parts)
        return sum(self.hear(magnitudes, parts, by) for by in self.transpositions) / len(self.transpositions)

    def hear(self, magnitudes, parts, semitones=0.0):
        """Logits of the mixture transposed by so many semitones, on the bins of the mixture as it is."""
        bin_width = self.bin_width * 2 ** (semitones / 12)
        is_present = parts[..., 0] > 0
        owner = is_present.nonzero()[:, 0]  # the mixture of each part that is there: no other is computed
        told = self.parts(parts, is_present)[is_present]  # (n_present, n_told)
        finer = self.encode(magnitudes, bin_width)
        h = self.split(finer.pop(), told, owner)  # (n_present, channels, n_frames / 4, n_log / 8)
        for line in self.lines:
            h = line(h, is_present)
        for skip, rise in zip(self.skips, self.decoder, strict=True):
            h = rise(h, skip(finer.pop(), told, owner))
        _, from_log = log_frequency_maps(magnitudes.shape[-1], bin_width, magnitudes.device)
        said = pixel_shuffle(self.last(h), PATCH)[:, 0, : magnitudes.shape[1]].float() @ from_log
        logits = said.new_full((*is_present.shape, *said.shape[1:]), ABSENT)
        logits[is_present] = said
        return logits

    def encode(self, magnitudes, bin_width=None):
        """What is heard of the mixture, from fine to coarse: tensors ``(batch, channels, n_frames, n_bins)``."""
        to_log, _ = log_frequency_maps(magnitudes.shape[-1], bin_width or self.bin_width, magnitudes.device)
        h = harmonic_stack(_compressed(magnitudes) @ to_log)  # (batch, 6, n_frames, n_log)
        h = pixel_unshuffle(pad(h, (0, 0, 0, -magnitudes.shape[1] % 4)), PATCH)
        h, levels = h.contiguous(memory_format=image_layout(h.device, self.training)), []
        for stage in self.encoder:
            h = stage(h)
            levels.append(h)
        return levels

    def count(self, magnitudes):
        """Logits of how many play each instrument: ``(batch, n_instruments, N_COUNTS)``."""
        return self.census(self.encode(magnitudes)[-1])


class PartEmbedding(nn.Module):
    """What is told of each part, and what all of them say together."""

    def __init__(self, width):
        super().__init__()
        self.instrument = nn.Embedding(N_INSTRUMENTS, width)
        self.desk = nn.Embedding(N_DESKS, width)
        self.place = nn.Embedding(MOST_PARTS * MOST_PARTS, width)
        self.alone = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.together = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, parts, is_present):
        told = self.instrument(parts[..., 0]) + self.desk(parts[..., 1])
        told = told + self.place(parts[..., 2] * MOST_PARTS + parts[..., 3])
        told = told + self.alone(told)
        return told + self.together((told * is_present[..., None]).sum(dim=1, keepdim=True) / 2)


class FiLM(nn.Module):
    """From the shared view of the mixture to that of each part: scaled and shifted channels."""

    def __init__(self, n_in, n_out, n_told):
        super().__init__()
        self.project = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out, affine=False)
        self.told = nn.Linear(n_told, 2 * n_out)

    def forward(self, h, told, owner):
        h = self.norm(self.project(h))[owner]
        scale, shift = self.told(told).to(h.dtype)[..., None, None].chunk(2, dim=1)
        h = torch.relu_(torch.addcmul(shift, h, 1 + scale))
        return h.contiguous(memory_format=image_layout(h.device, self.training))


class Line(nn.Module):
    """A part follows its line: near in time and frequency, far along time, and beside the other parts."""

    def __init__(self, channels, n_bins, width, heads=4):
        super().__init__()
        self.near = Residual(channels)
        self.down = nn.Linear(channels * n_bins, width)
        self.along = Attention(width, heads)
        self.beside = Attention(width, heads)
        self.up = nn.Linear(width, channels * n_bins)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, h, is_present):
        h = self.near(h)
        tokens = self.down(h.permute(0, 2, 3, 1).flatten(2))  # (n_present, n_frames, width)
        tokens = self.along(tokens, positions=True)
        together = tokens.new_zeros(*is_present.shape, *tokens.shape[1:])
        together[is_present] = tokens
        together = together.transpose(1, 2)  # (batch, n_frames, n_parts, width)
        together = self.beside(together, mask=is_present[:, None, None, None])
        tokens = together.transpose(1, 2)[is_present]
        raised = self.up(tokens).unflatten(2, (h.shape[3], h.shape[1])).permute(0, 3, 1, 2)
        return h + raised.to(h.dtype)


class Attention(nn.Module):
    """Self-attention and a small network of its own for each token, each beside a way around."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask = nn.Linear(width, 3 * width, bias=False)
        self.answer = nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens, positions=False, mask=None):
        asked = self.ask(self.before(tokens)).unflatten(-1, (3, self.heads, -1))
        # (..., heads, n_tokens, width / heads) each
        queries, keys, values = (a.transpose(-2, -3) for a in asked.unbind(dim=-3))
        if positions:
            queries, keys = _turned(queries), _turned(keys)
        found = nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        tokens = tokens + self.answer(found.transpose(-2, -3).flatten(-2))
        return tokens + self.think(self.after(tokens))


class Residual(nn.Module):
    """Two convolutions beside a way around."""

    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.second_norm.weight)

    def forward(self, h):
        inner = torch.relu_(self.first_norm(self.first(h)))  # in place: memory is what sums and rectifiers wait for
        return torch.relu_(self.second_norm(self.second(inner)).add_(h))


class Rise(nn.Module):
    """Up to the next finer level, joined to what its skip says."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.project = nn.Conv2d(n_in, n_out, 1)
        self.near = Residual(n_out)

    def forward(self, h, skip):
        h = interpolate(self.project(h), size=skip.shape[-2:], mode="nearest")
        return self.near(h + skip)


def _checked(transpositions):
    """Semitones, a few and finite; anything else is refused, as files may hold anything."""
    if not isinstance(transpositions, (list, tuple)) or not 1 <= len(transpositions) <= MOST_TRANSPOSITIONS:
        raise ValueError(f"transpositions must be a list of one to {MOST_TRANSPOSITIONS} numbers of semitones.")
    if not all(isinstance(by, Real) and abs(by) <= 12 for by in transpositions):
        raise ValueError(f"transpositions={transpositions!r} must be semitones, from -12 to 12.")
    return list(transpositions)


def _stage(n_in, n_out, depth, stride):
    first = nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)
    )
    return nn.Sequential(first, *(Residual(n_out) for _ in range(depth)))


def _compressed(magnitudes):
    """Magnitudes at a level of their own, compressed: what is 60 dB below the mean hardly counts."""
    level = magnitudes.square().mean(dim=(1, 2), keepdim=True).sqrt() + 1e-8
    return torch.log1p(magnitudes / (1e-2 * level)) / 3


def _turned(x):
    """Rotary positions: ``(..., n_tokens, width)`` turned by angles that grow along the tokens."""
    n_tokens, half = x.shape[-2], x.shape[-1] // 2
    rates = 100.0 ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = torch.arange(n_tokens, device=x.device, dtype=torch.float32)[:, None] * rates
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
