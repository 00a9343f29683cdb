"""State dicts in the checkpoints of others, who keep them below keys and prefixes of many names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from auxseg.weights.files import read_content

# Keys below which checkpoints keep the state dict, in the order in which they are tried. Then come
# the checkpoint itself and its other dicts, at last the averages that some keep beside the weights.
USUAL = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
AVERAGES = ("model_ema", "state_dict_ema", "ema_state_dict", "ema")
MAX_DEPTH = 3  # of dicts within dicts
MAX_STATES = 100  # of a file; each is compared with all networks
MAX_PARTS = 4  # of a prefix, such as module.encoder.backbone.body.
SHOWN = 10


@dataclass(frozen=True)
class State:
    """Tensors of a file by name.

    Attributes:
        tensors: Those of a state dict.
        keys: What leads to it in the checkpoint.
        prefix: What the names of the tensors that count begin with.
    """

    tensors: dict[str, Tensor]
    keys: tuple[str, ...] = ()
    prefix: str = ""

    @property
    def place(self) -> str:
        """Where in the file the tensors are; empty if they are all of it."""
        below = f"from {'.'.join(self.keys)!r}" if self.keys else ""
        without = f"without the prefix {self.prefix!r}" if self.prefix else ""
        return ", ".join(filter(None, (below, without)))


def read_states(path: Path) -> list[State]:
    """Read all state dicts of a file, in the order in which they are to be tried.

    Values beside the tensors, such as numbers, are left out.

    Raises:
        ValueError: If the file is missing, cannot be read, or holds no state dict of tensors.
    """
    content = read_content(path)
    states = list(islice(_states(content, (), set()), MAX_STATES + 1))
    if len(states) > MAX_STATES:
        raise ValueError(
            f"{path}: holds more than {MAX_STATES} state dicts: save one of them alone"
        )
    if not states:
        what = f"the keys {listed(list(content))}" if content and isinstance(content, dict) else ""
        raise ValueError(
            f"{path}: not a state dict of tensors: it holds {what or type(content).__name__}"
        )
    return states


def with_prefixes(state: State, least: int) -> Iterator[State]:
    """Yield a state dict as it is, and once for each prefix that many of its names have.

    Short prefixes come first, and those of one length in the order of the file.

    Args:
        state: The state dict.
        least: How many names have to begin with a prefix.
    """
    yield state
    counts: list[dict[str, int]] = [{} for _ in range(MAX_PARTS)]
    for name in state.tensors:
        parts = name.split(".")[:-1]
        for depth in range(min(len(parts), MAX_PARTS)):
            prefix = ".".join(parts[: depth + 1]) + "."
            counts[depth][prefix] = counts[depth].get(prefix, 0) + 1
    for count in counts:
        for prefix in (prefix for prefix, number in count.items() if number >= least):
            yield State(state.tensors, state.keys, prefix)


def listed(names: Sequence[Any]) -> str:
    """Return the first of some names in quotes."""
    more = ", …" if len(names) > SHOWN else ""
    return ", ".join(repr(name)[:80] for name in names[:SHOWN]) + more


def _states(content: Any, keys: tuple[str, ...], seen: set[int]) -> Iterator[State]:
    """Yield the state dicts in a dict; one that is held many times is yielded once."""
    if not isinstance(content, dict) or len(keys) > MAX_DEPTH or id(content) in seen:
        return
    seen.add(id(content))
    dicts = [key for key, value in content.items() if isinstance(value, dict)]
    dicts = [key for key in dicts if isinstance(key, str)]
    usual = [key for key in USUAL if key in dicts]
    averages = [key for key in AVERAGES if key in dicts]
    others = [key for key in dicts if key not in (*usual, *averages)]
    for key in usual:
        yield from _states(content[key], (*keys, key), seen)
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors and all(map(_is_plain, tensors, tensors.values())):
        yield State(tensors, keys)
    for key in others + averages:
        yield from _states(content[key], (*keys, key), seen)


def _is_plain(name: Any, tensor: Tensor) -> bool:
    return (
        isinstance(name, str)
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and not tensor.is_nested
    )
