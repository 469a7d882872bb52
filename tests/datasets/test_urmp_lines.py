"""Lines as URMP writes them down, and as nobody should."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skseparate.datasets import _tracked as tracking
from skseparate.datasets import load_urmp, make_ensembles
from skseparate.datasets._urmp_lines import read_f0, read_notes
from skseparate.lines import Line

F0 = "0.000 0.0\n0.010 440.0\n0.020 441.5\n\n0.030\t0\n"
NOTES = "0.50\t440.00\t0.25\n1.00\t220.00\t0.50\n"


@pytest.fixture
def piece(write_piece, tmp_path):
    """A duo with lines of both kinds for the first part, and of notes only for the second."""
    write_piece("02_Sonata_vn_vn")
    folder = tmp_path / "02_Sonata_vn_vn"
    (folder / "F0s_1_vn_02_Sonata.txt").write_text(F0)
    (folder / "Notes_1_vn_02_Sonata.txt").write_text(NOTES)
    (folder / "Notes_2_vn_02_Sonata.txt").write_text(NOTES)
    return folder


def test_mixes_know_the_lines_that_are_written_down(piece):
    (ensemble,) = load_urmp(piece.parent)
    first, second = ensemble.mixture().lines
    assert_allclose(first.at([0.01, 0.02, 0.5]), [440, 441.5, 0])  # F0 rather than notes
    assert_allclose(second.at([0.4, 0.6, 0.9, 1.2, 1.6]), [0, 440, 0, 220, 0])
    assert len(ensemble.mixture([1]).lines) == 1


def test_nothing_is_read_before_a_line_is_asked_for(piece):
    (piece / "F0s_1_vn_02_Sonata.txt").write_text("nonsense")
    (ensemble,) = load_urmp(piece.parent)
    lines = ensemble.mixture().lines
    with pytest.raises(ValueError, match=r"F0s_1_vn_02_Sonata\.txt should hold a time in seconds"):
        lines[0].at([0.0])


def test_where_one_part_has_no_line_the_mix_has_none(piece):
    (piece / "Notes_2_vn_02_Sonata.txt").unlink()
    (ensemble,) = load_urmp(piece.parent)
    assert ensemble.mixture().lines is None and ensemble.mixture([0]).lines is not None


@pytest.mark.parametrize(
    "content",
    [b"0.0 440 1\n", b"0.0\n", b"time F0\n0.0 440\n", b"0.0 440\n0.01\n", b"\xff\xfe\x00\x01", b"RIFF\x00\x00WAVE",
     b"0.0 -440\n", b"0.0 nan\n", b"0.0 inf\n", b"0.1 440\n0.0 440\n", b"0.0 440\n0.0 440\n", b"nan 440\n", b"",
     b"0,0 440,0\n"],
)  # fmt: skip
def test_hostile_files_of_f0_are_refused_by_name(content, tmp_path):
    path = tmp_path / "F0s_1_vn_02_Sonata.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"F0s_1_vn_02_Sonata\.txt"):
        read_f0(path)


@pytest.mark.parametrize(
    "content", [b"0 440\n", b"0 -1 1\n", b"-1 440 1\n", b"0 440 -1\n", b"0 nan 1\n", b"a b c\n", b""]
)
def test_hostile_files_of_notes_are_refused_by_name(content, tmp_path):
    path = tmp_path / "Notes_1_vn_02_Sonata.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"Notes_1_vn_02_Sonata\.txt"):
        read_notes(path)


def test_lines_that_nobody_wrote_down_are_tracked_once(write_piece, tmp_path, monkeypatch):
    from skseparate.datasets import StemCache

    calls = []

    def track(stem, low, high):
        calls.append((stem.parts, low, high))
        return Line(0.01 * np.arange(5), np.full(5, 440.0))

    monkeypatch.setattr(tracking, "pyin_line", track)
    write_piece("01_Jupiter_vn_vc")
    (ensemble,) = load_urmp(tmp_path)
    assert ensemble.mixture().lines is None
    for _ in range(2):
        (known,) = type(load_urmp(tmp_path))([ensemble]).with_lines(StemCache(tmp_path / "cache"))
        for line in known.mixture().lines:
            assert_allclose(line.at([0.02]), [440])
    assert [parts for parts, _, _ in calls] == [("vn",), ("vc",)]
    assert calls[0][1] > calls[1][1]  # a violin is not looked for where only a cello plays


def test_lines_that_are_known_are_kept():
    ensembles = make_ensembles(1, 2, duration=1.0, random_state=0)
    assert ensembles.with_lines()[0].stems[0] is ensembles[0].stems[0]
