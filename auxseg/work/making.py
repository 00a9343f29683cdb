"""How a stage makes its output: resumable, complete or absent, from its declared inputs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auxseg.data.files import CHECKSUMS, REMEDY, new_folder
from auxseg.work.scratch import Scratch, unfinished

# Folders that are here were made by stages, never given by people, so they have checksums.
MADE = tuple(("data", name) for name in ("corrections", "dataset", "rounds", "segmentation"))


@contextmanager
def making(out: Path, *, params: object, threads: int = 1) -> Iterator[tuple[Path, Scratch]]:
    """Yield the folder that becomes ``out``, and the unfinished work of this command.

    The inputs are the paths on the command line. dvc.yaml declares them and a test compares them
    with its ``deps``, so no stage can forget one.

    Args:
        out: The output of the stage.
        params: The parameters that the stage read.
        threads: Number of threads that a network computes with.

    Raises:
        ValueError: If an input that a stage made has lost its checksums, so that whatever it holds
            would be taken for what somebody gave.
        BlockingIOError: If another process is making ``out``.
    """
    paths = (Path(argument) for argument in sys.argv[1:])
    inputs = [path for path in paths if path != out and path.exists()]
    for path in inputs:
        if path.is_dir() and path.parts[:2] in MADE and not (path / CHECKSUMS).is_file():
            raise ValueError(f"{path}: damaged, it has lost its {CHECKSUMS}: {REMEDY}")
    with (
        unfinished(*inputs, params=params, threads=threads) as scratch,
        new_folder(out) as folder,
    ):
        yield folder, scratch
