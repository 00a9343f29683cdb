"""One Typer script per DVC stage; ``run`` is what each of them ends with."""

import errno
import sys
from collections.abc import Callable

import typer

from auxseg.interrupt import Interrupted, catch_signals

MENDABLE = (ValueError, OSError, FloatingPointError, MemoryError)


def run(command: Callable[..., None]) -> None:
    """Run a stage's command line; what the user can mend is one plain line, not a traceback."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    try:
        with catch_signals():
            app()
    except Interrupted as interrupted:
        sys.exit(interrupted.exit_code)
    except MENDABLE as error:
        sys.exit(f"error: {_line(error)}")


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        place = f" at {error.filename}" if error.filename else ""
        return f"no space left on the disk{place}: make room, `dvc repro` goes on from there"
    if isinstance(error, MemoryError):
        return f"out of memory: {error}"
    return str(error)
