"""The network that is told the parts, the shipped model, and what stands around them."""

import itertools
import json

import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from numpy.testing import assert_allclose
from sklearn.pipeline import make_pipeline

from skseparate import Separator, guess_parts, load_separator, save_separator
from skseparate._guess import _likeliest
from skseparate._masks import masks
from skseparate._parts import INSTRUMENTS, N_DESKS, part_codes, told_codes
from skseparate._recipes import FINE_TUNING, ensemble_separator
from skseparate._segments import Segments
from skseparate.cli import main
from skseparate.datasets import ArrayRecording, make_ensembles
from skseparate.metrics import si_sdr
from skseparate.neural_network import NeuralRegressor
from skseparate.neural_network._ensemble import Ensemble
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter


def tiny(**params):
    network = NeuralRegressor("ensemble", random_state=0, module__width=12, module__depth=1, loss="snr", **params)
    return ensemble_separator(network, 1.0)


@pytest.fixture(scope="module")
def data():
    return make_ensembles(n_songs=3, n_parts=3, duration=3.0, random_state=0).power_set()


@pytest.fixture(scope="module")
def fitted(data):
    X, y, _ = data
    return tiny(max_epochs=2, batch_size=4, augmentation=True).fit(X, y)


@pytest.fixture(scope="module")
def shipped():
    return load_separator("ensemble")


class TestPartCodes:
    def test_desks_of_each_number_of_players_are_distinct(self):
        desks = {(n, k): part_codes(("vn",) * n)[k, 1] for n in range(1, 6) for k in range(n)}
        assert sorted(desks.values()) == list(range(N_DESKS))

    def test_full_names(self):
        assert (part_codes(("Violin I", "violin 2", "French Horn")) == part_codes(("vn", "vn", "hn"))).all()

    @pytest.mark.parametrize("parts, match", [(None, "not known"), (("violn",), "'violn'"), (("vn",) * 6, "6 parts")])
    def test_refused_in_one_sentence(self, parts, match):
        with pytest.raises(ValueError, match=match):
            part_codes(parts)

    def test_rows_have_as_many_slots_as_the_largest(self):
        codes = told_codes([("vn", "va"), ("fl", "ob", "cl")])
        assert codes.shape == (2, 12)
        assert not codes[0, 8:].any()


