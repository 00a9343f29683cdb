"""Work image by image: resumable, and spread over processes where it needs no network.

Neither the number of processes nor an interruption can change a result: every image's result is a
function of that image alone, and results come in the order of the images.
"""

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol, TypeVar

from auxseg.interrupt import follow_parent
from auxseg.progress import track
from auxseg.scratch import Scratch

AHEAD = 2  # images a process that are begun before their turn
WORTH_A_PROCESS = 16  # images: starting one takes a second


class Named(Protocol):
    """An image of the dataset."""

    @property
    def id(self) -> str:
        """Its name."""


Image = TypeVar("Image", bound=Named)


def each(
    images: Sequence[Image],
    task: Callable[[Image], bytes],
    scratch: Scratch,
    description: str,
    processes: int = 1,
) -> Iterator[tuple[str, bytes]]:
    """Yield the id of every image and its result, in order; each result is kept in ``scratch``.

    What is found there is not computed again. With more than one process, ``task`` and images must
    pickle. ChildProcessError if a process died.
    """

    def rest(done: set[str]) -> Iterator[tuple[str, bytes]]:
        todo = [image for image in images if image.id not in done]
        yield from zip((i.id for i in todo), _compute(todo, task, processes), strict=True)

    yield from collect([image.id for image in images], rest, scratch, description)


def collect(
    ids: Sequence[str],
    rest: Callable[[set[str]], Iterable[tuple[str, bytes]]],
    scratch: Scratch,
    description: str,
) -> Iterator[tuple[str, bytes]]:
    """Yield every id and its result, in order; ``rest`` gives those that are not ``done`` yet.

    It may give them in any order; each is kept in ``scratch`` at once.
    """
    names = {id_: f"{number:08d}" for number, id_ in enumerate(ids)}
    kept = set(scratch.names("[0-9]*"))
    # Read here for a damaged one to be computed again.
    done = {id_ for id_, name in names.items() if name in kept and scratch.read(name) is not None}
    if done:
        print(f"{description}: {len(done)} of {len(ids)} images were done before", file=sys.stderr)
    for id_, result in track(rest(done), description, len(ids) - len(done)):
        scratch.write(names[id_], result)
    for id_, name in names.items():
        data = scratch.read(name)
        if data is None:
            raise ValueError(f"{scratch.folder / name}: damaged or missing; run `dvc repro` again")
        yield id_, data


def _compute(
    images: Sequence[Image], task: Callable[[Image], bytes], processes: int
) -> Iterator[bytes]:
    processes = min(processes, len(images) // WORTH_A_PROCESS)
    if processes <= 1:
        yield from map(task, images)
        return
    # Not forked: that may hang where libraries have threads of their own.
    pool = ProcessPoolExecutor(
        processes,
        multiprocessing.get_context("spawn"),
        initializer=follow_parent,
        initargs=(os.getpid(),),
    )
    try:
        yield from _ordered(pool, images, task, AHEAD * processes)
    except BrokenProcessPool:
        raise ChildProcessError(
            "one of the processes died, perhaps for lack of memory: `dvc repro` goes on from "
            "there; AUXSEG_PROCESSES=1 needs the least"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _ordered(
    pool: ProcessPoolExecutor,
    images: Iterable[Image],
    task: Callable[[Image], bytes],
    ahead: int,
) -> Iterator[bytes]:
    """Results in order, with at most ``ahead`` images begun that were not asked for yet."""
    begun: deque[Future[bytes]] = deque()
    for image in images:
        begun.append(pool.submit(task, image))
        if len(begun) > ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
