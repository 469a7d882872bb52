"""What the command refuses, in one sentence and with exit code 2."""

import functools

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