class TestNetwork:
    def test_solos_sum_to_the_mixture(self, fitted, data):
        for recording, solos in zip(data[0], fitted.predict(data[0]), strict=True):
            assert len(solos) == len(recording.parts)
            np.testing.assert_allclose(solos.sum(axis=0), np.asarray(recording), atol=1e-6)

    def test_more_parts_than_at_fit(self, fitted, data):
        mixture = np.asarray(data[0][0])
        solos = fitted.predict([ArrayRecording(mixture, 16000, ("vn", "vn", "va", "vc", "db"))])[0]
        assert solos.shape == (5, len(mixture))

    def test_level_does_not_matter(self, shipped, data):
        mixture = np.asarray(data[0][0]).astype(float)
        loud, soft = (shipped.predict([ArrayRecording(g * mixture, 16000, ("fl", "sax"))])[0] for g in (1.0, 1e-3))
        np.testing.assert_allclose(1e3 * soft, loud, atol=1e-3 * abs(loud).max())

    def test_names_change_the_answer_and_slots_follow_names(self, shipped, data):
        recording = data[0][0]
        mixture, parts = np.asarray(recording), recording.parts
        there, back = (shipped.predict([ArrayRecording(mixture, 16000, p)])[0] for p in (parts, parts[::-1]))
        assert si_sdr(there, back[::-1]).mean() > si_sdr(there, back).mean()

    def test_unknown_parts_are_refused(self, fitted):
        with pytest.raises(ValueError, match="parts of a recording are not known"):
            fitted.predict([np.random.default_rng(0).standard_normal(20000)])

    def test_tables_are_refused(self):
        with pytest.raises(ValueError, match="frames by bins"):
            NeuralRegressor("ensemble").fit(np.ones((4, 6)), np.ones((4, 6)))

    def test_same_seed_same_weights(self, data):
        first, second = (tiny(max_epochs=1).fit(data[0][:2], data[1][:2]).regressor_.weights_ for _ in range(2))
        assert all((first[name] == second[name]).all() for name in first)

    def test_learns(self):
        X, y, _ = make_ensembles(n_songs=4, n_parts=2, duration=3.0, random_state=1).power_set()
        separator = tiny(max_epochs=12, batch_size=4, lr=3e-3).fit(X, y)
        assert separator.score(X, y) > 4

    def test_saved_and_loaded(self, fitted, data, tmp_path):
        save_separator(fitted, tmp_path / "m.skseparate")
        again = load_separator(tmp_path / "m.skseparate")
        assert (again.predict(data[0][:1])[0] == fitted.predict(data[0][:1])[0]).all()

    def test_fine_tuning_changes_the_weights_and_keeps_the_shapes(self, fitted, data, tmp_path):
        save_separator(fitted, tmp_path / "m.skseparate")
        tuned = load_separator(tmp_path / "m.skseparate").fine_tune(data[0][:2], data[1][:2], max_epochs=1)
        name = "network.last.weight"
        assert not np.array_equal(tuned.regressor_.weights_[name], fitted.regressor_.weights_[name])
        assert tuned.predict(data[0][-1:])[0].shape == (3, 48000)

    def test_what_cannot_be_fine_tuned_is_refused(self, data):
        separator = Separator(make_pipeline(Segmenter(0.5), STFT())).fit(data[0][:2], data[1][:2])
        with pytest.raises(ValueError, match="LowRankRidge cannot be fine-tuned"):
            separator.fine_tune(data[0], data[1])


@pytest.mark.parametrize("rate", [16000, 44100])
def test_streamed_is_whole(fitted, rate, monkeypatch):
    """Block by block as by the transformers over the whole recording."""
    noise = np.random.default_rng(0).standard_normal(4 * rate).astype(np.float32)
    recording = ArrayRecording(noise, rate, ("vn", "vn", "vn", "vc"))
    monkeypatch.setattr("skseparate._segments.SPECTROGRAM_BYTES", 1)
    streamed = list(fitted.iter_predict(recording))
    assert len(streamed) > 4
    chain = fitted._chain(recording, rate)
    spectrograms = chain.representation.transform([noise])[0]
    features = fitted._predict_features(Segments([recording], [chain]), 4)
    gains = masks(chain.magnitudes(features, spectrograms.shape[-1]), None, fitted.mask)
    whole = chain.representation.inverse_transform([gains * spectrograms])[0][..., : len(noise)]
    np.testing.assert_allclose(np.concatenate(streamed, axis=-1), whole, atol=1e-4)


