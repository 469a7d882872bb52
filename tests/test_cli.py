"""The command as its users meet it."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from skseparate import __version__, load_separator
from skseparate.cli import main
from skseparate.datasets import make_ensembles

RATE = 16000


def run(*args):
    return CliRunner().invoke(main, [str(a) for a in args])


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    """Four trios as a user would keep them."""
    root = tmp_path_factory.mktemp("stems")
    for ensemble in make_ensembles(4, 3, duration=3.0, instruments=["vn", "va", "vc"], doubling=False, random_state=0):
        folder = root / ensemble.name
        folder.mkdir()
        for part, name, solo in zip(
            ensemble.parts, ("violin", "Viola", "cello"), ensemble.solos().read(0, 3 * RATE), strict=True
        ):
            assert part in ("vn", "va", "vc")
            soundfile.write(folder / f"{name}.wav", solo, RATE)
        soundfile.write(folder / "mixture.wav", np.asarray(ensemble.mixture()), RATE)
    return root


@pytest.fixture(scope="module")
def model(stems, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "trio.skseparate"
    result = run("fit", stems, "-o", path, "--rank", 16)
    assert result.exit_code == 0, result.output
    assert "Fitted on 16 mixes of 4 songs, up to 3 parts." in result.output
    return path


@pytest.fixture
def stereo(tmp_path):
    """Four seconds of stereo at 44.1 kHz, neither channel like the other."""
    mixture = make_ensembles(1, 3, duration=4.0, sample_rate=44100, random_state=5)[0].mixture()
    left = np.asarray(mixture, dtype=np.float64)[: 4 * 44100 - 77]
    path = tmp_path / "trio.wav"
    soundfile.write(path, np.column_stack([left, 0.5 * np.roll(left, 5)]), 44100, subtype="FLOAT")
    return path


def read_all(folder, names):
    return [soundfile.read(folder / name, always_2d=True) for name in names]


def test_demo_writes_solos_that_sum_to_the_mixture_and_beat_the_equaliser(tmp_path):
    result = run("demo", "-o", tmp_path / "demo", "--songs", 6)
    assert result.exit_code == 0, result.output
    scores = {line[:28].strip(): float(line[28:].split()[0]) for line in result.output.splitlines() if " dB" in line}
    assert scores["learned equaliser"] < scores["low-rank ridge"] < scores["ideal ratio mask (ceiling)"]
    files = sorted(os.listdir(tmp_path / "demo"))
    assert files == ["1_vn.wav", "2_va.wav", "3_vc.wav", "mixture.wav"]
    *solos, mixture = (x for x, _ in read_all(tmp_path / "demo", files))
    np.testing.assert_allclose(sum(solos), mixture, atol=1e-5)


def test_separate_keeps_rate_length_and_channels(model, stereo, tmp_path):
    result = run("separate", stereo, "-m", model, "-o", tmp_path / "out", "--parts", "vn,va,vc", "--minus")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "out" / "trio"
    solos = ["1_vn.wav", "2_va.wav", "3_vc.wav"]
    minus = ["1_minus_vn.wav", "2_minus_va.wav", "3_minus_vc.wav"]
    assert sorted(os.listdir(folder)) == sorted(solos + minus)
    mixture, rate = soundfile.read(stereo)
    tracks = read_all(folder, solos)
    assert all(track.shape == mixture.shape and r == rate for track, r in tracks)
    np.testing.assert_allclose(sum(track for track, _ in tracks), mixture, atol=1e-5)
    for (solo, _), (others, _) in zip(tracks, read_all(folder, minus), strict=True):
        np.testing.assert_allclose(solo + others, mixture, atol=1e-5)


def test_separate_streams_what_predict_gives(model, stems, tmp_path):
    mixture = stems / "song 00" / "mixture.wav"
    run("separate", mixture, "-m", model, "-o", tmp_path, "--subtype", "FLOAT", "--parts", "vn,va,vc")
    samples = soundfile.read(mixture, dtype="float32")[0]
    expected = load_separator(model).predict([samples])[0]
    written = np.stack([soundfile.read(tmp_path / "mixture" / f)[0] for f in ("1_vn.wav", "2_va.wav", "3_vc.wav")])
    np.testing.assert_allclose(written, expected, atol=1e-6)


def test_excerpt_flac_and_unnamed_parts(model, stereo, tmp_path):
    args = ("--start", 1, "--duration", 0.5, "--format", "flac", "--subtype", "PCM_16", "--json")
    result = run("separate", stereo, "-m", model, "-o", tmp_path / "out", *args)
    (outcome,) = json.loads(result.output)
    assert [os.path.basename(f) for f in outcome["files"]] == ["1_part1.flac", "2_part2.flac", "3_part3.flac"]
    total = sum(soundfile.read(f)[0] for f in outcome["files"])
    np.testing.assert_allclose(total, soundfile.read(stereo)[0][44100 : 44100 + 22050], atol=1e-3)


def test_loud_solos_are_scaled_by_one_gain(model, stereo, tmp_path):
    samples, rate = soundfile.read(stereo)
    loud = 4 / np.abs(samples).max() * samples
    soundfile.write(tmp_path / "loud.wav", loud, rate, subtype="FLOAT")
    result = run("separate", tmp_path / "loud.wav", "-m", model, "-o", tmp_path / "out", "--json")
    (outcome,) = json.loads(result.output)
    assert 0 < outcome["gain"] < 1
    total = sum(soundfile.read(f)[0] for f in outcome["files"])
    np.testing.assert_allclose(total, outcome["gain"] * loud, atol=1e-5)
    said = run("separate", tmp_path / "loud.wav", "-m", model, "-o", tmp_path / "out").output
    assert "would have clipped" in said


def test_a_bad_file_does_not_stop_the_batch(model, stereo, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "phone.m4a").write_bytes(b"\0\0\0 ftypM4A ")
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    soundfile.write(tmp_path / "short.wav", np.ones(10), RATE)
    soundfile.write(tmp_path / "nan.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")
    bad = {
        "missing.wav": "is not a file",
        "empty.wav": "is empty",
        "text.wav": "cannot be read as audio",
        "phone.m4a": "ffmpeg -i",
        "silent.wav": "is silent",
        "short.wav": "at least one frame",
        "nan.wav": "NaN",
        ".": "is a folder",
    }
    args = [tmp_path / name for name in bad if name != "."] + [tmp_path, stereo]
    result = run("separate", *args, "-m", model, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == len(bad) + 1
    for line, (name, message) in zip(errors, bad.items(), strict=False):
        assert message in line, line
        assert name == "." or name in line, line
    assert errors[-1].startswith(f"Error: {len(bad)} of {len(bad) + 1} recordings failed")
    assert os.listdir(tmp_path / "out") == ["trio"]
    assert len(os.listdir(tmp_path / "out" / "trio")) == 3


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--parts", "a,b,c,d"], "4 parts were asked for"),
        (["--parts", "a,,b"], "--parts"),
        (["--parts", "../a,b"], "--parts"),
        (["--start", "9"], "lasts 4.00 s"),
        (["--format", "flac", "--subtype", "FLOAT"], "does not go with --format flac; choose from"),
    ],
)
def test_unusable_options_are_one_sentence(model, stereo, tmp_path, args, message):
    result = run("separate", stereo, "-m", model, "-o", tmp_path / "out", *args)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out" / "trio").exists()


def test_two_mixes_of_one_name_and_output_onto_input_are_refused(model, stereo, tmp_path):
    (tmp_path / "twin").mkdir()
    twin = tmp_path / "twin" / "trio.wav"
    twin.write_bytes(stereo.read_bytes())
    result = run("separate", stereo, twin, "-m", model, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "different outputs" in result.stderr
    (tmp_path / "solo").mkdir()
    inside = tmp_path / "solo" / "solo.wav"
    inside.write_bytes(stereo.read_bytes())
    result = run("separate", inside, "-m", model, "-o", tmp_path)
    assert result.exit_code == 2 and "choose another output" in result.stderr


@pytest.mark.parametrize("content", [b"", b"\x80\x04K*.", b"hello" * 100])
def test_no_model_is_one_sentence(content, stereo, tmp_path):
    (tmp_path / "model").write_bytes(content)
    result = run("separate", stereo, "-m", tmp_path / "model", "-o", tmp_path / "out")
    assert result.exit_code == 2 and "is not a model" in result.stderr
    assert not (tmp_path / "out").exists()


def test_output_that_is_a_file_is_refused(model, stereo, tmp_path):
    (tmp_path / "out").write_text("in the way")
    result = run("separate", stereo, "-m", model, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "Not a directory" in result.stderr
    assert (tmp_path / "out").read_text() == "in the way"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(model, stereo, tmp_path, monkeypatch):
    from skseparate import _files

    real = soundfile.SoundFile

    def full(path, mode="r", *args, **kwargs):
        return real("/dev/full" if str(path).endswith(".part") else path, mode, *args, **kwargs)

    monkeypatch.setattr(_files.soundfile, "SoundFile", full)
    result = run("separate", stereo, "-m", model, "-o", tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out" / "trio").exists()


def test_killed_while_separating_leaves_no_solo(model, tmp_path):
    soundfile.write(tmp_path / "long.wav", np.random.default_rng(0).normal(0, 0.1, 60 * 20 * RATE), RATE)
    command = [sys.executable, "-m", "skseparate.cli", "separate", str(tmp_path / "long.wav")]
    process = subprocess.Popen([*command, "-m", str(model), "-o", str(tmp_path / "out")])
    folder = tmp_path / "out" / "long"
    deadline = time.monotonic() + 60
    while not (folder.is_dir() and any(folder.iterdir())) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [f.name for f in folder.iterdir() if not f.name.startswith(".")] == []


def test_evaluate_and_describe(model, stems, tmp_path):
    result = run("evaluate", stems, "-m", model, "--json", "-o", tmp_path / "table.csv")
    table = json.loads(result.output)
    assert table["systems"] == ["mixture", "model", "ideal ratio mask"]
    assert len(table["rows"]) == 3 * (12 * 2 + 4 * 3)  # duets and trios of four songs
    means = {s: np.mean([r["si_sdr_improvement"] for r in table["rows"] if r["system"] == s]) for s in table["systems"]}
    assert means["mixture"] == 0 < means["model"] < means["ideal ratio mask"]
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert len(lines) == 1 + len(table["rows"]) and lines[0].startswith("system,told,trained_on")
    said = run("evaluate", stems, "-m", model, "--no-bss", "-o", tmp_path / "table.md").output
    assert "| ideal ratio mask" in said and "SDRi" not in said.replace("SI-SDRi", "")
    assert (tmp_path / "table.md").read_text() in said
    assert "must end in .csv" in run("evaluate", stems, "-m", model, "-o", "table.xls").output
    assert sorted(os.listdir(tmp_path)) == ["table.csv", "table.md"]
    description = json.loads(run("describe", stems, "--json").output)
    assert description["parts"] == {"vn": 4, "va": 4, "vc": 4}
    assert "sample rates" in run("describe", stems).output


def test_fit_searches_by_song(stems, tmp_path):
    result = run("fit", stems, "-o", tmp_path / "m", "--search", "--segment", 0.5, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["score"] > 0
    assert load_separator(tmp_path / "m").regressor.rank in (16, 64)


@pytest.mark.parametrize("command", ["fit", "describe"])
def test_folders_without_stems_are_one_sentence(command, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        args = ["-o", tmp_path / "m"] if command == "fit" else []
        result = run(command, folder, *args)
        assert result.exit_code == 2
        assert str(folder) in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_is_light_and_names_every_command():
    code = (
        "import sys; from skseparate.cli import main; "
        "main(['--help'], standalone_mode=False); print(sorted(sys.modules))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for command in ("demo", "fit", "separate", "evaluate", "describe"):
        assert command in output
    for heavy in ("'sklearn'", "'torch'", "'skorch'", "'matplotlib'", "'numpy'"):
        assert heavy not in output


def test_separate_needs_neither_skorch_nor_matplotlib(model, stereo, tmp_path):
    code = (
        "import sys; from skseparate.cli import main; main(sys.argv[1:], standalone_mode=False); "
        "assert not {'skorch', 'matplotlib'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, "separate", str(stereo), "-m", str(model), "-o", str(tmp_path / "out")]
    subprocess.run(command, check=True)


def test_the_installed_command_keeps_output_and_exit_code(tmp_path):
    (command,) = entry_points(group="console_scripts", name="skseparate")
    code = f"from {command.module} import {command.attr}; {command.attr}()"
    missing = tmp_path / "missing.wav"
    for args, status in (
        (["--version"], 0),
        (["separate", str(missing), "--parts", "vn,vc", "-o", str(tmp_path / "out")], 2),
    ):
        done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True)
        assert done.returncode == status
        assert (__version__ if status == 0 else "missing.wav") in done.stdout + done.stderr


def test_cache_is_shown_and_cleared(tmp_path, monkeypatch):
    monkeypatch.setenv("SKSEPARATE_CACHE", str(tmp_path))
    (tmp_path / "0.f32").write_bytes(bytes(4000))
    assert json.loads(run("cache", "info", "--json").output)["bytes"] == 4000
    assert "1 stems" in run("cache", "info").output
    assert "Freed" in run("cache", "clear").output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rate", [22050, 11025, 47999])
def test_odd_rates_are_resampled_and_come_back(rate, tmp_path):
    folder = tmp_path / "stems"
    ensembles = make_ensembles(2, 2, duration=3.0, sample_rate=16000, random_state=0)
    for ensemble in ensembles:
        (folder / ensemble.name).mkdir(parents=True)
        for k, solo in enumerate(ensemble.solos().read(0, 3 * RATE), start=1):
            soundfile.write(folder / ensemble.name / f"{k}_vn.wav", solo, RATE)
    model = tmp_path / "duo.skseparate"
    assert run("fit", folder, "-o", model, "--segment", 0.03 * 7).exit_code == 0
    samples = np.random.RandomState(0).randn(2 * rate + 13, 2)
    from scipy.ndimage import gaussian_filter1d

    samples = 0.2 * gaussian_filter1d(samples, 8, axis=0)
    soundfile.write(tmp_path / "odd.wav", samples, rate, subtype="FLOAT")
    result = run("separate", tmp_path / "odd.wav", "-m", model, "-o", tmp_path / "out", "--subtype", "FLOAT", "--minus")
    assert result.exit_code == 0, result.output
    names = ["1_part1.wav", "2_part2.wav"]
    tracks = read_all(tmp_path / "out" / "odd", names)
    assert all(track.shape == samples.shape and r == rate for track, r in tracks)
    if rate == 22050:  # 0.06 s are a whole number of samples: as it is
        assert "resampled from" not in result.output
        np.testing.assert_allclose(sum(track for track, _ in tracks), samples, atol=1e-5)
        return
    assert f"resampled from {rate} to" in result.output
    np.testing.assert_allclose(sum(track for track, _ in tracks)[200:-200], samples[200:-200], atol=2e-3)
    for (solo, _), (others, _) in zip(
        tracks, read_all(tmp_path / "out" / "odd", ["1_minus_part1.wav", "2_minus_part2.wav"]), strict=True
    ):
        np.testing.assert_allclose(solo + others, samples, atol=1e-6)


def test_stems_of_an_odd_rate_are_resampled_with_a_word(tmp_path, monkeypatch):
    monkeypatch.setenv("SKSEPARATE_CACHE", str(tmp_path / "cache"))
    for song in ("a", "b"):
        (tmp_path / "stems" / song).mkdir(parents=True)
        for k in (1, 2):
            noise = 0.1 * np.random.RandomState(k).randn(2 * 11025)
            soundfile.write(tmp_path / "stems" / song / f"{k}_vn.wav", noise, 11025)
    result = run("fit", tmp_path / "stems", "-o", tmp_path / "m.skseparate", "--rank", 2)
    assert result.exit_code == 0 and "stems of 11025 Hz" in result.output and "resampled to 16000 Hz" in result.output


def test_what_a_model_leaves_is_a_track(model, stereo, tmp_path):
    from skseparate import save_separator

    separator = load_separator(model)
    separator.mask = "direct"
    save_separator(separator, tmp_path / "direct.skseparate")
    result = run("separate", stereo, "-m", tmp_path / "direct.skseparate", "-o", tmp_path / "out", "--subtype", "FLOAT")
    assert result.exit_code == 0, result.output
    names = sorted(os.listdir(tmp_path / "out" / "trio"))
    assert names == ["1_part1.wav", "2_part2.wav", "3_part3.wav", "other.wav"]
    tracks = read_all(tmp_path / "out" / "trio", names)
    np.testing.assert_allclose(sum(t for t, _ in tracks), soundfile.read(stereo)[0], atol=1e-5)
    assert np.abs(tracks[-1][0]).max() > 1e-3


def test_models_are_described(model):
    result = run("models", model, model, "--json")
    first, second = json.loads(result.output)
    assert first == second
    assert first["regressor"] == "LowRankRidge" and first["parts"] == 3 and first["sample_rate"] == RATE
    assert first["segment"] == 0.12 and first["bytes"] == os.path.getsize(model)
    assert "LowRankRidge, up to 3 parts, fitted at 16000 Hz, segments of 0.12 s" in run("models", model).output


def test_threads_reach_libraries_that_are_loaded_later():
    code = (
        "from click.testing import CliRunner; from skseparate.cli import main\n"
        "@main.command()\n"
        "def asked():\n"
        "    import numpy, threadpoolctl\n"
        "    print({pool['num_threads'] for pool in threadpoolctl.threadpool_info()})\n"
        "print(CliRunner().invoke(main, ['--threads', '1', 'asked']).output)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "2"}
    )
    assert done.stdout.strip() == "{1}", done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is enforced on Linux")
def test_memory_is_limited_with_a_sentence(model, stems, tmp_path):
    command = [sys.executable, "-m", "skseparate.cli", "--memory", "0.5", "--threads", "1"]
    long = tmp_path / "long.wav"
    soundfile.write(long, np.tile(soundfile.read(stems / "song 00" / "mixture.wav")[0], 60), RATE)
    fine = subprocess.run(
        [*command, "separate", long, "-m", model, "-o", tmp_path / "out"], capture_output=True, text=True
    )
    assert fine.returncode == 0, fine.stderr
    # a segment of hours: its spectrogram does not fit
    asked = subprocess.run(
        [*command, "fit", stems, "-o", tmp_path / "m", "--segment", "20000"], capture_output=True, text=True
    )
    assert asked.returncode == 2 and "Traceback" not in asked.stderr, asked.stderr
    assert "not enough memory" in asked.stderr.lower() and not (tmp_path / "m").exists()


def test_demo_and_cache_speak_json(tmp_path, monkeypatch):
    monkeypatch.setenv("SKSEPARATE_CACHE", str(tmp_path / "cache"))
    told = json.loads(run("demo", "-o", tmp_path / "demo", "--songs", 3, "--parts", 2, "--json").output)
    assert set(told) == {"scores", "files"} and len(told["files"]) == 3
    assert json.loads(run("cache", "clear", "--json").output) == {"folder": str(tmp_path / "cache"), "freed": 0}


def test_a_model_that_could_not_be_written_is_refused_before_fitting(stems, tmp_path, monkeypatch):
    monkeypatch.setattr("skseparate._recipes.fit_separator", lambda *args: pytest.fail("fitted"))
    for output in (tmp_path / "nowhere" / "m.skseparate", tmp_path):
        result = run("fit", stems, "-o", output)
        assert result.exit_code == 2 and "must name a file in a folder that exists" in result.output


def test_what_may_not_be_read_is_refused(model, stereo, tmp_path, monkeypatch):
    import skseparate.datasets._recordings as recordings

    monkeypatch.setattr(recordings.os, "access", lambda path, mode: False)
    result = run("separate", stereo, "-m", model, "-o", tmp_path / "out")
    assert result.exit_code == 2 and "its permissions forbid it" in result.output


def test_a_search_is_possible_where_one_song_has_more_parts_than_all_others(tmp_path):
    for n_parts, song in ((2, "a"), (3, "b"), (2, "c")):
        ensemble = make_ensembles(1, n_parts, duration=2.0, random_state=n_parts)[0]
        (tmp_path / "stems" / song).mkdir(parents=True)
        for k, stem in enumerate(ensemble.stems, start=1):
            soundfile.write(tmp_path / "stems" / song / f"{k}_vn.wav", np.asarray(stem), RATE)
    result = run("fit", tmp_path / "stems", "-o", tmp_path / "m.skseparate", "--search", "--json")
    told = json.loads(result.output)
    assert told["parts"] == 3 and np.isfinite(told["score"])


def test_a_network_is_fitted_saved_and_separates(stems, tmp_path):
    result = run("fit", stems, "-o", tmp_path / "m.skseparate", "--regressor", "mlp", "--minutes", "0.03")
    assert result.exit_code == 0 and "epoch" not in result.output, result.output
    assert "NeuralRegressor, up to 3 parts" in run("models", tmp_path / "m.skseparate").output
    mixture = stems / "song 00" / "mixture.wav"
    assert run("separate", mixture, "-m", tmp_path / "m.skseparate", "-o", tmp_path / "out").exit_code == 0
    solos = read_all(tmp_path / "out" / "mixture", ["1_part1.wav", "2_part2.wav", "3_part3.wav"])
    np.testing.assert_allclose(sum(x for x, _ in solos), soundfile.read(mixture, always_2d=True)[0], atol=1e-4)
