"""The `skseparate` command: thin, one function a subcommand."""

import atexit
import gc
import json
import os
import sys
from pathlib import Path

import click

from skseparate._refusal import Refusal, check_output, refusing
from skseparate._separating import (
    check_format,
    check_parts,
    folders,
    hear_once,
    hummed,
    n_jobs,
    say,
    separate_all,
    split_parts,
    told_by_score,
)
from skseparate._version import __version__

# The ridge, the baseline of baselines, and the networks of `NeuralRegressor`.
REGRESSORS = ("ridge", "equaliser", "mlp", "cnn", "unet", "blstm", "ensemble")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
model_file = click.option(
    "-m",
    "--model",
    default="ensemble",
    show_default=True,
    help="A model that `skseparate fit` wrote; by default the one that comes with skseparate.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--threads", type=click.IntRange(1), help="Processor cores to use; all by default.")
@click.option(
    "--memory", type=click.FloatRange(0.5), help="Memory to use at most, in GB; what needs more stops with a word."
)
@click.pass_context
def main(context, threads, memory):
    """Separate recordings of musical ensembles into one track a part."""
    if memory:
        _limit_memory(memory)
    if threads:
        from threadpoolctl import threadpool_limits

        # NumPy, torch and others are loaded later, and ask the environment then
        os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)))
        context.with_resource(threadpool_limits(threads))


@main.command()
@click.option("-o", "--output", default="demo", show_default=True, help="Folder for the solos.")
@click.option(
    "--songs", default=10, show_default=True, type=click.IntRange(3), help="Songs to make; the last is unseen."
)
@click.option("--parts", default=3, show_default=True, type=click.IntRange(2, 5), help="Parts of each.")
@click.option("--seed", default=0, show_default=True, help="Other seeds make other music.")
@as_json
@refusing
def demo(output, songs, parts, seed, as_json):
    """Make ensembles, fit on all songs but one, separate that one."""
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    from skseparate._demo import run_demo, score_table

    scores, heading, files = run_demo(folder, songs, parts, seed, progress=_progress)
    if as_json:
        click.echo(json.dumps({"scores": scores, "files": [str(f) for f in files]}))
        return
    click.echo(f"{heading}\n\n{score_table(scores)}")
    click.echo(f"\nWrote {len(files)} files to {folder}{os.sep}: {', '.join(f.name for f in files)}")


@main.command()
@click.argument("stems")
@click.option("-o", "--output", required=True, help="Where to write the model.")
@click.option("--regressor", default="ridge", show_default=True, type=click.Choice(REGRESSORS))
@click.option("--segment", type=click.FloatRange(0, min_open=True), help="Duration of a segment, in seconds.")
@click.option("--alpha", default=10.0, show_default=True, help="Penalty of the ridge.")
@click.option("--rank", default=64, show_default=True, type=click.IntRange(1), help="Rank of the ridge.")
@click.option("--minutes", default=5.0, show_default=True, help="How long to train a network.")
@click.option("--search", is_flag=True, help="Choose penalty and rank by cross-validation over songs.")
@click.option("--from", "start_from", help="Go on from this model for --minutes, such as the shipped one: ensemble.")
@as_json
@refusing
def fit(stems, output, regressor, segment, alpha, rank, minutes, search, start_from, as_json):
    """Fit a separator on a folder of stems: a folder a piece, an audio file a part."""
    from skseparate import save_separator
    from skseparate._recipes import fine_tune, fit_separator, load_ensembles, rate_fits

    check_output(output)  # before hours of fitting, not after
    if start_from is None:
        X, y, songs = load_ensembles(stems, rate_fits, say).power_set(min_parts=2)
        separator, score = fit_separator(X, y, songs, regressor, segment, alpha, rank, minutes, search)
    else:
        from skseparate import load_separator

        separator, score = load_separator(start_from), None
        X, y, songs = load_ensembles(stems, separator.accepts_rate, say).power_set(min_parts=2)
        fine_tune(separator, X, y, minutes)
    save_separator(separator, output)
    facts = {"model": output, "mixes": len(X), "songs": len(set(songs)), "parts": separator.n_slots_, "score": score}
    said = "" if score is None else f" Left-out songs: {score:.1f} dB SI-SDR improvement."
    counted = f"{_counted(len(X), 'mix', 'mixes')} of {_counted(facts['songs'], 'song', 'songs')}"
    text = f"Fitted on {counted}, up to {facts['parts']} parts.{said}"
    click.echo(json.dumps(facts) if as_json else f"{text}\nWrote {output}")


