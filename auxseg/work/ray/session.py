"""The Ray cluster that a stage works on, for as long as the work lasts.

``RAY_ADDRESS`` names it. Without that variable, a cluster is started on this machine and ended
again.
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

# Seconds in which a process connects to a cluster of this machine. It tries five times; with the 5
# of Ray, processes that were starting when a stage was killed are left for 26 s.
CONNECT = ("RAY_gcs_rpc_server_connect_timeout_s", "1")


@contextmanager
def cluster(workers: int) -> Iterator[Any]:
    """Join the cluster, or start one for ``workers`` processes.

    An error of a task is raised as its cause.

    Yields:
        The module ``ray``.

    Raises:
        ValueError: If Ray is not installed.
        ChildProcessError: If Ray gives up on the work of the block.
    """
    ray = _ray(workers)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = os.environ.get("RAY_ADDRESS") or "local"
    if address == "local":
        os.environ.setdefault(*CONNECT)
    # Processes elsewhere must compute as this one would.
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("AUXSEG_", "RAY_TRAIN_", LARGE_PAGES)) and name != SCRATCH
    }
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        ray.init(
            address,
            num_cpus=workers if address == "local" else None,
            include_dashboard=False if address == "local" else None,
            logging_level="error",
            log_to_driver=False,
            runtime_env={"py_modules": [str(Path(auxseg.__file__).parent)], "env_vars": variables},
        )
    except (ConnectionError, ray.exceptions.AuthenticationError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"RAY_ADDRESS = {address!r}: {reason}: either no Ray listens there, or it asks for a "
            "token, and RAY_AUTH_MODE=token or the right token is missing (docs/cluster.md)"
        ) from None
    try:
        for number, handler in before.items():  # Ray replaces the one of SIGTERM
            signal.signal(number, handler)
        yield ray
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise ChildProcessError(gave_up(error)) from error
    finally:
        ray.shutdown()


def gave_up(error: Exception) -> str:
    """Return a message of one line for an error of Ray itself."""
    return f"Ray: {' '.join(str(error).split())}: `dvc repro` goes on from there"


def gpus_of_each(ray: Any, workers: int) -> int:
    """Return the number of GPUs of each worker.

    Raises:
        ValueError: If the cluster has too few GPUs: Ray would wait for them.
    """
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
