"""The common beginning and end of every stage script.

Each script imports this module before all others. From then on it ends when DVC ends, even while
it still imports torch, and torch finds its settings. Its last line calls ``run``.
"""

import errno
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

import typer

from auxseg.system.interrupt import Interrupted, catch_signals, follow_dvc
from auxseg.system.messages import plain, warn
from auxseg.system.runtime import large_pages

MENDABLE = (ValueError, OSError, FloatingPointError, MemoryError, sqlite3.Error)
NO_SPACE = {
    errno.ENOSPC: "no space left on the disk{}: make room",
    errno.EDQUOT: "no space left on the disk{}, by your quota: make room",
    errno.EFBIG: "file too large{}: see `ulimit -f`, or use another file system",
}
NO_MEMORY = (
    "DefaultCPUAllocator",  # of torch
    *("could not create a primitive", "could not execute a primitive"),  # of oneDNN
    *("can't start new thread", "failed to map segment"),  # of Python and the loader
)
FONT = ("failed to load glyph", "FT_Open_Face")  # of matplotlib: a file of it cannot be read
LOADER = "DataLoader worker"  # begins what torch says of one that died
GOES_ON = "`dvc repro` goes on from there"
LONGEST = 1000  # letters of a line; a damaged file may hold names of any length

follow_dvc()
large_pages()


def run(command: Callable[..., None]) -> None:
    """Run the command line of a stage."""

    @wraps(command)
    def guarded(*arguments: object, **options: object) -> None:
        try:
            command(*arguments, **options)
        except EOFError as error:  # which Typer would take for the end of an interactive input
            raise ValueError(f"a file is cut off: {error}") from error

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(guarded)
    run_app(app, GOES_ON)


def run_app(app: Callable[[], object], then: str = "run the command again") -> None:
    """Run a command line; an error that the user can mend becomes one line without a traceback.

    Args:
        app: The command line.
        then: What to do once the machine has room for the work.
    """
    try:
        with catch_signals(then), _unraised_is_one_line():
            app()
    except Interrupted as interrupted:
        sys.exit(interrupted.exit_code)
    except MENDABLE as error:
        lines = f"error: {_message(error, then)}".split("\n")
        sys.exit("\n".join(plain(line[:LONGEST]) + "…" * (len(line) > LONGEST) for line in lines))
    except (RuntimeError, ImportError) as error:
        remedy = _of_library(error)
        if remedy is None:
            raise
        sys.exit(f"error: {remedy}; {then} ({' '.join(str(error).split())})")


@contextmanager
def _unraised_is_one_line() -> Iterator[None]:
    """Warn of an error that a library could not raise where it came, instead of a traceback.

    matplotlib's reading of a font is called from C: it reports the error, and then that it failed.
    Of a process that loads images and died nothing is said here, because its reader notices, too;
    torch raises that error wherever the training is, and so perhaps where nothing can be raised.
    """

    def hook(unraised: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraised.exc_value, MENDABLE):
            warn([f"{unraised.object}: {unraised.exc_value}"])
        elif LOADER not in str(unraised.exc_value):
            before(unraised)

    before, sys.unraisablehook = sys.unraisablehook, hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _message(error: Exception, then: str) -> str:
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        what = NO_SPACE[error.errno].format(f" at {error.filename}" if error.filename else "")
        return f"{what}, {then}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.strerror} (the system names no file): once that is mended, {then}"
    if isinstance(error, sqlite3.Error):
        return f"a database of DVC: {error}; {then}"
    if isinstance(error, MemoryError):
        return f"out of memory: {error}" if str(error) else "out of memory"
    return str(error)


def _of_library(error: Exception) -> str | None:
    """Return what a library lacks and how to mend it; None if its error is of another kind."""
    torch = sys.modules.get("torch")  # a stage without a network does not import it
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return (
            "out of memory: the GPU's memory is full: let nothing else run on it, lower "
            "dataset.max_side or AUXSEG_AFFINITY_MB, or set AUXSEG_DEVICE=cpu"
        )
    if any(words in str(error) for words in NO_MEMORY):
        return (
            "out of memory: let less run on this machine, set AUXSEG_PROCESSES=1, or lower "
            "dataset.max_side or the batch size"
        )
    if any(words in str(error) for words in FONT):
        return "matplotlib cannot read its font: check the disk, or install matplotlib again"
    return None
