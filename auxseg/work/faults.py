"""Faults of torch in a training, by their names."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def faults_by_name() -> Iterator[None]:
    """Raise MemoryError or ChildProcessError for what torch only knows as RuntimeError."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MemoryError(
            f"the GPU's memory is full: lower batch_size or augment.crop ({error})"
        ) from error
    except RuntimeError as error:
        # Raised by a signal handler of torch's, at any moment.
        if "DataLoader worker" not in str(error):
            raise
        raise ChildProcessError(
            f"a process that loads images died, perhaps for lack of memory ({error}): "
            "`dvc repro` goes on from the last checkpoint; AUXSEG_LOADERS=0 needs none"
        ) from error