def _counted(n, one, more):
    return f"{n} {one if n == 1 else more}"


def _tracks_options(command):
    """What `separate` and `hum` have in common: which excerpt, where to and in what format."""
    options = [
        click.option("-o", "--output", required=True, help="Folder for the solos: OUTPUT/<mix>/<k>_<part>.wav."),
        click.option("--minus", is_flag=True, help="Also write everyone but each part, to play along with."),
        click.option("--start", default=0.0, type=click.FloatRange(0), help="Where to begin, in seconds."),
        click.option("--duration", type=click.FloatRange(0, min_open=True), help="How much to separate, in seconds."),
        click.option("--format", "suffix", default="wav", show_default=True, type=click.Choice(["wav", "flac"])),
        click.option("--subtype", default="PCM_24", show_default=True, help="Sample format, as libsndfile names it."),
        click.option("--report", is_flag=True, help="Also write a listening page beside the solos: report.html."),
        as_json,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@click.argument("mixes", nargs=-1, required=True)
@model_file
@click.option("--parts", help="The parts in score order, such as vn,vn,va,vc; full names will do.")
@click.option("--guess", is_flag=True, help="Guess the parts, and say how sure that is.")
@click.option("--score", help="A score of the piece, MusicXML or MIDI: it improves the masks, and tells the parts.")
@click.option("--fast", is_flag=True, help="Take little more than half the time; solos are a few tenths of a dB worse.")
@_tracks_options
@refusing
def separate(mixes, model, output, parts, guess, score, fast, suffix, subtype, report, as_json, **options):
    """Separate recordings into one file a part, at their own rate, length and channels."""
    from skseparate import load_separator

    parts, find_lines = split_parts(parts), None
    check_format(suffix, subtype)
    places = folders(mixes, Path(output))
    separator = load_separator(model)
    if fast:
        hear_once(separator)
    if score:
        parts, separator, find_lines = told_by_score(separator, score, parts, guess)
    else:
        check_parts(separator, parts, guess)
    options |= {"parts": parts, "guess": guess, "find_lines": find_lines, "suffix": suffix, "subtype": subtype}
    separate_all(separator, places, as_json, model if report else None, **options)


@main.command()
@click.argument("mix")
@click.option("--line", "lines", multiple=True, help="A part that you hummed along, or its F0 as text; again for more.")
@click.option("--parts", help="What the parts are, such as vn; a known instrument helps to find the octave.")
@click.option(
    "--octave", "octaves", multiple=True, type=int, help="How far the part lies above your voice, if mistaken."
)
@click.option("--late", "lates", multiple=True, type=float, help="Seconds that you are late, if mistaken.")
@click.option("--score", help="Take all lines from a score instead, MusicXML or MIDI.")
@click.option("--rest/--no-rest", default=None, help="Whether to write what no line explains; by default for one line.")
@_tracks_options
@refusing
def hum(mix, lines, parts, octaves, lates, score, rest, output, suffix, subtype, report, as_json, **options):
    """Take parts out of MIX by their lines: what a trained musician hums, with no model of how instruments sound.

    In which octave, when you begin and how well in tune is forgiven; you should be heard alone. Where octave or time
    are mistaken, tell them: --octave and --late, once for all lines, or once a line.
    """
    check_format(suffix, subtype)
    places = folders([mix], Path(output))
    parts, separator, find_lines = hummed(lines, score, split_parts(parts), rest, octaves, lates)
    options |= {"parts": parts, "find_lines": find_lines, "suffix": suffix, "subtype": subtype}
    separate_all(separator, places, as_json, "hummed lines" if report else None, **options)


@main.command()
@click.argument("recording")
@click.argument("solos")
@click.option("-o", "--output", help="Where to write the page; by default SOLOS/report.html.")
@click.option("--references", help="Folder of the true parts, an audio file a part: then solos are scored.")
@click.option("--start", type=click.FloatRange(0), help="Where solos of an excerpt begin, in seconds.")
@click.option("-m", "--model", help="The model that separated, to be named on the page.")
@as_json
@refusing
def report(recording, solos, output, references, start, model, as_json):
    """Write a listening page of a RECORDING and a folder of its SOLOS: one HTML file to hear, see and judge them."""
    from skseparate import load_separator
    from skseparate.inspection._folder import report_folder, settings_of

    settings = settings_of(load_separator(model), model) if model else None
    facts = report_folder(recording, solos, output, references, start, settings, n_jobs())
    click.echo(json.dumps(facts) if as_json else f"Wrote {facts['report']} ({facts['bytes'] / 1e6:.1f} MB)")


@main.command()
@click.argument("stems")
@model_file
@click.option("-o", "--output", help="Also write the table to this file, by its ending: .csv, .json or .md.")
@click.option("--bss/--no-bss", default=True, help="Whether to compute BSS Eval, too.")
@as_json
@refusing
def evaluate(stems, model, output, bss, as_json):
    """Score a model on stems it has not seen, between the mixture and the ideal ratio mask."""
    from skseparate import load_separator
    from skseparate._recipes import load_ensembles
    from skseparate.evaluation import evaluate

    export = {".csv": "to_csv", ".json": "to_json", ".md": "to_markdown"}.get(Path(output or "x.md").suffix)
    if export is None:
        raise Refusal(f"-o {output} must end in .csv, .json or .md.")
    if output:
        check_output(output)
    separator = load_separator(model)
    X, y, _ = load_ensembles(stems, separator.accepts_rate, say).power_set(min_parts=2)
    evaluation = evaluate({"model": separator}, X, y, trained_on=os.path.basename(model), bss=bss, verbose=True)
    if output:
        _write(Path(output), getattr(evaluation, export)())
    if as_json:
        click.echo(evaluation.to_json())
        return
    click.echo(
        "SI-SDR improvement and other measures in dB, averaged within number of parts, then song, then over songs."
    )
    click.echo(evaluation.to_markdown())


@main.command()
@click.argument("stems")
@as_json
@refusing
def describe(stems, as_json):
    """Say what a folder of stems holds, and what is odd about it."""
    from skseparate._recipes import load_ensembles

    description = load_ensembles(stems).describe()
    if as_json:
        click.echo(json.dumps(description))
        return
    odd = description.pop("odd")
    for name, value in description.items():
        value = ", ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, dict) else value
        click.echo(f"{name.replace('_', ' '):<13} {value}")
    for line in odd:
        click.echo(f"odd: {line}")


@main.command()
@click.argument("files", nargs=-1, required=True)
@as_json
@refusing
def models(files, as_json):
    """Say what models can do: parts, rates, how they were fitted."""
    from skseparate._persistence import describe_separator

    facts = [describe_separator(file) for file in files]
    if as_json:
        click.echo(json.dumps(facts))
        return
    for model in facts:
        rate = "any rate" if model["sample_rate"] is None else f"{model['sample_rate']:g} Hz"
        segment = "" if model["segment"] is None else f" segments of {model['segment']:g} s,"
        click.echo(
            f"{model['model']}: {model['regressor']}, up to {model['parts']} parts, fitted at {rate},{segment} "
            f"{model['mask']} mask, {model['bytes'] / 1e6:.1f} MB, written by skseparate {model['version']}"
        )


@main.group()
def cache():
    """Decoded stems on disk: see what is there, or remove it."""


@cache.command("info")
@as_json
@refusing
def cache_info(as_json):
    """Say where the cache is and how much it holds."""
    from skseparate.datasets import StemCache

    info = StemCache().info()
    text = f"{info['folder']}: {info['entries']} stems, {info['bytes'] / 1e9:.2f} of {info['max_bytes'] / 1e9:.0f} GB"
    click.echo(json.dumps(info) if as_json else text)


@cache.command("clear")
@as_json
@refusing
def cache_clear(as_json):
    """Remove all that the cache holds."""
    from skseparate.datasets import StemCache

    stems = StemCache()
    freed = stems.clear()
    text = f"Freed {freed / 1e9:.2f} GB in {stems.folder}"
    click.echo(json.dumps({"folder": str(stems.folder), "freed": freed}) if as_json else text)


def _limit_memory(gigabytes):
    """Let the system refuse what goes beyond, so that the computer stays usable."""
    try:
        import resource
    except ImportError as error:  # pragma: no cover - Windows has no such limit
        raise Refusal("--memory needs a system that can limit a process, such as Linux.") from error
    resource.setrlimit(resource.RLIMIT_DATA, (int(gigabytes * 1e9),) * 2)


def _write(path, text):
    """Write a file that appears whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _progress(steps, description):
    """Iterate behind a progress bar: on a terminal, not in a pipe."""
    from tqdm import tqdm

    return tqdm(steps, desc=description, disable=not sys.stderr.isatty(), leave=False)


def run():
    """The command in a process of its own, a fifth sooner: of all that libraries make while they are imported and
    that ends with the process, next to nothing is garbage, so it is seldom looked for, and not at the end."""
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)
    main()


if __name__ == "__main__":
    run()
