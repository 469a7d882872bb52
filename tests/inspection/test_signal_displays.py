"""Displays of waveforms, spectrograms, masks and separations: what is drawn is what is there."""

import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate._recording import object_array
from skseparate.baseline import IdealMask, MixtureSeparator
from skseparate.datasets import ArrayRecording
from skseparate.inspection import MaskDisplay, SeparationDisplay, SpectrogramDisplay, WaveformDisplay, _drawing
from skseparate.linear_model import LowRankRidge
from skseparate.metrics import si_sdr, si_sdr_improvement
from skseparate.preprocessing import STFT, Segmenter


class Fixed:
    """Predicts what it was given, all at once."""

    def __init__(self, solos):
        self.solos = solos

    def predict(self, X):
        return object_array([self.solos for _ in X])


def band(ax, k):
    """Outline of the k-th waveform of an axes."""
    return ax.collections[k].get_paths()[0].vertices


# -------------------------------------------------------------------------------------------- waveforms


def test_the_solo_lies_over_the_mixture(duo):
    mix, solos = duo
    display = WaveformDisplay.from_predictions(mix, np.asarray(solos)[0], name="violin")
    for k, signal in enumerate((np.asarray(mix), np.asarray(solos)[0])):
        outline = band(display.ax_, k)
        assert outline[:, 1].min() == signal.min() and outline[:, 1].max() == signal.max()
        assert outline[:, 0].max() == pytest.approx(1, abs=1e-3)
    assert [t.get_text() for t in display.ax_.get_legend().get_texts()] == ["mixture", "violin"]
    assert display.ax_.get_xlim() == (0, 1) and display.ax_.get_ylim()[1] > np.abs(mix).max()
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("Time (s)", "Amplitude")
    assert display.figure_ is display.ax_.figure


def test_the_solo_of_an_estimator(duo):
    mix, _ = duo
    oracle = IdealMask(representation=make_pipeline(Segmenter(0.1), STFT(0.04, 0.01))).fit()
    display = WaveformDisplay.from_estimator(oracle, mix, part=1)
    expected = WaveformDisplay.from_predictions(mix, oracle.predict([mix])[0][1])
    assert_allclose(display.solo.low, expected.solo.low, atol=1e-12)
    assert_allclose(display.solo.high, expected.solo.high, atol=1e-12)
    assert display.name == "vn 2"


def test_drawn_into_axes_that_are_there(duo):
    figure, ax = plt.subplots()
    display = WaveformDisplay.from_predictions(*duo_arrays(duo), sample_rate=8000, ax=ax)
    assert display.ax_ is ax and display.figure_ is figure
    again = display.plot()
    assert again is display and display.ax_ is not ax


