"""Distinct exceptions for faults in a training, all of which torch reports as RuntimeError."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def faults_by_name() -> Iterator[None]:
    """Translate torch's RuntimeErrors in the block; others pass unchanged.

    Raises:
        MemoryError: If the GPU's memory is full.
        ChildProcessError: If a process that loads images died.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MemoryError(
            f"the GPU's memory is full: lower batch_size or augment.crop ({error})"
        ) from error
    except RuntimeError as error:
        # A signal handler of torch raises it, at any moment.
        if "DataLoader worker" not in str(error):
            raise
        raise ChildProcessError(
            f"a process that loads images died, perhaps for lack of memory ({error}): "
            "`dvc repro` goes on from the last checkpoint; AUXSEG_LOADERS=0 needs none"
        ) from error
