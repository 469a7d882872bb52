"""Losses: pure functions of estimates and targets, one value a source."""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

# The ratios are bounded at 30 dB either way, so that a silent or a perfect source does not outweigh the others.
BOUND = 1e-3


def mse(estimates, targets, floor=None):
    """Mean squared error, whose gradient is that of the mean: ``2 (estimate - target) / n``.

    Parameters
    ----------
    estimates, targets : tensor of shape (..., n_values)
        Sources, flattened.
    floor : ignored

    Returns
    -------
    loss : tensor of shape (...)
    """
    return (estimates - targets).square().mean(dim=-1)


def l1(estimates, targets, floor=None):
    """Mean absolute error; arguments as of `mse`."""
    return (estimates - targets).abs().mean(dim=-1)


def snr(estimates, targets, floor=1e-8):
    """Negative signal-to-noise ratio in dB, between -30 and 30.

    Parameters
    ----------
    estimates, targets : tensor of shape (..., n_values)
        Sources, flattened.
    floor : float or tensor of shape (...)
        Energy below which a source counts as silent: what is estimated there is weighed against it.

    Returns
    -------
    loss : tensor of shape (...)
        The lower the better. For a silent target it falls from 30 to 0 as the estimate falls silent.
    """
    noise = (estimates - targets).square().sum(dim=-1)
    return _ratio(noise, targets.square().sum(dim=-1), floor)


def si_sdr(estimates, targets, floor=1e-8):
    """Negative scale-invariant signal-to-distortion ratio [1]_ in dB, bounded as `snr`.

    Parameters
    ----------
    estimates, targets, floor
        As of `snr`.

    Returns
    -------
    loss : tensor of shape (...)
        For a silent target as in `snr`, since no scaling of silence comes near a sound.

    References
    ----------
    .. [1] J. Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019.
    """
    energy = targets.square().sum(dim=-1)
    is_silent = energy <= 1e-12 * targets.shape[-1]
    gain = (estimates * targets).sum(dim=-1) / torch.where(is_silent, torch.ones_like(energy), energy)
    target = gain.unsqueeze(-1) * targets
    distortion = (estimates - target).square().sum(dim=-1)
    # the floor guards the silent only: it would punish a small scale
    floor = torch.where(is_silent, torch.as_tensor(floor, dtype=energy.dtype, device=energy.device), 1e-12 * energy)
    return _ratio(distortion, target.square().sum(dim=-1), floor)


def _ratio(noise, signal, floor):
    return 10 * torch.log10((noise + BOUND * signal + floor) / (signal + BOUND * noise + floor))


LOSSES = {"mse": mse, "l1": l1, "snr": snr, "si_sdr": si_sdr, "waveform_snr": snr, "waveform_si_sdr": si_sdr}


def silence_floor(targets):
    """Energy below which a source of a row is silent: a thousandth of the row's mean source.

    Parameters
    ----------
    targets : tensor of shape (batch, n_slots, n_values)

    Returns
    -------
    floor : tensor of shape (batch, 1)
    """
    energy = targets.square().sum(dim=-1).mean(dim=-1, keepdim=True)
    return 1e-3 * energy + 1e-8 * targets.shape[-1]


def ordered(loss, estimates, targets):
    """Mean loss of slots in order.

    Parameters
    ----------
    loss : callable
        Such as `snr`.
    estimates, targets : tensor of shape (batch, n_slots, n_values)

    Returns
    -------
    mean : tensor of shape ()
    """
    return loss(estimates, targets, silence_floor(targets)).mean()


def permutation_invariant(loss, estimates, targets):
    """Mean loss under the best assignment of estimates to targets of each row, found by the Hungarian method.

    Parameters
    ----------
    loss, estimates, targets
        As of `ordered`.

    Returns
    -------
    mean : tensor of shape ()
    """
    n_slots = targets.shape[1]
    floor = silence_floor(targets).expand(-1, n_slots)
    # one target at a time: all pairs at once would hold n_slots times the batch
    pairs = torch.stack(
        [loss(estimates, targets[:, k : k + 1].expand_as(estimates), floor) for k in range(n_slots)], dim=-1
    )
    costs = pairs.detach().cpu().double().numpy()
    columns = np.stack([linear_sum_assignment(c)[1] if np.isfinite(c).all() else range(n_slots) for c in costs])
    return pairs.gather(2, torch.as_tensor(columns, device=pairs.device).unsqueeze(-1)).mean()


class Criterion:
    """What a batch costs: a loss in units in which predicting the mean (or silence, for masks) costs about 1.

    Parameters
    ----------
    loss : str
        Of `LOSSES`.
    invariant : bool
        Whether the order of the slots is free.
    scale : float
        Typical size of the targets.
    to_waveforms : callable or None
        From estimates and the mixture's spectrogram to audio, for losses of the waveform.
    """

    def __init__(self, loss, invariant, scale, to_waveforms=None):
        self.loss, self.scale = LOSSES[loss], scale
        self.reduce = permutation_invariant if invariant else ordered
        self.to_waveforms = to_waveforms

    def __call__(self, estimates, targets, extra=None):
        """Mean loss of estimates ``(batch, n_slots, ...)`` or ``(batch, n_outputs)``."""
        scale = self.scale
        if self.to_waveforms is not None:
            estimates, targets = self.to_waveforms(estimates, extra["spectrograms"]), extra["solos"]
            scale = extra["solos"].square().mean().sqrt().clamp(min=1e-8)
        if estimates.ndim == 2:  # a table: one source
            estimates, targets = estimates.unsqueeze(1), targets.unsqueeze(1)
        return self.reduce(self.loss, (estimates / scale).flatten(2), (targets / scale).flatten(2))
