"""Signals: the first one ends the work between two units of it, the second one at once.

Nothing here can change a result: work that is not finished has none.
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

LIMIT = 9  # seconds from the first signal to the end, whatever the work is at
POLL = 0.5
SIGNALS = (signal.SIGTERM, signal.SIGINT)

_received: int | None = None


class Interrupted(BaseException):
    """The work was told to stop, and all of it up to here is kept."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def catch_signals() -> Iterator[None]:
    """Have SIGTERM and SIGINT end the block through ``stop_if_asked``."""
    global _received
    before = {number: signal.signal(number, _first_signal) for number in SIGNALS}
    try:
        yield
    finally:
        signal.alarm(0)
        _received = None
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_if_asked() -> None:
    """To be called between two units of work; raises Interrupted after a signal."""
    if _received is not None:
        raise Interrupted(_received)


def follow_dvc() -> None:
    """Have the end of DVC be a SIGTERM for a stage that it runs.

    A stage that nobody waits for would only be in the way of the next run. To be called before the
    imports that take seconds; both signals end those at once, and without a word.
    """
    if "DVC_STAGE" in os.environ:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        _watch(_up_to_dvc(), partial(os.kill, os.getpid(), signal.SIGTERM))


def follow_parent(parent: int) -> None:
    """For a process of a pool: leave signals to ``parent``, and never outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _watch([parent], partial(os._exit, 1))


def _up_to_dvc() -> list[int]:
    """The parent and, if that is a shell that waits for this command, the parent of it.

    DVC has every command run by a shell. Some of them, as bash, become the last command, others, as
    dash and fish, wait for it, and nobody tells those that DVC is gone.
    """
    parent = os.getppid()
    with suppress(psutil.Error):  # it died, and will be missed
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
    """Whether each of ``parents`` still is the parent of the one before, the first of this process.

    They may have died before anyone asked for their number; who adopts then, most often is of
    another session.
    """
    try:
        return all(
            psutil.Process(child).ppid() == parent
            for child, parent in pairwise([os.getpid(), *parents])
        ) and os.getsid(parents[-1]) == os.getsid(0)
    except (psutil.Error, ProcessLookupError):  # one died meanwhile
        return False


def _first_signal(number: int, _: FrameType | None) -> None:
    global _received
    _received = number
    for each in SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    signal.alarm(LIMIT)
    name = signal.Signals(number).name
    message = f"{name}: stopping; what is done is kept, `dvc repro` goes on from there\n"
    # Not print: the signal may have come in the middle of another one.
    with suppress(OSError):  # nobody reads any more
        os.write(2, message.encode())
