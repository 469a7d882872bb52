"""Scores of chamber music: from corpora and folders, parsed once, and packed into one file."""

import hashlib
import io
import os
import re
import secrets
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from joblib import Parallel, delayed

from skseparate.datasets._render._music21 import corpus_folder, read_music21
from skseparate.datasets._render._musicxml import read_musicxml
from skseparate.datasets._render._pack import pack_scores, unpack_scores
from skseparate.datasets._render._types import Score
from skseparate.datasets._render._voices import MIN_NOTES, Unreadable, score_of
from skseparate.datasets._stem_cache import StemCache

FORMAT = 1  # of cache entries: another number, and all are made again
SUFFIXES = (".mxl", ".musicxml", ".xml", ".krn", ".mid", ".midi")  # of files of the same name the first is read
UNSTATED = "not stated in the file"
# Which files of music21's corpus are chamber music for single lines, and what its authors say of their licence.
CORPUS = {
    "haydn/opus*/*": "Project Gutenberg, public domain in the USA",
    "mozart/k80/*": "Project Gutenberg, public domain in the USA",
    "mozart/k15[56]/*": "Project Gutenberg, public domain in the USA",
    "mozart/k458/*": "Project Gutenberg, public domain in the USA",
    "beethoven/opus*": "Project Gutenberg, public domain in the USA",
    "beethoven/opus*/*": "Project Gutenberg, public domain in the USA",
    "schumann_robert/opus41no1/*": "none stated; music21 distributes it as out of copyright or licensed for use",
    "bach/bwv*": "by permission of Margaret Greentree to music21, commercial use reserved",
}
# A prelude for keyboard, and chorales of more than five parts, most of them doubled by instruments.
LEFT_OUT = {f"bach/bwv{number}" for number in (
    "846", "112.5-sc", "120.8-a", "128.5", "130.6", "137.5", "171.6", "175.7", "19.7", "190.7-inst", "195.6",
    "248.23-2", "248.42-4", "248.64-6", "248.9-1", "250", "251", "252", "29.8", "41.6", "52.6", "59.3", "69.6",
    "70.11", "79.3", "79.6", "91.6", "97.9",
)}  # fmt: skip


@dataclass(frozen=True)
class ScoreFile:
    """A score that is read when one asks for its notes, and parsed only the first time.

    Attributes
    ----------
    path : path
        Of the file.
    name, song, source : str
        See `Score`.
    licence : str or None
        See `Score`; None for what the file says.
    folder : path
        Of the cache.
    """

    path: Path
    name: str
    song: str
    source: str
    licence: str | None
    folder: Path

    @cached_property
    def score(self):
        """Score: From the cache, or parsed and stored there."""
        content = self.path.read_bytes()
        entry = self.folder / f"{hashlib.blake2b(content, digest_size=16, key=bytes([FORMAT])).hexdigest()}.npz"
        score = _entry(entry)
        if score is None:
            score = read_score(io.BytesIO(content), self.name)
            _store(entry, pack_scores([score]))
        stated = "" if score.licence == UNSTATED else f"; the file says: {score.licence}"
        licence = self.licence + stated if self.licence else score.licence
        return replace(score, name=self.name, song=self.song, source=self.source, licence=licence)

    @property
    def parts(self):
        """tuple of Notes: See `Score`."""
        return self.score.parts

    @property
    def tempo(self):
        """ndarray: See `Score`."""
        return self.score.tempo


def music21_scores(cache=None):
    """The quartets and chorales in music21's corpus: Haydn, Mozart, Beethoven, Schumann and Bach.

    Parameters
    ----------
    cache : StemCache, default=None
        Where parsed scores are kept; by default the user's.

    Returns
    -------
    scores : list of ScoreFile
        Movements of a quartet share its song, and so does the same work in `openscore_scores`.

    Raises
    ------
    ValueError
        If music21 is missing.
    """
    root, folder, found = corpus_folder(), _folder(cache), {}
    for pattern, licence in CORPUS.items():
        for path in _score_files(root.glob(pattern)):
            name = path.relative_to(root).as_posix().removesuffix(path.suffix)
            if name not in LEFT_OUT:
                song = _corpus_song(name)
                found.setdefault(name, ScoreFile(path, name, song, "music21 corpus", licence, folder))
    return list(found.values())


