"""Bach10, EnsembleSet and CadenzaWoodwind in their published layouts."""

import numpy as np
import pytest
import soundfile

from skseparate._recipes import load_ensembles
from skseparate.datasets import load_bach10, load_cadenza_woodwind, load_ensembleset, load_stems

BACH = ("violin", "clarinet", "saxphone", "bassoon")


def write(path, value=0.0, sample_rate=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full((40, 2), value), sample_rate, subtype="FLOAT" if path.suffix == ".wav" else None)


@pytest.fixture
def bach10(tmp_path):
    for name in ("01-AchGottundHerr", "02-AchLiebenChristen"):
        folder = tmp_path / "Bach10_v1.1" / name
        for k, instrument in enumerate(BACH):
            write(folder / f"{name}-{instrument}.wav", k / 100)
        write(folder / f"{name}.wav", 0.5)
        (folder / f"{name}-GTF0s.mat").write_bytes(b"x")
    (tmp_path / "Bach10_v1.1" / "BachChorale-2-01-1").mkdir()
    return tmp_path


def test_bach10(bach10):
    for ensembles in (load_bach10(bach10), load_bach10(bach10 / "Bach10_v1.1"), load_ensembles(bach10)):
        assert [(e.name, e.song) for e in ensembles] == [
            ("01-AchGottundHerr", "AchGottundHerr"),
            ("02-AchLiebenChristen", "AchLiebenChristen"),
        ]
        piece = ensembles[0]
        assert piece.parts == ("vn", "cl", "sax", "bn")
        values = dict(zip(piece.parts, np.asarray(piece.solos())[:, 0].round(3), strict=True))
        assert values == {"vn": 0, "cl": np.float32(0.01), "sax": np.float32(0.02), "bn": np.float32(0.03)}


def test_bach10_also_spelt_right_and_refused_when_incomplete(bach10):
    folder = bach10 / "Bach10_v1.1" / "01-AchGottundHerr"
    (folder / "01-AchGottundHerr-saxphone.wav").rename(folder / "01-AchGottundHerr-saxophone.wav")
    assert len(load_bach10(bach10)) == 2
    (folder / "01-AchGottundHerr-violin.wav").unlink()
    with pytest.raises(ValueError, match=r"01-AchGottundHerr should hold a stem each of violin.*but holds 01-"):
        load_bach10(bach10)


@pytest.fixture
def ensembleset(tmp_path):
    root = tmp_path / "BBCSO_Ensembles"
    for piece in ("anitrasdance", "MiseroPargoletto"):
        for microphone in ("Close", "Mix_1"):
            for k, name in enumerate(("Violin_1", "Violin_2", "Viola", "Cello", "Bass", "Bassoon", "Timpani")):
                write(root / piece / microphone / f"{name}.flac", (k + (microphone == "Close")) / 128)
    write(root / "anitrasdance" / "Mix_1" / "mix_anitrasdance.flac", 0.5)
    (tmp_path / "__MACOSX").mkdir()
    return tmp_path


def test_ensembleset(ensembleset):
    for ensembles in (load_ensembleset(ensembleset), load_ensembles(ensembleset)):
        assert [e.song for e in ensembles] == ["MiseroPargoletto", "anitrasdance"]
        piece = ensembles[1]
        assert piece.parts == ("vn", "vn", "va", "bn", "vc", "db", "timpani")
        assert np.asarray(piece.solos())[:, 0].tolist() == [k / 128 for k in (0, 1, 2, 5, 3, 4, 6)]
        assert any("timpani is none of the known instruments" in odd for odd in ensembles.describe()["odd"])
    close = load_ensembleset(ensembleset, microphone="Close")[1]
    assert np.asarray(close.solos())[0, 0] == 1 / 128
    with pytest.raises(ValueError, match=r"anitrasdance/Tree/Violin_1\.flac.*it holds BBCSO_Ensembles"):
        load_ensembleset(ensembleset, microphone="Tree")
    with pytest.raises(ValueError, match="does not look like what load_stems wants"):
        load_stems(ensembleset / "BBCSO_Ensembles")  # microphones are no pieces


@pytest.mark.parametrize("inner", ["", "stems/"])
def test_cadenza_woodwind_gives_both_scorings(tmp_path, inner):
    for name in ("Flute", "Oboe", "Clarinet", "Alto_Saxophone", "Bassoon", "mix_clarinet", "mix_sax"):
        for piece in ("beethoven_op18", "haydn_op33"):
            write(tmp_path / "CadenzaWoodwind" / f"{piece}/{inner}{name}.flac")
    with_clarinet, with_sax = load_cadenza_woodwind(tmp_path)[:2]
    assert with_clarinet.parts == ("fl", "ob", "cl", "bn") and with_sax.parts == ("fl", "ob", "sax", "bn")
    assert with_clarinet.song == with_sax.song == "beethoven_op18" and with_clarinet.name != with_sax.name
    with pytest.raises(ValueError, match=r"nowhere is not a folder: load_cadenza_woodwind wants folders"):
        load_cadenza_woodwind(tmp_path / "nowhere")


def test_pieces_of_several_rates_are_said(tmp_path):
    for piece, rate in (("a", 8000), ("b", 16000), ("c", 16000)):
        write(tmp_path / piece / "1_vn.wav", sample_rate=rate)
        write(tmp_path / piece / "2_vc.wav", sample_rate=rate)
    (odd,) = load_stems(tmp_path).describe()["odd"]
    assert "2 of 16000 Hz, 1 of 8000 Hz" in odd
