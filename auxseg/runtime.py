"""Where work runs, from the environment. Nothing here may change what is computed."""

import os

import torch


def device() -> torch.device:
    """``AUXSEG_DEVICE`` if set (``cpu``, ``cuda``, ``cuda:1``), else a GPU if there is one."""
    name = os.environ.get("AUXSEG_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def loader_workers() -> int:
    """Processes that load training images: ``AUXSEG_LOADERS``, else 0 on a CPU, 4 on a GPU."""
    return int(os.environ.get("AUXSEG_LOADERS") or (0 if device().type == "cpu" else 4))


def affinity_bytes() -> int:
    """Memory for pairwise affinities at inference: ``AUXSEG_AFFINITY_MB`` megabytes, else 128.

    Larger maps are computed in chunks of rows. Raises ValueError if it is not a positive number.
    """
    text = os.environ.get("AUXSEG_AFFINITY_MB") or "128"
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"AUXSEG_AFFINITY_MB = {text!r}: a whole number above 0 is needed")
    return int(text) * 2**20