def openscore_scores(folder, cache=None):
    """OpenScore String Quartets, as its repository lays them out: composer, work, file.

    Parameters
    ----------
    folder : str or path
        That holds the folders of the composers.
    cache : StemCache, default=None
        Where parsed scores are kept; by default the user's.

    Returns
    -------
    scores : list of ScoreFile
        Under CC0; files of one work share its song.

    Raises
    ------
    ValueError
        If there are no scores at the places where they should be.
    """
    root = Path(folder)
    paths = _score_files(root.glob("*/*/*"))
    if not paths:
        raise ValueError(
            f"{root} holds no composer/work/file.mxl: name the scores folder of OpenScore String Quartets."
        )
    return [_openscore(path, root, _folder(cache)) for path in paths]


def folder_scores(folder, licence=None, cache=None):
    """All scores of a folder: MusicXML, kern and MIDI.

    Parameters
    ----------
    folder : str or path
        Searched with its subfolders: scores of the same subfolder are of one song.
    licence : str, default=None
        Of the files; by default what each one says.
    cache : StemCache, default=None
        Where parsed scores are kept; by default the user's.

    Returns
    -------
    scores : list of ScoreFile
        By name.

    Raises
    ------
    ValueError
        If there are none.
    """
    root, scores = Path(folder), {}
    for path in _score_files(root.rglob("*")):
        inner = path.relative_to(root)
        name = inner.as_posix().removesuffix(path.suffix)
        song = inner.parts[0] if len(inner.parts) > 1 else path.stem
        scores.setdefault(name, ScoreFile(path, name, song, str(root), licence, _folder(cache)))
    if not scores:
        raise ValueError(f"{root} holds no scores: put MusicXML, kern or MIDI files ({', '.join(SUFFIXES)}) there.")
    return [scores[name] for name in sorted(scores)]


def load_scores(files, n_jobs=1):
    """Read scores; those not yet in the cache are parsed in parallel.

    Parameters
    ----------
    files : sequence of ScoreFile
        See `music21_scores`, `openscore_scores` and `folder_scores`.
    n_jobs : int, default=1
        Processes.

    Returns
    -------
    scores : list of Score
        Without those that cannot be read or have a single part: a warning names the first.

    Raises
    ------
    ValueError
        If none can be read.
    """
    results = Parallel(n_jobs=n_jobs)(delayed(_load)(file) for file in files)
    scores = [result for result in results if isinstance(result, Score)]
    errors = [result for result in results if isinstance(result, str)]
    if errors and not scores:
        raise ValueError(errors[0])
    if errors:
        warnings.warn(f"{len(errors)} of {len(results)} scores are left out; the first: {errors[0]}", stacklevel=2)
    return scores


def read_score(file, name=None, song=None, licence=None, source="", min_notes=MIN_NOTES):
    """Read a score: MusicXML, kern or MIDI, whatever its suffix.

    Ties are joined, grace notes and cues left out, repeats played once; of chords and several voices on a
    staff the highest line is kept, or the lowest on the last staff.

    Parameters
    ----------
    file : str, path or binary stream
        What to read.
    name, song, licence, source : str, default=None
        See `Score`; by default the file's name, the same, and what the file says.
    min_notes : int, default=8
        Parts of fewer notes are left out.

    Returns
    -------
    score : Score
        Onsets and durations are multiples of ``1 / TICKS`` quarter notes.

    Raises
    ------
    ValueError
        If the file cannot be read, or has fewer than two parts.

    Examples
    --------
    >>> import io
    >>> from skseparate.datasets._render._scores import read_score
    >>> note = "<note><pitch><step>A</step><octave>4</octave></pitch><duration>1</duration></note>"
    >>> part = f"<measure><attributes><divisions>2</divisions></attributes>{8 * note}</measure>"
    >>> xml = f"<score-partwise><part id='a'>{part}</part><part id='b'>{part}</part></score-partwise>"
    >>> [part.pitch.tolist() for part in read_score(io.BytesIO(xml.encode()), "drone").parts]
    [[69, 69, 69, 69, 69, 69, 69, 69], [69, 69, 69, 69, 69, 69, 69, 69]]
    """
    content = file.read() if hasattr(file, "read") else Path(file).read_bytes()
    name = name or (Path(file).stem if isinstance(file, str | Path) else "score")
    try:
        written = _reader(content)(content)
    except Unreadable as error:
        raise ValueError(f"{name} {error}") from error
    return score_of(written, name, song or name, licence or written.rights or UNSTATED, source, min_notes)


