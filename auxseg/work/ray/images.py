"""Work on images on a Ray cluster, which places, feeds and retries it.

The place of the computation cannot change a result, which depends on its unit alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from auxseg.system.runtime import one_thread
from auxseg.work.job import Image, Inputs, Work
from auxseg.work.ray.session import cluster, gpus_of_each

AHEAD = 2  # units per worker that are read before their turn


class Worker:
    """A process of the cluster."""

    def __init__(self) -> None:
        self.work: Work[Any, Any] | None = None

    def compute(
        self, work: list[Any], number: int, inputs: Sequence[Any]
    ) -> tuple[int, list[bytes]]:
        """Return the number of a unit and the results of its images.

        ``work`` holds a reference to the work, which is fetched once because it may hold a network.
        """
        if self.work is None:
            self.work = import_module("ray").get(work[0])
            one_thread()
        return number, next(self.work.results([inputs]))


def compute(
    units: Sequence[Sequence[Image]], work: Work[Image, Inputs], workers: int
) -> Iterator[tuple[Sequence[Image], list[bytes]]]:
    """Yield every unit and its results, as they are done by ``workers`` processes of a cluster.

    Files are read in this process, so the hosts need not share any. Ray replaces a process or host
    that is lost, and repeats its work.

    Raises:
        ValueError: If Ray is not installed, or the cluster has too few GPUs.
        ChildProcessError: If Ray gives up.
    """
    with cluster(workers) as ray:
        actor = ray.remote(
            max_restarts=-1,
            max_task_retries=-1,
            num_cpus=1,
            num_gpus=gpus_of_each(ray, workers) if work.network else 0,
            scheduling_strategy="SPREAD",
        )(Worker)
        sent = [ray.put(replace(work, read=_itself))]  # in a list it is sent as a reference
        pool = import_module("ray.util").ActorPool([actor.remote() for _ in range(workers)])
        inputs = (
            (sent, number, [work.read(image) for image in unit])
            for number, unit in enumerate(units)
        )
        for number, results in _results(pool, inputs, AHEAD * workers):
            yield units[number], results
            # Then a worker that lost its host, or never found one, can start in its place.
            while idle := pool.pop_idle():
                ray.kill(idle)


def _itself(inputs: Any) -> Any:
    return inputs


def _results(
    pool: Any, inputs: Iterable[tuple[Any, ...]], ahead: int
) -> Iterator[tuple[int, list[bytes]]]:
    for number, arguments in enumerate(inputs):
        if number >= ahead:
            yield pool.get_next_unordered()
        pool.submit(lambda worker, arguments: worker.compute.remote(*arguments), arguments)
    while pool.has_next():
        yield pool.get_next_unordered()
