"""How a stage makes its output: resumable, whole or absent, and from the inputs it was given."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auxseg.data.files import new_folder
from auxseg.work.scratch import Scratch, unfinished


@contextmanager
def making(out: Path, *, params: object, threads: int = 1) -> Iterator[tuple[Path, Scratch]]:
    """Give the folder that becomes ``out``, and the unfinished work of this very command.

    The inputs are the paths on the command line, which dvc.yaml declares and a test compares with
    its ``deps``: no stage can forget one. ``params`` are the parameters that it read, ``threads``
    those that a network computes with.
    """
    paths = (Path(argument) for argument in sys.argv[1:])
    inputs = [path for path in paths if path != out and path.exists()]
    with (
        unfinished(*inputs, params=params, threads=threads) as scratch,
        new_folder(out) as folder,
    ):
        yield folder, scratch
