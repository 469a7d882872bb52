"""BSS Eval."""

import importlib.util
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import cho_factor
from threadpoolctl import threadpool_info, threadpool_limits

from skseparate.datasets import ArrayRecording, Stems
from skseparate.metrics import BssEval, bss_eval, si_sdr
from skseparate.metrics._bss_eval import score_projections
from skseparate.metrics._bss_projections import ReferenceSpan, correlate


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def orthogonal(n, n_samples=64):
    """Signals of the same energy and no product."""
    return np.sqrt(n_samples) * np.linalg.qr(noise(n_samples, n))[0].T


def decibels(a, b):
    return 10 * np.log10(np.sum(np.square(a)) / np.sum(np.square(b)))


def delayed(rows, filter_length):
    """Columns: each row at each delay, with room for the last."""
    return np.array([np.pad(x, (k, filter_length - 1 - k)) for x in rows for k in range(filter_length)]).T


def projections(references, estimate, filter_length, cut=slice(None)):
    """What delayed references make of an estimate, by least squares; then the filters act on a cut of the track."""
    target = np.pad(estimate, ((0, 0), (0, filter_length - 1))).T
    filters = np.linalg.lstsq(delayed(references, filter_length), target, rcond=None)[0]
    return (delayed(references[:, cut], filter_length) @ filters).T


def by_definition(references, estimates, filter_length, images, cut=slice(None)):
    """SDR, ISR, SIR and SAR of each part, ``(4, n_parts)``, from signals of shape ``(n_parts, n_channels, n)``."""
    rows, scores, tail = references.reshape(-1, references.shape[-1]), [], ((0, 0), (0, filter_length - 1))
    for reference, estimate in zip(references, estimates, strict=True):
        target = projections(reference, estimate, filter_length, cut)
        span = projections(rows, estimate, filter_length, cut)
        reference, estimate = (np.pad(x[:, cut], tail) for x in (reference, estimate))
        source = reference if images else target
        scores.append(
            (
                decibels(source, estimate - source),
                decibels(reference, target - reference) if images else np.nan,
                decibels(target, span - target),
                decibels(span, estimate - span),
            )
        )
    return np.array(scores).T


def assert_scores(scores, expected, **tolerance):
    for name, theirs in zip(("sdr", "isr", "sir", "sar"), expected, strict=True):
        ours = getattr(scores, name)
        if ours is None:
            assert np.isnan(theirs).all()
        else:
            assert_allclose(ours, theirs, err_msg=name, **tolerance)


def separated(n_parts, n_samples, n_channels=None, leak=0.3, hiss=0.2):
    """References and estimates that filter, leak and hiss."""
    shape = (n_parts, n_samples) if n_channels is None else (n_parts, n_channels, n_samples)
    references = noise(*shape)
    estimates = references + leak * np.roll(references, 1, axis=0) + hiss * noise(*shape, seed=1)
    estimates[..., 3:] += 0.5 * references[..., :-3]
    return references, estimates


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("filter_length", [1, 2, 7, 20])
@pytest.mark.parametrize(("n_parts", "n_channels"), [(1, 1), (3, 1), (2, 2)])
def test_equals_its_definition(n_parts, n_channels, filter_length, images):
    references, estimates = separated(n_parts, 300, n_channels)
    with np.errstate(divide="ignore"):
        expected = np.clip(by_definition(references, estimates, filter_length, images), -60, 60)
    assert_scores(bss_eval(references, estimates, filter_length=filter_length, images=images), expected, atol=1e-6)


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize(("window", "hop"), [(100, 100), (101, 30), (60, 90)])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_frames_share_the_filters_of_the_track(n_channels, window, hop, images):
    references, estimates = separated(2, 300, n_channels)
    scores = bss_eval(references, estimates, filter_length=5, window=window, hop=hop, images=images)
    starts = range(0, 300 - window + 1, hop)
    assert scores.sdr.shape == (2, len(starts))
    for t, start in enumerate(starts):
        expected = by_definition(references, estimates, 5, images, slice(start, start + window))
        frame = BssEval(*(None if x is None else x[:, t] for x in scores[:4]), scores.permutation)
        assert_scores(frame, expected, atol=1e-6)


