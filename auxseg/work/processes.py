"""Work on images in this process; others of one thread help it where that is faster."""

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from typing import Any, Generic

from auxseg.system.interrupt import follow_parent
from auxseg.system.runtime import network_processes, one_thread, processes
from auxseg.work.job import Image, Inputs, Named, Work

# Units per helper that are begun before their turn, as this process may be busy with a large one.
AHEAD = 3
# Seconds of work left from which the start of helpers pays; it takes longer with torch.
WORTH_HELPERS = 3.0
WORTH_NETWORKS = 10.0
TRIAL = 1.0  # seconds of work from which the rest is estimated
DIED = (
    "one of the processes died, perhaps for lack of memory: `dvc repro` goes on from there; "
    "AUXSEG_PROCESSES=1 needs the least"
)


def compute(
    units: Sequence[Sequence[Image]], work: Work[Image, Inputs]
) -> Iterator[tuple[Sequence[Image], list[bytes]]]:
    """Yield every unit and its results, as they are done; before an error, what else is begun.

    Raises:
        ChildProcessError: If a helper died.
    """
    most, worth = (
        (network_processes(), WORTH_NETWORKS) if work.network else (processes(), WORTH_HELPERS)
    )
    one_thread()
    start, todo, own = time.monotonic(), deque(units), deque[Sequence[Image]]()

    def mine() -> Iterator[Sequence[Image]]:
        while todo:
            own.append(todo.popleft())
            yield own[-1]

    with closing(_Helpers(work)) as helpers, closing(work.results(mine())) as results:
        try:
            for done, found in enumerate(results, 1):
                yield own.popleft(), found
                seconds = time.monotonic() - start
                if not helpers.number and seconds >= TRIAL and seconds / done * len(todo) >= worth:
                    helpers.number = min(most - 1, len(todo))
                yield from helpers.finished()
                helpers.begin(todo)
            yield from helpers.finished(wait=True)
        except Exception:
            yield from helpers.finished(wait=True)
            raise


class _Helpers(Generic[Image, Inputs]):
    """Processes that compute units; ``number`` of them, none at first."""

    def __init__(self, work: Work[Image, Inputs]) -> None:
        self.number = 0
        self._work = work
        self._pool: ProcessPoolExecutor | None = None
        self._begun: dict[Future[list[bytes]], Sequence[Image]] = {}

    def begin(self, todo: deque[Sequence[Image]]) -> None:
        """Take units, as many as keep the helpers busy.

        Raises:
            ChildProcessError: If a helper died.
        """
        while todo and len(self._begun) < AHEAD * self.number:
            if self._pool is None:
                # Not forked, because a fork may hang where libraries have threads of their own.
                self._pool = ProcessPoolExecutor(
                    self.number,
                    multiprocessing.get_context("spawn"),
                    initializer=_start,
                    initargs=(os.getpid(), self._work),
                )
            try:
                future = self._pool.submit(_do, todo[0])
            except BrokenProcessPool:
                raise ChildProcessError(DIED) from None
            self._begun[future] = todo.popleft()

    def finished(self, wait: bool = False) -> Iterator[tuple[Sequence[Image], list[bytes]]]:
        """Yield the units that are done and their results, or all; then raise an error of theirs.

        Raises:
            ChildProcessError: If a helper died.
        """
        error: Exception | None = None
        for future in list(self._begun):
            if wait or future.done():
                unit = self._begun.pop(future)
                try:
                    found = future.result()
                except Exception as of_unit:
                    error = error or of_unit
                else:
                    yield unit, found
        if isinstance(error, BrokenProcessPool):
            raise ChildProcessError(DIED)
        if error is not None:
            raise error

    def close(self) -> None:
        """End the helpers; what they compute now is lost."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


# The work of a helper, sent once because it may hold a network.
_work: Work[Any, Any]


def _start(parent: int, work: Work[Any, Any]) -> None:
    global _work
    follow_parent(parent)
    one_thread()
    _work = work


def _do(unit: Sequence[Named]) -> list[bytes]:
    return next(_work.results([unit]))
