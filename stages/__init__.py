"""One Typer script per DVC stage; ``run`` is what each of them ends with."""

import sys
from collections.abc import Callable

import typer


def run(command: Callable[..., None]) -> None:
    """Run a stage's command line; what the user can mend is one plain line, not a traceback."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    try:
        app()
    except (ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