@pytest.mark.parametrize("filter_length", [1, 2, 500, 513])
@pytest.mark.parametrize("n_samples", [1, 300, 40_000])
def test_correlations_do_not_depend_on_blocks(n_samples, filter_length):
    references, other = noise(2, n_samples), noise(3, n_samples, seed=1)
    found = correlate(references, [references, other], filter_length)
    for correlations, signals in zip(found, (references, other), strict=True):
        assert correlations.products.shape == (2, len(signals), filter_length)
        assert_allclose(correlations.energies, np.sum(signals**2, axis=1))
        for i, j in np.ndindex(2, len(signals)):
            for k in {0, 1, filter_length // 2, filter_length - 1} & set(range(filter_length)):
                expected = references[i, : max(n_samples - k, 0)] @ signals[j, k:]
                assert correlations.products[i, j, k] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("level", [-40, -20, -3, 0, 20, 40])
def test_leakage_is_interference(level):
    first, second = orthogonal(2)
    estimates = np.array([first + 10 ** (-level / 20) * second, second])
    scores = bss_eval(np.array([first, second]), estimates, filter_length=1)
    assert_allclose((scores.sir[0], scores.sdr[0]), level, atol=1e-6)
    assert scores.sar[0] == scores.sir[1] == 60


@pytest.mark.parametrize("level", [-40, -20, -3, 0, 20, 40])
def test_noise_is_artifacts(level):
    *solos, hiss = orthogonal(3)
    estimates = np.array(solos) + 10 ** (-level / 20) * hiss
    scores = bss_eval(np.array(solos), estimates, filter_length=1)
    assert_allclose((scores.sar, scores.sdr), level, atol=1e-6)
    assert (scores.sir == 60).all()


@pytest.mark.parametrize("gain", [0.5, 0.9, 1.1, 2.0])
def test_a_gain_is_spatial_distortion_of_an_image_only(gain):
    solos = orthogonal(2)
    images = bss_eval(solos, gain * solos, filter_length=4, images=True)
    assert_allclose((images.isr, images.sdr), -20 * np.log10(abs(gain - 1)), atol=1e-6)
    assert_array_equal((images.sir, images.sar), 60)
    assert_array_equal(bss_eval(solos, gain * solos, filter_length=4).sdr, 60)


def test_short_filters_are_forgiven_and_longer_ones_are_not():
    solos = np.pad(noise(2, 1000), ((0, 0), (0, 8)))
    estimates = np.array([np.convolve(x, [1, -0.5, 0, 0.4, 0, 0, 0.8])[: solos.shape[1]] for x in solos])
    forgiven, judged = bss_eval(solos, estimates, filter_length=7), bss_eval(solos, estimates, filter_length=6)
    assert_array_equal((forgiven.sdr, forgiven.sir, forgiven.sar), 60)
    assert (judged.sdr < 10).all()


def test_advance_is_not_forgiven():
    solos = noise(1, 1000)
    assert bss_eval(solos, np.roll(solos, -1), filter_length=8).sdr[0] < 0


def test_a_filter_of_one_tap_is_si_sdr():
    references, estimates = separated(3, 500)
    assert_allclose(bss_eval(references, estimates, filter_length=1).sdr, si_sdr(references, estimates), atol=1e-9)


def test_distortion_is_interference_and_artifacts():
    references, estimates = separated(3, 500)
    scores = bss_eval(references, estimates, filter_length=10)
    sdr, sir, sar = (10 ** (-x / 10) for x in (scores.sdr, scores.sir, scores.sar))
    assert_allclose(1 + sdr, (1 + sir) * (1 + sar), rtol=1e-9)


@pytest.mark.parametrize("factor", [1e-100, 1e-6, -1.0, 1e6, 1e100])
@pytest.mark.parametrize("window", [None, 200])
def test_sources_do_not_depend_on_scales(factor, window):
    references, estimates = separated(3, 600)
    settings = {"filter_length": 10, "window": window}
    expected = bss_eval(references, estimates, **settings)
    scaled = references * np.array([[factor], [1], [1]])
    assert_scores(bss_eval(references, factor * estimates, **settings), expected_of(expected), atol=1e-6)
    assert_scores(bss_eval(scaled, estimates, **settings), expected_of(expected), atol=1e-6)


def expected_of(scores):
    return [np.full_like(scores.sdr, np.nan) if x is None else x for x in scores[:4]]


@pytest.mark.parametrize("factor", [1e-100, 1e100])
def test_images_do_not_depend_on_a_common_scale(factor):
    references, estimates = separated(3, 600)
    expected = bss_eval(references, estimates, filter_length=10, images=True)
    scores = bss_eval(factor * references, factor * estimates, filter_length=10, images=True)
    assert_scores(scores, expected_of(expected), atol=1e-6)


@pytest.mark.parametrize("n_parts", [1, 2, 3, 5])
@pytest.mark.parametrize("window", [None, 100])
def test_a_permutation_is_recovered(n_parts, window):
    references, estimates = separated(n_parts, 400)
    settings = {"filter_length": 4, "window": window, "images": True}
    expected = bss_eval(references, estimates, **settings)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(n_parts)
        scores = bss_eval(references, estimates[order], permutation=True, **settings)
        assert_array_equal(order[scores.permutation], np.arange(n_parts))
        assert_scores(scores, expected[:4], atol=1e-9)


def test_the_best_permutation_has_the_best_mean_sir():
    for seed in range(5):
        references, estimates = noise(2, 4, 40, seed=seed)
        found = bss_eval(references, estimates, filter_length=3, permutation=True)
        sir = {p: bss_eval(references, estimates[list(p)], filter_length=3).sir.mean() for p in permutations(range(4))}
        assert found.sir.mean() == pytest.approx(max(sir.values()), abs=1e-9)
        assert sir[tuple(found.permutation)] == pytest.approx(found.sir.mean(), abs=1e-9)


def test_the_limit_does_not_change_the_permutation():
    first, second = noise(2, 400)
    estimates = np.array([first + 0.5 * second, first + 0.1 * second])
    solos, settings = np.array([first, second]), {"filter_length": 4, "permutation": True, "limit": 3.0}
    # ratios beyond ±4 dB: cut to ±3, both orders would be as good
    assert_array_equal(bss_eval(solos, estimates, **settings).permutation, [1, 0])
    assert_array_equal(bss_eval(solos, estimates[::-1], **settings).permutation, [0, 1])


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("window", [None, 150])
def test_perfect_estimates_reach_the_limit(images, window):
    solos = noise(3, 600)
    for limit in (10.0, 60.0):
        scores = bss_eval(solos, solos, filter_length=20, images=images, window=window, limit=limit)
        for ratios in scores[:4]:
            assert ratios is None or (ratios == limit).all()


@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("window", [None, 150])
@pytest.mark.parametrize("silence", [0.0, 1e-200, 1e-158])
def test_silence_is_defined(images, window, silence):
    references, estimates = separated(4, 600)
    settings = {"filter_length": 6, "images": images, "window": window}
    sounding = bss_eval(references[1:], estimates[1:], **settings)
    references[0] *= silence
    estimates[3] *= silence
    scores = bss_eval(references, estimates, **settings)
    for name in ("sdr", "isr", "sir", "sar"):
        ratios = getattr(scores, name)
        if ratios is not None:
            assert_array_equal(ratios[0], 0)
            assert_allclose(ratios[1:3], getattr(sounding, name)[:2], atol=1e-9)
            assert_array_equal(ratios[3], 0 if images and name in ("sdr", "isr") else -60)


def test_nothing_but_silence_scores_nothing():
    silence = np.zeros((2, 100))
    for window in (None, 10):
        scores = bss_eval(silence, silence, filter_length=3, window=window, images=True, permutation=True)
        for ratios in scores[:4]:
            assert_array_equal(ratios, 0)


def test_a_silent_channel_is_no_silent_part():
    references, estimates = separated(2, 400, 2)
    references[0, 1] = 0
    scores = bss_eval(references, estimates, filter_length=4, images=True)
    expected = by_definition(references, estimates, 4, images=True)
    assert_scores(scores, expected, atol=1e-6)


def test_equal_references_do_not_interfere():
    references, estimates = separated(3, 500)
    references[1] = references[0]
    scores = bss_eval(references, estimates, filter_length=12)
    alone = bss_eval(references[1:], estimates[1:], filter_length=12)
    assert np.isfinite(scores[0]).all()
    assert_allclose((scores.sdr[1:], scores.sir[1:], scores.sar[1:]), (alone.sdr, alone.sir, alone.sar), atol=1e-3)
    twins = bss_eval(references[:2], references[:2], filter_length=12, images=True)
    for ratios in twins[:4]:
        assert_array_equal(ratios, 60)


@pytest.mark.parametrize(
    "references",
    [
        np.sin(np.outer([0.1, 0.23], np.arange(2000))),
        np.cos(np.outer([0.0, 0.2], np.arange(2000))),
        np.cumsum(np.cumsum(noise(2, 2000), axis=1), axis=1),
        np.eye(2, 2000),
    ],
    ids=["sines", "constant", "smooth", "impulses"],
)
@pytest.mark.parametrize("images", [False, True])
def test_ill_conditioned_references_give_numbers(references, images):
    estimates = references + 0.1 * references[::-1]
    scores = bss_eval(references, estimates, filter_length=64, images=images)
    for ratios in scores[:4]:
        assert ratios is None or (np.abs(ratios) <= 60).all()
    assert (scores.sar == 60).all()


def test_frames_with_a_silence_are_left_out():
    references, estimates = separated(2, 500)
    references[0, :100] = 0
    estimates[1, 200:300] = 0
    scores = bss_eval(references, estimates, filter_length=4, window=100, images=True)
    for ratios in scores[:4]:
        assert_array_equal(np.isnan(ratios), [[True, False, True, False, False]] * 2)
    median = scores.median()
    assert_allclose(median.sdr, np.median(scores.sdr[:, [1, 3, 4]], axis=1))
    assert_array_equal(median.permutation, scores.permutation)


def test_the_permutation_ignores_frames_that_are_left_out():
    references, estimates = separated(2, 500)
    references[0, :100] = 0
    scores = bss_eval(references, estimates[::-1], filter_length=4, window=100, permutation=True)
    assert_array_equal(scores.permutation, [1, 0])


def test_no_frame_has_no_median():
    references, estimates = separated(2, 200)
    references[0, :100] = references[1, 100:] = 0
    scores = bss_eval(references, estimates, filter_length=4, window=100, permutation=True).median()
    assert np.isnan(scores.sdr).all() and scores.isr is None


def test_a_short_track_is_one_frame():
    references, estimates = separated(2, 200)
    whole = bss_eval(references, estimates, filter_length=4)
    frames = bss_eval(references, estimates, filter_length=4, window=1000)
    assert_array_equal(frames.sdr, whole.sdr[:, None])
    assert_array_equal(frames.median().sar, whole.sar)


def test_what_is_left_of_the_track_is_no_frame():
    references, estimates = separated(2, 299)
    settings = {"filter_length": 4, "window": 100}
    assert bss_eval(references, estimates, **settings).sdr.shape == (2, 2)
    assert bss_eval(references, estimates, hop=33, **settings).sdr.shape == (2, 7)


@pytest.mark.parametrize("window", [None, 100])
@pytest.mark.parametrize("images", [False, True])
def test_several_separators_at_once(window, images):
    references, estimates = separated(3, 400)
    several = np.array([[estimates, references], [estimates[::-1], 2 * estimates]])
    settings = {"filter_length": 4, "window": window, "images": images, "permutation": True}
    scores = bss_eval(references, several, **settings)
    for i in np.ndindex(2, 2):
        assert_array_equal(scores.permutation[i], bss_eval(references, several[i], **settings).permutation)
        expected = expected_of(bss_eval(references, several[i], **settings))
        assert_scores(BssEval(*(x if x is None else x[i] for x in scores)), expected, atol=1e-9)


@pytest.mark.parametrize("window", [None, 100])
def test_the_mixture_stands_for_every_part(window):
    references, _ = separated(3, 400)
    mixture = references.sum(axis=0, keepdims=True)
    settings = {"filter_length": 4, "window": window, "images": True}
    scores = bss_eval(references, mixture, **settings)
    assert_scores(scores, bss_eval(references, np.repeat(mixture, 3, axis=0), **settings)[:4], atol=1e-9)
    assert_array_equal(scores.permutation, 0)


def test_references_are_factorised_once_for_estimates_that_come_one_by_one(monkeypatch):
    references, estimates = separated(3, 400)
    several = (estimates, 0.5 * references + estimates)
    manners = ({}, {"images": True}, {"window": 100, "permutation": True})
    expected = [bss_eval(references, x, filter_length=4, **settings) for x in several for settings in manners]
    span = ReferenceSpan(references, 4)
    monkeypatch.setattr("skseparate.metrics._bss_projections.cho_factor", None)
    found = [score_projections(span.project(x), **settings) for x in several for settings in manners]
    for ours, theirs in zip(found, expected, strict=True):
        assert_scores(ours, expected_of(theirs), atol=1e-9)
        assert_array_equal(ours.permutation, theirs.permutation)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int16, list])
