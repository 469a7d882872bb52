"""What the command refuses, in one sentence and with exit code 2."""

import functools
from pathlib import Path

import click


class Refusal(click.ClickException):
    """One sentence to the user, exit code 2."""

    exit_code = 2


def sentence(error):
    """What the library or the disk refuses, in one sentence; None for anything else, which is a bug."""
    if isinstance(error, MemoryError):
        return f"There is not enough memory ({error or 'no more is to be had'}): allow more, or ask for less at once."
    if isinstance(error, ValueError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'The disk'}: {error.strerror or error}."
    if type(error).__name__ == "LibsndfileError":
        return f"The audio cannot be written: {error.error_string}"
    return None


def check_output(output):
    """Refuse, before any work, what a file cannot be written to: no name, no folder, or what is there and no file."""
    path = Path(output)
    if not path.name or not path.absolute().parent.is_dir() or (path.exists() and not path.is_file()):
        raise ValueError(f"the output {str(output)!r} must name a file in a folder that exists.")


def refusing(command):
    """Say in one sentence what is refused, without a traceback."""

    @functools.wraps(command)
    def wrapped(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except Exception as error:
            if (message := sentence(error)) is None:
                raise
            raise Refusal(message) from error

    return wrapped
