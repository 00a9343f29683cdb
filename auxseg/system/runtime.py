"""Where work runs, from the environment. Nothing here may change what is computed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    import torch

SCRATCH = "AUXSEG_SCRATCH"
LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # torch's own, read before it allocates for the first time


def device() -> torch.device:
    """``AUXSEG_DEVICE`` if set (``cpu``, ``cuda``, ``cuda:1``), else a GPU if there is one."""
    import torch  # not above: steps without a network do not wait for it

    name = os.environ.get("AUXSEG_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def loader_workers() -> int:
    """Processes that load training images: ``AUXSEG_LOADERS``, else 0 on a CPU, 4 on a GPU."""
    default = 0 if device().type == "cpu" else 4
    return _number("AUXSEG_LOADERS", default, least=0)


def compiled() -> bool:
    """Whether to train the backbone compiled by torch: ``AUXSEG_COMPILE=1``, else not."""
    return _number("AUXSEG_COMPILE", 0, least=0) > 0


def processes() -> int:
    """Processes for work image by image: ``AUXSEG_PROCESSES``, else one a core."""
    return _number("AUXSEG_PROCESSES", _cores())


def network_processes() -> int:
    """The same where the work is a network's: on a GPU there is only one."""
    return processes() if device().type == "cpu" else 1


def workers() -> int:
    """Processes of a Ray cluster for work image by image: ``AUXSEG_WORKERS``, else 1 and no Ray."""
    return _number("AUXSEG_WORKERS", 1)


def worker_gpus(available: int) -> int:
    """GPUs of each of them: ``AUXSEG_WORKER_GPUS``, else 1 in a cluster that has some."""
    return _number("AUXSEG_WORKER_GPUS", min(available, 1), least=0)


def one_thread() -> None:
    """Have this process compute by one thread: work image by image uses the cores by processes.

    Their threads would only wait for each other, and the bytes depend on how many there are.
    """
    threadpool_limits(1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def large_pages() -> None:
    """Have torch ask the system for large pages, in this process and in those it starts.

    Every map of a network is new memory on the CPU; in pages of 4 kB getting it can take longer
    than computing it.
    """
    os.environ.setdefault(LARGE_PAGES, "1")


def affinity_bytes() -> int:
    """Memory for pairwise affinities at inference: ``AUXSEG_AFFINITY_MB`` megabytes, else 128.

    Larger maps are computed in chunks of rows.
    """
    return _number("AUXSEG_AFFINITY_MB", 128) * 2**20


def rounding(threads: int) -> dict[str, str | int]:
    """What changes the last digits of a network's outputs: device, threads and the like."""
    torch = sys.modules.get("torch")
    if torch is None:  # then nothing is computed by it
        return {}
    place = device()
    if place.type == "cuda":
        own: dict[str, str | int] = {"device": torch.cuda.get_device_name(place)}
    else:
        own = {"device": str(place), "threads": threads}
    return own | {"affinity_bytes": affinity_bytes(), "compiled": compiled()}


def scratch_root() -> Path:
    """Folder of unfinished work: ``AUXSEG_SCRATCH``, else one in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(SCRATCH) or Path(cache) / "auxseg").absolute()


def _number(variable: str, default: int, least: int = 1) -> int:
    """A whole number from the environment; ValueError, one line, if it is none."""
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or int(text) < least:
        raise ValueError(f"{variable} = {text!r}: a whole number of {least} or more is needed")
    return int(text)


def _cores() -> int:
    """Cores this process may use, which on a shared machine are less than it has."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux knows
        return os.cpu_count() or 1
