"""The listening page without a browser: what it holds, measures and refuses."""

import base64
import json
import os
import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
import soundfile
import soxr
from click.testing import CliRunner
from scipy.signal import lfilter

from skseparate import Separator, save_separator
from skseparate.cli import main
from skseparate.datasets import make_ensembles
from skseparate.inspection import write_report
from skseparate.linear_model import LowRankRidge
from skseparate.metrics import overlap_difficulty, si_sdr

RATE = 16000


@pytest.fixture
def solos():
    """Two parts of 2 s that overlap in time and, a little, in frequency."""
    return 0.1 * np.random.default_rng(0).normal(size=(2, 2 * RATE))


@pytest.fixture
def folder(tmp_path, solos):
    """A mixture, its solos and their references as files."""
    write(tmp_path / "mix.wav", solos.sum(axis=0))
    for name in ("solos", "stems"):
        (tmp_path / name).mkdir()
        for k, solo in enumerate(solos, start=1):
            write(tmp_path / name / f"{k}_v{'nc'[k - 1]}.wav", solo)
    return tmp_path


def write(path, samples, rate=RATE):
    soundfile.write(path, np.asarray(samples).T, rate, "FLOAT")


def report(*arguments):
    return CliRunner().invoke(main, ["--threads", "1", "report", *map(str, arguments)])


def sounds(page):
    """The page's tracks, decoded: (samples, rate) each."""
    encoded = re.findall(r'<script type="text/plain" class="sound">([^<]*)</script>', page.read_text("utf-8"))
    return [soundfile.read(BytesIO(base64.b64decode(each))) for each in encoded]


class Tags(HTMLParser):
    """Every tag, in order, and whether all that begin also end."""

    def __init__(self, page):
        super().__init__()
        self.seen, self.open = [], []
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_track_is_there_and_sounds_as_it_should(tmp_path, solos):
    page = tmp_path / "page.html"
    solos = lfilter([1], [1, -1.5, 0.9], solos, axis=1) / 10  # a band, as of an instrument
    estimates = 0.9 * solos + 0.1 * solos[::-1]
    facts = write_report(page, solos.sum(axis=0), estimates, solos, sample_rate=RATE, n_jobs=2)
    wanted = [solos.sum(axis=0)]
    for estimate, solo in zip(estimates, solos, strict=True):
        wanted += [estimate, solo, estimate - solo]
    heard = sounds(page)
    assert len(heard) == 7 and {rate for _, rate in heard} == {32000}  # what MP3 holds best, from 16 kHz on
    for (track, rate), signal in zip(heard, wanted, strict=True):
        assert len(track) == 2 * len(signal)
        assert si_sdr(soxr.resample(track, rate, RATE)[None], signal[None])[0] > 15
    assert facts["bytes"] == page.stat().st_size and facts["measured_on"] == "references"
    assert facts["difficulty"] == pytest.approx(overlap_difficulty(solos, RATE), abs=1e-6)
    np.testing.assert_allclose([row["si_sdr"] for row in facts["parts"]], si_sdr(estimates, solos), atol=1e-3)


def test_nothing_comes_from_elsewhere_and_all_names_are_text(tmp_path, solos):
    page, nasty = tmp_path / "page.html", '</script><script src="//x">"\'&$title'
    settings = {nasty: nasty}
    write_report(page, solos.sum(axis=0), solos, parts=[nasty] * 2, sample_rate=RATE, title=nasty, settings=settings)
    tags = Tags(page)
    assert tags.open == []
    assert not [values for _, values in tags.seen if re.match("(https?:)?//", values.get("src") or "")]
    assert not {"link", "iframe", "object", "base"} & {tag for tag, _ in tags.seen}
    assert [values for tag, values in tags.seen if tag == "script"] == [
        {"type": "text/plain", "class": "sound"}
    ] * 3 + [{}]
    assert len({values["id"] for _, values in tags.seen if "id" in values}) == sum("id" in v for _, v in tags.seen)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 37800, 44100, 96000])