class TestShipped:
    def test_fine_tuning_begins_where_the_model_is(self, data):
        shipped = load_separator("ensemble")
        before = shipped.regressor_.weights_["network.last.weight"].astype(np.float32)
        means = {name: value.copy() for name, value in shipped.regressor_.weights_.items() if "running_mean" in name}
        tuned = shipped.fine_tune(data[0][:1], data[1][:1], max_epochs=1, lr=1e-9, hold_norms=True)
        assert_allclose(tuned.regressor_.weights_["network.last.weight"], before, atol=1e-4)
        assert means
        for name, mean in means.items():
            assert_allclose(tuned.regressor_.weights_[name], mean, rtol=1e-6)

    def test_fine_tuning_goes_as_the_command_does_it(self, shipped):
        params = shipped.regressor_.get_params()
        assert {name: params[name] for name in FINE_TUNING} == FINE_TUNING

    def test_at_most_ten_megabytes(self):
        from skseparate._persistence import SHIPPED, describe_separator

        assert describe_separator("ensemble")["bytes"] <= 10e6
        assert SHIPPED["ensemble"].endswith("ensemble.skseparate")

    def test_any_rate(self, shipped):
        assert all(shipped.accepts_rate(rate) for rate in (16000, 32000, 44100, 48000))

    def test_segments_lie_alike_at_any_rate(self, shipped):
        rates = (16000, 44100, 48000)
        chains = shipped._chains([ArrayRecording(np.ones(rate), rate, ["vn"]) for rate in rates])
        hops = [chain.segmenter.segment_hop_ / rate for chain, rate in zip(chains, rates, strict=True)]
        assert_allclose(hops, hops[0])

    def test_better_than_the_mixture(self, shipped):
        X, y, _ = make_ensembles(n_songs=4, n_parts=2, duration=6.0, random_state=3).power_set()
        assert shipped.score(X, y) > 1.0

    def test_transposed_and_back_it_hears_no_less(self, shipped):
        X, y, _ = make_ensembles(n_songs=4, n_parts=3, duration=6.0, random_state=5).power_set(min_parts=3)
        scores = {}
        try:
            for transpositions in [(0.0,), (-1.0, 1.0)]:
                shipped.regressor_.set_params(module__transpositions=transpositions)
                scores[transpositions] = shipped.score(X, y)
        finally:
            shipped.regressor_.set_params(module__transpositions=(-1.0, 1.0))
        assert scores[-1.0, 1.0] != scores[(0.0,)]
        assert scores[-1.0, 1.0] > scores[(0.0,)] - 0.1

    @pytest.mark.parametrize("transpositions", [(), (float("nan"),), (13,), 1, "ab", [None], [0.0] * 17])
    def test_impossible_transpositions_are_refused(self, shipped, data, transpositions):
        try:
            with pytest.raises(ValueError, match="transpositions"):
                shipped.regressor_.set_params(module__transpositions=transpositions)
                shipped.predict(data[0][:1])
        finally:
            shipped.regressor_.set_params(module__transpositions=(-1.0, 1.0))

    def test_guess_is_an_ensemble(self, shipped, data):
        parts, confidence = guess_parts(shipped, data[0][-1])
        assert 2 <= len(parts) <= 5
        assert set(parts) <= set(INSTRUMENTS)
        assert 0 < confidence["all"] <= min(confidence[p] for p in parts) <= 1

    def test_who_cannot_guess(self, data):
        separator = Separator(make_pipeline(Segmenter(0.5), STFT())).fit(data[0][:2], data[1][:2])
        with pytest.raises(ValueError, match="cannot guess"):
            guess_parts(separator, data[0][0])


def test_likeliest_counts_by_brute_force():
    heard = np.log(np.random.default_rng(0).dirichlet(np.ones(3), 5))
    every = (c for c in itertools.product(range(3), repeat=5) if 2 <= sum(c) <= 5)
    assert _likeliest(heard) == max(every, key=lambda c: sum(heard[i, n] for i, n in enumerate(c)))


