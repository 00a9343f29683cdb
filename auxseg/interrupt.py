"""Signals: the first one ends the work between two units of it, the second one at once.

Nothing here can change a result: work that is not finished has none.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

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
        _watch(os.getppid(), partial(os.kill, os.getpid(), signal.SIGTERM))


def follow_parent(parent: int) -> None:
    """For a process of a pool: leave signals to ``parent``, and never outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _watch(parent, partial(os._exit, 1))


def _watch(parent: int, end: Callable[[], object]) -> None:
    def wait() -> None:
        while _lives(parent):
            time.sleep(POLL)
        end()

    threading.Thread(target=wait, daemon=True).start()


def _lives(parent: int) -> bool:
    """Whether ``parent`` still is the parent.

    It may have died before anyone asked for its number; who adopts then, most often is of another
    session.
    """
    try:
        return os.getppid() == parent and os.getsid(parent) == os.getsid(0)
    except ProcessLookupError:  # it died between the two
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
