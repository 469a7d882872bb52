"""MP3 files and what their headers claim."""

import struct

import numpy as np
import pytest
import soundfile

from skseparate.datasets import AudioFile, StemCache, load_stems

RATE = 16000


@pytest.fixture
def tone(tmp_path):
    """Three seconds of a rising tone as MP3, and its samples."""
    t = np.arange(3 * RATE) / RATE
    samples = 0.3 * np.sin(2 * np.pi * (200 + 200 * t) * t)
    path = tmp_path / "duo" / "1_vn.mp3"
    path.parent.mkdir()
    soundfile.write(path, np.column_stack([samples, 0.5 * samples]), RATE, format="MP3")
    return path, samples


def frames_told(content, count):
    """The same file with another count of frames in its header."""
    place = max(content.find(b"Xing"), content.find(b"Info")) + 8
    return content[:place] + struct.pack(">I", count) + content[place + 4 :]


def test_an_honest_header_gives_the_exact_length_and_samples(tone):
    path, samples = tone
    recording = AudioFile(path)
    assert recording.n_samples == len(samples) and recording.channels.shape == (2, len(samples))
    left, right = np.asarray(recording.channels)
    assert np.corrcoef(left, samples)[0, 1] > 0.999 and abs(np.linalg.norm(right) / np.linalg.norm(left) - 0.5) < 0.02
    np.testing.assert_allclose(np.asarray(recording), (left + right) / 2, atol=1e-6)
    np.testing.assert_array_equal(recording.channels.read(20011, 20500), np.stack([left, right])[:, 20011:20500])


@pytest.mark.parametrize("count", [3, 40000])
def test_a_lying_header_is_not_believed(tone, count):
    path, samples = tone
    path.write_bytes(frames_told(path.read_bytes(), count))
    assert soundfile.info(path).frames != len(samples)
    recording = AudioFile(path)
    assert 0 <= recording.n_samples - len(samples) < 4000
    assert np.corrcoef(np.asarray(recording)[: len(samples)], samples)[0, 1] > 0.999


def test_files_joined_end_to_end_are_read_to_their_end(tone):
    path, samples = tone
    path.write_bytes(2 * path.read_bytes())
    assert AudioFile(path).n_samples >= 2 * len(samples)


def test_a_tag_that_names_info_is_left_alone(tone):
    path, samples = tone
    content = path.read_bytes()
    tag = b"Info" * 40
    header = b"ID3\x03\x00\x00" + bytes([0, 0, len(tag) >> 7, len(tag) & 127])
    path.write_bytes(header + tag + content)
    assert AudioFile(path).n_samples == len(samples)


def test_stems_of_mp3_are_cached_at_another_rate(tone, tmp_path):
    _, samples = tone
    (piece,) = load_stems(tmp_path / "duo", sample_rate=8000, cache=StemCache(tmp_path / "cache"))
    (solo,) = np.asarray(piece.solos())
    assert len(solo) == len(samples) // 2
    assert np.corrcoef(solo, samples[::2])[0, 1] > 0.999
