"""How often doubled instruments take each other's part."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skseparate.datasets import make_ensembles
from skseparate.metrics import swap_rate

RATE = 100


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def exchanged(solos, windows, a=0, b=1, length=RATE):
    """Estimates in which two parts are exchanged in some of the windows."""
    estimates = solos.copy()
    for w in windows:
        span = slice(w * length, (w + 1) * length)
        estimates[[a, b], span] = solos[[b, a], span]
    return estimates


def by_loops(references, estimates, sample_rate, parts, window):
    """The definition, window by window and pair by pair, without a line of the package."""

    def fit(reference, estimate):
        target = (estimate @ reference) / (reference @ reference) * reference
        return 10 * np.log10((target @ target) / ((estimate - target) @ (estimate - target)))

    length = round(window * sample_rate)
    n_parts, n_samples = references.shape
    starts = range(0, n_samples - length + 1, length)
    levels = [np.mean([(r[s : s + length] ** 2).mean() for s in starts]) for r in references]
    rates = []
    for i in range(n_parts):
        swapped = counted = 0
        for j in range(n_parts):
            if i == j or parts[i] != parts[j]:
                continue
            for start in starts:
                ri, rj = (references[k][start : start + length] for k in (i, j))
                ei, ej = (estimates[k][start : start + length] for k in (i, j))
                if (ri**2).mean() < 1e-4 * levels[i] or (rj**2).mean() < 1e-4 * levels[j]:
                    continue
                counted += 1
                swapped += fit(ri, ej) + fit(rj, ei) > fit(ri, ei) + fit(rj, ej)
        rates.append(swapped / counted if counted else np.nan)
    return rates


@pytest.mark.parametrize("window", [0.37, 1.0, 2.5])
@pytest.mark.parametrize("parts", [["vn"] * 4, ["vn", "vn", "va", "va"], ["vn", "vc", "vn", "db"]])
def test_equals_its_definition(window, parts):
    seen = set()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        references, other = noise(2, 4, 1037, seed=seed)
        references *= np.repeat(rng.choice([1, 0.5, 1e-6], (4, 17), p=[0.6, 0.3, 0.1]), 61, axis=1)
        crosstalk = np.repeat(rng.uniform(size=(4, 4, 17)), 61, axis=2)
        estimates = np.einsum("ijt,jt->it", crosstalk, references) + 0.1 * other
        expected = by_loops(references, estimates, RATE, parts, window)
        assert_allclose(swap_rate(references, estimates, RATE, parts, window), expected, atol=1e-12)
        seen.update(expected)
    assert len([x for x in seen if 0 < x < 1]) > 2, "hardly anything was tested"


@pytest.mark.parametrize("length", [999, 1000, 1001, 4013])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mixture_is_exactly_undecided(length, dtype):
    solos = noise(5, length).astype(dtype)
    mixture = np.tile(solos.sum(axis=0), (5, 1))
    for rate in (37, 100, 101):
        assert_array_equal(swap_rate(solos, mixture, rate), 0.5)


def test_the_mixture_of_ensembles_is_exactly_undecided():
    X, y, _ = make_ensembles(2, 3, duration=2.0, sample_rate=8000, instruments=["vn"], random_state=0).power_set()
    for mix, solos in zip(X, y, strict=True):
        n_parts = solos.shape[0]
        assert_array_equal(swap_rate(solos, np.broadcast_to(mix, (n_parts, 16000)), 8000, solos.parts, 0.25), 0.5)
        assert_array_equal(swap_rate(solos, solos, 8000, solos.parts, 0.25), 0)


def test_silent_estimates_are_undecided():
    solos = noise(2, 400)
    assert_array_equal(swap_rate(solos, 0 * solos, RATE), 0.5)
    assert_array_equal(swap_rate(solos, np.where(np.arange(400) < 100, 0, solos), RATE), 0.125)


@pytest.mark.parametrize("windows", [[], [0], [3], [1, 2], [0, 1, 2, 3]])
def test_counts_the_exchanged_windows(windows):
    solos = noise(2, 400)
    assert_array_equal(swap_rate(solos, exchanged(solos, windows), RATE), len(windows) / 4)


def test_exchanging_the_estimates_gives_the_complement():
    solos, other = noise(2, 2, 2000)
    estimates = solos + solos[::-1] + other
    rates = swap_rate(solos, estimates, RATE)
    assert 0 < rates[0] < 1
    assert_allclose(swap_rate(solos, estimates[::-1], RATE), 1 - rates)
    assert_allclose(swap_rate(solos[::-1], estimates[::-1], RATE), rates)


def test_windows_in_which_either_is_silent_do_not_count():
    solos = noise(2, 800)
    solos[0, :200] = 0
    solos[1, 700:] = 0
    estimates = exchanged(solos, [0, 1, 2, 7])  # of 2 to 6, the third alone is exchanged
    assert_array_equal(swap_rate(solos, estimates, RATE), 1 / 5)


@pytest.mark.parametrize(("level", "rate"), [(-42, 0.5), (-44, 0.0)])
def test_windows_far_below_a_parts_own_level_do_not_count(level, rate):
    """Half of it as soft as that: its level, the mean of all windows, is 3 dB below the loud half."""
    solos = np.sign(noise(2, 400))
    solos[0, 200:] *= 10 ** (level / 20)
    assert_array_equal(swap_rate(solos, exchanged(solos, [2, 3]), RATE), rate)


def test_a_soft_part_counts_beside_a_loud_one():
    solos = noise(2, 400)
    solos[1] *= 1e-4
    assert_array_equal(swap_rate(solos, exchanged(solos, [1]), RATE), 0.25)


def test_three_of_one_instrument():
    """The first two are exchanged in one of four windows; they and the third are never mistaken for each other."""
    solos = noise(3, 400)
    solos[:2] += 3 * solos[2]  # so that what the first two play is decided between them and the third, too
    estimates = exchanged(solos, [2])
    pairs = [swap_rate(solos[p], estimates[p], RATE)[0] for p in ([0, 1], [0, 2], [1, 2])]
    assert pairs == [0.25, 0, 0]
    assert_array_equal(swap_rate(solos, estimates, RATE, ["vn"] * 3), [1 / 8, 1 / 8, 0])


def test_a_cycle_of_three():
    """Everyone plays another's part: two are never exchanged exactly, but mistaken all the same."""
    solos = noise(3, 1000) + 3 * noise(1, 1000, seed=1)
    estimates = solos[[1, 2, 0]] + 0.1 * noise(3, 1000, seed=2)
    rates = swap_rate(solos, estimates, RATE)
    assert_allclose(rates, by_loops(solos, estimates, RATE, "aaa", 1.0))
    assert (rates > 0.2).all()


