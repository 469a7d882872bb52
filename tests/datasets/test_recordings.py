"""Recordings that are decoded or mixed only when they are read."""

import os
import pickle

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline

from skseparate import Separator
from skseparate.datasets import ArrayRecording, AudioFile, Mixture, Stems, _recordings, load_urmp
from skseparate.datasets._cache import cached_samples
from skseparate.preprocessing import STFT, FrequencyTruncation, Magnitude, Segmenter


@pytest.fixture
def write(tmp_path):
    """Write a short file of noise; return its path and samples."""

    def write(name="stem.wav", n_samples=2000, n_channels=1, sample_rate=8000, seed=0, **options):
        rng = np.random.default_rng(seed)
        samples = rng.uniform(-0.5, 0.5, size=(n_samples, n_channels)).astype(np.float32)
        if "subtype" not in options and name.endswith(".wav"):
            options["subtype"] = "FLOAT"
        soundfile.write(tmp_path / name, samples, sample_rate, **options)
        return tmp_path / name, samples.mean(axis=1)

    return write


# ------------------------------------------------------------------------------------------- audio files


def test_a_file_knows_itself_without_being_decoded(write, decoded):
    path, _ = write(sample_rate=44100)
    recording = AudioFile(path, parts=["vn"], song="Spring")
    assert recording.shape == (2000,) and recording.n_samples == 2000 and recording.sample_rate == 44100
    assert recording.parts == ("vn",) and recording.song == "Spring" and recording.name == "stem.wav"
    assert "vn, 0.0 s at 44100 Hz" in repr(recording)
    assert decoded == []


def test_a_file_is_read_in_full_and_in_part(write):
    path, samples = write()
    recording = AudioFile(str(path))
    assert_array_equal(np.asarray(recording), samples)
    assert_array_equal(recording.read(100, 300), samples[100:300])
    assert np.asarray(recording).dtype == recording.dtype == np.float32
    assert np.asarray(recording, dtype=np.float64).dtype == np.float64


@pytest.mark.parametrize(
    ("name", "options", "atol"),
    [
        ("a.wav", {"subtype": "PCM_16"}, 2**-15),
        ("a.wav", {"subtype": "PCM_24"}, 2**-23),
        ("a.wav", {"subtype": "DOUBLE"}, 1e-7),
        ("a.flac", {"subtype": "PCM_16"}, 2**-15),
        ("a.aiff", {"subtype": "PCM_24"}, 2**-23),
        ("a.ogg", {}, 0.2),
    ],
)
def test_formats(write, name, options, atol):
    path, samples = write(name, **options)
    assert_allclose(np.asarray(AudioFile(path)), samples, atol=atol)


@pytest.mark.parametrize("n_channels", [2, 3])
def test_several_channels_are_averaged(write, n_channels):
    path, samples = write(n_channels=n_channels)
    assert AudioFile(path).shape == (2000,)
    assert_allclose(np.asarray(AudioFile(path)), samples, atol=1e-7)


def test_what_was_read_cannot_spoil_the_cache(write):
    path, samples = write()
    with pytest.raises(ValueError, match="read-only"):
        AudioFile(path).read(0, 100)[:] = 0
    assert_array_equal(np.asarray(AudioFile(path)), samples)


def test_long_files_are_read_piecewise(write, decoded, monkeypatch):
    monkeypatch.setattr(_recordings, "LONGEST_BYTES", 100)
    path, samples = write()
    recording = AudioFile(path)
    assert_array_equal(np.concatenate([recording.read(k, k + 500) for k in range(0, 2000, 500)]), samples)
    assert len(decoded) == 4


def test_a_file_is_decoded_once(write, decoded):
    path, _ = write()
    for _ in range(3):
        np.asarray(AudioFile(path))
    assert decoded == [str(path)]


def test_a_file_that_changed_is_decoded_again(write, decoded):
    path, _ = write()
    before = np.array(AudioFile(path))
    _, samples = write(seed=1)
    os.utime(path, ns=(0, 10**18))
    assert_array_equal(np.asarray(AudioFile(path)), samples)
    assert (before != samples).any() and len(decoded) == 2


