"""What `skseparate separate` does for each recording."""

import json
import math
import os
import sys
from functools import partial
from pathlib import Path

import click

from skseparate._refusal import Refusal, sentence


def n_jobs():
    """How many threads `--threads` allows; all by default."""
    return click.get_current_context().find_root().params.get("threads") or -1


def say(text):
    """To people, where the output is for programs."""
    click.echo(text, err=True)


def split_parts(parts):
    """Names of the parts from the text of an option."""
    if parts is None:
        return None
    names = [name.strip() for name in parts.split(",")]
    if not all(names) or any(set(name) & set('/\\:*?"<>|') or name.startswith(".") for name in names):
        raise Refusal(f"--parts {parts!r} must be names with commas between, such as vn,vn,va,vc.")
    return names


def check_parts(separator, parts, guess):
    """A model that is told the parts is told, or guesses; before any recording is read."""
    if not getattr(separator.regressor_, "is_told", False):
        if guess:
            raise Refusal("--guess needs a model that is told the parts, such as the one that comes with skseparate.")
        return
    from skseparate._parts import INSTRUMENTS, part_codes

    if guess and parts:
        raise Refusal("--parts and --guess exclude each other: tell the parts, or let them be guessed.")
    if not guess and not parts:
        known = ", ".join(INSTRUMENTS[:-1])
        raise Refusal(
            f"--parts is missing: tell the parts in score order, such as --parts vn,vn,va,vc, of {known} (or their "
            "full names) and other; or let them be guessed with --guess."
        )
    if parts:
        part_codes(parts)


def hear_once(separator):
    """Let a model hear each mixture as it is only, not transposed as well."""
    if not getattr(separator.regressor_, "is_told", False):
        raise Refusal(
            "--fast is for the model that comes with skseparate and its like: this one is as fast as it can be."
        )
    separator.regressor_.set_params(module__transpositions=(0.0,))


def check_format(suffix, subtype):
    """Refuse a sample format that files of this kind cannot hold."""
    import soundfile

    if not soundfile.check_format(suffix.upper(), subtype):
        known = ", ".join(sorted(soundfile.available_subtypes(suffix.upper())))
        raise Refusal(f"--subtype {subtype} does not go with --format {suffix}; choose from {known}.")


def separate_all(separator, places, as_json, reported, **options):
    """Separate mixes into their folders, and say how it went."""
    outcomes = [separate_one(separator, mix, folder, as_json, reported, **options) for mix, folder in places.items()]
    if as_json:
        click.echo(json.dumps(outcomes))
    failed = [outcome["mix"] for outcome in outcomes if "error" in outcome]
    if failed:
        raise Refusal(f"{len(failed)} of {len(outcomes)} recordings failed: {', '.join(failed)}.")


def told_by_score(separator, score, parts, guess):
    """Parts, separator and how to find lines, where a score helps."""
    from skseparate import ScoreInformedSeparator
    from skseparate._lines_told import lines_of_score, told_score

    if guess:
        raise Refusal("--score and --guess exclude each other: the score says who plays, or --parts does.")
    score, parts = told_score(score, parts)
    check_parts(separator, parts, guess)
    return parts, ScoreInformedSeparator(separator).fit(), partial(lines_of_score, score)


def hummed(files, score, parts, rest, octaves=(), lates=()):
    """Parts, separator and how to find lines, where lines are all that is told."""
    from skseparate._lines_told import lines_of_files, lines_of_score, told_score
    from skseparate.baseline import HumSeparator

    if bool(files) == bool(score):
        raise Refusal("give the lines: --line hummed.wav, again for more parts, or --score quartet.musicxml.")
    if score and (octaves or lates):
        raise Refusal("--octave and --late are for --line files: a score is aligned with the recording.")
    if score:
        score, parts = told_score(score, parts)
        return parts, HumSeparator(rest=bool(rest)).fit(), partial(lines_of_score, score)
    octaves, lates = (_each_line(told, files, name) for told, name in ((octaves, "--octave"), (lates, "--late")))
    parts = parts or (["hummed"] if len(files) == 1 else [f"hummed{k}" for k in range(1, len(files) + 1)])
    if len(parts) != len(files):
        raise Refusal(f"--parts names {len(parts)} parts, but there are {len(files)} --line files: name one a line.")
    rest = len(files) == 1 if rest is None else rest
    return parts, HumSeparator(rest=rest).fit(), partial(lines_of_files, files, parts, octaves, lates, say)


