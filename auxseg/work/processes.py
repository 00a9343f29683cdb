"""Work image by image in this process, or in processes of one thread where that is faster."""

import multiprocessing
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from auxseg.system.interrupt import follow_parent
from auxseg.system.runtime import network_processes, one_thread, processes
from auxseg.work.job import Image, Inputs, Job, Named

AHEAD = 2  # images per process that are begun before their turn
# Seconds of work left from which the start of processes pays; it takes longer with torch.
WORTH_PROCESSES = 3.0
WORTH_NETWORKS = 20.0
TRIAL = 1.0  # seconds of work from which the rest is estimated


def compute(images: Sequence[Image], job: Job[Image, Inputs]) -> Iterator[bytes]:
    """Yield the result of every image, in order.

    Processes are started when the work that is left is worth it.

    Raises:
        ChildProcessError: If one of the processes died.
    """
    most, worth = (
        (network_processes(), WORTH_NETWORKS) if job.network else (processes(), WORTH_PROCESSES)
    )
    one_thread()
    start = time.monotonic()
    for done, image in enumerate(images):
        seconds, left = time.monotonic() - start, len(images) - done
        known = done > 0 and seconds >= TRIAL
        if known and most > 1 and seconds / done * left >= worth:
            yield from _side_by_side(images[done:], job, min(most, left))
            return
        yield job(image)


def _side_by_side(images: Sequence[Image], job: Job[Image, Inputs], number: int) -> Iterator[bytes]:
    # Not forked, because a fork may hang where libraries have threads of their own.
    pool = ProcessPoolExecutor(
        number,
        multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(os.getpid(), job),
    )
    try:
        yield from _ordered(pool, images, AHEAD * number)
    except BrokenProcessPool:
        raise ChildProcessError(
            "one of the processes died, perhaps for lack of memory: `dvc repro` goes on from "
            "there; AUXSEG_PROCESSES=1 needs the least"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


# The job of a process of the pool, sent once because it may hold a network.
_job: Job[Any, Any]


def _start(parent: int, job: Job[Any, Any]) -> None:
    global _job
    follow_parent(parent)
    one_thread()
    _job = job


def _do(image: Named) -> bytes:
    return _job(image)


def _ordered(pool: ProcessPoolExecutor, images: Iterable[Named], ahead: int) -> Iterator[bytes]:
    """Yield results in order, with at most ``ahead`` images begun that were not asked for yet."""
    begun: deque[Future[bytes]] = deque()
    for image in images:
        begun.append(pool.submit(_do, image))
        if len(begun) > ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