def test_any_numbers_are_computed_in_double(dtype):
    references, estimates = (np.round(100 * x) for x in separated(2, 300))
    convert = np.ndarray.tolist if dtype is list else (lambda x: x.astype(dtype))
    for window in (None, 100):
        expected = bss_eval(references, estimates, filter_length=5, window=window)
        scores = bss_eval(convert(references), convert(estimates), filter_length=5, window=window)
        assert_scores(scores, expected_of(expected), atol=1e-12)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_blas_keeps_to_one_thread_for_a_while(n_threads, monkeypatch):
    def n_blas_threads():
        return {x["num_threads"] for x in threadpool_info() if x["user_api"] == "blas"}

    def watching(*args, **kwargs):
        seen.append(n_blas_threads())
        return cho_factor(*args, **kwargs)

    seen = []
    monkeypatch.setattr("skseparate.metrics._bss_projections.cho_factor", watching)
    with threadpool_limits(n_threads, user_api="blas"):
        bss_eval(*separated(2, 100), filter_length=4)
        assert n_blas_threads() == {n_threads}
    assert seen == [{1}] * 3


class Watched(ArrayRecording):
    """Notes how much is read at once."""

    longest = 0

    def read(self, start, stop):
        Watched.longest = max(Watched.longest, stop - start)
        return super().read(start, stop)


