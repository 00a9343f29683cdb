"""The Ray cluster that a stage works on, for as long as it does.

``RAY_ADDRESS`` names it; without, one is started on this machine and ended again.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import auxseg
from auxseg.system.interrupt import SIGNALS
from auxseg.system.runtime import LARGE_PAGES, SCRATCH, worker_gpus


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """Join the cluster, or start one for so many ``workers``; gives the module ``ray``.

    ValueError if Ray is not installed; ChildProcessError if Ray gives up on the work of the block.
    """
    ray = _ray(workers)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS") or "local"
    # What runs elsewhere must compute as it would here.
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("AUXSEG_", "RAY_TRAIN_", LARGE_PAGES)) and name != SCRATCH
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
        yield ray
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise ChildProcessError(gave_up(error)) from error
    finally:
        ray.shutdown()


def gave_up(error: Exception) -> str:
    """One line for an error of Ray's own."""
    return f"Ray: {' '.join(str(error).split())}: `dvc repro` goes on from there"


def gpus_of_each(ray: Any, workers: int) -> int:
    """GPUs of each worker. ValueError where there are not enough: they would be waited for."""
    there = int(ray.cluster_resources().get("GPU", 0))
    gpus = worker_gpus(there)
    if workers * gpus > there:
        raise ValueError(
            f"AUXSEG_WORKERS = {workers} with {gpus} GPUs each, but the cluster has {there}: "
            "lower AUXSEG_WORKERS or AUXSEG_WORKER_GPUS"
        )
    return gpus


def _ray(workers: int) -> Any:
    try:
        return import_module("ray")
    except ImportError:
        raise ValueError(
            f"AUXSEG_WORKERS = {workers} needs Ray: .venv/bin/pip install 'ray[train]'"
        ) from None
