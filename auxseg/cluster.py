"""Work image by image over the processes of a Ray cluster, which places, feeds and retries it.

``RAY_ADDRESS`` names the cluster; without it, one is started on this machine and ended again. Where
an image is computed cannot change its result, which is a function of that image alone.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import auxseg
from auxseg.interrupt import SIGNALS
from auxseg.runtime import SCRATCH, one_thread, worker_gpus
from auxseg.work import Image, Inputs, Work

AHEAD = 2  # images a worker that are read before their turn


class Worker:
    """A process of the cluster."""

    def __init__(self) -> None:
        self.task: Callable[[Any], bytes] | None = None

    def compute(self, task: list[Any], id_: str, inputs: object) -> tuple[str, bytes]:
        """One image's result by ``task``, a reference that is fetched once: it may be a network."""
        if self.task is None:
            self.task = import_module("ray").get(task[0])
            one_thread()
        return id_, self.task(inputs)


def compute(
    images: Sequence[Image], work: Work[Image, Inputs], workers: int
) -> Iterator[tuple[str, bytes]]:
    """Yield id and result of every image as they come, by as many processes of a Ray cluster.

    Files are read here, so that the hosts need not share any. A process or host that is lost is
    replaced and what it was at is done again, by Ray. ValueError if Ray is not installed or the
    cluster has not the GPUs; ChildProcessError if Ray gives up.
    """
    ray = _ray(workers)
    with _cluster(ray, workers):
        gpus = _gpus(int(ray.cluster_resources().get("GPU", 0)), workers) if work.network else 0
        actor = ray.remote(
            max_restarts=-1,
            max_task_retries=-1,
            num_cpus=1,
            num_gpus=gpus,
            scheduling_strategy="SPREAD",
        )(Worker)
        task = [ray.put(work.task)]  # in a list it is sent as a reference
        pool = import_module("ray.util").ActorPool([actor.remote() for _ in range(workers)])
        inputs = ((task, image.id, work.read(image)) for image in images)
        try:
            for result in _results(pool, inputs, AHEAD * workers):
                yield result
                # One that lost its host, or never found one, can start where another is done.
                while idle := pool.pop_idle():
                    ray.kill(idle)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            line = " ".join(str(error).split())
            raise ChildProcessError(f"Ray: {line}: `dvc repro` goes on from there") from error


def _results(
    pool: Any, inputs: Iterable[tuple[Any, ...]], ahead: int
) -> Iterator[tuple[str, bytes]]:
    for number, arguments in enumerate(inputs):
        if number >= ahead:
            yield pool.get_next_unordered()
        pool.submit(lambda worker, arguments: worker.compute.remote(*arguments), arguments)
    while pool.has_next():
        yield pool.get_next_unordered()


def _ray(workers: int) -> Any:
    try:
        return import_module("ray")
    except ImportError:
        raise ValueError(
            f"AUXSEG_WORKERS = {workers} needs Ray: .venv/bin/pip install 'ray[train]'"
        ) from None


@contextmanager
def _cluster(ray: Any, workers: int) -> Iterator[None]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS") or "local"
    # What runs elsewhere must compute as it would here.
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("AUXSEG_") and name != SCRATCH
    }
    before = {number: signal.getsignal(number) for number in SIGNALS}
    ray.init(
        address,
        num_cpus=workers if address == "local" else None,
        include_dashboard=False if address == "local" else None,
        logging_level="error",
        log_to_driver=False,
        runtime_env={"py_modules": [str(Path(auxseg.__file__).parent)], "env_vars": variables},
    )
    try:
        for number, handler in before.items():  # Ray takes SIGTERM for itself
            signal.signal(number, handler)
        yield
    finally:
        ray.shutdown()


def _gpus(there: int, workers: int) -> int:
    """GPUs of each worker; one that there is no place for would be waited for without end."""
    gpus = worker_gpus(there)
    if workers * gpus > there:
        raise ValueError(
            f"AUXSEG_WORKERS = {workers} with {gpus} GPUs each, but the cluster has {there}: "
            "lower AUXSEG_WORKERS or AUXSEG_WORKER_GPUS"
        )
    return gpus
