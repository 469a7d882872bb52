"""What happens inside a network while it trains, and the sentence to say when it goes wrong."""

from contextlib import contextmanager

import torch
from torch import nn

# Outputs at which the slope of an activation has fallen to about a hundredth: the unit passes no gradient on.
DEAD = {nn.ReLU: lambda h: h <= 0, nn.ELU: lambda h: h <= -0.99}
SATURATED = {
    nn.Sigmoid: lambda h: (h - 0.5).abs() >= 0.49,
    nn.Tanh: lambda h: h.abs() >= 0.99,
    nn.Softmax: lambda h: (h - 0.5).abs() >= 0.49,
}
# A unit is lost when it passes no gradient for so many of the probe's values, a layer when so many of its units are;
# fewer do for an explanation, once the loss is flat. Wide layers learn well with half their rectifiers dead.
LOST_VALUES, LOST_UNITS, SUSPECT_UNITS = 0.99, 0.8, 0.5
# With fewer values a unit, chance alone may silence it.
FEWEST_VALUES = 24
# A loss that changed by less than this share of itself over so many epochs is flat.
FLAT_CHANGE, FLAT_EPOCHS = 0.01, 5
# A loss so many times its first value has diverged, even if it is still finite.
DIVERGED = 1e3


def layer_name(name):
    """Name of a layer for people: without the wrapper around the network."""
    return name.removeprefix("network.")


