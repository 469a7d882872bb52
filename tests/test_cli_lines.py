"""`separate --score` and `hum`, as their users meet them."""

import json
import os

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from skseparate import ScoreInformedSeparator, Separator, save_separator
from skseparate.cli import main
from skseparate.datasets import make_ensembles
from skseparate.linear_model import LowRankRidge
from skseparate.lines import Line
from skseparate.metrics import si_sdr

RATE, SECONDS = 16000, 6
NAMES = {"vn": "Violin", "vc": "Violoncello", "fl": "Flute", None: "Staff"}


def run(*args):
    return CliRunner().invoke(main, [str(a) for a in args])


def musicxml(stems, names):
    """Notes as MusicXML, a thousandth of a second a division."""
    parts, listed = "", ""
    for k, (stem, name) in enumerate(zip(stems, names, strict=True)):
        listed += f"<score-part id='P{k}'><part-name>{NAMES[name]}</part-name></score-part>"
        now, notes = 0, ""
        for onset, duration, pitch in stem.notes:
            first, last = round(1000 * onset), round(1000 * (onset + duration))
            if first > now:
                notes += f"<note><rest/><duration>{first - now}</duration></note>"
            step, alter = ("C", "C", "D", "D", "E", "F", "F", "G", "G", "A", "A", "B")[pitch % 12], pitch % 12 in (
                1, 3, 6, 8, 10)  # fmt: skip
            written = f"<step>{step}</step><alter>{int(alter)}</alter><octave>{pitch // 12 - 1}</octave>"
            notes += f"<note><pitch>{written}</pitch><duration>{last - first}</duration></note>"
            now = last
        parts += (
            f"<part id='P{k}'><measure><attributes><divisions>1000</divisions></attributes>{notes}</measure></part>"
        )
    return f"<score-partwise><part-list>{listed}</part-list>{parts}</score-partwise>"


@pytest.fixture(scope="module")
def songs():
    return make_ensembles(3, 2, duration=SECONDS, instruments=["vn", "vc"], doubling=False, random_state=2)


@pytest.fixture(scope="module")
def piece(songs, tmp_path_factory):
    """A mixture, its score, and a model that is none too good."""
    folder = tmp_path_factory.mktemp("piece")
    X, y, _ = songs.power_set()
    save_separator(Separator(regressor=LowRankRidge(rank=4)).fit(X[:2], y[:2]), folder / "duo.skseparate")
    soundfile.write(folder / "duo.wav", np.asarray(songs[2].mixture()), RATE, subtype="FLOAT")
    for name, parts in {
        "duo": ("vn", "vc"),
        "unnamed": (None, None),
        "turned": ("vc", "vn"),
        "odd": ("fl", "vc"),
    }.items():
        stems = songs[2].stems if name != "turned" else songs[2].stems[::-1]
        (folder / f"{name}.musicxml").write_text(musicxml(stems, parts))
    (folder / "other.musicxml").write_text(musicxml(songs[0].stems, ("vn", "vc")))
    return folder


def improvement(songs, files):
    solos, mixture = np.asarray(songs[2].solos()), np.asarray(songs[2].mixture())
    estimates = np.stack([soundfile.read(file)[0] for file in files])
    np.testing.assert_allclose(estimates.sum(axis=0), mixture, atol=1e-4)
    return float(np.mean(si_sdr(solos, estimates) - si_sdr(solos, np.broadcast_to(mixture, solos.shape))))


def test_a_score_tells_the_parts_and_improves_the_masks(songs, piece, tmp_path):
    args = ("separate", piece / "duo.wav", "-m", piece / "duo.skseparate", "--json", "-o")
    alone = json.loads(run(*args, tmp_path / "a", "--parts", "vn,vc").output)[0]
    told = run(*args, tmp_path / "b", "--score", piece / "duo.musicxml")
    assert told.exit_code == 0, told.output
    told = json.loads(told.output)[0]
    assert [os.path.basename(f) for f in told["files"]] == ["1_vn.wav", "2_vc.wav"]
    assert improvement(songs, told["files"]) > improvement(songs, alone["files"]) + 1


