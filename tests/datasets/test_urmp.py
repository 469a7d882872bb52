"""URMP's layout and all that trips its readers."""

import pickle
from collections import Counter

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GroupKFold, cross_validate

from skseparate.baseline import MixtureSeparator
from skseparate.datasets import load_urmp

PIECES = [
    "01_Jupiter_vn_vc",
    "02_Sonata_vn_vn",
    "03_Dance_fl_cl",
    "04_Allegro_fl_fl",
    "05_Entertainer_tpt_tpt",
    "06_Entertainer_sax_sax",
    "07_GString_tpt_tbn",
    "08_Spring_fl_vn",
    "09_Jesus_tpt_vn",
    "10_March_tpt_sax",
    "11_Maria_ob_vc",
    "12_Spring_vn_vn_vc",
    "13_Hark_vn_vn_va",
    "14_Waltz_fl_fl_cl",
    "15_Surprise_tpt_tpt_tbn",
    "16_Surprise_tpt_tpt_sax",
    "17_Nocturne_vn_fl_cl",
    "18_Nocturne_vn_fl_tpt",
    "19_Pavane_cl_vn_vc",
    "20_Pavane_tpt_vn_vc",
    "21_Rejouissance_cl_tbn_tba",
    "22_Rejouissance_sax_tbn_tba",
    "23_Rejouissance_cl_sax_tba",
    "24_Pirates_vn_vn_va_vc",
    "25_Pirates_vn_vn_va_sax",
    "26_King_vn_vn_va_vc",
    "27_King_vn_vn_va_sax",
    "28_Fugue_fl_ob_cl_bn",
    "29_Fugue_fl_fl_ob_cl",
    "30_Fugue_fl_fl_ob_sax",
    "31_Slavonic_tpt_tpt_hn_tbn",
    "32_Fugue_vn_vn_va_vc",
    "33_Elise_tpt_tpt_hn_tbn",
    "34_Fugue_tpt_tpt_hn_tbn",
    "35_Rondeau_vn_vn_va_db",
    "36_Rondeau_vn_vn_va_vc",
    "37_Rondeau_fl_vn_va_cl",
    "38_Jerusalem_vn_vn_va_vc_db",
    "39_Jerusalem_vn_vn_va_sax_db",
    "40_Miserere_fl_fl_ob_cl_bn",
    "41_Miserere_fl_fl_ob_sax_bn",
    "42_Arioso_tpt_tpt_hn_tbn_tba",
    "43_Chorale_tpt_tpt_hn_tbn_tba",
    "44_K515_vn_vn_va_va_vc",
]
STEMS = Counter(vn=34, tpt=21, fl=18, va=13, vc=11, sax=11, cl=10, tbn=9, ob=6, tba=5, hn=5, bn=3, db=3)


@pytest.fixture(scope="module")
def urmp(tmp_path_factory):
    """The 44 pieces, each stem some samples of noise."""
    root = tmp_path_factory.mktemp("urmp") / "Dataset"
    rng = np.random.default_rng(0)
    for name in PIECES:
        number, title, *parts = name.split("_")
        (root / name).mkdir(parents=True)
        for k, part in enumerate(parts, start=1):
            path = root / name / f"AuSep_{k}_{part}_{number}_{title}.wav"
            soundfile.write(path, rng.uniform(-0.2, 0.2, size=50), 48000, subtype="PCM_24")
    return root


def test_all_pieces_with_all_their_parts(urmp):
    ensembles = load_urmp(urmp)
    assert [e.name for e in ensembles] == PIECES
    assert Counter(part for e in ensembles for part in e.parts) == STEMS
    assert Counter(len(e.parts) for e in ensembles) == {2: 11, 3: 12, 4: 14, 5: 7}
    assert len({e.song for e in ensembles}) == 27
    assert "44 pieces of 27 songs, 149 stems" in repr(ensembles)


def test_the_folder_above_will_do(urmp):
    assert [e.name for e in load_urmp(urmp.parent)] == [e.name for e in load_urmp(str(urmp))] == PIECES


def test_the_power_set_counts_every_mix_of_two_or_more(urmp):
    X, y, songs = load_urmp(urmp).power_set(min_parts=2)
    assert len(X) == len(y) == len(songs) == 395
    expected = Counter()
    for name in PIECES:
        _, title, *parts = name.split("_")
        expected[title] += 2 ** len(parts) - 1 - len(parts)
    assert Counter(songs) == expected
    assert [x.song for x in X] == list(songs)


@pytest.mark.parametrize(("bounds", "n_mixes"), [((1, None), 149 + 395), ((2, 2), 201), ((5, 5), 7), ((4, 9), 14 + 42)])
def test_bounds_of_the_power_set(urmp, bounds, n_mixes):
    X, _, _ = load_urmp(urmp).power_set(*bounds)
    assert len(X) == n_mixes
    assert min(len(x.parts) for x in X) >= bounds[0]
    assert bounds[1] is None or max(len(x.parts) for x in X) <= bounds[1]


