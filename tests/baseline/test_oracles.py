"""Separators that are told the sources: equalisers and the binary mask."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skseparate import _base
from skseparate.baseline import IdealMask, MixtureSeparator, OracleEqualiser
from skseparate.baseline._oracle_equaliser import third_octave
from skseparate.datasets import ArrayRecording, Mixture, Stems, make_ensembles
from skseparate.metrics import si_sdr, si_sdr_improvement
from skseparate.preprocessing import STFT, Segmenter

RATE = 8000


def representation(duration=0.1):
    return make_pipeline(Segmenter(duration), STFT(0.04, 0.01))


def oracles(duration=0.1):
    return [
        OracleEqualiser(representation=representation(duration)),
        OracleEqualiser("bin", representation(duration)),
        IdealMask("binary", representation(duration)),
    ]


ORACLES = pytest.mark.parametrize("oracle", oracles(), ids=["third-octave", "bin", "binary"])


def mixture(solos, parts=None, rate=RATE):
    return Mixture(Stems([ArrayRecording(s, rate) for s in solos], parts))


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def band(low, high, n_samples=RATE, seed=0):
    """Noise between two frequencies in Hz."""
    spectrum = np.fft.rfft(noise(n_samples, seed=seed))
    frequencies = np.fft.rfftfreq(n_samples, 1 / RATE)
    return np.fft.irfft(spectrum * ((frequencies >= low) & (frequencies < high)), n_samples)


@pytest.fixture(scope="module")
def trios():
    return make_ensembles(4, n_parts=3, duration=1.0, sample_rate=RATE, random_state=1).power_set()


# --------------------------------------------------------------------------------------- what all oracles do


@ORACLES
@pytest.mark.parametrize("n_samples", [1600, 1601, 4567])
def test_solos_sum_to_the_mixture(oracle, n_samples):
    solos = noise(3, n_samples)
    solos[2, n_samples // 2 :] = 0
    (estimates,) = oracle.fit().predict([mixture(solos)])
    assert estimates.shape == (3, n_samples)
    assert_allclose(estimates.sum(axis=0), solos.sum(axis=0), atol=1e-9)


@ORACLES
def test_sources_in_other_bands_are_found(oracle):
    solos = np.stack([band(100, 400), 0.1 * band(600, 1200, seed=1), band(2000, 3500, seed=2)])
    (estimates,) = clone(oracle).set_params(representation=representation(0.5)).fit().predict([mixture(solos)])
    assert (si_sdr(solos, estimates) > 15).all()
    assert (si_sdr_improvement(solos, estimates, solos.sum(axis=0)) > 30).all()


@ORACLES
def test_a_source_alone_is_the_mixture(oracle):
    solos = noise(3, 4000)
    solos[1:] = 0
    assert_allclose(oracle.fit().predict([mixture(solos)])[0], solos, atol=1e-10)


@ORACLES
def test_equal_sources_share(oracle):
    solos = np.tile(noise(4000), (2, 1))
    assert_allclose(oracle.fit().predict([mixture(solos)])[0], solos, atol=1e-10)


@ORACLES
def test_silence_stays_silent(oracle):
    assert_array_equal(oracle.fit().predict([mixture(np.zeros((2, 3000)))])[0], 0)


@ORACLES
def test_the_scale_does_not_matter(oracle):
    solos = noise(2, 4000) * np.array([[1], [0.2]])
    (expected,) = oracle.fit().predict([mixture(solos)])
    for gain in (1e-6, 1e6):
        assert_allclose(oracle.predict([mixture(gain * solos)])[0] / gain, expected, atol=1e-9)


@ORACLES
def test_masks_are_applied_to_channels(oracle):
    """Each channel by the masks of the mixture, whose own masked channel is the solo."""
    mix = mixture(noise(2, 3000) * np.array([[1], [0.2]]))
    signal = np.asarray(mix)
    channels = np.stack([signal, -2 * signal, np.zeros(3000)])
    fitted = oracle.fit()
    blocks = list(fitted.iter_predict(mix, channels=channels))
    solos = np.concatenate(blocks, axis=-1)
    assert solos.shape == (2, 3, 3000) and all(b.ndim == 3 for b in blocks)
    (expected,) = fitted.predict([mix])
    assert_allclose(solos[:, 0], expected, atol=1e-9)
    assert_allclose(solos[:, 1], -2 * expected, atol=1e-9)
    assert_array_equal(solos[:, 2], 0)
    other = noise(1, 3000, seed=1)
    found = np.concatenate(list(fitted.iter_predict(mix, channels=other)), axis=-1)
    assert_allclose(found.sum(axis=0), other, atol=1e-9)


@ORACLES
def test_recordings_without_sources_are_refused(oracle, duos):
    X, y, _ = duos
    fitted = oracle.fit(X, y)
    for recording in (np.asarray(X[0]), ArrayRecording(np.asarray(X[0]), RATE, ["vn", "vc"])):
        with pytest.raises(ValueError, match=f"does not know its sources, which {type(oracle).__name__} needs"):
            fitted.predict([recording])
    with pytest.raises(ValueError, match="has 2 sources; 3 were asked for"):
        list(fitted.iter_predict(X[0], 3))


@ORACLES
def test_there_is_nothing_to_learn(oracle, duos):
    X, y, _ = duos
    with pytest.raises(NotFittedError):
        clone(oracle).predict(X)
    assert oracle.learns is False and oracle.told == "the true solos"
    expected = clone(oracle).fit(X, y).predict(X[2:])
    for fitted in (clone(oracle).fit(), clone(oracle).fit(X[:1], y[:1])):
        for a, b in zip(fitted.predict(X[2:]), expected, strict=True):
            assert_array_equal(a, b)


@ORACLES
def test_rates_may_be_told(oracle):
    solos = noise(2, 4000) * np.array([[1], [0.2]])
    told = clone(oracle).set_params(sample_rate=RATE).fit()
    assert_array_equal(told.predict([mixture(solos, rate=None)])[0], oracle.fit().predict([mixture(solos)])[0])
    with pytest.raises(ValueError, match="sample rate"):
        oracle.fit().predict([mixture(solos, rate=None)])
    with pytest.raises(ValueError, match="16000 Hz, but sample_rate=8000"):
        told.predict([mixture(solos, rate=16000)])


@pytest.mark.parametrize("bands", ["octave", None, 3])
def test_bands_are_checked(bands):
    with pytest.raises(ValueError, match="'bands' parameter"):
        OracleEqualiser(bands).fit()


def test_the_order_from_floor_to_ceiling(trios):
    X, y, _ = trios
    coarse, fine = (OracleEqualiser(b, representation()).fit().score(X, y) for b in ("third-octave", "bin"))
    ratio, binary = (IdealMask(m, representation()).fit().score(X, y) for m in ("ratio", "binary"))
    assert MixtureSeparator().fit(X, y).score(X, y) == 0
    assert 1 < coarse <= fine
    assert fine < min(ratio, binary)


def test_every_mix_gains_from_an_equaliser(trios):
    """On average over the parts: a filter that is the Wiener filter of the whole recording cannot harm."""
    X, y, _ = trios
    for bands in ("third-octave", "bin"):
        fitted = OracleEqualiser(bands, representation()).fit()
        assert min(fitted.score([mix], [solos]) for mix, solos in zip(X, y, strict=True)) > 0


# ------------------------------------------------------------------------------------------- equalisers


def gains_of(monkeypatch, oracle, mix):
    """All masks of a recording, ``(n_parts, n_segments, n_frames, n_bins)``."""
    found, original = [], _base.masks

    def recording(*args):
        found.append(original(*args))
        return found[-1]

    monkeypatch.setattr(_base, "masks", recording)
    oracle.fit().predict([mix])
    monkeypatch.undo()
    return np.concatenate(found, axis=1)


@pytest.mark.parametrize("bands", ["third-octave", "bin"])
def test_an_equaliser_does_not_change_with_time(monkeypatch, bands):
    """Even of sources that never sound together."""
    solos = noise(2, RATE) * np.array([[1], [3]])
    solos[0, RATE // 2 :] = solos[1, : RATE // 2] = 0
    gains = gains_of(monkeypatch, OracleEqualiser(bands, representation()), mixture(solos))
    assert gains.shape[1] > 5
    assert_array_equal(gains, np.broadcast_to(gains[:, :1, :1], gains.shape))
    assert_allclose(gains[0].mean(), 0.1, atol=0.02)


def test_gains_are_shares_of_the_power(monkeypatch):
    """Worked out from a spectrogram of our own: one rectangular segment after the other would not do."""
    solos = noise(3, RATE) * np.array([[1], [0.5], [0.1]])
    chain = make_pipeline(Segmenter(0.1, sample_rate=RATE), STFT(0.04, 0.01, sample_rate=RATE))
    power = (abs(chain.fit_transform([solos])[0]) ** 2).sum(axis=(1, 2))
    assert power.shape == (3, 161)
    fine = gains_of(monkeypatch, OracleEqualiser("bin", representation()), mixture(solos))
    assert_allclose(fine[:, 0, 0], power / power.sum(axis=0), rtol=1e-6)
    coarse = gains_of(monkeypatch, OracleEqualiser(representation=representation()), mixture(solos))
    bands = third_octave(161, RATE)
    for b in np.unique(bands):
        share = power[:, bands == b].sum(axis=1)
        expected = np.broadcast_to((share / share.sum())[:, None], (3, (bands == b).sum()))
        assert_allclose(coarse[:, 0, 0, bands == b], expected, rtol=1e-6)


def test_blocks_do_not_matter(monkeypatch):
    """The power is that of the whole recording, however few segments are read at once."""
    solos = noise(2, 2 * RATE) * np.geomspace(1, 1e-3, 2 * RATE)
    for oracle in oracles():
        (whole,) = oracle.fit().predict([mixture(solos)])
        with monkeypatch.context() as patch:
            patch.setattr("skseparate._segments.SPECTROGRAM_BYTES", 1)
            blocks = list(oracle.iter_predict(mixture(solos)))
        assert len(blocks) > 20
        assert_allclose(np.concatenate(blocks, axis=-1), whole, atol=1e-9)


def test_bins_beat_bands_where_harmonics_interleave():
    """Two harmonic sounds share every band above the lowest, and no bin."""
    time = np.arange(2 * RATE) / RATE
    solos = np.stack([sum(np.sin(2 * np.pi * f * k * time) for k in range(1, 9)) for f in (300, 375)])
    chain = make_pipeline(Segmenter(1.0), STFT(0.12, 0.03))
    scores = [OracleEqualiser(b, chain).fit().score([mixture(solos)], [solos]) for b in ("third-octave", "bin")]
    assert scores[0] < 8 and scores[1] > 15


# Nominal centres of IEC 61260-1 in Hz, and the exact ones that they stand for.
NOMINAL = {
    **{100: -10, 125: -9, 160: -8, 200: -7, 250: -6, 315: -5, 400: -4, 500: -3, 630: -2, 800: -1, 1000: 0},
    **{1250: 1, 1600: 2, 2000: 3, 2500: 4, 3150: 5, 4000: 6, 5000: 7, 6300: 8, 8000: 9, 10000: 10},
    **{12500: 11, 16000: 12, 20000: 13},
}


@pytest.mark.parametrize("sample_rate", [44100, 48000])
def test_bands_have_the_known_centres(sample_rate):
    bands = third_octave(sample_rate // 2 + 1, sample_rate)  # a bin each Hz
    reference = bands[1000]
    for frequency, band_number in NOMINAL.items():
        assert bands[frequency] - reference == band_number
    for number in range(-10, 13):
        inside = np.flatnonzero(bands == reference + number)
        centre = 1000 * 2 ** (number / 3)
        assert inside[0] - 1 < centre * 2 ** (-1 / 6) <= inside[0]
        assert inside[-1] <= centre * 2 ** (1 / 6) < inside[-1] + 1


@pytest.mark.parametrize(("n_bins", "sample_rate"), [(2, 8000), (161, 8000), (2647, 44100), (5, 96000)])
def test_every_bin_is_in_one_band(n_bins, sample_rate):
    bands = third_octave(n_bins, sample_rate)
    assert bands.shape == (n_bins,) and bands.dtype.kind == "i"
    assert bands[0] == bands[1] == 0
    assert (np.diff(bands) >= 0).all()


# ------------------------------------------------------------------------------------------- binary mask


def test_binary_masks_give_everything_to_the_loudest(monkeypatch):
    solos = noise(3, 4000)
    mix = mixture(solos)
    ratio = gains_of(monkeypatch, IdealMask("ratio", representation()), mix)
    binary = gains_of(monkeypatch, IdealMask("binary", representation()), mix)
    sounding = abs(ratio - 1 / 3).max(axis=0) > 1e-9
    assert sounding.mean() > 0.9
    assert set(np.unique(binary[:, sounding])) == {0, 1}
    assert_array_equal(binary[:, sounding].argmax(axis=0), ratio[:, sounding].argmax(axis=0))
    assert_allclose(binary.sum(axis=0), 1)


def test_equal_magnitudes_share_and_the_softer_gets_nothing(monkeypatch):
    loud, soft = noise(4000), 0.5 * noise(4000)
    gains = gains_of(monkeypatch, IdealMask("binary", representation()), mixture([loud, soft, -loud, loud]))
    sounding = gains[1] == 0
    assert sounding.mean() > 0.9
    expected = np.broadcast_to(np.array([1, 0, 1, 1])[:, None] / 3, (4, sounding.sum()))
    assert_allclose(gains[:, sounding], expected)


def test_the_binary_mask_is_near_the_others(trios):
    X, y, _ = trios
    binary, wiener = (IdealMask(m, representation()).fit().score(X, y) for m in ("binary", "wiener"))
    assert abs(binary - wiener) < 4
