"""Scores: what is read of MusicXML, kern and MIDI, and how it is kept."""

import io
import struct
import sys
import time
import zipfile
from importlib.util import find_spec

import numpy as np
import pytest

from skseparate.datasets import StemCache
from skseparate.datasets._render import _music21, _scores
from skseparate.datasets._render._scores import (
    folder_scores,
    load_scores,
    music21_scores,
    openscore_scores,
    pack_scores,
    read_score,
    unpack_scores,
)

needs_music21 = pytest.mark.skipif(find_spec("music21") is None, reason="needs music21")
REST = "<note><rest/><duration>4</duration></note>"


def note(step, octave, quarters, inside="", before="", voice=1):
    """A note of a MusicXML file with four divisions a quarter."""
    pitch = f"{before}<pitch><step>{step}</step><octave>{octave}</octave></pitch>"
    return f"<note>{pitch}<duration>{round(4 * quarters)}</duration><voice>{voice}</voice>{inside}</note>"


def slur(kind):
    return f'<notations><slur type="{kind}" number="1"/></notations>'


def tie(kind):
    return f'<tie type="{kind}"/>'


def words(text):
    return f"<direction><direction-type><words>{text}</words></direction-type></direction>"


FILLER = [8 * note("A", 3, 0.5)]


def xml(*parts, names=("Violin I", "Violoncello"), attributes=("", ""), rights=""):
    """A score; each part is a list of measures."""
    listed = "".join(
        f'<score-part id="P{k}"><part-name>{name}</part-name></score-part>' for k, name in enumerate(names)
    )
    body = ""
    for k, measures in enumerate(parts):
        head = f"<attributes><divisions>4</divisions>{attributes[k]}</attributes>"
        inner = "".join(f"<measure>{'' if i else head}{measure}</measure>" for i, measure in enumerate(measures))
        body += f'<part id="P{k}">{inner}</part>'
    return (
        f"<score-partwise><identification><rights>{rights}</rights></identification>"
        f"<part-list>{listed}</part-list>{body}</score-partwise>"
    ).encode()


def first_part(*measures, **options):
    """The upper part of a score whose lower part fills a measure."""
    return read_score(io.BytesIO(xml([*measures, *FILLER], FILLER, **options)), "piece").parts[0]


def test_a_tie_joins_notes_across_the_bar():
    part = first_part(note("C", 5, 3) + note("D", 5, 1, tie("start")), note("D", 5, 2, tie("stop")) + note("D", 5, 2))
    assert part.pitch.tolist()[:3] == [72, 74, 74]
    assert part.onset.tolist()[:4] == [0, 3, 6, 8]
    assert part.duration.tolist()[:3] == [3, 3, 2]


def test_a_chord_is_its_highest_note_and_the_lowest_at_the_bottom():
    chord = note("C", 4, 1) + note("G", 4, 1, before="<chord/>") + note("E", 4, 1, before="<chord/>")
    score = read_score(io.BytesIO(xml([8 * chord], [8 * chord])), "chords")
    assert [set(part.pitch.tolist()) for part in score.parts] == [{67}, {60}]
    assert score.parts[0].onset.tolist() == list(range(8))


def test_of_two_voices_the_higher_is_kept():
    upper = note("C", 5, 2) + note("E", 4, 2)
    lower = "".join(note(step, 4, 1, voice=2) for step in "GABC")
    part = first_part(f"{upper}<backup><duration>16</duration></backup>{lower}")
    # The E is hidden by the B of the lower voice, and does not come back when that ends.
    assert part.pitch.tolist()[:3] == [72, 71, 60]
    assert part.onset.tolist()[:3] == [0, 2, 3]


def test_grace_notes_and_cues_are_left_out():
    grace = "<note><grace/><pitch><step>B</step><octave>5</octave></pitch></note>"
    part = first_part(grace + note("C", 5, 1) + note("B", 6, 1, before="<cue/>") + note("D", 5, 2))
    assert part.pitch.tolist()[:2] == [72, 74]
    assert part.onset.tolist()[:2] == [0, 2]


def test_transposing_instruments_sound():
    horn = "<transpose><chromatic>-7</chromatic></transpose>"
    bass = "<transpose><chromatic>0</chromatic><octave-change>-1</octave-change></transpose>"
    options = {"names": ("Horn in F", "Double Bass"), "attributes": (horn, bass)}
    parts = read_score(io.BytesIO(xml([8 * note("C", 5, 1)], [8 * note("E", 3, 1)], **options))).parts
    assert [(part.instrument, int(part.pitch[0])) for part in parts] == [("hn", 65), ("db", 40)]


