"""Work on images in this process, or in processes of one thread where that is faster."""

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from typing import Any

from auxseg.system.interrupt import follow_parent
from auxseg.system.runtime import network_processes, one_thread, processes
from auxseg.work.job import Image, Inputs, Named, Work

AHEAD = 2  # units per process that are begun before their turn
# Seconds of work left from which the start of processes pays; it takes longer with torch.
WORTH_PROCESSES = 3.0
WORTH_NETWORKS = 20.0
TRIAL = 1.0  # seconds of work from which the rest is estimated


def compute(units: Sequence[Sequence[Image]], work: Work[Image, Inputs]) -> Iterator[list[bytes]]:
    """Yield the results of every unit, in order.

    Processes are started when the work that is left is worth it.

    Raises:
        ChildProcessError: If one of the processes died.
    """
    most, worth = (
        (network_processes(), WORTH_NETWORKS) if work.network else (processes(), WORTH_PROCESSES)
    )
    one_thread()
    start = time.monotonic()
    with closing(work.results(units)) as results:
        for done in range(len(units)):
            seconds, left = time.monotonic() - start, len(units) - done
            known = done > 0 and seconds >= TRIAL
            if known and most > 1 and seconds / done * left >= worth:
                break
            yield next(results)
        else:
            return
    yield from _side_by_side(units[done:], work, min(most, left))


def _side_by_side(
    units: Sequence[Sequence[Image]], work: Work[Image, Inputs], number: int
) -> Iterator[list[bytes]]:
    # Not forked, because a fork may hang where libraries have threads of their own.
    pool = ProcessPoolExecutor(
        number,
        multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(os.getpid(), work),
    )
    try:
        yield from _ordered(pool, units, AHEAD * number)
    except BrokenProcessPool:
        raise ChildProcessError(
            "one of the processes died, perhaps for lack of memory: `dvc repro` goes on from "
            "there; AUXSEG_PROCESSES=1 needs the least"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


# The work of a process of the pool, sent once because it may hold a network.
_work: Work[Any, Any]


def _start(parent: int, work: Work[Any, Any]) -> None:
    global _work
    follow_parent(parent)
    one_thread()
    _work = work


def _do(unit: Sequence[Named]) -> list[bytes]:
    return next(_work.results([unit]))


def _ordered(
    pool: ProcessPoolExecutor, units: Iterable[Sequence[Named]], ahead: int
) -> Iterator[list[bytes]]:
    """Yield results in order, with at most ``ahead`` units begun that were not asked for yet."""
    begun: deque[Future[list[bytes]]] = deque()
    for unit in units:
        begun.append(pool.submit(_do, unit))
        if len(begun) > ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