@contextmanager
def watching(model, kinds, report):
    """Call ``report(name, layer, output)`` whenever a layer of some kinds has run."""
    handles = [
        layer.register_forward_hook(lambda layer, _, output, name=name: report(layer_name(name), layer, output))
        for name, layer in model.named_modules()
        if isinstance(layer, kinds)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def lost_units(model, rows):
    """Shares of dead and of saturated units of each activation layer, for some rows.

    Parameters
    ----------
    model : torch.nn.Module
        Left in the mode it was in.
    rows : tensor of shape (batch, n_features)
        The probe.

    Returns
    -------
    dead, saturated : dict of str to float
        Shares of the units by layer: dead ones of rectifiers (ReLU, ELU), saturated ones of sigmoid and tanh.
        Layers with too few values a unit to tell are left out.
    """
    shares = {"dead": {}, "saturated": {}}

    def report(name, layer, output):
        kind, test = ("dead", DEAD) if type(layer) in DEAD else ("saturated", SATURATED)
        units = output.movedim(1 if output.ndim == 4 else -1, 0).flatten(1)
        if units.shape[1] >= FEWEST_VALUES:
            lost = test[type(layer)](units).float().mean(dim=1) >= LOST_VALUES
            shares[kind][name] = float(lost.float().mean())

    was_training = model.training
    model.eval()
    with torch.no_grad(), watching(model, tuple(DEAD) + tuple(SATURATED), report):
        model(rows)
    model.train(was_training)
    return shares["dead"], shares["saturated"]


def where_not_finite(model, rows):
    """Name the first place where values are not finite, and count them.

    Parameters
    ----------
    model : torch.nn.Module
        The network.
    rows : tensor of shape (batch, n_features)
        The batch at which it happened.

    Returns
    -------
    place : str
        ``"the rows"``, or a layer.
    count : int
        Values that are not finite there.
    """
    found, largest = [("the rows", _count(rows))], {}
    found += [(f"the weights of layer {_owner(name)}", _count(p)) for name, p in model.named_parameters()]

    def report(name, layer, output):
        output = output[0] if isinstance(output, tuple) else output
        found.append((f"the output of layer {name} ({type(layer).__name__})", _count(output)))
        largest[name] = float(output.abs().max())

    leaves = tuple({type(layer) for layer in model.modules() if not list(layer.children())})
    with torch.no_grad(), watching(model, leaves, report):
        model(rows)
    layer, size = _largest(largest)
    found.append((f"the loss, after layer {layer} gave values of up to {size:.1g},", 1))
    return next((place, count) for place, count in found if count)


def where_gradient_not_finite(model):
    """Layer whose gradient is not finite, nearest to the input, and how many values: as `where_not_finite`."""
    counts = ((_owner(n), _count(p.grad)) for n, p in model.named_parameters() if p.grad is not None)
    return next(((f"the gradient of layer {name}", count) for name, count in counts if count), ("the gradient", 1))


def _count(values):
    return int((~torch.isfinite(values)).sum())


def _owner(parameter):
    return layer_name(parameter.rpartition(".")[0])


def weights_of(model):
    """The weights by name: parameters of two or more axes, so neither biases nor norms."""
    return {name: p for name, p in model.named_parameters() if p.ndim > 1}


def update_ratios(before, model):
    """Size of an update beside the size of the weights, by layer.

    Parameters
    ----------
    before : dict of str to tensor
        Copies of the weights before the step.
    model : torch.nn.Module
        After it.

    Returns
    -------
    ratios : dict of str to float
        About 1e-3 is healthy.
    """
    ratios = {}
    for name, weight in weights_of(model).items():
        size = float(before[name].norm())
        if size > 0:
            ratios[_owner(name)] = float((weight.detach() - before[name]).norm()) / size
    return ratios


# ---------------------------------------------------------------------------------------- sentences


def say_not_finite(place, count, epoch, lr):
    """Sentence for values that are not finite."""
    values = f"{count} value{'s' * (count > 1)} of {place} {'are' if count > 1 else 'is'} not finite"
    if place == "the rows":
        return f"Training stopped in epoch {epoch}: {values}; look for damaged recordings, or scale the inputs down."
    return (
        f"Training stopped in epoch {epoch}: {values}; lower lr (now {lr:g}), clip gradients (gradient_clip=1), "
        "or begin with smaller weights (module__init='xavier')."
    )


def say_diverged(records):
    """Sentence for a loss that has grown out of bounds, or None."""
    first, last = records[0]["data_term"], records[-1]["data_term"]
    if last <= DIVERGED * max(abs(first), 1.0):
        return None
    layer, ratio = _largest(records[-1]["update_ratios"])
    return (
        f"Training stopped in epoch {records[-1]['epoch']}: the loss grew from {first:.3g} to {last:.3g}, and an "
        f"update changes layer {layer} by {ratio:.1g} of its size; lower lr (now {records[-1]['lr']:g}), or set "
        "gradient_clip=1."
    )


def say_lost(record):
    """Sentence for the layer with the most dead or saturated units, or None where they are few."""
    hidden = {name: share for name, share in record["saturated"].items() if name != "mask"}
    for kind, shares in (("dead", record["dead"]), ("saturated", hidden)):
        layer, share = _largest(shares)
        if share >= LOST_UNITS:
            return f"{share:.0%} of the units of layer {layer} are {kind} in epoch {record['epoch']}: {_remedy(kind)}"
    return None


def _remedy(kind):
    other = "module__activation='elu' or 'leaky_relu'" if kind == "dead" else "module__activation='relu'"
    init = "kaiming" if kind == "dead" else "xavier"
    return f"lower lr, begin with module__init='{init}', or use {other}."


def say_flat(records):
    """Sentence for a loss that does not move, or None.

    Parameters
    ----------
    records : list of dict
        Epochs since the weights were drawn.
    """
    losses = [record["data_term"] for record in records[-FLAT_EPOCHS:]]
    size = max(abs(loss) for loss in losses)
    has_never_moved = min(losses) > records[0]["data_term"] - max(FLAT_CHANGE * size, 1e-4)
    if len(losses) < FLAT_EPOCHS or max(losses) - min(losses) > max(FLAT_CHANGE * size, 1e-4) or size < 0.01:
        return None
    if not has_never_moved:
        return None
    return f"The loss has stayed at {losses[-1]:.3g} for {FLAT_EPOCHS} epochs: {_why_flat(records[-1])}"


def _why_flat(record):
    """The likeliest cause, by layer, and its remedy."""
    for kind in ("dead", "saturated"):
        layer, share = _largest(record[kind])
        if share >= SUSPECT_UNITS:
            return f"{share:.0%} of the units of layer {layer} are {kind}; {_remedy(kind)}"
    layer, ratio = min(record["update_ratios"].items(), key=lambda item: item[1], default=("the network", 0.0))
    if ratio < 1e-4:
        return (
            f"an update changes layer {layer} by {ratio:.1g} of its size; raise lr (now {record['lr']:g}), "
            "or begin with larger weights (module__init='kaiming')."
        )
    layer, ratio = _largest(record["update_ratios"])
    if ratio > 0.05:
        return f"an update changes layer {layer} by {ratio:.1g} of its size; lower lr (now {record['lr']:g})."
    return (
        f"the weights of layer {layer} move, but to no avail; scale the inputs, begin with another initialisation "
        "(module__init), or use a larger network."
    )


def _largest(shares):
    return max(shares.items(), key=lambda item: item[1], default=("the network", 0.0))