def test_slurs():
    slurred = note("C", 5, 1, slur("start")) + note("D", 5, 1) + note("E", 5, 1, slur("stop")) + note("F", 5, 1)
    unfinished = note("C", 5, 1, slur("start")) + 3 * note("D", 5, 1)
    part = first_part(slurred, unfinished)
    assert np.flatnonzero(part.slurred).tolist() == [1, 2]


def test_a_slur_from_a_grace_note_and_one_over_a_rest_join_nothing():
    grace = f"<note><grace/><pitch><step>B</step><octave>4</octave></pitch><voice>1</voice>{slur('start')}</note>"
    over_a_rest = note("D", 5, 1, slur("start")) + REST + note("E", 5, 1, slur("stop"))
    part = first_part(grace + note("C", 5, 1, slur("stop")) + over_a_rest)
    assert not part.slurred.any()


def test_a_pickup_is_as_long_as_the_longest_part():
    score = read_score(io.BytesIO(xml([note("G", 4, 1), 8 * note("C", 5, 0.5)], ["", *FILLER])), "upbeat")
    assert [part.onset[0] for part in score.parts] == [0, 1]


@pytest.mark.parametrize(
    ("mark", "tempo"),
    [
        (words("Allegro con brio"), 120),
        (words("Adagio") + '<sound tempo="54"/>', 54),
        (words("dolce"), 90),
        ("<direction><direction-type><metronome><beat-unit>quarter</beat-unit><beat-unit-dot/>"
         "<per-minute>c. 60</per-minute></metronome></direction-type></direction>", 90),
        ("<direction><direction-type><metronome><beat-unit>half</beat-unit>"
         "<per-minute>72</per-minute></metronome></direction-type></direction>", 144),
    ],
)  # fmt: skip
def test_tempo_marks(mark, tempo):
    measures = [mark + FILLER[0], *(4 * FILLER), words("Presto") + FILLER[0]]
    score = read_score(io.BytesIO(xml(measures, FILLER)), "fast")
    assert score.tempo.tolist() == [[0, tempo], [20, 168]]


def test_a_first_mark_after_some_bars_counts_from_the_beginning():
    score = read_score(io.BytesIO(xml([*FILLER, words("Presto") + FILLER[0]], FILLER)), "fast")
    assert score.tempo.tolist() == [[0, 168]]


def test_names_of_singers_are_no_instruments():
    score = read_score(io.BytesIO(xml(FILLER, FILLER, FILLER, names=("Soprano", "Alto", "Bass"), attributes=3 * ("",))))
    assert [part.instrument for part in score.parts] == [None, None, None]


