"""Where to compute, and in which precision."""

import copy
import time

import torch

# How much faster bfloat16 must be measured to be taken: noise of the clock must not change a result.
MARGIN = 1.3
# Below so many multiplications a batch nothing is won.
FEWEST_PARAMETERS = 2**16
_measured = {}


def choose_device(device):
    """The accelerator for "auto", if there is one."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_precision(precision, model, batch, criterion, device):
    """Whether to train in bfloat16.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        With "auto" both are timed over a few steps, once for each kind of network and batch in a process.
    model, batch, criterion
        What would be trained; left as it was.
    device : str
        Where.

    Returns
    -------
    precision : {"float32", "bfloat16"}
    """
    if precision != "auto":
        return precision
    n_parameters = model.n_parameters
    if n_parameters < FEWEST_PARAMETERS or not computes_bfloat16(device):
        return "float32"
    key = (type(model.network), n_parameters, tuple(batch[0].shape), device, torch.get_num_threads())
    if key not in _measured:
        seconds = {p: _time_steps(model, batch, criterion, device, p) for p in ("float32", "bfloat16")}
        _measured[key] = "bfloat16" if seconds["float32"] > MARGIN * seconds["bfloat16"] else "float32"
    return _measured[key]


def computes_bfloat16(device):
    """Whether the processor has instructions for it; emulation is never faster."""
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    checks = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return device == "cpu" and any(check() for check in checks if check is not None)


def image_layout(device, training):
    """Memory format in which convolutions are fastest: channels last, but to train where bfloat16 is emulated.

    There training is in float32, whose backward convolutions take half as long again with channels last (measured on
    AVX2: ``benchmarks/flagship_speed.py``).
    """
    is_slow = training and str(device) == "cpu" and not computes_bfloat16("cpu")
    return torch.contiguous_format if is_slow else torch.channels_last


def _time_steps(model, batch, criterion, device, precision):
    """Seconds of the faster of two steps, after one to warm up."""
    trial = copy.deepcopy(model).train()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        with autocast(device, precision):
            estimates = trial(batch[0])
        criterion(estimates, batch[1], batch[2]).backward()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def autocast(device, precision):
    """Context in which the network computes in a precision."""
    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=precision == "bfloat16")