def duo_arrays(duo):
    return np.asarray(duo[0]), np.asarray(duo[1])[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_samples_of_any_type(dtype):
    x = np.array([0, 3, -7, 2] * 100).astype(dtype)
    display = WaveformDisplay.from_predictions(x, x // 2, sample_rate=100)
    assert (display.mixture.peak, display.solo.peak) == (7, 4)
    SpectrogramDisplay.from_predictions(x, x // 2, sample_rate=100)


def test_a_fitted_separator_knows_the_rate_of_plain_arrays(duos):
    X, y, _ = duos
    X, y = [np.asarray(x) for x in X], [np.asarray(s) for s in y]
    separator = Separator(
        make_pipeline(Segmenter(0.5), STFT(0.04, 0.01)), regressor=LowRankRidge(rank=4), sample_rate=8000
    )
    search = GridSearchCV(separator, {"mask": ["ratio"]}, cv=2).fit(X, y)
    for fitted in (search.best_estimator_, search):
        assert WaveformDisplay.from_estimator(fitted, X[0]).solo.duration == 1
        assert SpectrogramDisplay.from_estimator(fitted, X[0], part=1).name == "part 2"
        assert MaskDisplay.from_estimator(fitted, X[0]).names == ["part 1", "part 2"]
        assert SeparationDisplay.from_estimator(fitted, X[0], y[0]).axes_.shape == (2, 3)


# ----------------------------------------------------------------------------------------- spectrograms


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_levels_that_are_drawn(duo, scale):
    mix, solos = duo
    display = SpectrogramDisplay.from_predictions(mix, np.asarray(solos)[1], scale=scale, max_frequency=3000)
    for ax, cells, frequencies in zip(
        display.axes_, (display.mixture, display.solo), ((500, 2000), (2000,)), strict=True
    ):
        (mesh,) = ax.collections
        assert_array_equal(mesh.get_array().reshape(cells.values.shape), cells.values)
        assert ax.get_yscale() == scale and ax.get_ylim() == tuple(cells.frequencies[[0, -1]])
        assert 2990 <= ax.get_ylim()[1] <= 3010
        middle = cells.values[:, cells.values.shape[1] // 2]
        for f in frequencies:
            level = middle[np.searchsorted(cells.frequencies, f) - 1]
            assert level == pytest.approx(20 * np.log10(0.5 if f == 500 else 0.25), abs=0.5)
    assert display.solo.values[np.searchsorted(display.solo.frequencies, 500) - 1, 10] < -50
    assert [ax.get_title() for ax in display.axes_] == ["mixture", "solo"]


def test_both_spectrograms_share_their_colours(duo):
    display = SpectrogramDisplay.from_predictions(duo[0], np.asarray(duo[1])[1]).plot(dynamic_range=40)
    limits = [ax.collections[0].get_clim() for ax in display.axes_]
    assert limits[0] == limits[1] == (display.mixture.values.max() - 40, display.mixture.values.max())


def test_octaves_have_plain_numbers(duo):
    display = SpectrogramDisplay.from_predictions(duo[0], duo[0])
    display.figure_.canvas.draw()
    labels = [t.get_text() for t in display.axes_[0].get_yticklabels()]
    assert {"100", "200", "500", "1000", "2000"} <= set(labels)


# ------------------------------------------------------------------------------------------------ masks


def test_masks_are_shares(duo):
    display = MaskDisplay.from_predictions(duo[1], scale="linear")
    values = display.masks.values
    assert values.shape[0] == 2 and (values >= 0).all() and (values <= 1).all()
    assert_allclose(values.sum(axis=0), 1)
    for part, f in enumerate((500, 2000)):
        row = np.searchsorted(display.masks.frequencies, f) - 1
        assert values[part, row].min() > 0.95
    assert [ax.get_title() for ax in display.axes_] == ["vn 1", "vn 2"]


def test_where_nothing_sounds_no_mask_is_drawn(duo):
    display = MaskDisplay.from_predictions(duo[1], scale="linear")
    drawn = display.axes_[0].collections[0].get_array().reshape(display.levels.shape)
    assert_array_equal(np.ma.getmaskarray(drawn), display.levels <= display.levels.max() - 60)
    assert 0 < np.ma.getmaskarray(drawn).mean() < 1
    display.plot(dynamic_range=400)
    drawn = display.axes_[0].collections[0].get_array().reshape(display.levels.shape)
    assert_array_equal(np.ma.getmaskarray(drawn), display.levels == -200)


def test_the_mask_of_an_estimator_is_the_one_it_applied(duo):
    mix, _ = duo
    shares = np.array([[0.8], [0.2]])
    display = MaskDisplay.from_estimator(Fixed(shares * np.asarray(mix)), mix)
    loud = display.levels > -80
    assert_allclose(display.masks.values[0][loud], 0.8, atol=1e-6)
    assert_allclose(display.masks.values[1][loud], 0.2, atol=1e-6)


# ------------------------------------------------------------------------------------------ separations


def test_scores_are_those_of_the_metrics(duo):
    mix, solos = duo
    rng = np.random.default_rng(0)
    true, estimates = np.asarray(solos), np.asarray(solos) + 0.1 * rng.normal(size=(2, 8000))
    display = SeparationDisplay.from_predictions(mix, solos, estimates)
    assert_allclose(display.si_sdr, si_sdr(true, estimates))
    assert_allclose(display.si_sdr_improvement, si_sdr_improvement(true, estimates, np.asarray(mix)))
    for k in range(2):
        for column, signal in enumerate((true, estimates, estimates - true)):
            outline = band(display.axes_[k, column], 0)[:, 1]
            assert (outline.min(), outline.max()) == (signal[k].min(), signal[k].max())
        numbers = re.findall(r"[+-]?\d+\.\d", display.axes_[k, 1].get_title())
        expected = [display.si_sdr[k], display.si_sdr_improvement[k]]
        assert [float(x) for x in numbers] == pytest.approx(expected, abs=0.0501)
        assert len({ax.get_ylim() for ax in display.axes_[k]}) == 1
    assert [ax.get_ylabel() for ax in display.axes_[:, 0]] == ["vn 1", "vn 2"]


def test_estimators_are_scored_as_by_themselves(duo):
    mix, solos = duo
    oracle = IdealMask(representation=make_pipeline(Segmenter(0.1), STFT(0.04, 0.01))).fit()
    display = SeparationDisplay.from_estimator(oracle, mix, solos)
    assert display.si_sdr_improvement.mean() == pytest.approx(oracle.score([mix], [solos]))
    floor = SeparationDisplay.from_estimator(MixtureSeparator().fit([mix], [solos]), mix, solos)
    assert_array_equal(floor.si_sdr_improvement, 0)


# --------------------------------------------------------------------------------------------- silence


def test_silence_is_drawn_as_silence():
    silence, solos = ArrayRecording(np.zeros(4000), 8000), np.zeros((2, 4000))
    waveform = WaveformDisplay.from_predictions(silence, solos[0])
    assert waveform.ax_.get_ylim() == (-1, 1)
    spectrogram = SpectrogramDisplay.from_predictions(silence, solos[0])
    assert (spectrogram.mixture.values == -200).all()
    mesh = spectrogram.axes_[0].collections[0]
    assert_allclose(mesh.to_rgba(mesh.get_array())[0, 0], plt.get_cmap(_drawing.LEVEL_MAP)(0.0))
    mask = MaskDisplay.from_predictions(solos, sample_rate=8000)
    assert (mask.masks.values == 0.5).all()
    assert np.ma.getmaskarray(mask.axes_[0].collections[0].get_array()).all()
    separation = SeparationDisplay.from_predictions(silence, solos, solos)
    assert separation.axes_[0, 0].get_title() == "Reference: silent"
    assert "SI-SDR 0.0 dB (+0.0)" in separation.axes_[0, 1].get_title()
    for display in (waveform, spectrogram, mask, separation):
        display.figure_.canvas.draw()


def test_a_part_that_rests_half_the_time(duo):
    solos = np.asarray(duo[1]).copy()
    solos[:, 4000:] = 0
    for display in (
        SpectrogramDisplay.from_predictions(solos.sum(axis=0), solos[0], sample_rate=8000),
        MaskDisplay.from_predictions(solos, sample_rate=8000),
    ):
        display.figure_.canvas.draw()
        assert all(np.isfinite(c.get_array().compressed()).all() for a in display.axes_ for c in a.collections)


@pytest.mark.parametrize("n_samples", [1, 2, 10])
def test_very_short_recordings(n_samples):
    x = np.linspace(-1, 1, 2 * n_samples).reshape(2, -1)
    for display in (
        WaveformDisplay.from_predictions(x[0], x[1], sample_rate=8000),
        SpectrogramDisplay.from_predictions(x[0], x[1], sample_rate=8000),
        MaskDisplay.from_predictions(x, sample_rate=8000, scale="linear"),
        SeparationDisplay.from_predictions(x[0], x, x[::-1], sample_rate=8000),
    ):
        display.figure_.canvas.draw()


# ----------------------------------------------------------------------------------------------- errors


def broken(x, at):
    x = np.asarray(x).copy()
    x[..., at] = np.nan
    return x


def refused(call, pattern, kind=ValueError):
    """One sentence that names the culprit."""
    with pytest.raises(kind, match=pattern) as caught:
        call()
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_what_cannot_be_drawn(duo):
    mix, solos = duo
    x, y = np.asarray(mix), np.asarray(solos)
    draw, show = WaveformDisplay.from_predictions, SpectrogramDisplay.from_predictions
    refused(lambda: draw(x, y[0]), "does not know its sample rate.*sample_rate in Hz")
    refused(lambda: draw(mix, y[0], sample_rate=44100), "8000 Hz, but sample_rate=44100")
    refused(lambda: draw(x, y[0], sample_rate=-1), "sample_rate must be a positive number of Hz, got -1")
    refused(lambda: draw(mix, y), r"solo must have shape \(n_samples,\).*got \(2, 8000\)")
    refused(lambda: draw(solos, y[0]), r"mixture must have shape \(n_samples,\)")
    refused(lambda: draw([mix], y[0]), r"mixture is a sequence of recordings: pass one of them, such as mixture\[0\]")
    refused(lambda: draw(mix, y[0, :-1]), "mixture has 8000 samples and solo has 7999")
    refused(lambda: draw(mix, ArrayRecording(y[0], 16000)), "mixture is at 8000 Hz and solo at 16000 Hz")
    refused(lambda: draw(mix, broken(y[0], 7000)), "solo is not finite: sample 7000")
    refused(lambda: show(broken(x, 3), y[0], sample_rate=8000), "mixture is not finite: sample 3 ")
    refused(lambda: draw(np.zeros(0), np.zeros(0), sample_rate=1), "mixture must have shape.*at least one sample")
    refused(lambda: draw("mix.wav", y[0]), "mixture.*must be a real array")
    refused(lambda: show(mix, y[0], scale="mel"), "scale must be 'log' or 'linear', got 'mel'")
    refused(lambda: show(mix, y[0], frame=0), "frame must be a positive number, got 0")
    refused(lambda: show(mix, y[0], max_frequency=-5), "max_frequency must be a positive number, got -5")
    refused(lambda: MaskDisplay.from_predictions(y[0], sample_rate=8000), r"solos must have shape \(n_parts, n_s")
    separation = SeparationDisplay.from_predictions
    refused(lambda: separation(mix, solos, y[:1]), "there are 1 estimates and 2 references")
    refused(lambda: separation(mix, solos, y[:, 1:]), "references has 8000 samples and estimates has 7999")
    refused(lambda: separation(mix, solos, broken(y, 4)), "estimates is not finite: sample 4 ")


def test_estimators_that_cannot_be_drawn(duo):
    mix, solos = duo
    y = np.asarray(solos)
    refused(lambda: WaveformDisplay.from_estimator(Fixed(y), mix, part=2), "part=2 is none of the 2 parts")
    for part in (-1, "vn", 0.5):
        refused(lambda p=part: SpectrogramDisplay.from_estimator(Fixed(y), mix, part=p), f"part must.*got {part!r}")
    refused(lambda: WaveformDisplay.from_estimator(Fixed(y[:, 1:]), mix), "Fixed has 7999 samples and.*8000")
    longer = np.pad(y, [(0, 0), (0, 5)])
    refused(lambda: MaskDisplay.from_estimator(Fixed(longer), mix), "Fixed has 8005 samples and.*8000")
    refused(lambda: MaskDisplay.from_estimator(Fixed(broken(y, 9)), mix), "prediction of Fixed is not finite: sample 9")
    refused(lambda: SeparationDisplay.from_estimator(Fixed(y[:1]), mix, solos), "1 estimates and 2 references")
    with pytest.raises(NotFittedError):
        WaveformDisplay.from_estimator(Separator(), mix)


def test_as_many_axes_as_panels(duo):
    _, axes = plt.subplots(3)
    refused(lambda: WaveformDisplay.from_predictions(duo[0], duo[0], ax=axes), "WaveformDisplay draws 1 panels.*got 3")
    refused(lambda: SpectrogramDisplay.from_predictions(duo[0], duo[0], ax=axes), "draws 2 panels.*got 3")
    refused(lambda: MaskDisplay.from_predictions(duo[1], ax=axes[0]), "MaskDisplay draws 2 panels.*got 1")
    display = MaskDisplay.from_predictions(duo[1], ax=axes[:2])
    assert list(display.axes_) == list(axes[:2])


# --------------------------------------------------------------------------------- Matplotlib and paper


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_package_does_without_matplotlib():
    code = "import sys, skseparate, skseparate.inspection, skseparate.cli; print('matplotlib' in sys.modules)"
    assert run(code).strip() == "False"


def test_without_matplotlib_one_sentence_says_so(duo, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    estimator = IdealMask()  # not fitted: what is missing is said before anything is computed
    for call in (
        lambda: WaveformDisplay.from_predictions(*duo_arrays(duo)),
        lambda: WaveformDisplay.from_estimator(estimator, duo[0]),
        lambda: SpectrogramDisplay.from_estimator(estimator, duo[0]),
        lambda: MaskDisplay.from_estimator(estimator, duo[0]),
        lambda: SeparationDisplay.from_estimator(estimator, *duo),
    ):
        refused(call, r"^Displays need Matplotlib: python -m pip install 'skseparate\[plot\]'\.$", ImportError)


def test_readable_in_grey(luminance):
    dark, light, neutral = map(luminance, (_drawing.DARK, _drawing.LIGHT, _drawing.NEUTRAL))
    assert light - dark > 0.3 and abs(light - neutral) > 0.3
    assert max(dark, neutral) < 0.5 < 1 - dark
    for n in (2, 3, 4, 5):
        styles = _drawing.styles(n)
        shades = [luminance(s["color"]) for s in styles]
        assert (np.diff(shades) > 0.1).all() and shades[-1] < 0.7, "too alike, or too faint on paper"
        assert len({s["marker"] for s in styles}) == n
    assert len({(s["marker"], s["linestyle"], s["color"]) for s in _drawing.styles(20)}) == 20


@pytest.mark.parametrize("name", [_drawing.LEVEL_MAP, _drawing.SHARE_MAP])
def test_maps_are_evenly_dark(name, luminance):
    """Equal steps of level or share are about equal steps of lightness, and silence is the colour of paper."""
    shades = np.array([luminance(c[:3]) for c in plt.get_cmap(name)(np.linspace(0, 1, 33))])
    steps = -np.diff(shades)
    assert shades[0] > 0.9 and shades[-1] < 0.05
    assert (steps > 0).all() and steps.max() < 2 * steps.mean()
