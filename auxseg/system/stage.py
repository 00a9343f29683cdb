"""What every stage script begins and ends with.

Each imports this module before all others: from then on it ends when DVC ends, also while it still
waits for torch, and torch finds its settings. ``run`` is the last line of each.
"""

import errno
import sys
from collections.abc import Callable

import typer

from auxseg.system.interrupt import Interrupted, catch_signals, follow_dvc
from auxseg.system.runtime import large_pages

MENDABLE = (ValueError, OSError, FloatingPointError, MemoryError)
NO_SPACE = {
    errno.ENOSPC: "no space left on the disk{}: make room",
    errno.EDQUOT: "no space left on the disk{}, by your quota: make room",
    errno.EFBIG: "file too large{}: see `ulimit -f`, or use another file system",
}

follow_dvc()
large_pages()


def run(command: Callable[..., None]) -> None:
    """Run a stage's command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    run_app(app)


def run_app(app: Callable[[], object]) -> None:
    """Run a command line; what the user can mend is one plain line, not a traceback."""
    try:
        with catch_signals():
            app()
    except Interrupted as interrupted:
        sys.exit(interrupted.exit_code)
    except MENDABLE as error:
        sys.exit(f"error: {_line(error)}")
    except RuntimeError as error:
        if not _is_of_a_full_gpu(error):
            raise
        sys.exit(
            "error: out of memory: the GPU's memory is full: let nothing else run on it, lower "
            "dataset.max_side or AUXSEG_AFFINITY_MB, or set AUXSEG_DEVICE=cpu; `dvc repro` goes on "
            f"from there ({' '.join(str(error).split())})"
        )


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        what = NO_SPACE[error.errno].format(f" at {error.filename}" if error.filename else "")
        return f"{what}, `dvc repro` goes on from there"
    if isinstance(error, MemoryError):
        return f"out of memory: {error}"
    return str(error)


def _is_of_a_full_gpu(error: RuntimeError) -> bool:
    torch = sys.modules.get("torch")  # a stage without a network does not import it
    return torch is not None and isinstance(error, torch.OutOfMemoryError)
