"""How commands end when something is wrong: one line on stderr and an exit code."""

import errno
import traceback
from pathlib import Path

import click

from nobreak.errors import NobreakError, SettingsError, UnavailableError
from nobreak.faces.cli.texts import said
from nobreak.faces.cli.usage import told
from nobreak.printable import printable

DONE, FAILED, WRONG_USAGE = 0, 1, 2
INTERRUPTED, PIPE_CLOSED = 130, 141
"""What a shell reports of a program that SIGINT or SIGPIPE ended."""

_HERE = Path(__file__).parents[2]


class CommandError(NobreakError):
    """What a command can't do, in the language of this process."""


def failed(error: BaseException) -> tuple[int, str]:
    """The exit code for an error, and its line (empty: nothing has to be said)."""
    match error:
        case BaseExceptionGroup():
            return failed(error.exceptions[0])
        case click.UsageError():
            return WRONG_USAGE, told(error)
        case SettingsError():
            return WRONG_USAGE, str(error)
        case KeyboardInterrupt() | click.Abort():
            return INTERRUPTED, ""
        case BrokenPipeError():
            return PIPE_CLOSED, ""
        case UnavailableError():
            later = said("tente mais tarde", "try again later")
            return FAILED, f"{error} ({later})"
        case NobreakError() | click.ClickException():
            return FAILED, str(error)
        case OSError():
            return FAILED, _system(error)
    return FAILED, _unexpected(error)


def _system(error: OSError) -> str:
    """The system's own words, with the file that it is about."""
    reason = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        return said(f"endereço já em uso ({reason})", f"address already in use ({reason})")
    return f"{error.filename}: {reason}" if error.filename else reason


def _unexpected(error: BaseException) -> str:
    """An error of ours, with the place that it came from: enough for a report."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(str(_HERE))
    ]
    place = (
        f" ({Path(frames[-1].filename).relative_to(_HERE)}:{frames[-1].lineno})" if frames else ""
    )
    what = said("erro inesperado", "unexpected error")
    return f"{what}: {printable(repr(error))}{place}"
