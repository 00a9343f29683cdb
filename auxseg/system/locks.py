"""Locks between processes of one machine; the kernel frees them however their owner ends."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WAIT = 10.0  # seconds that a process may take to stop when told so
POLL = 0.1
# Errors of file systems without locks; work on these is not protected.
UNSUPPORTED = {errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK}


@contextmanager
def lock(path: Path, work: str) -> Iterator[None]:
    """Hold the lock file ``path``, which is removed at the end.

    Args:
        path: The lock file.
        work: Names what the lock protects, for the message.

    Raises:
        BlockingIOError: If another process holds the lock for longer than ``WAIT`` seconds; the
            message is one line that names ``work`` and the owner.
    """
    end = time.monotonic() + WAIT
    while (held := try_lock(path)) is None:
        if time.monotonic() > end:
            owner = path.read_text("utf-8") if path.exists() else ""
            raise BlockingIOError(
                f"{work} is at work in another process ({owner or 'unknown'}): "
                "wait for its end, or stop it"
            )
        time.sleep(POLL)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(held)


def try_lock(path: Path) -> int | None:
    """Take the lock file ``path`` and return its descriptor; None if another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                os.close(descriptor)
                raise
        if _is_at(descriptor, path):
            with suppress(OSError):  # full disk: the lock holds without its owner's name
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()}".encode())
            return descriptor
        # Its owner removed the file before we locked it.
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
