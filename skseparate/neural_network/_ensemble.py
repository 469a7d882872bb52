"""The network that is told the parts: one model for any ensemble."""

import math

import torch
from torch import nn
from torch.nn.functional import interpolate, pad, relu

from skseparate.neural_network._harmonics import harmonic_stack, log_frequency_maps
from skseparate.neural_network._parts import MOST_PARTS, N_DESKS, N_INSTRUMENTS

# What an absent part's mask is worth before the softmax.
ABSENT = -30.0


class Ensemble(nn.Module):
    """One mask a part, from the mixture and the names of its parts.

    The spectrum is looked at on a logarithmic frequency axis, where another pitch is a shift, with its harmonics
    stacked as channels [1]_. An encoder that all parts share leads down to a coarse view of the mixture; there each
    part, known by its instrument, desk and place in the score, follows its own line along time and beside the other
    parts by attention, and a small decoder a part leads back up [2]_.

    Parameters
    ----------
    in_shape : tuple of int
        ``(n_frames, n_bins)``; any other number of frames will do as well.
    out_shape : tuple of int
        ``(n_slots, n_frames, n_bins)``.
    bin_width : float, default=1 / 0.12
        Hz from bin to bin: one over the STFT's frame in seconds.
    width : int, default=32
        Channels of the finest level; all others follow.
    depth : int, default=2
        Blocks of a level of the encoder.
    lines : int, default=2
        Blocks that follow the parts along time.

    References
    ----------
    .. [1] R. Bittner et al., "Deep salience representations for F0 estimation in polyphonic music", ISMIR 2017.
    .. [2] A. Jansson et al., "Singing voice separation with deep U-Net convolutional networks", ISMIR 2017;
           J. Pons et al. and E. Perez et al., "FiLM: visual reasoning with a general conditioning layer", AAAI 2018.

    Notes
    -----
    Shapes: magnitudes ``(batch, n_frames, n_bins)`` and parts ``(batch, n_parts, 4)``, see `part_codes`, to
    ``(batch, n_parts, n_frames, n_bins)``, to be shared out by a softmax over the parts.
    """

    frames = True
    told_parts = True  # forward takes the parts
    scales = False  # it finds its own level: statistics of the training rows would bind it to theirs

    def __init__(self, in_shape, out_shape, bin_width=1 / 0.12, width=32, depth=2, lines=2):
        super().__init__()
        to_log, from_log = log_frequency_maps(in_shape[-1], bin_width)
        self.register_buffer("to_log", to_log, persistent=False)
        self.register_buffer("from_log", from_log, persistent=False)
        n_log = to_log.shape[1]
        levels = [width, 2 * width, 3 * width, 4 * width]
        self.parts = PartEmbedding(4 * width)
        self.encoder = nn.ModuleList(
            [
                _stage(6, levels[0], depth - 1, 1),
                _stage(levels[0], levels[1], depth, (1, 2)),
                _stage(levels[1], levels[2], depth, 2),
                _stage(levels[2], levels[3], depth, 2),
            ]
        )
        own = [width // 2, width, 3 * width // 2, 2 * width]
        self.split = FiLM(levels[3], own[3], 4 * width)
        n_coarse = math.ceil(math.ceil(math.ceil(n_log / 2) / 2) / 2)
        self.lines = nn.ModuleList(Line(own[3], n_coarse, 6 * width) for _ in range(lines))
        self.skips = nn.ModuleList(FiLM(levels[k], own[k], 4 * width) for k in (2, 1, 0))
        self.decoder = nn.ModuleList(Rise(own[k + 1], own[k]) for k in (2, 1, 0))
        self.last = nn.Conv2d(own[0], 1, 1)

    def forward(self, magnitudes, parts):
        n_batch, n_frames = magnitudes.shape[:2]
        is_absent = parts[..., 0] == 0
        told = self.parts(parts, is_absent)  # (batch, n_parts, 4 * width)
        h = harmonic_stack(_compressed(magnitudes) @ self.to_log)  # (batch, 6, n_frames, n_log)
        h = pad(h, (0, 0, 0, -n_frames % 4)).contiguous(memory_format=torch.channels_last)
        finer = []
        for stage in self.encoder:
            h = stage(h)
            finer.append(h)
        h = self.split(finer.pop(), told)  # (batch * n_parts, channels, n_frames / 4, n_log / 8)
        for line in self.lines:
            h = line(h, is_absent)
        for skip, rise in zip(self.skips, self.decoder, strict=True):
            h = rise(h, skip(finer.pop(), told))
        logits = self.last(h)[:, 0, :n_frames].float().unflatten(0, (n_batch, -1)) @ self.from_log
        return logits.masked_fill(is_absent[..., None, None], ABSENT)


class PartEmbedding(nn.Module):
    """What is told of each part, and what all of them say together."""

    def __init__(self, width):
        super().__init__()
        self.instrument = nn.Embedding(N_INSTRUMENTS, width)
        self.desk = nn.Embedding(N_DESKS, width)
        self.place = nn.Embedding(MOST_PARTS * MOST_PARTS, width)
        self.alone = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.together = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, parts, is_absent):
        told = self.instrument(parts[..., 0]) + self.desk(parts[..., 1])
        told = told + self.place(parts[..., 2] * MOST_PARTS + parts[..., 3])
        told = told + self.alone(told)
        present = told.masked_fill(is_absent[..., None], 0.0)
        return told + self.together(present.sum(dim=1, keepdim=True) / 2)


class FiLM(nn.Module):
    """From the shared view of the mixture to that of each part: scaled and shifted channels."""

    def __init__(self, n_in, n_out, n_told):
        super().__init__()
        self.project = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out, affine=False)
        self.told = nn.Linear(n_told, 2 * n_out)

    def forward(self, h, told):
        h = self.norm(self.project(h))[:, None]  # (batch, 1, channels, n_frames, n_bins)
        scale, shift = self.told(told).to(h.dtype)[..., None, None].chunk(2, dim=2)
        h = (1 + scale) * h + shift
        return relu(h.flatten(0, 1)).contiguous(memory_format=torch.channels_last)


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

    def forward(self, h, is_absent):
        h = self.near(h)
        n_batch, n_parts = is_absent.shape
        tokens = self.down(h.transpose(1, 2).flatten(2))  # (batch * n_parts, n_frames, width)
        tokens = self.along(tokens, positions=True)
        tokens = tokens.unflatten(0, (n_batch, n_parts)).transpose(1, 2).flatten(0, 1)
        present = ~is_absent.repeat_interleave(h.shape[2], dim=0)[:, None, None]
        tokens = self.beside(tokens, mask=present)
        tokens = tokens.unflatten(0, (n_batch, -1)).transpose(1, 2).flatten(0, 1)
        raised = self.up(tokens).unflatten(2, (h.shape[1], h.shape[3])).transpose(1, 2)
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
        queries, keys, values = asked.permute(2, 0, 3, 1, 4)  # (n, heads, n_tokens, width / heads) each
        if positions:
            queries, keys = _turned(queries), _turned(keys)
        found = nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        tokens = tokens + self.answer(found.transpose(1, 2).flatten(2))
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
        return relu(h + self.second_norm(self.second(relu(self.first_norm(self.first(h))))))


class Rise(nn.Module):
    """Up to the next finer level, joined to what its skip says."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.project = nn.Conv2d(n_in, n_out, 1)
        self.near = Residual(n_out)

    def forward(self, h, skip):
        h = interpolate(self.project(h), size=skip.shape[-2:], mode="nearest")
        return self.near(h + skip)


def _stage(n_in, n_out, depth, stride):
    first = nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()
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