def test_a_file_that_grew_is_decoded_again(write):
    path, _ = write()
    np.asarray(AudioFile(path))
    _, samples = write(n_samples=2100, seed=1)
    assert_array_equal(np.asarray(AudioFile(path)), samples)


def test_samples_too_large_for_the_cache_are_made_each_time(monkeypatch):
    monkeypatch.setattr("skseparate.datasets._cache.CACHE_BYTES", 100)
    made = []

    def make():
        made.append(1)
        return np.zeros(1000, dtype=np.float32)

    for _ in range(2):
        assert cached_samples("too large for the cache", make).shape == (1000,)
    assert len(made) == 2


def test_a_search_decodes_each_file_once(write_piece, tmp_path, decoded):
    """Two candidates, two folds, fits, predictions and scores."""
    for name in ("01_Jupiter_vn_vc", "03_Dance_fl_cl", "12_Spring_vn_vn_vc", "13_Hark_vn_vn_va"):
        write_piece(name)
    X, y, songs = load_urmp(tmp_path).power_set()
    separator = Separator(
        make_pipeline(Segmenter(0.03), STFT(0.01, 0.005)),
        make_pipeline(FrequencyTruncation(1000), Magnitude()),
        DummyRegressor(),
    )
    search = GridSearchCV(separator, {"mask": ["ratio", "wiener"]}, cv=GroupKFold(2), n_jobs=1, error_score="raise")
    search.fit(X, y, groups=songs)
    assert sorted(decoded) == sorted(str(p) for p in tmp_path.rglob("*.wav"))


# ---------------------------------------------------------------------------------- files that are broken


@pytest.mark.parametrize("name", ["bad.wav", "bad.flac", "bad.mp3", "bad.xyz", "bad"])
@pytest.mark.parametrize("content", ["text", "noise", "nothing"])
def test_what_is_no_audio_is_refused(tmp_path, name, content):
    data = {"text": b"These are not the samples.\n" * 20, "noise": np.random.default_rng(0).bytes(5000), "nothing": b""}
    (tmp_path / name).write_bytes(data[content])
    with pytest.raises(ValueError, match=rf"{name} (cannot be|holds no samples|is empty)"):
        np.asarray(AudioFile(tmp_path / name))


def test_a_file_without_samples_is_refused(write):
    path, _ = write(n_samples=0)
    with pytest.raises(ValueError, match=r"stem\.wav holds no samples"):
        AudioFile(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"stem\.wav is not a file"):
        AudioFile(tmp_path / "stem.wav")


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "stem.wav").mkdir()
    with pytest.raises(ValueError, match=r"stem\.wav is a folder"):
        AudioFile(tmp_path / "stem.wav")


