"""Where work runs, from the environment. Nothing here may change what is computed.

A variable with a value that it cannot have raises ValueError.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    import torch

SCRATCH = "AUXSEG_SCRATCH"
MAX_LOADERS = 8
LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # of torch, which reads it before its first allocation


def device() -> torch.device:
    """Return the device to compute on.

    It is ``AUXSEG_DEVICE`` if set (``cpu``, ``cuda``, ``cuda:1``), else a GPU if there is one.

    Raises:
        ValueError: If ``AUXSEG_DEVICE`` is something else, or a GPU that is not there.
    """
    import torch  # not at the top: stages without a network need not wait for it

    name = os.environ.get("AUXSEG_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", name):
        raise ValueError(f"AUXSEG_DEVICE = {name!r}: cpu, cuda or cuda:<number> is needed")
    if name == "cpu":
        return torch.device(name)
    number, gpus = int(name.partition(":")[2] or 0), torch.cuda.device_count()
    if not gpus:
        cuda = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        raise ValueError(
            f"AUXSEG_DEVICE = {name!r}: torch finds no GPU here ({torch.__version__}, built "
            f"{cuda}): cpu is needed"
        )
    if number >= gpus:
        known = "cuda:0" if gpus == 1 else f"cuda:0 to cuda:{gpus - 1}"
        raise ValueError(f"AUXSEG_DEVICE = {name!r}: torch finds {known} here, and no other GPU")
    return torch.device(name if name == "cuda" else f"cuda:{number}")


def loader_workers() -> int:
    """Return how many processes or threads work for one that runs a network: ``AUXSEG_LOADERS``.

    By default none on a CPU, whose cores all compute; on a GPU one for each core, up to
    ``MAX_LOADERS``.
    """
    default = 0 if device().type == "cpu" else min(_cores(), MAX_LOADERS)
    return _number("AUXSEG_LOADERS", default, least=0)


def compiled() -> bool:
    """Return whether torch compiles the backbone for training: ``AUXSEG_COMPILE=1``, else not."""
    return _number("AUXSEG_COMPILE", 0, least=0) > 0


def processes() -> int:
    """Return how many processes work image by image: ``AUXSEG_PROCESSES``, else one per core."""
    return _number("AUXSEG_PROCESSES", _cores())


def network_processes() -> int:
    """Return how many processes run a network image by image.

    That is ``processes``, but on a GPU only one by default: each takes a part of its memory.
    """
    return processes() if device().type == "cpu" else _number("AUXSEG_PROCESSES", 1)


def workers() -> int:
    """Return how many processes of a Ray cluster work: ``AUXSEG_WORKERS``, else 1 and no Ray."""
    return _number("AUXSEG_WORKERS", 1)


def worker_gpus(available: int) -> int:
    """Return the GPUs of each of them: ``AUXSEG_WORKER_GPUS``, else 1 if any are ``available``."""
    return _number("AUXSEG_WORKER_GPUS", min(available, 1), least=0)


def one_thread() -> None:
    """Make this process compute with one thread, because work image by image uses processes.

    Threads of several processes would only wait for each other, and the bytes of a result depend
    on their number.
    """
    threadpool_limits(1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def large_pages() -> None:
    """Make torch ask the system for large pages, in this process and in those it starts.

    On the CPU every map of a network is newly allocated. With pages of 4 kB, the allocation can
    take longer than the computation.
    """
    os.environ.setdefault(LARGE_PAGES, "1")


def affinity_bytes() -> int:
    """Return the memory for pairwise affinities at inference: ``AUXSEG_AFFINITY_MB`` MiB, else 128.

    Larger maps are computed in chunks of rows.
    """
    return _number("AUXSEG_AFFINITY_MB", 128) * 2**20


def rounding(threads: int) -> dict[str, str | int]:
    """Return what changes the last digits of a network's outputs: device, threads and the like."""
    torch = sys.modules.get("torch")
    if torch is None:  # then it computes nothing
        return {}
    place = device()
    if place.type == "cuda":
        own: dict[str, str | int] = {"device": torch.cuda.get_device_name(place)}
    else:
        own = {"device": str(place), "threads": threads}
    return own | {"affinity_bytes": affinity_bytes(), "compiled": compiled()}


def scratch_root() -> Path:
    """Return the folder of unfinished work: ``AUXSEG_SCRATCH``, else one in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get(SCRATCH) or Path(cache) / "auxseg").absolute()


def _number(variable: str, default: int, least: int = 1) -> int:
    """Return a whole number from the environment.

    Raises:
        ValueError: If the variable holds no whole number of ``least`` or more.
    """
    text = os.environ.get(variable) or str(default)
    if not re.fullmatch("[0-9]{1,18}", text) or int(text) < least:
        raise ValueError(f"{variable} = {text!r}: a whole number of {least} or more is needed")
    return int(text)


def _cores() -> int:
    """Return the number of cores this process may use; a shared machine may have more."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux has it
        return os.cpu_count() or 1