def test_lazy_recordings_are_read_in_blocks(monkeypatch):
    monkeypatch.setattr(Watched, "longest", 0)
    references, estimates = separated(2, 100_000)
    lazy = [Stems([Watched(x, 8000) for x in solos]) for solos in (references, estimates)]
    for window in (None, 8000):
        expected = bss_eval(references, estimates, filter_length=16, window=window)
        assert_scores(bss_eval(*lazy, filter_length=16, window=window), expected_of(expected), atol=1e-6)
    assert 0 < Watched.longest < 20_000


@pytest.mark.parametrize(
    ("references", "estimates", "message"),
    [
        (np.ones(10), np.ones(10), r"references must be .* got \(10,\)"),
        (np.ones((2, 0)), np.ones((2, 0)), "not empty"),
        (np.ones((0, 5)), np.ones((0, 5)), "not empty"),
        (np.ones((2, 5)), np.ones((2, 4)), r"shaped as the references, \(2, 5\), got \(2, 4\)"),
        (np.ones((2, 5)), np.ones((3, 5)), "shaped as the references"),
        (np.ones((2, 5)), np.ones(5), "shaped as the references"),
        (np.ones((2, 2, 5)), np.ones((2, 5)), "shaped as the references"),
        (np.ones((2, 5)), np.ones((0, 2, 5)), "shaped as the references"),
        (np.ones((2, 5)), np.ones((2, 5)) * 1j, "must be real"),
        (np.full((2, 5), np.nan), np.ones((2, 5)), "must be finite"),
        (np.ones((2, 5)), np.full((2, 5), np.inf), "must be finite"),
        (np.full((2, 5), 1e200), np.ones((2, 5)), "must be finite, and so must their energies"),
    ],
)
def test_signals_that_cannot_be_compared_are_refused(references, estimates, message):
    with pytest.raises(ValueError, match=message):
        bss_eval(references, estimates, filter_length=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"filter_length": 0}, "filter_length must be a positive number of samples, got 0"),
        ({"window": 0}, "window must be"),
        ({"window": 10, "hop": 0}, "hop must be"),
        ({"hop": 10}, "hop needs a window"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        bss_eval(np.ones((2, 50)), np.ones((2, 50)), **settings)


def test_one_estimate_cannot_be_permuted():
    with pytest.raises(ValueError, match="an estimate for each of the 3 parts, got 1"):
        bss_eval(np.ones((3, 50)), np.ones((1, 50)), filter_length=2, permutation=True)


def museval_metrics():
    """The module alone: the package wants ffmpeg."""
    spec = importlib.util.find_spec("museval")
    if spec is None:
        pytest.skip("museval is not installed")
    path = Path(spec.submodule_search_locations[0]) / "metrics.py"
    spec = importlib.util.spec_from_file_location("museval_metrics", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("permutation", [False, True])
def test_agrees_with_mir_eval(permutation):
    separation = pytest.importorskip("mir_eval.separation")
    references, estimates = separated(3, 3000)
    estimates = estimates[[1, 2, 0]]
    *expected, order = separation.bss_eval_sources(references, estimates, compute_permutation=permutation)
    scores = bss_eval(references, estimates, permutation=permutation)
    assert_allclose((scores.sdr, scores.sir, scores.sar), expected, atol=1e-6)
    assert_array_equal(scores.permutation, order)


@pytest.mark.filterwarnings("ignore")
def test_agrees_with_mir_eval_on_images():
    separation = pytest.importorskip("mir_eval.separation")
    references, estimates = separated(2, 2000, 2)
    channels_last = (x.transpose(0, 2, 1) for x in (references, estimates))
    *expected, _ = separation.bss_eval_images(*channels_last, compute_permutation=False)
    assert_scores(bss_eval(references, estimates, images=True), expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("images", [False, True])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_agrees_with_museval(n_channels, images):
    museval = museval_metrics()
    references, estimates = separated(2, 3000, n_channels)
    references[0, :, :500] = 0
    *expected, _ = museval.bss_eval(
        *(x.transpose(0, 2, 1) for x in (references, estimates)),
        window=500,
        hop=300,
        filters_len=64,
        bsseval_sources_version=not images,
    )
    scores = bss_eval(references, estimates, filter_length=64, window=500, hop=300, images=images)
    assert np.isnan(scores.sdr[:, 0]).all() and np.isfinite(scores.sdr[:, 2:]).all()
    assert_scores(scores, expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_agrees_with_fast_bss_eval():
    fast_bss_eval = pytest.importorskip("fast_bss_eval")
    references, estimates = separated(3, 3000)
    *expected, order = fast_bss_eval.bss_eval_sources(references, estimates[[1, 2, 0]], filter_length=100)
    scores = bss_eval(references, estimates[[1, 2, 0]], filter_length=100, permutation=True)
    assert_allclose((scores.sdr, scores.sir, scores.sar), expected, atol=1e-6)
    assert_array_equal(scores.permutation, order)
