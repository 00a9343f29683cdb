"""Signals: the first one ends the work after the current unit, the second one at once.

Nothing here can change a result, because unfinished work has none.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from types import FrameType

import psutil

# Seconds from the first signal to the end, whatever the work does. With the time in which a busy
# machine notices the end of DVC, these are still less than 10.
LIMIT = 7
POLL = 0.5
SIGNALS = (signal.SIGTERM, signal.SIGINT)

_received: int | None = None
_then = ""


class Interrupted(BaseException):
    """The work was told to stop; all that is done so far is kept."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def catch_signals(then: str = "`dvc repro` goes on from there") -> Iterator[None]:
    """Make SIGTERM and SIGINT end the block through ``stop_if_asked``; ``then`` says what to do."""
    global _received, _then
    _then = then
    before = {number: signal.signal(number, _first_signal) for number in SIGNALS}
    try:
        yield
    finally:
        signal.alarm(0)
        _received = None
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_if_asked() -> None:
    """Raise Interrupted after a signal; to be called between two units of work."""
    if _received is not None:
        raise Interrupted(_received)


def follow_dvc() -> None:
    """Send SIGTERM to this process when the DVC that runs it ends.

    A stage without DVC would only block the next run. Call this before the imports that take
    seconds; during these, SIGTERM and SIGINT end the process at once and without a message.
    """
    if "DVC_STAGE" in os.environ:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _watch(_up_to_dvc(), partial(os.kill, os.getpid(), signal.SIGTERM))


def follow_parent(parent: int) -> None:
    """Leave signals to ``parent``, and end when it ends; for a process of a pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _watch([parent], partial(os._exit, 1))


def _up_to_dvc() -> list[int]:
    """Return the parent and, if that is a shell that waits for this command, the shell's parent.

    DVC runs every command through a shell. Some shells, such as bash, become the last command.
    Others, such as dash and fish, wait for it, and such a shell is not notified when DVC ends.
    """
    parent = os.getppid()
    with suppress(psutil.Error):  # it died, which the watch will notice
        shell = psutil.Process(parent)
        command = " ".join(sys.orig_argv[1:3])
        if any(command in argument for argument in shell.cmdline()):
            return [parent, shell.ppid()]
    return [parent]


def _watch(parents: list[int], end: Callable[[], object]) -> None:
    def wait() -> None:
        while _live(parents):
            time.sleep(POLL)
        end()

    threading.Thread(target=wait, daemon=True).start()


def _live(parents: list[int]) -> bool:
    """Return whether each of ``parents`` still is the parent of the one before it.

    The first one is compared with the parent of this process. The last one must be of the same
    session: a parent that died before its number was asked for has been replaced by another
    process, most often of another session.
    """
    try:
        return all(
            psutil.Process(child).ppid() == parent
            for child, parent in pairwise([os.getpid(), *parents])
        ) and os.getsid(parents[-1]) == os.getsid(0)
    except (psutil.Error, ProcessLookupError):  # one died meanwhile
        return False
    except OSError:  # nobody can tell now, such as for lack of file descriptors
        return True


def _first_signal(number: int, _: FrameType | None) -> None:
    global _received
    _received = number
    for each in SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    signal.alarm(LIMIT)
    name = signal.Signals(number).name
    message = f"{name}: stopping; what is done is kept, {_then}\n"
    # Not print, because the signal may have come in the middle of another print.
    with suppress(OSError):  # stderr has no reader any more
        os.write(2, message.encode())
