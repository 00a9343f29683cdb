"""Work image by image: resumable, and spread over processes where it needs no network.

Neither the number of processes nor an interruption can change a result: every image's result is a
function of that image alone, and results come in the order of the images.
"""

import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from auxseg.interrupt import follow_parent
from auxseg.progress import track
from auxseg.runtime import network_processes, one_thread, processes, workers
from auxseg.scratch import Scratch

AHEAD = 2  # images a process that are begun before their turn
# Seconds of work left that are worth the start of processes, which takes some where torch is used.
WORTH_PROCESSES = 3.0
WORTH_NETWORKS = 20.0
TRIAL = 1.0  # seconds after which that is known


class Named(Protocol):
    """An image of the dataset."""

    @property
    def id(self) -> str:
        """Its name."""


Image = TypeVar("Image", bound=Named)
Inputs = TypeVar("Inputs")


@dataclass(frozen=True)
class Work(Generic[Image, Inputs]):
    """What is done with an image, in two halves that must pickle.

    ``read`` gets all that is needed of an image from files, ``task`` computes the result from it
    and needs no file: it may run anywhere.
    """

    read: Callable[[Image], Inputs]
    task: Callable[[Inputs], bytes]
    network: bool = False  # whether ``task`` would use a GPU

    def __call__(self, image: Image) -> bytes:
        """Do both."""
        return self.task(self.read(image))


def each(
    images: Sequence[Image],
    work: Work[Image, Inputs],
    scratch: Scratch,
    description: str,
) -> Iterator[tuple[str, bytes]]:
    """Yield the id of every image and its result, in order; each result is kept in ``scratch``.

    What is found there is not computed again. ChildProcessError if a process died.
    """

    def rest(done: set[str]) -> Iterator[tuple[str, bytes]]:
        todo = [image for image in images if image.id not in done]
        if todo and workers() > 1:
            from auxseg.cluster.images import compute  # nothing else needs Ray

            yield from compute(todo, work, workers())
        else:
            yield from zip((i.id for i in todo), _compute(todo, work), strict=True)

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


def _compute(images: Sequence[Image], work: Work[Image, Inputs]) -> Iterator[bytes]:
    most, worth = (
        (network_processes(), WORTH_NETWORKS) if work.network else (processes(), WORTH_PROCESSES)
    )
    one_thread()
    start = time.monotonic()
    for done, image in enumerate(images):
        seconds, left = time.monotonic() - start, len(images) - done
        known = done > 0 and seconds >= TRIAL
        if known and most > 1 and seconds / done * left >= worth:
            yield from _side_by_side(images[done:], work, min(most, left))
            return
        yield work(image)


def _side_by_side(
    images: Sequence[Image], work: Work[Image, Inputs], number: int
) -> Iterator[bytes]:
    # Not forked: that may hang where libraries have threads of their own.
    pool = ProcessPoolExecutor(
        number,
        multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(os.getpid(), work),
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


# Of a process of the pool: sent once, as it may hold a network.
_work: Work[Any, Any]


def _start(parent: int, work: Work[Any, Any]) -> None:
    global _work
    follow_parent(parent)
    one_thread()
    _work = work


def _do(image: Named) -> bytes:
    return _work(image)


def _ordered(pool: ProcessPoolExecutor, images: Iterable[Named], ahead: int) -> Iterator[bytes]:
    """Results in order, with at most ``ahead`` images begun that were not asked for yet."""
    begun: deque[Future[bytes]] = deque()
    for image in images:
        begun.append(pool.submit(_do, image))
        if len(begun) > ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