def _reader(content):
    """What reads a file, by its first bytes: suffixes lie."""
    head = content[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"MThd"):
        return lambda content: read_music21(content, "midi")
    if head.startswith((b"!!", b"**")):
        return lambda content: read_music21(content, "humdrum")
    if head.startswith((b"PK", b"<", b"\xff\xfe", b"\xfe\xff")):
        return read_musicxml
    raise Unreadable("is neither MusicXML nor kern nor MIDI: export it as one of them.")


def _score_files(paths):
    """Those of known suffixes, none hidden; of the same name the preferred suffix comes first."""
    files = (path for path in paths if path.suffix.casefold() in SUFFIXES and path.is_file())
    seen = [path for path in files if not path.name.startswith(".")]
    return sorted(seen, key=lambda path: (path.with_suffix("").as_posix(), SUFFIXES.index(path.suffix.casefold())))


def _openscore(path, root, folder):
    composer, work = path.parts[-3], path.parts[-2]
    name = path.relative_to(root).as_posix().removesuffix(path.suffix)
    return ScoreFile(path, name, song_of(composer, work), "OpenScore String Quartets", "CC0-1.0", folder)


def _corpus_song(name):
    """Variants of a chorale, as "bwv112.5-sc", are of one song."""
    composer, work, *_ = name.split("/")
    return f"bach {work.split('-')[0]}" if composer == "bach" else song_of(composer.split("_")[0], work)


def song_of(composer, work):
    """The work that a title speaks of, equal in all corpora where it has an opus or Köchel number.

    Examples
    --------
    >>> song_of("Haydn,_Joseph", "String_Quartet_in_C_major,_Hob.III72,_Op.74_No.1"), song_of("haydn", "opus74no1")
    ('haydn op74no1', 'haydn op74no1')
    >>> song_of("Mozart,_Wolfgang_Amadeus", "String_Quartet_No.1_in_G_major,_K.8073f"), song_of("mozart", "k80")
    ('mozart k80', 'mozart k80')
    """
    surname, title = composer.split(",")[0].casefold(), work.casefold()
    if surname == "mozart" and (match := re.search(r"\bk\.?_?(\d+)([a-z]?)|_k\._?(\d+)([a-z]?)", title)):
        digits, letter = match[1] or match[3], match[2] or match[4]
        return f"{surname} k{digits[: len(digits) // 2] if letter else digits}"  # "8073f" is 80, or 73f
    if match := re.search(r"op(?:us|\.)_?(\d+)(?:,?_?no\.?_?(\d+))?", title):
        return f"{surname} op{match[1]}" + (f"no{match[2]}" if match[2] else "")
    return f"{surname} {title.replace('_', ' ')}"


def _folder(cache):
    return (StemCache() if cache is None else cache).folder / "scores"


def _entry(path):
    """The score of a cache entry, or None where there is none or a broken one."""
    try:
        return unpack_scores(path.read_bytes())[0]
    except (OSError, ValueError, IndexError):
        return None


def _store(path, content):
    """Write an entry whole or not at all, however many processes do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}.part"
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _load(file):
    try:
        return file.score
    except ValueError as error:
        return str(error)