def test_every_mix_of_a_piece_is_there_once(urmp):
    X, y, _ = load_urmp(urmp)[37:38].power_set()
    assert X[0].parts == ("vn", "vn") and X[len(X) - 1].parts == ("vn", "vn", "va", "vc", "db")
    assert Counter(len(x.parts) for x in X) == {2: 10, 3: 10, 4: 5, 5: 1}
    sums = {np.asarray(x).tobytes() for x in X}
    assert len(sums) == 26
    assert all(x.parts == solos.parts for x, solos in zip(X, y, strict=True))


def test_nothing_is_decoded_before_a_recording_is_read(urmp, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a file was decoded")

    monkeypatch.setattr(soundfile, "read", refuse)
    X, y, songs = load_urmp(urmp).power_set()
    for lazy in (X, y):
        assert len(lazy[100:200]) == 100 and repr(lazy)
        assert {x.sample_rate for x in lazy} == {48000}
        assert {x.n_samples for x in lazy} == {50}
    for train, test in GroupKFold(5).split(X, y, groups=songs):
        assert not set(songs[train]) & set(songs[test])
    assert X[3].sources.shape == y[3].shape and X[-1].parts == y[-1].parts
    with pytest.raises(AssertionError, match="decoded"):
        np.asarray(X[0])


def test_splitting_and_scoring_take_the_lazy_sequences(urmp):
    X, y, songs = load_urmp(urmp).power_set(min_parts=5)
    scores = cross_validate(MixtureSeparator(), X, y, groups=songs, cv=GroupKFold(2), error_score="raise")
    assert_allclose(scores["test_score"], 0)


def test_a_mixture_is_the_sum_of_its_solos(urmp):
    X, y, _ = load_urmp(urmp).power_set()
    for i in (0, 77, 394):
        assert_allclose(np.asarray(X[i]), np.asarray(y[i]).sum(axis=0), atol=1e-6)
        assert_array_equal(np.asarray(X[i].sources), np.asarray(y[i]))


def test_doubled_instruments_are_kept_apart(write_piece, tmp_path):
    stems = write_piece("12_Spring_vn_vn_vc")
    (piece,) = load_urmp(tmp_path)
    assert piece.parts == ("vn", "vn", "vc") and piece.song == "Spring" and piece.name == "12_Spring_vn_vn_vc"
    assert_array_equal(np.asarray(piece.solos()), np.stack(stems))


def test_stems_stand_in_the_order_of_their_numbers(write_piece, tmp_path):
    """Not in that of their names, nor of the alphabet."""
    stems = write_piece("45_Long_vn_fl_cl_bn_ob_hn_tpt_tbn_tba_va_vc")
    (piece,) = load_urmp(tmp_path)
    assert_array_equal(np.asarray(piece.solos()), np.stack(stems))


def test_a_misnamed_stem_takes_the_part_of_the_folder(write_piece, tmp_path):
    stems = write_piece("15_Surprise_tpt_tpt_tbn", names=["tpt", "tpt", "tpt"])
    (piece,) = load_urmp(tmp_path)
    assert piece.parts == ("tpt", "tpt", "tbn")
    assert [stem.parts for stem in piece.stems] == [("tpt",), ("tpt",), ("tbn",)]
    assert_array_equal(np.asarray(piece.stems[2]), stems[2])


def test_shorter_stems_end_in_silence(write_piece, tmp_path):
    stems = write_piece("12_Spring_vn_vn_vc", lengths=[400, 390, 405])
    X, y, _ = load_urmp(tmp_path).power_set()
    assert [x.n_samples for x in X] == [400, 405, 405, 405]
    solos = np.asarray(y[3])
    for solo, stem in zip(solos, stems, strict=True):
        assert_array_equal(solo[: len(stem)], stem)
        assert not solo[len(stem) :].any()
    assert_allclose(np.asarray(X[3]), solos.sum(axis=0), atol=1e-6)
    # read piecewise, beyond the end of the shortest stem too
    assert_array_equal(y[3].read(385, 402), solos[:, 385:402])
    assert_array_equal(y[3].read(401, 405), solos[:, 401:405])


def test_arrangements_of_a_song_share_their_group(write_piece, tmp_path):
    for name in ("24_Pirates_vn_vn_va_vc", "25_Pirates_vn_vn_va_sax", "26_King_vn_vn_va_vc"):
        write_piece(name)
    _, _, songs = load_urmp(tmp_path).power_set(min_parts=4)
    assert list(songs) == ["Pirates", "Pirates", "King"]


def test_mixes_of_the_same_takes_are_left_out_where_distinct(write_piece, tmp_path):
    write_piece("35_Rondeau_vn_vn_va_db", seed=0)
    write_piece("36_Rondeau_vn_vn_va_vc", seed=0)  # all takes shared
    write_piece("37_Rondeau_fl_vn_va_cl", seed=1)
    ensembles = load_urmp(tmp_path)
    assert len(ensembles.power_set()[0]) == 33
    X, y, songs = ensembles.power_set(distinct=True)
    assert len(X) == len(y) == len(songs) == 22
    assert {np.asarray(x).tobytes() for x in X} == {np.asarray(x).tobytes() for x in ensembles.power_set()[0]}


def test_one_shared_take_leaves_out_nothing(write_piece, tmp_path):
    stems = write_piece("24_Pirates_vn_va")
    write_piece("25_Pirates_vn_va")
    soundfile.write(tmp_path / "25_Pirates_vn_va" / "AuSep_2_va_25_Pirates.wav", stems[1], 8000, subtype="FLOAT")
    assert len(load_urmp(tmp_path).power_set(distinct=True)[0]) == 2


def test_takes_are_known_by_their_bytes(write_piece, tmp_path):
    write_piece("24_Pirates_vn_va", seed=0)
    write_piece("25_Pirates_vn_va", seed=0)
    a, b = load_urmp(tmp_path)
    assert a.stems[0].take == b.stems[0].take != a.stems[1].take


def test_other_files_and_folders_are_ignored(write_piece, tmp_path):
    write_piece("12_Spring_vn_vn_vc")
    folder = tmp_path / "12_Spring_vn_vn_vc"
    for name in (
        "AuMix_12_Spring_vn_vn_vc.wav",
        "F0s_1_vn_12_Spring.txt",
        "Notes_1_vn_12_Spring.txt",
        "Sco_12_Spring_vn_vn_vc.mid",
        "Vid_12_Spring_vn_vn_vc.mp4",
        ".DS_Store",
        "._AuSep_1_vn_12_Spring.wav",
        "AuSep_1_vn_12_Spring.wav.part",
    ):
        (folder / name).write_text("no audio")
    (tmp_path / "Supplementary").mkdir()
    (tmp_path / "Readme.txt").write_text("URMP")
    (tmp_path / "13_Hark_vn_vn_va.zip").write_text("no folder")
    (piece,) = load_urmp(tmp_path)
    assert [stem.name[:10] for stem in piece.stems] == ["AuSep_1_vn", "AuSep_2_vn", "AuSep_3_vc"]


def test_a_missing_stem_is_refused(write_piece, tmp_path):
    write_piece("12_Spring_vn_vn_vc")
    (tmp_path / "12_Spring_vn_vn_vc" / "AuSep_2_vn_12_Spring.wav").unlink()
    with pytest.raises(ValueError, match=r"12_Spring_vn_vn_vc should hold the stems AuSep_1 to AuSep_3 of vn, vn, vc"):
        load_urmp(tmp_path)


def test_a_stem_too_many_is_refused(write_piece, tmp_path):
    write_piece("01_Jupiter_vn_vc")
    folder = tmp_path / "01_Jupiter_vn_vc"
    (folder / "AuSep_3_va_01_Jupiter.wav").write_bytes((folder / "AuSep_1_vn_01_Jupiter.wav").read_bytes())
    with pytest.raises(ValueError, match="01_Jupiter_vn_vc should hold the stems AuSep_1 to AuSep_2"):
        load_urmp(tmp_path)


def test_a_piece_without_stems_is_refused(tmp_path):
    (tmp_path / "01_Jupiter_vn_vc").mkdir()
    with pytest.raises(ValueError, match=r"load_urmp wants, folders such as.*it holds 01_Jupiter_vn_vc"):
        load_urmp(tmp_path)


def test_a_stem_that_is_no_audio_is_named(write_piece, tmp_path):
    write_piece("01_Jupiter_vn_vc")
    (tmp_path / "01_Jupiter_vn_vc" / "AuSep_2_vc_01_Jupiter.wav").write_text("no audio")
    with pytest.raises(ValueError, match=r"AuSep_2_vc_01_Jupiter\.wav cannot be read as audio"):
        load_urmp(tmp_path)


def test_a_wrong_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        load_urmp(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"wants, folders such as 12_Spring_vn_vn_vc.*it holds nothing"):
        load_urmp(tmp_path)
    (tmp_path / "song.mp3").write_text("")
    with pytest.raises(ValueError, match=r"it holds song\.mp3"):
        load_urmp(tmp_path)
    with pytest.raises(ValueError, match=r"song\.mp3 is not a folder"):
        load_urmp(tmp_path / "song.mp3")


def test_stems_of_two_rates_are_refused_with_the_piece(write_piece, tmp_path):
    write_piece("01_Jupiter_vn_vc")
    path = tmp_path / "01_Jupiter_vn_vc" / "AuSep_2_vc_01_Jupiter.wav"
    soundfile.write(path, np.zeros(400), 16000)
    with pytest.raises(ValueError, match=r"01_Jupiter_vn_vc holds stems of \[8000, 16000\] Hz"):
        X, _, _ = load_urmp(tmp_path).power_set()
        X[0]


def test_a_data_set_goes_to_other_processes(urmp):
    ensembles = pickle.loads(pickle.dumps(load_urmp(urmp)))
    X, y, songs = ensembles.power_set()
    for copy, original in zip(pickle.loads(pickle.dumps((X, y, songs))), (X, y, songs), strict=True):
        assert len(copy) == len(original)
        assert_array_equal(np.asarray(copy[5]), np.asarray(original[5]))