def _each_line(told, files, name):
    """What an option says of each line: it is given once for all of them, once a line, or not."""
    if not all(map(math.isfinite, told)):
        raise Refusal(f"{name} must be a number.")
    if len(told) not in (0, 1, len(files)):
        raise Refusal(f"{name} is given {len(told)} times for {len(files)} --line files: once, or once a line.")
    if not told:
        return [None] * len(files)
    return list(told) * len(files) if len(told) == 1 else list(told)


def folders(mixes, output):
    """Output folder of each mix; no two mixes share one, and none lies in its own output."""
    folders = {mix: output / Path(mix).stem for mix in dict.fromkeys(mixes)}
    for mix, folder in folders.items():
        twin = next((other for other, f in folders.items() if f == folder and other != mix), None)
        if twin is not None:
            raise Refusal(f"{mix} and {twin} would both be written to {folder}: separate them into different outputs.")
        if Path(mix).resolve().parent == folder.resolve():
            raise Refusal(f"{mix} lies in {folder}, where its solos would go: choose another output.")
    return folders


def separate_one(separator, mix, folder, quiet, reported=None, guess=False, find_lines=None, **options):
    """Separate a mix and say so; what is refused is said, too, and the batch goes on.

    With the name of the model to be `reported`, there is a listening page, too. `find_lines` gives the lines of the
    parts in a recording.
    """
    from skseparate._files import guess_file, mono_file, separate_file

    rates, guessed = [], None
    try:
        if guess:
            options["parts"], guessed = guess_file(separator, mix, options["start"], options["duration"])
            sure = ", ".join(f"{part} {share:.0%}" for part, share in guessed.items())
            say(f"{mix}: guessed --parts {','.join(options['parts'])} (confidence: {sure})")
        if find_lines is not None:
            options["lines"] = find_lines(mono_file(mix, options["start"], options["duration"]))
        with _bar(os.path.basename(mix)) as on_block:
            files, gain = separate_file(
                separator, mix, folder, on_block=on_block, on_rate=lambda *pair: rates.extend(pair), **options
            )
        page = reported and _report_one(separator, reported, mix, files, options["start"])
    except Exception as error:
        if (message := sentence(error)) is None:
            raise
        click.echo(f"Error: {message}", err=True)
        return {"mix": mix, "error": message}
    if not quiet:
        said = "" if gain == 1 else f" (all multiplied by {gain:.3f}, since one would have clipped)"
        said += f" (resampled from {rates[0]} to {rates[1]} Hz and back)" if rates else ""
        shown = files if page is None else [*files, page]
        click.echo(f"{mix} -> {folder}{os.sep}: {', '.join(f.name for f in shown)}{said}")
    outcome = {"mix": mix, "files": [str(f) for f in files], "gain": gain, "resampled": rates[1] if rates else None}
    outcome |= {"parts": list(options["parts"]), "confidence": guessed} if guessed else {}
    return outcome if page is None else {**outcome, "report": str(page)}


def _report_one(separator, model, mix, files, start):
    """The listening page beside the solos of a mix."""
    from skseparate.inspection._folder import report_solos, settings_of

    return report_solos(mix, files, start, settings_of(separator, model), n_jobs())


class _bar:
    """A progress bar of one recording: on a terminal, not in a pipe."""

    def __init__(self, description):
        self._description = description

    def __enter__(self):
        from tqdm import tqdm

        self._tqdm = tqdm(desc=self._description, total=100, unit="%", disable=not sys.stderr.isatty(), leave=False)
        return lambda share: self._tqdm.update(round(100 * share) - self._tqdm.n)

    def __exit__(self, *error):
        self._tqdm.close()
