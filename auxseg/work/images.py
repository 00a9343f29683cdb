"""Work on images: resumable, by one process, by several, or over a cluster.

Neither the number of processes nor an interruption can change a result: it depends on the image
alone, or on those of its unit, which are computed together; and results come in the order of the
images.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from auxseg.system.progress import track
from auxseg.system.runtime import workers
from auxseg.work import processes
from auxseg.work.job import Image, Inputs, Work
from auxseg.work.scratch import Scratch

WRITING = 8  # results that wait for the disk at most


def each(
    images: Sequence[Image],
    work: Work[Image, Inputs],
    scratch: Scratch,
    description: str,
) -> Iterator[tuple[str, bytes]]:
    """Yield the id of every image and its result, in order; each result is kept in ``scratch``.

    Results found there are not computed again.

    Raises:
        ChildProcessError: If a process died.
    """

    def rest(done: set[str]) -> Iterator[tuple[str, bytes]]:
        units = [images[n : n + work.unit] for n in range(0, len(images), work.unit)]
        todo = [unit for unit in units if any(image.id not in done for image in unit)]
        if todo and workers() > 1:
            from auxseg.work.ray import images as cluster  # nothing else needs Ray

            found = cluster.compute(todo, work, workers())
        else:
            found = processes.compute(todo, work)
        for unit, results in found:
            for image, result in zip(unit, results, strict=True):
                if image.id not in done:
                    yield image.id, result

    yield from collect([image.id for image in images], rest, scratch, description)


def collect(
    ids: Sequence[str],
    rest: Callable[[set[str]], Iterable[tuple[str, bytes]]],
    scratch: Scratch,
    description: str,
) -> Iterator[tuple[str, bytes]]:
    """Yield every id and its result, in order; each result is kept in ``scratch`` at once.

    Args:
        ids: All ids.
        rest: Called with the ids that are done; gives the others with their results in any order.
        scratch: Results found there are not computed again.
        description: Names the work in messages.

    Raises:
        ValueError: If a kept result is damaged or missing in the end.
    """
    names = {id_: f"{number:08d}" for number, id_ in enumerate(ids)}
    kept = set(scratch.names("[0-9]*"))
    # Read here, so that a damaged result is computed again.
    done = {id_ for id_, name in names.items() if name in kept and scratch.read(name) is not None}
    if done:
        print(f"{description}: {len(done)} of {len(ids)} images were done before", file=sys.stderr)
    _keep(track(rest(done), description, len(ids) - len(done)), names, scratch)
    for id_, name in names.items():
        data = scratch.read(name)
        if data is None:
            raise ValueError(f"{scratch.folder / name}: damaged or missing; run `dvc repro` again")
        yield id_, data


def _keep(results: Iterable[tuple[str, bytes]], names: Mapping[str, str], scratch: Scratch) -> None:
    """Write results in a thread beside what computes the next; also those before an error."""
    with ThreadPoolExecutor(1) as pool:
        writing: deque[Future[None]] = deque()
        for id_, result in results:
            writing.append(pool.submit(scratch.write, names[id_], result))
            if len(writing) > WRITING:
                writing.popleft().result()
        for future in writing:
            future.result()