@pytest.mark.parametrize("name", ["half.flac", "half.wav"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_that_was_cut_off_is_refused(write, name, share):
    """Half a download must not pass for a shorter recording."""
    path, _ = write(name, n_samples=20000, subtype="PCM_16")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=rf"{name} (cannot be|is truncated)"):
        np.asarray(AudioFile(path))


def test_a_wav_file_of_unknown_length_is_no_broken_one(write):
    """Programs that write into a pipe leave the largest length in the header."""
    path, samples = write(subtype="PCM_16")
    data = bytearray(path.read_bytes())
    size = data.index(b"data") + 4
    data[4:8] = data[size : size + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    assert_allclose(np.asarray(AudioFile(path)), samples, atol=2**-15)


def test_a_file_with_a_damaged_middle_is_refused(write):
    path, _ = write("stem.flac", n_samples=20000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"stem\.flac (cannot be decoded|is truncated)"):
        np.asarray(AudioFile(path))


def test_a_file_that_shrank_is_refused(write):
    path, _ = write()
    recording = AudioFile(path)
    write(n_samples=1500, seed=1)
    with pytest.raises(ValueError, match=r"stem\.wav is truncated: it ends at sample 1500"):
        np.asarray(recording)


def test_a_file_that_went_away_is_named(write):
    path, _ = write()
    recording = AudioFile(path)
    path.unlink()
    with pytest.raises((ValueError, OSError), match=r"stem\.wav"):
        np.asarray(recording)


def test_a_broken_file_is_named_when_it_is_separated(write):
    path, _ = write("half.flac", n_samples=20000, subtype="PCM_16")
    whole, samples = write("whole.wav", n_samples=20000)
    separator = Separator(make_pipeline(Segmenter(0.1), STFT(0.02, 0.01))).fit([AudioFile(whole)], [samples[None]])
    path.write_bytes(path.read_bytes()[:10000])
    with pytest.raises(ValueError, match=r"half\.flac"):
        separator.predict([AudioFile(path)])


# -------------------------------------------------------------------------------- arrays, stems, mixtures


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_arrays_are_recordings(dtype):
    samples = np.arange(100).astype(dtype)
    recording = ArrayRecording(samples, 8000, ["vn"], "Spring")
    assert_array_equal(np.asarray(recording), samples)
    assert_array_equal(recording.read(10, 20), samples[10:20])
    assert recording.dtype == np.asarray(recording).dtype == (dtype if dtype != np.int16 else np.float64)
    assert (recording.sample_rate, recording.parts, recording.song) == (8000, ("vn",), "Spring")


@pytest.mark.parametrize("samples", [np.zeros((2, 3)), np.zeros(3, complex), np.array(["a"]), np.float64(1)])
def test_what_is_no_recording_is_refused(samples):
    with pytest.raises(ValueError, match="samples must be a 1-D real array"):
        ArrayRecording(samples, 8000)


def test_takes_tell_samples_apart():
    a, b = np.zeros(10), np.ones(10)
    takes = [ArrayRecording(x, 8000).take for x in (a, a.copy(), b)]
    assert takes[0] == takes[1] != takes[2]


def test_stems_and_mixture_read_any_range():
    rng = np.random.default_rng(0)
    signals = [rng.normal(size=n) for n in (50, 30, 60)]
    stems = Stems([ArrayRecording(s, 8000) for s in signals], ["vn", "va", "vc"], "Spring")
    mixture = Mixture(stems, "Spring trio")
    padded = np.stack([np.pad(s, (0, 60 - len(s))) for s in signals])
    assert stems.shape == (3, 60) and mixture.shape == (60,)
    for start in range(0, 60, 7):
        for stop in range(start, 61, 9):
            assert_array_equal(stems.read(start, stop), padded[:, start:stop])
            assert_allclose(mixture.read(start, stop), padded[:, start:stop].sum(axis=0), atol=1e-12)
    assert mixture.parts == ("vn", "va", "vc") and mixture.song == "Spring" and mixture.sample_rate == 8000
    assert mixture.sources is stems


def test_stems_may_be_cut():
    stems = Stems([ArrayRecording(np.ones(n), 8000) for n in (50, 30)], n_samples=40)
    assert_array_equal(np.asarray(stems).sum(axis=1), [40, 30])


def test_stems_of_two_precisions_are_double():
    stems = Stems([ArrayRecording(np.ones(5, dtype), 8000) for dtype in (np.float32, np.float64)])
    assert stems.dtype == np.asarray(Mixture(stems)).dtype == np.float64


def test_stems_of_two_rates_are_refused():
    with pytest.raises(ValueError, match=r"one sample rate, got \[8000, 16000\] Hz"):
        Stems([ArrayRecording(np.ones(5), rate) for rate in (16000, 8000)])


def test_no_stems_are_refused():
    with pytest.raises(ValueError):
        Stems([])


def test_as_many_part_names_as_stems():
    with pytest.raises(ValueError, match="parts"):
        Stems([ArrayRecording(np.ones(5), 8000)], ["vn", "vc"])


@pytest.mark.parametrize("kind", ["array", "file", "stems", "mixture"])
def test_recordings_are_pickled(write, kind):
    path, samples = write()
    recording = AudioFile(path) if kind == "file" else ArrayRecording(samples, 8000, ["vn"], "Spring")
    if kind in ("stems", "mixture"):
        recording = Stems([recording, recording], ["vn", "vn"], "Spring")
    if kind == "mixture":
        recording = Mixture(recording, "duo")
    copy = pickle.loads(pickle.dumps(recording))
    assert_array_equal(np.asarray(copy), np.asarray(recording))
    assert (copy.sample_rate, copy.parts, copy.song) == (recording.sample_rate, recording.parts, recording.song)