def test_compressed_musicxml_and_its_licence(tmp_path):
    container = '<container><rootfiles><rootfile full-path="in/it.xml"/></rootfiles></container>'
    with zipfile.ZipFile(tmp_path / "it.mxl", "w") as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("in/it.xml", xml(FILLER, FILLER, rights="CC0"))
    score = read_score(tmp_path / "it.mxl")
    assert (score.name, score.song, score.licence) == ("it", "it", "CC0")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "neither MusicXML nor kern nor MIDI"),
        (b"<score-partwise><part>", "not well-formed XML"),
        (b"<score-timewise/>", "export it as score-partwise"),
        (b"PK broken", "no compressed MusicXML"),
        (xml(FILLER, FILLER).replace(b"<step>A", b"<step>H"), "breaks the rules of MusicXML"),
        (xml(FILLER), "has 1 part"),
        (xml(FILLER, [note("A", 3, 1)]), "has 1 part"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_sentence(content, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        read_score(io.BytesIO(content), "duo")
    assert str(caught.value).startswith("duo ")


KERN = "\n".join(
    ["!!!YEC: Copyright 1994, CCARH", "**kern\t**kern", "*Icello\t*Ivioln", "*M4/4\t*M4/4", "*MM100\t*MM100",
     "=1\t=1", "4C\t4c", "4D\t4d", "4E\t[4e", "4F\t4e]", "=2\t=2", *["4C\t4g 4b"] * 4, "=3\t=3", *["4C\t4c"] * 4,
     "==\t==", "*-\t*-"]
)  # fmt: skip


@needs_music21
@pytest.mark.filterwarnings("ignore")
def test_kern(tmp_path):
    (tmp_path / "duo.krn").write_text(KERN)
    score = read_score(tmp_path / "duo.krn")
    upper, lower = score.parts
    assert upper.pitch.tolist()[:4] == [60, 62, 64, 71]
    assert upper.duration.tolist()[:4] == [1, 1, 2, 1]
    assert lower.pitch.tolist()[:2] == [48, 50]
    assert score.tempo.tolist() == [[0, 100]]
    assert score.licence == "Copyright 1994, CCARH"


def midi(*tracks):
    """A MIDI file of 96 ticks a quarter; each track is a program and pitches of a quarter each."""
    chunks = [b"\x00\xff\x51\x03" + (500000).to_bytes(3, "big")]
    for k, (program, pitches) in enumerate(tracks):
        notes = b"".join(bytes([0, 0x90 | k, p, 80, 96, 0x80 | k, p, 0]) for p in pitches)
        chunks.append(bytes([0, 0xC0 | k, program]) + notes)
    body = b"".join(b"MTrk" + struct.pack(">I", len(c) + 4) + c + b"\x00\xff\x2f\x00" for c in chunks)
    return b"MThd" + struct.pack(">IHHH", 6, 1, len(chunks), 96) + body


@needs_music21
@pytest.mark.filterwarnings("ignore")
def test_midi():
    score = read_score(io.BytesIO(midi((40, range(60, 70)), (42, range(50, 40, -1)))), "lines")
    assert [part.instrument for part in score.parts] == ["vn", "vc"]
    assert score.parts[1].pitch.tolist() == list(range(50, 40, -1))
    assert score.parts[0].onset.tolist() == list(range(10))
    assert score.tempo.tolist() == [[0, 120]]


@needs_music21
@pytest.mark.filterwarnings("ignore")
def test_broken_midi():
    with pytest.raises(ValueError, match="song cannot be read as midi"):
        read_score(io.BytesIO(b"MThd broken"), "song")


def test_without_music21_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "music21", None)
    monkeypatch.setattr(_music21, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"duo is humdrum, which needs music21: python -m pip install"):
        read_score(io.BytesIO(KERN.encode()), "duo")
    with pytest.raises(ValueError, match=r"The corpus needs music21: python -m pip install 'skseparate\[render\]'"):
        music21_scores()


@needs_music21
@pytest.mark.filterwarnings("ignore")
def test_what_is_cached_needs_no_music21(tmp_path, monkeypatch):
    cache = StemCache(tmp_path / "cache")
    (tmp_path / "duo.krn").write_text(KERN)
    first = load_scores(folder_scores(tmp_path, cache=cache))[0]
    monkeypatch.setitem(sys.modules, "music21", None)
    (tmp_path / "duo.krn").rename(tmp_path / "other.krn")
    again = load_scores(folder_scores(tmp_path, cache=cache))[0]
    assert (again.name, again.licence) == ("other", first.licence)
    assert_equal_notes(first, again)


def assert_equal_notes(one, two):
    assert len(one.parts) == len(two.parts)
    assert np.array_equal(one.tempo, two.tempo)
    for a, b in zip(one.parts, two.parts, strict=True):
        assert a.instrument == b.instrument
        for key in ("onset", "duration", "pitch", "slurred"):
            assert np.array_equal(getattr(a, key), getattr(b, key))
            assert getattr(a, key).dtype == getattr(b, key).dtype


def test_a_broken_cache_entry_is_made_again(tmp_path):
    cache = StemCache(tmp_path / "cache")
    (tmp_path / "duo.xml").write_bytes(xml(FILLER, FILLER))
    assert folder_scores(tmp_path, cache=cache)[0].parts
    (entry,) = (cache.folder / "scores").iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(whole[:100])
    assert len(folder_scores(tmp_path, cache=cache)[0].tempo) == 1
    assert entry.read_bytes() == whole


def test_folders_group_their_scores(tmp_path):
    for name in ("solo.xml", "trio/one.musicxml", "trio/two.xml", "trio/.hidden.xml", "trio/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(xml(FILLER, FILLER))
    files = folder_scores(tmp_path, licence="CC-BY-4.0", cache=StemCache(tmp_path / "cache"))
    assert [(file.name, file.song) for file in files] == [("solo", "solo"), ("trio/one", "trio"), ("trio/two", "trio")]
    assert {score.licence for score in load_scores(files)} == {"CC-BY-4.0"}


def test_scores_that_cannot_be_read_are_left_out_with_a_warning(tmp_path):
    cache = StemCache(tmp_path / "cache")
    with pytest.raises(ValueError, match="holds no scores: put"):
        folder_scores(tmp_path, cache=cache)
    (tmp_path / "broken.xml").write_text("<")
    with pytest.raises(ValueError, match="broken is not well-formed"):
        load_scores(folder_scores(tmp_path, cache=cache))
    (tmp_path / "whole.xml").write_bytes(xml(FILLER, FILLER))
    with pytest.warns(UserWarning, match="1 of 2 scores are left out; the first: broken is not"):
        assert [score.name for score in load_scores(folder_scores(tmp_path, cache=cache))] == ["whole"]


def test_openscore_layout(tmp_path):
    work = tmp_path / "Haydn,_Joseph" / "String_Quartet_in_C_major,_Hob.III72,_Op.74_No.1"
    work.mkdir(parents=True)
    with pytest.raises(ValueError, match="holds no composer/work/file"):
        openscore_scores(tmp_path)
    (work / "sq1.xml").write_bytes(xml(FILLER, FILLER))
    (score,) = load_scores(openscore_scores(tmp_path, StemCache(tmp_path / "cache")))
    assert (score.song, score.licence) == ("haydn op74no1", "CC0-1.0")


@pytest.mark.parametrize(
    ("composer", "work", "song"),
    [
        ("Mozart,_Wolfgang_Amadeus", "String_Quartet_No.15_in_D_minor,_K.421417b_(Op._10,_No._2)", "mozart k421"),
        ("Mozart,_Wolfgang_Amadeus", "String_Quartet_No.21_in_D_major,_K.575", "mozart k575"),
        ("Beethoven,_Ludwig_van", "String_Quartet_No.1,_Op.18_No.1", "beethoven op18no1"),
        ("Haydn,_Joseph", "String_Quartet_in_G_major,_Hob.III66,_Op.64,_No.4", "haydn op64no4"),
        ("Beach,_Amy", "String_Quartet,_Op._89", "beach op89"),
        ("Smyth,_Ethel", "String_Quartet_in_E_minor", "smyth string quartet in e minor"),
        ("schumann", "opus41no1", "schumann op41no1"),
    ],
)
def test_songs(composer, work, song):
    assert _scores.song_of(composer, work) == song


def test_pack_and_unpack():
    slurred = note("C", 5, 1, slur("start")) + note("D", 5, 0.25, slur("stop"))
    one = read_score(io.BytesIO(xml([slurred, *FILLER], FILLER)), "one")
    two = read_score(io.BytesIO(xml(FILLER, FILLER, FILLER, names=3 * ("Flute",), attributes=3 * ("",))), "two")
    packed = unpack_scores(pack_scores([one, two]))
    assert [(score.name, score.song, score.licence, score.source) for score in packed] == [
        ("one", "one", one.licence, ""),
        ("two", "two", two.licence, ""),
    ]
    for before, after in zip((one, two), packed, strict=True):
        assert_equal_notes(before, after)
    assert unpack_scores(pack_scores([])) == []


@pytest.mark.parametrize("content", [b"", b"PK", b"something", pack_scores([])[:80]])
def test_a_broken_pack_is_told_in_one_sentence(content):
    with pytest.raises(ValueError, match="make it again with pack_scores"):
        unpack_scores(content)


@needs_music21
def test_the_corpus_of_music21(tmp_path):
    start = time.perf_counter()
    files = music21_scores(StemCache(tmp_path))
    assert time.perf_counter() - start < 5
    assert len(files) > 400
    assert len({file.name for file in files}) == len(files)
    wanted = {file.name: file for file in files}
    chorales = [wanted[f"bach/bwv{number}"] for number in ("66.6", "253", "438")]
    assert all(len(file.parts) == 4 and "Greentree" in file.score.licence for file in chorales)
    assert np.median(chorales[0].parts[0].pitch) > np.median(chorales[0].parts[3].pitch)
    assert [part.instrument for part in wanted["haydn/opus74no1/movement2"].parts] == ["vn", "vn", "va", "vc"]
