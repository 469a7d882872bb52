"""A user's own stems."""

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_array_equal

from skseparate._parts import part_name
from skseparate.datasets import load_stems, load_urmp


@pytest.fixture
def write(tmp_path):
    """Write stems whose samples are their position in the list."""

    def write(folder, names, sample_rate=8000, lengths=None):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for k, name in enumerate(names):
            n_samples = 50 if lengths is None else lengths[k]
            soundfile.write(tmp_path / folder / name, np.full(n_samples, k / 100), sample_rate, subtype="FLOAT")
        return tmp_path / folder

    return write


def order_of(piece):
    return [round(100 * x) for x in np.asarray(piece.solos())[:, 0]]


def test_a_folder_of_folders_is_a_data_set(write, tmp_path):
    write("b song", ["1_vn.wav", "2_vc.wav"])
    write("a song", ["1_fl.wav", "2_cl.wav", "3_bn.wav"])
    ensembles = load_stems(tmp_path)
    assert [(e.name, e.song, e.parts) for e in ensembles] == [
        ("a song", "a song", ("fl", "cl", "bn")),
        ("b song", "b song", ("vn", "vc")),
    ]
    assert len(ensembles.power_set()[0]) == 5


def test_a_folder_of_stems_is_one_piece(write):
    (piece,) = load_stems(write("duo", ["1_vn.wav", "2_vn.wav"]))
    assert piece.parts == ("vn", "vn") and order_of(piece) == [0, 1]


def test_numbers_give_the_order(write):
    names = ["10_fl.wav", "2_vc.wav", "1_db.wav"]
    (piece,) = load_stems(write("trio", names))
    assert order_of(piece) == [2, 1, 0] and piece.parts == ("db", "vc", "fl")


def test_without_numbers_parts_stand_from_treble_to_bass(write):
    (piece,) = load_stems(write("quartet", ["Cello.wav", "Viola.wav", "Violin I.wav", "Violin II.wav"]))
    assert piece.parts == ("vn", "vn", "va", "vc") and order_of(piece) == [2, 3, 1, 0]


def test_mixtures_and_other_files_are_left_out(write, tmp_path):
    folder = write("duo", ["1_vn.wav", "2_vc.wav", "mix.wav", "Mixture 1.wav", "master.wav", ".hidden.wav"])
    (folder / "notes.txt").write_text("allegro")
    (tmp_path / "empty").mkdir()
    (piece,) = load_stems(tmp_path)
    assert order_of(piece) == [0, 1]


@pytest.mark.parametrize(
    ("stem", "part"),
    [
        ("1_vn", "vn"),
        ("Violine 2", "vn"),
        ("03-viola", "va"),
        ("Contrabass", "db"),
        ("Flöte", "fl"),
        ("clarinet in B", "cl"),
        ("alto sax", "sax"),
        ("theremin", "theremin"),
        ("7", "7"),
    ],
)
def test_names_of_parts(stem, part):
    assert part_name(stem) == part


def test_a_wrong_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nowhere is not a folder"):
        load_stems(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"load_stems wants, a folder of pieces.*it holds nothing"):
        load_stems(tmp_path)


def test_two_rates_in_a_piece_are_refused(write, tmp_path):
    write("duo", ["1_vn.wav"], 8000)
    write("duo", ["2_vc.wav"], 16000)
    with pytest.raises(ValueError, match=r"duo holds stems of \[8000, 16000\] Hz: resample"):
        load_stems(tmp_path)


def test_a_stem_that_is_no_audio_is_named(write):
    folder = write("duo", ["1_vn.wav"])
    (folder / "2_vc.wav").write_text("no audio")
    with pytest.raises(ValueError, match=r"2_vc\.wav cannot be read as audio"):
        load_stems(folder)


def test_a_description_says_what_there_is(write, tmp_path, decoded):
    write("solo", ["1_vn.wav"])
    write("duo", ["1_vn.wav", "2_vn.wav"], lengths=[8000, 7200])
    write("trio", ["1_fl.wav", "2_vn.wav", "3_vc.wav"], 16000)
    about = load_stems(tmp_path).describe()
    assert (about["pieces"], about["songs"], about["stems"], about["mixes"]) == (3, 3, 6, 5)
    assert about["sample_rates"] == [8000, 16000] and about["doubled"] == 1
    assert about["parts"] == {"vn": 4, "fl": 1, "vc": 1} and about["sizes"] == {1: 1, 2: 1, 3: 1}
    rates, lengths, single = about["odd"]
    assert "differ in sample rate" in rates and "duo: stems differ by up to 0.100 s" in lengths
    assert "solo has a single part" in single
    assert decoded == []


def test_urmp_read_either_way_is_the_same_audio(write_piece, tmp_path):
    write_piece("01_Jupiter_vn_vc", root=tmp_path / "urmp")
    write_piece("01_Jupiter_vn_vc", root=tmp_path / "urmp2")
    folder = tmp_path / "urmp2" / "01_Jupiter_vn_vc"
    for path in list(folder.iterdir()):
        _, number, part, *_ = path.name.split("_")
        path.rename(folder / f"{number}_{part}.wav")
    (a,), (b,) = load_urmp(tmp_path / "urmp"), load_stems(tmp_path / "urmp2")
    assert a.parts == b.parts
    assert_array_equal(np.asarray(a.mixture()), np.asarray(b.mixture()))