class TestCommand:
    @pytest.fixture
    def mix(self, tmp_path, data):
        soundfile.write(tmp_path / "duo.wav", 0.3 * np.asarray(data[0][0]), 16000)
        return str(tmp_path / "duo.wav")

    def run(self, *arguments):
        return CliRunner().invoke(main, ["separate", *map(str, arguments)])

    def test_shipped_by_default(self, mix, tmp_path):
        result = self.run(mix, "-o", tmp_path / "out", "--parts", "flute,saxophone")
        assert result.exit_code == 0, result.output
        assert {f.name for f in (tmp_path / "out" / "duo").iterdir()} == {"1_flute.wav", "2_saxophone.wav"}

    def test_fast_hears_once(self, mix, tmp_path):
        solos = []
        for options in [(), ("--fast",)]:
            result = self.run(mix, "-o", tmp_path / "out", "--parts", "fl,sax", *options)
            assert result.exit_code == 0, result.output
            solos.append(np.stack([soundfile.read(f)[0] for f in sorted((tmp_path / "out" / "duo").iterdir())]))
        assert 0 < si_sdr(*solos).min() < 60  # alike, but not the same

    def test_fast_is_for_models_that_hear_more(self, mix, data, tmp_path):
        ridge = Separator(make_pipeline(Segmenter(0.5), STFT())).fit(data[0][:2], data[1][:2])
        save_separator(ridge, tmp_path / "ridge.skseparate")
        result = self.run(mix, "-o", tmp_path / "out", "-m", tmp_path / "ridge.skseparate", "--fast")
        assert result.exit_code == 2 and "--fast is for" in result.output

    def test_guess(self, mix, tmp_path):
        result = self.run(mix, "-o", tmp_path / "out", "--guess", "--json")
        assert result.exit_code == 0, result.output
        outcome = json.loads(result.stdout)[0]
        assert len(outcome["files"]) == len(outcome["parts"]) >= 2

    @pytest.mark.parametrize(
        "options, said",
        [((), "--parts is missing"), (("--parts", "violn,va"), "'violn'"), (("--guess", "--parts", "vn"), "exclude")],
    )
    def test_refused(self, mix, tmp_path, options, said):
        result = self.run(mix, "-o", tmp_path / "out", *options)
        assert result.exit_code == 2
        assert said in result.output
        assert not (tmp_path / "out").exists()

    def test_fine_tune(self, tmp_path):
        for song in make_ensembles(n_songs=1, n_parts=2, duration=12.0, random_state=0):
            for k, (part, stem) in enumerate(zip(song.parts, song.stems, strict=True), start=1):
                (tmp_path / "stems" / "piece").mkdir(parents=True, exist_ok=True)
                soundfile.write(tmp_path / "stems" / "piece" / f"{k}_{part}.wav", np.asarray(stem), 16000)
        arguments = ["fit", tmp_path / "stems", "-o", tmp_path / "m.skseparate", "--from", "ensemble"]
        result = CliRunner().invoke(main, [*map(str, arguments), "--minutes", "0.02"])
        assert result.exit_code == 0, result.output
        assert "Fitted on 1 mix of 1 song, up to 5 parts." in result.output
        assert load_separator(tmp_path / "m.skseparate").regressor_.is_told

    def test_a_slip_in_the_name_of_the_shipped_model_is_told_the_name(self, tmp_path):
        result = self.run(tmp_path, "-o", tmp_path / "m", "--model", "ensembl", "--parts", "vn,va")
        assert result.exit_code == 2
        assert "ensembl is not a file" in result.output and "or ensemble, which comes with the library" in result.output


def test_what_is_said_is_the_mean_over_transpositions():
    net = Ensemble((20, 961), (2, 20, 961), width=12, depth=1, transpositions=(-1, 0.5)).eval()
    magnitudes, parts = torch.rand(1, 20, 961), torch.tensor(part_codes(("vn", "vc"), 2))[None]
    with torch.inference_mode():
        said = [net.hear(magnitudes, parts, by) for by in (-1, 0.5)]
        assert_allclose(net(magnitudes, parts), (said[0] + said[1]) / 2, atol=1e-5)
        assert abs(said[0] - said[1]).max() > 1e-3


def test_truncation_and_scaling_do_not_matter_to_the_network():
    network = NeuralRegressor("ensemble", max_epochs=1, module__width=12, module__depth=1, random_state=0)
    X, y, _ = make_ensembles(n_songs=2, n_parts=2, duration=1.5, random_state=0).power_set()
    features = make_pipeline(FrequencyTruncation(4000), Magnitude())
    separator = Separator(make_pipeline(Segmenter(1.0), STFT(frame=0.12, hop=0.03)), features, network).fit(X, y)
    assert separator.predict(X)[0].shape == (2, 24000)
