"""The `skseparate` command: thin, one function a subcommand."""

import functools
import os
import sys
from pathlib import Path

import click

from skseparate._version import __version__


class Refusal(click.ClickException):
    """One sentence to the user, exit code 2."""

    exit_code = 2


def refusing(command):
    """Turn what the library refuses, and what the disk refuses, into one sentence."""

    @functools.wraps(command)
    def wrapped(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except ValueError as error:
            raise Refusal(str(error)) from error
        except OSError as error:
            raise Refusal(f"{error.filename or 'The disk'}: {error.strerror or error}.") from error

    return wrapped


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main():
    """Separate recordings of musical ensembles into one track a part."""


@main.command()
@click.option("-o", "--output", default="demo", show_default=True, help="Folder for the solos.")
@click.option(
    "--songs", default=10, show_default=True, type=click.IntRange(3), help="Songs to make; the last is unseen."
)
@click.option("--parts", default=3, show_default=True, type=click.IntRange(2, 5), help="Parts of each.")
@click.option("--seed", default=0, show_default=True, help="Other seeds make other music.")
@refusing
def demo(output, songs, parts, seed):
    """Make ensembles, fit on all songs but one, separate that one."""
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    from skseparate._demo import run_demo

    table, files = run_demo(folder, songs, parts, seed, progress=_progress)
    click.echo(table)
    click.echo(f"\nWrote {len(files)} files to {folder}{os.sep}: {', '.join(f.name for f in files)}")


def _progress(steps, description):
    """Iterate behind a progress bar: on a terminal, not in a pipe."""
    from tqdm import tqdm

    return tqdm(steps, desc=description, disable=not sys.stderr.isatty(), leave=False)


if __name__ == "__main__":
    main()