@pytest.mark.parametrize("score", ["turned", "unnamed", "odd"])
def test_staves_are_matched_by_name_or_else_in_order(songs, piece, tmp_path, score):
    args = ("--score", piece / f"{score}.musicxml", "--parts", "violin,cello", "--json")
    result = run("hum", piece / "duo.wav", "-o", tmp_path, *args)
    assert result.exit_code == 0, result.output
    assert improvement(songs, json.loads(result.output)[0]["files"]) > 3


def test_an_excerpt_is_aligned_by_itself(piece, tmp_path):
    options = ("--start", 2, "--duration", 3, "--minus", "--report")
    args = ("-m", piece / "duo.skseparate", "--score", piece / "duo.musicxml", "-o", tmp_path, *options)
    result = run("separate", piece / "duo.wav", *args)
    assert result.exit_code == 0, result.output
    names = ["1_minus_vn.wav", "1_vn.wav", "2_minus_vc.wav", "2_vc.wav", "report.html"]
    assert sorted(os.listdir(tmp_path / "duo")) == names
    assert soundfile.info(tmp_path / "duo" / "1_vn.wav").frames == 3 * RATE


@pytest.mark.parametrize(
    "args, message",
    [
        (["--score", "{}/unnamed.musicxml"], "does not say what instrument plays staff 1, 2 of 2"),
        (["--score", "{}/duo.musicxml", "--guess"], "--score and --guess exclude each other"),
        (["--score", "{}/duo.musicxml", "--parts", "vn"], None),
        (["--score", "{}/duo.musicxml", "--parts", "vn,vn,vc"], "has 2 staves (vn, vc), but the parts are 3"),
        (["--score", "{}/duo.musicxml", "--parts", "ob"], "name a part for each staff"),
        (["--score", "{}/other.musicxml"], "does not match duo.wav"),
        (["--score", "{}/duo.wav"], "neither MusicXML nor kern nor MIDI"),
        (["--score", "{}/none.musicxml"], "No such file"),
        (["--score", "{}"], "Is a directory"),
    ],
)
def test_scores_that_do_not_fit_are_one_sentence(piece, tmp_path, args, message):
    args = [arg.format(piece) for arg in args]
    result = run("separate", piece / "duo.wav", "-m", piece / "duo.skseparate", "-o", tmp_path / "out", *args)
    if message is None:
        assert result.exit_code == 0, result.output
        return
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert message in result.output
    assert not list(tmp_path.rglob("*.wav"))


def f0_file(path, line):
    times = np.arange(0, SECONDS, 0.01)
    np.savetxt(path, np.column_stack([times, line.at(times)]), fmt="%.5f")
    return path


def test_one_line_takes_a_part_out_and_leaves_the_rest(songs, piece, tmp_path):
    line = f0_file(tmp_path / "violin.txt", songs[2].stems[0].line)
    result = run("hum", piece / "duo.wav", "--line", line, "--parts", "vn", "-o", tmp_path, "--json")
    (outcome,) = json.loads(result.output)
    assert [os.path.basename(f) for f in outcome["files"]] == ["1_vn.wav", "2_rest.wav"]
    assert improvement(songs, outcome["files"]) > 3
    whole = run("hum", piece / "duo.wav", "--line", line, "--no-rest", "-o", tmp_path / "whole")
    assert whole.exit_code == 0 and os.listdir(tmp_path / "whole" / "duo") == ["1_hummed.wav"]


def test_several_lines_share_the_mixture(songs, piece, tmp_path):
    lines = [f0_file(tmp_path / f"{k}.txt", stem.line) for k, stem in enumerate(songs[2].stems)]
    result = run("hum", piece / "duo.wav", "--line", lines[0], "--line", lines[1], "-o", tmp_path, "--json")
    files = json.loads(result.output)[0]["files"]
    assert [os.path.basename(f) for f in files] == ["1_hummed1.wav", "2_hummed2.wav"]
    assert improvement(songs, files) > 3


