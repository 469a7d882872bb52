"""Checks of invertible transformers, beyond what scikit-learn's 2-D tables reach."""

from contextlib import contextmanager

import numpy as np
from numpy.testing import assert_allclose
from sklearn.base import clone

SAMPLE_RATE = 8000


@contextmanager
def refused(what):
    """Fail unless the body raises ValueError."""
    try:
        yield
    except ValueError:
        return
    raise AssertionError(f"{what} must be refused with a ValueError.")


def make_signals(domain, dtype=np.float64):
    """A list of signals of different lengths and leading shapes."""
    rng = np.random.RandomState(0)
    shapes = [(1000,), (3, 700), (2, 3, 1001)] if domain == "waveform" else [(5, 41), (2, 4, 41), (2, 3, 1, 41)]
    if domain == "waveform":
        return [rng.normal(size=shape).astype(dtype) for shape in shapes]
    complex_type = np.result_type(dtype, np.complex64)
    return [(rng.normal(size=s) + 1j * rng.normal(size=s)).astype(complex_type) for s in shapes]


def fit(transformer, X):
    """Clone a transformer, tell it a sample rate where it wants one, and fit it."""
    transformer = clone(transformer)
    if transformer.get_params().get("sample_rate", 0) is None:
        transformer.set_params(sample_rate=SAMPLE_RATE)
    return transformer.fit(X)


def check_round_trip(transformer, domain, lossless):
    """Down and up again restores the signal (followed by padding), or at least what is kept of it."""
    signals = make_signals(domain)
    fitted = fit(transformer, signals)
    down = fitted.transform(signals)
    up = fitted.inverse_transform(down)
    for again, view in zip(fitted.transform(up), down, strict=True):
        assert_allclose(again, view, atol=1e-10)
    if lossless:
        for signal, restored in zip(signals, up, strict=True):
            assert_allclose(restored[..., : signal.shape[-1]], signal, atol=1e-10)
            assert_allclose(restored[..., signal.shape[-1] :], 0, atol=1e-10)


def check_leading_axes(transformer, domain, lossless):
    """Each signal along leading axes is mapped as it would be alone."""
    signals = make_signals(domain)
    fitted = fit(transformer, signals)
    stacked = fitted.transform(signals[2:])[0]
    up = fitted.inverse_transform([stacked])[0]
    for index in range(len(stacked)):
        alone = fitted.transform([signals[2][index]])[0]
        assert_allclose(stacked[index], alone, atol=1e-12)
        assert_allclose(up[index], fitted.inverse_transform([alone])[0], atol=1e-12)


def check_lists_and_arrays(transformer, domain, lossless):
    """A list, an object array and an array of three or more axes give the same."""
    signal = make_signals(domain)[2]
    fitted = fit(transformer, [signal])
    boxed = np.empty(1, dtype=object)
    boxed[0] = signal
    expected = fitted.transform(signal)
    for X in ([signal], boxed):
        down = fitted.transform(X)
        assert isinstance(down, list) and len(down) == 1
        assert_allclose(down[0], expected)
    assert_allclose(fitted.inverse_transform([expected])[0], fitted.inverse_transform(expected))


def check_single_precision(transformer, domain, lossless):
    """float32 in gives float32 or complex64 out, close to the result in double precision."""
    single = make_signals(domain, np.float32)
    fitted = fit(transformer, single)
    for view, signal in zip(fitted.transform(single), single, strict=True):
        assert view.real.dtype == np.float32, view.dtype
        exact = fitted.transform([signal.astype(np.result_type(signal, np.float64))])[0]
        assert_allclose(view, exact, atol=1e-4 * max(1, abs(exact).max()))
        up = fitted.inverse_transform([view])[0]
        assert up.real.dtype == np.float32, up.dtype


def check_tensors(transformer, domain, lossless):
    """A torch tensor is mapped like the array, differentiably."""
    import torch

    signal = make_signals(domain)[2]
    fitted = fit(transformer, [signal])
    tensor = torch.tensor(signal, requires_grad=True)
    down = fitted.transform(tensor)
    assert_allclose(down.detach().numpy(), fitted.transform([signal])[0], atol=1e-10)
    abs(down).sum().backward()
    assert bool(torch.isfinite(tensor.grad).all())


def check_input_is_left_alone(transformer, domain, lossless):
    """Neither way writes into what it is given."""
    signals = make_signals(domain)
    fitted = fit(transformer, signals)
    down = fitted.transform(signals)
    before = [view.copy() for view in down]
    for x in signals + down:
        x.flags.writeable = False
    fitted.transform(signals)
    fitted.inverse_transform(down)
    for view, copy in zip(down, before, strict=True):
        assert_allclose(view, copy)


def check_hostile_signals(transformer, domain, lossless):
    """NaN, infinity, nothing and text are refused, at fit and later, alone and in lists."""
    signals = make_signals(domain)
    fitted = fit(transformer, signals)
    hostile = {
        "NaN": np.full((2, 3, 41), np.nan),
        "infinity": np.full((2, 3, 41), np.inf),
        "an empty array": np.empty((2, 3, 0)),
        "text": np.full((2, 3, 41), "a"),
    }
    for what, x in hostile.items():
        for X in (x, [signals[0], x]):
            with refused(what):
                fitted.transform(X)
        with refused(f"{what} at fit"):
            fit(transformer, [x])
        with refused(f"{what} going back"):
            fitted.inverse_transform(x)
    with refused("an empty list"):
        fitted.transform([])


def check_complex_tables(transformer, domain, lossless):
    """A 2-D complex array is refused: scikit-learn's tables are real."""
    with refused("a 2-D complex array"):
        fit(transformer, np.ones((4, 41), dtype=complex))


INVERTIBLE_CHECKS = (
    check_round_trip,
    check_leading_axes,
    check_lists_and_arrays,
    check_single_precision,
    check_tensors,
    check_input_is_left_alone,
    check_hostile_signals,
    check_complex_tables,
)
