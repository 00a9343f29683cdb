"""Distinct exceptions for faults in a training, all of which torch reports as RuntimeError."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from auxseg.system.runtime import loader_workers


@contextmanager
def faults_by_name() -> Iterator[None]:
    """Translate the errors of torch in the block; others pass unchanged.

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
    except (EOFError, ConnectionError) as error:
        if not loader_workers():
            raise
        # It died while a batch was fetched from it.
        raise _loader_died(error) from error
    except RuntimeError as error:
        # A signal handler of torch raises it, at any moment.
        if "DataLoader worker" not in str(error):
            raise
        raise _loader_died(error) from error


def _loader_died(error: Exception) -> ChildProcessError:
    return ChildProcessError(
        "a process that loads images died, perhaps for lack of memory "
        f"({' '.join(str(error).split()) or type(error).__name__}): "
        "`dvc repro` goes on from the last checkpoint; AUXSEG_LOADERS=0 needs none"
    )
