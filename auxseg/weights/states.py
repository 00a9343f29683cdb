"""State dicts in the checkpoints of others, who keep them below many names."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from auxseg.weights.files import read_content

# Keys below which checkpoints keep the state dict, in the order in which they are tried; then the
# checkpoint itself and its other dicts; and at last the averages that some keep beside it.
USUAL = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
AVERAGES = ("model_ema", "state_dict_ema", "ema_state_dict", "ema")
MAX_DEPTH = 3
SHOWN = 10


@dataclass(frozen=True)
class State:
    """Tensors by name, and the keys of the checkpoint that lead to them."""

    keys: tuple[str, ...]
    tensors: dict[str, Tensor]


def read_states(path: Path) -> list[State]:
    """Read all state dicts of a file, in the order in which they are to be tried.

    Values beside the tensors, such as numbers, are left out.

    Raises:
        ValueError: If the file is missing, cannot be read, or holds no state dict of tensors.
    """
    content = read_content(path)
    states = list(_states(content, ()))
    if not states:
        keys = list(content) if isinstance(content, dict) else []
        found = f"the keys {listed(keys)}" if keys else f"an object of type {type(content).__name__}"
        raise ValueError(f"{path}: not a state dict of tensors: it holds {found}")
    return states


def listed(names: list[Any]) -> str:
    """Return the first names of a list in quotes."""
    more = ", …" if len(names) > SHOWN else ""
    return ", ".join(repr(name)[:80] for name in names[:SHOWN]) + more


def _states(content: Any, keys: tuple[str, ...]) -> Iterator[State]:
    if not isinstance(content, dict) or len(keys) > MAX_DEPTH:
        return
    dicts = [key for key, value in content.items() if isinstance(key, str) and _is_dict(value)]
    usual = [key for key in USUAL if key in dicts]
    averages = [key for key in AVERAGES if key in dicts]
    for key in usual:
        yield from _states(content[key], (*keys, key))
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors and all(map(_is_plain, tensors, tensors.values())):
        yield State(keys, tensors)
    for key in dicts:
        if key not in (*usual, *averages):
            yield from _states(content[key], (*keys, key))
    for key in averages:
        yield from _states(content[key], (*keys, key))


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _is_plain(name: Any, tensor: Tensor) -> bool:
    return (
        isinstance(name, str)
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_nested
    )