def test_at_any_rate_all_is_heard_when_it_should_be(tmp_path, rate):
    click = np.zeros((1, rate))
    click[0, rate // 2 :][: rate // 200] = 0.5
    write_report(tmp_path / "page.html", click[0], click, sample_rate=rate)
    for track, heard_at in sounds(tmp_path / "page.html"):
        assert len(track) / heard_at == pytest.approx(1, abs=1e-3)
        assert np.flatnonzero(abs(track) > 0.25)[0] / heard_at == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("n_samples", [1, 100, int(0.3 * RATE)])
@pytest.mark.parametrize("level", [0.0, 0.1])
def test_short_and_silent_tracks(tmp_path, n_samples, level):
    solos = level * np.random.default_rng(0).normal(size=(2, n_samples))
    solos[1] = 0
    facts = write_report(tmp_path / "page.html", solos.sum(axis=0), solos, solos, sample_rate=RATE)
    json.dumps(facts, allow_nan=False)
    assert facts["parts"][1]["level"] is None and facts["difficulty"] == 0
    assert ">silent<" in (tmp_path / "page.html").read_text("utf-8")


def test_one_part_and_two_channels(folder, solos):
    write(folder / "mix.wav", np.stack([solos[0], solos[1]]))
    for file in (folder / "solos").glob("2_*"):
        file.unlink()
    result = report(folder / "mix.wav", folder / "solos", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert [row["name"] for row in facts["parts"]] == ["1 vn"] and facts["difficulty"] == 0
    assert {track.shape for track, _ in sounds(folder / "solos" / "report.html")} == {(2 * solos.shape[1], 2)}


def test_an_excerpt_of_a_longer_recording(folder, solos):
    write(folder / "mix.wav", np.concatenate([np.zeros(RATE), solos.sum(axis=0), np.zeros(RATE)]))
    assert report(folder / "mix.wav", folder / "solos", "--start", 1, "--references", folder / "stems").exit_code == 0
    result = report(folder / "mix.wav", folder / "solos")
    assert result.exit_code == 2 and "of an excerpt, say where it starts" in result.output


def spoil_rate(folder, solos):
    write(folder / "solos" / "1_vn.wav", solos[0], 22050)


def spoil_samples(folder, solos):
    write(folder / "solos" / "1_vn.wav", np.where(np.arange(solos.shape[1]) == 7, np.nan, solos[0]))


def spoil_file(folder, solos):
    (folder / "solos" / "1_vn.wav").write_text("no audio")


def spoil_reference(folder, solos):
    (folder / "stems" / "2_vc.wav").unlink()


def spoil_solos(folder, solos):
    for file in (folder / "solos").iterdir():
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_rate, "they must share one rate"),
        (spoil_samples, "1 vn (solo) holds NaN or infinity"),
        (spoil_file, "1_vn.wav cannot be read as audio"),
        (spoil_reference, "references must be of the same parts"),
        (spoil_solos, "holds no solos"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(folder, solos, spoil, said):
    (folder / "page.html").write_text("old")
    spoil(folder, solos)
    before = sorted(folder.rglob("*"))
    result = report(folder / "mix.wav", folder / "solos", "--references", folder / "stems", "-o", folder / "page.html")
    assert result.exit_code == 2 and said in result.output
    assert sorted(folder.rglob("*")) == before and (folder / "page.html").read_text() == "old"


def test_where_no_page_can_be_written(folder):
    os.mkfifo(folder / "pipe")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    for output in (
        folder,
        folder / "none" / "page.html",
        folder / "pipe",
        "",
        folder / "mix.wav",
        folder / "solos/1_vn.wav",
    ):
        result = report(folder / "mix.wav", folder / "solos", "-o", output)
        assert result.exit_code == 2 and result.output.count("\n") == 1, result.output
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_disk_that_is_full_leaves_the_old_page(folder, monkeypatch):
    def full(file, path):
        raise OSError(28, "No space left on device")

    (folder / "page.html").write_text("old")
    monkeypatch.setattr("skseparate.inspection._html._write_sound", full)
    result = report(folder / "mix.wav", folder / "solos", "-o", folder / "page.html")
    assert result.exit_code == 2 and f"{folder / 'page.html'}: No space left on device" in result.output
    assert (folder / "page.html").read_text() == "old" and not list(folder.glob(".*"))


def test_separating_writes_the_page_beside_the_solos(folder):
    X, y, _ = make_ensembles(2, 2, duration=1.0, sample_rate=RATE, random_state=0).power_set(min_parts=2)
    save_separator(Separator(regressor=LowRankRidge(rank=4)).fit(X, y), folder / "duo.skseparate")
    files = [folder / "mix.wav", "-m", folder / "duo.skseparate", "-o", folder / "out"]
    options = ["--parts", "vn,vc", "--report", "--minus", "--json"]
    result = CliRunner().invoke(main, list(map(str, ["separate", *files, *options])))
    assert result.exit_code == 0, result.output
    (outcome,) = json.loads(result.stdout)
    page = folder / "out" / "mix" / "report.html"
    assert outcome["report"] == str(page)
    assert len(sounds(page)) == 3  # play-along tracks are no parts
    assert "<dt>Model</dt><dd>duo.skseparate</dd>" in page.read_text("utf-8")