def test_without_doubling_there_is_no_rate():
    solos = noise(4, 400)
    rates = swap_rate(solos, exchanged(solos, [0, 1], 0, 2), RATE, ["vn", "va", "vn", "vc"])
    assert_array_equal(rates, [0.5, np.nan, 0.5, np.nan])
    assert np.isnan(swap_rate(solos, solos, RATE, ["vn", "va", "vc", "db"])).all()
    assert np.isnan(swap_rate(solos[:1], solos[:1], RATE)).all()


def test_without_a_common_window_there_is_no_rate():
    solos = noise(3, 400)
    solos[0, 200:] = solos[1, :200] = 0
    assert_array_equal(swap_rate(solos, solos, RATE, ["vn", "vn", "vn"]), [0, 0, 0])
    assert_array_equal(swap_rate(solos, solos, RATE, ["vn", "vn", "vc"]), [np.nan] * 3)
    assert np.isnan(swap_rate(0 * solos, solos, RATE)).all()


@pytest.mark.parametrize("gains", [(1e-12, 1e12), (-1, 1), (3, -0.2)])
def test_the_gain_of_an_estimate_does_not_matter(gains):
    solos, other = noise(2, 2, 2000)
    estimates = solos + solos[::-1] + other
    gained = estimates * np.array(gains)[:, None]
    assert_array_equal(swap_rate(solos, gained, RATE), swap_rate(solos, estimates, RATE))
    assert_array_equal(swap_rate(solos * np.array(gains)[:, None], estimates, RATE), swap_rate(solos, estimates, RATE))


def test_a_last_incomplete_window_does_not_count():
    solos = noise(2, 450)
    assert_array_equal(swap_rate(solos, exchanged(solos, [4]), RATE), 0)
    assert_array_equal(swap_rate(solos, exchanged(solos, [3, 4]), RATE), 0.25)
    assert_array_equal(swap_rate(solos, exchanged(solos, [8], length=50), RATE, window=0.5), 1 / 9)


def test_a_recording_shorter_than_a_window_is_one():
    solos = noise(2, 60)
    assert_array_equal(swap_rate(solos, solos[::-1], RATE), 1)
    assert_array_equal(swap_rate(solos, solos, RATE), 0)


def test_any_numbers_and_lazy_recordings_are_taken():
    solos = (1000 * noise(2, 400)).astype(np.int16)
    assert_array_equal(swap_rate(solos, exchanged(solos, [1]), RATE, ("vn", "vn")), 0.25)
    assert_array_equal(swap_rate(solos.tolist(), solos[::-1].tolist(), RATE), 1)
    y = make_ensembles(1, 2, duration=2.0, sample_rate=8000, instruments=["fl"], random_state=0)[0].solos()
    assert_array_equal(swap_rate(y, np.asarray(y)[::-1], 8000, y.parts), 1)


def test_nothing_is_modified():
    solos, estimates = noise(2, 2, 400)
    before = solos.copy(), estimates.copy()
    swap_rate(solos, estimates, RATE)
    assert_array_equal((solos, estimates), before)


@pytest.mark.parametrize(
    ("references", "estimates", "options", "message"),
    [
        (noise(2, 100), noise(2, 99), {}, r"alike, got \(2, 100\) and \(2, 99\)"),
        (noise(2, 100), noise(3, 100), {}, r"alike, got \(2, 100\) and \(3, 100\)"),
        (noise(100), noise(100), {}, "alike, got"),
        (noise(2, 2, 100), noise(2, 2, 100), {}, "alike, got"),
        (noise(2, 0), noise(2, 0), {}, "0 samples is empty"),
        (noise(2, 100), noise(2, 100), {"window": 0.001}, "a window of 0.001 s at 100 Hz"),
        (noise(2, 100), noise(2, 100), {"window": -1}, "a window of -1 s"),
        (noise(2, 100), noise(2, 100), {"parts": ["vn"]}, r"cannot name 2 references"),
        (noise(2, 100), noise(2, 100), {"parts": ["vn", "vc", "vn"]}, r"cannot name 2 references"),
    ],
)
def test_what_cannot_be_compared_is_refused(references, estimates, options, message):
    with pytest.raises(ValueError, match=message):
        swap_rate(references, estimates, RATE, **options)