def test_where_a_voice_was_found_is_said_and_can_be_corrected(songs, piece, tmp_path, monkeypatch):
    line = songs[2].stems[0].line
    voice = Line(line.times, line.frequencies / 2)
    monkeypatch.setattr("skseparate.lines._hummed.pyin_line", lambda *_: voice)
    arguments = ["hum", piece / "duo.wav", "--line", piece / "duo.wav", "-o"]
    found = run(*arguments, tmp_path / "found")
    assert "sung 1 octave below the part" in found.output
    wrong = run(*arguments, tmp_path / "wrong", "--octave", 3)
    assert "sung 3 octaves below the part" in wrong.output
    told = run(*arguments, tmp_path / "told", "--octave", 1, "--late", 0)
    assert "say --octave and --late, here 1 and 0.00" in told.output
    scores = {
        name: improvement(songs, [tmp_path / name / "duo" / file for file in ("1_hummed.wav", "2_rest.wav")])
        for name in ("found", "wrong", "told")
    }
    assert min(scores["found"], scores["told"]) > scores["wrong"] + 3


@pytest.mark.parametrize(
    "args, message",
    [
        ([], "give the lines"),
        (["--line", "{}/duo.wav", "--octave", "1", "--octave", "2"], "--octave is given 2 times for 1 --line files"),
        (["--score", "{}/duo.musicxml", "--octave", "1"], "--octave and --late are for --line files"),
        (["--line", "{}/duo.wav", "--late", "nan"], "--late must be a number"),
        (["--line", "{}/bad.txt", "--octave", "x"], "is not a valid integer"),
        (["--line", "{}/duo.wav", "--score", "{}/duo.musicxml"], "give the lines"),
        (["--line", "{}/duo.wav", "--parts", "vn,vc"], "--parts names 2 parts, but there are 1 --line files"),
        (["--line", "{}/bad.txt"], "should hold a time in seconds"),
        (["--line", "{}/none.wav"], "is not a file"),
        (["--line", "{}/none.txt"], "No such file"),
        (["--line", "{}/silence.wav"], "silence.wav: nothing is hummed"),
        (["--line", "{}/bad.txt", "--subtype", "PCM_99"], "--subtype PCM_99"),
    ],
)
def test_lines_that_do_not_fit_are_one_sentence(piece, tmp_path, args, message):
    if "{}/silence.wav" in args:
        pytest.importorskip("librosa")
    (piece / "bad.txt").write_text("la la la\n")
    soundfile.write(piece / "silence.wav", np.zeros(RATE), RATE)
    result = run("hum", piece / "duo.wav", "-o", tmp_path / "out", *(arg.format(piece) for arg in args))
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert message in result.output
    assert not list(tmp_path.rglob("*.wav"))


def test_a_floor_of_one_is_no_help_at_all_and_lines_are_needed(songs):
    """The larger the floor the less the score counts; and what knows no lines is refused."""
    X, y, _ = songs.power_set()
    separator = Separator(regressor=LowRankRidge(rank=4)).fit(X[:2], y[:2])
    scores = [ScoreInformedSeparator(separator, floor).fit().score(X[2:], y[2:]) for floor in (0.02, 0.3, 1.0)]
    assert scores[0] > scores[1] > scores[2] > separator.score(X[2:], y[2:])
    with pytest.raises(ValueError, match="does not know its lines"):
        ScoreInformedSeparator(separator).fit().predict([np.asarray(X[2])])
    with pytest.raises(ValueError, match="floor"):
        ScoreInformedSeparator(separator, floor=0).fit()
    fitted = ScoreInformedSeparator(Separator(regressor=LowRankRidge(rank=4))).fit(X[:2], y[:2])
    np.testing.assert_array_equal(fitted.predict(X[2:])[0], ScoreInformedSeparator(separator).fit().predict(X[2:])[0])
    assert fitted.told == "the number of parts, the score" and fitted.accepts_rate(RATE)
