"""Work image by image on a Ray cluster, which places, feeds and retries it.

The place of the computation cannot change a result, which depends on its image alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any

from auxseg.system.runtime import one_thread
from auxseg.work.job import Image, Inputs, Job
from auxseg.work.ray.session import cluster, gpus_of_each

AHEAD = 2  # images per worker that are read before their turn


class Worker:
    """A process of the cluster."""

    def __init__(self) -> None:
        self.task: Callable[[Any], bytes] | None = None

    def compute(self, task: list[Any], id_: str, inputs: object) -> tuple[str, bytes]:
        """Return the id of an image and its result.

        ``task`` holds a reference to the task, which is fetched once because it may hold a network.
        """
        if self.task is None:
            self.task = import_module("ray").get(task[0])
            one_thread()
        return id_, self.task(inputs)


def compute(
    images: Sequence[Image], job: Job[Image, Inputs], workers: int
) -> Iterator[tuple[str, bytes]]:
    """Yield id and result of every image, as they are done by ``workers`` processes of a cluster.

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
            num_gpus=gpus_of_each(ray, workers) if job.network else 0,
            scheduling_strategy="SPREAD",
        )(Worker)
        task = [ray.put(job.task)]  # in a list it is sent as a reference
        pool = import_module("ray.util").ActorPool([actor.remote() for _ in range(workers)])
        inputs = ((task, image.id, job.read(image)) for image in images)
        for result in _results(pool, inputs, AHEAD * workers):
            yield result
            # Then a worker that lost its host, or never found one, can start in its place.
            while idle := pool.pop_idle():
                ray.kill(idle)


def _results(
    pool: Any, inputs: Iterable[tuple[Any, ...]], ahead: int
) -> Iterator[tuple[str, bytes]]:
    for number, arguments in enumerate(inputs):
        if number >= ahead:
            yield pool.get_next_unordered()
        pool.submit(lambda worker, arguments: worker.compute.remote(*arguments), arguments)
    while pool.has_next():
        yield pool.get_next_unordered()
