"""Losses: gradients, permutations and silence."""

import itertools

import numpy as np
import pytest
import torch

from skseparate.neural_network._losses import (
    LOSSES,
    Criterion,
    l1,
    mse,
    ordered,
    permutation_invariant,
    si_sdr,
    silence_floor,
    snr,
)

NAMES = ["mse", "l1", "snr", "si_sdr"]


@pytest.fixture
def sources():
    rng = torch.Generator().manual_seed(0)
    estimates, targets = torch.randn(2, 4, 3, 10, dtype=torch.float64, generator=rng)
    return estimates + 0.5 * targets, targets


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reduce", [ordered, permutation_invariant])
@pytest.mark.parametrize("silent", [False, True])
def test_gradients_are_those_of_finite_differences(name, reduce, silent, sources):
    estimates, targets = sources[0].clone().requires_grad_(), sources[1].clone()
    if silent:
        targets[:, 1] = 0
    assert torch.autograd.gradcheck(lambda e: reduce(LOSSES[name], e, targets), (estimates,))


def test_mse_is_the_mean_and_so_is_its_gradient(sources):
    estimates, targets = sources[0].requires_grad_(), sources[1]
    loss = ordered(mse, estimates, targets)
    loss.backward()
    difference = (estimates - targets).detach()
    assert loss.item() == pytest.approx(float(difference.square().mean()))
    # the first attempt's was larger by the number of outputs
    torch.testing.assert_close(estimates.grad, 2 * difference / difference.numel())


def test_ratios_are_those_of_the_measures(sources):
    from skseparate.metrics import si_sdr as measure

    estimates, targets = sources
    noise = (estimates - targets).square().sum(-1)
    expected = 10 * torch.log10(targets.square().sum(-1) / noise)
    torch.testing.assert_close(-snr(estimates, targets), expected, atol=0.1, rtol=0)
    estimates = estimates + targets  # near enough for the bound not to show
    for e, t, value in zip(estimates, targets, -si_sdr(estimates, targets), strict=True):
        np.testing.assert_allclose(value, measure(t.numpy(), e.numpy()), atol=0.1)
    torch.testing.assert_close(si_sdr(estimates, targets), si_sdr(7 * estimates, targets))
    torch.testing.assert_close(l1(estimates, targets), (estimates - targets).abs().mean(-1))


@pytest.mark.parametrize("name", NAMES)
def test_permutations_cost_nothing(name, sources):
    estimates, targets = sources
    loss = LOSSES[name]
    best = permutation_invariant(loss, estimates, targets)
    for order in itertools.permutations(range(3)):
        torch.testing.assert_close(permutation_invariant(loss, estimates[:, order], targets), best)
    floor = silence_floor(targets).expand(-1, 3)
    each = torch.stack([loss(estimates[:, p], targets, floor).mean(-1) for p in itertools.permutations(range(3))])
    torch.testing.assert_close(best, each.min(dim=0).values.mean())


@pytest.mark.parametrize("name", ["snr", "si_sdr"])
def test_silent_targets_are_bounded_and_want_silence(name):
    targets = torch.zeros(1, 2, 50)
    targets[0, 0] = torch.randn(50, generator=torch.Generator().manual_seed(0))
    floor = silence_floor(targets)
    losses = []
    for size in (0.0, 1e-3, 0.1, 1.0, 1e6):
        estimates = torch.full_like(targets, size).requires_grad_()
        loss = LOSSES[name](estimates, targets, floor)[0, 1]
        loss.backward()
        assert torch.isfinite(estimates.grad).all()
        losses.append(loss.item())
    assert losses == sorted(losses) and losses[0] == 0 and losses[-1] <= 30.001


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("invariant", [False, True])
def test_nothing_but_silence_is_finite(name, invariant):
    estimates = torch.zeros(2, 2, 8, requires_grad=True)
    loss = Criterion(name, invariant, 1.0)(estimates, torch.zeros(2, 2, 8))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(estimates.grad).all()


def test_a_permutation_of_nan_is_left_to_the_diagnostics():
    estimates = torch.full((1, 2, 3), float("nan"))
    assert torch.isnan(permutation_invariant(mse, estimates, torch.zeros(1, 2, 3)))


def test_tables_are_one_source():
    estimates, targets = torch.ones(3, 4), torch.zeros(3, 4)
    assert float(Criterion("mse", False, 2.0)(estimates, targets)) == pytest.approx(0.25)
