"""Checkpoints of a training, as often as they cost little.

A training that resumes from a checkpoint ends with the bytes of an undisturbed one, so nothing
here can change a result.
"""

import io
import sys
import time
from typing import Any

import torch

from auxseg.work.scratch import Scratch

# A checkpoint is due after this many times the duration of the last one: checkpoints take 2 % of
# the time, whatever the network, and at worst the time of 50 checkpoints is lost.
INTERVAL = 50
KEPT = 2


class Checkpoints:
    """The states of one training in its scratch folder; the last two are kept."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._due = time.monotonic()

    def latest(self) -> dict[str, Any] | None:
        """Return the newest state that is not damaged; None if there is none."""
        for name in reversed(self._scratch.names("step-*")):
            data = self._scratch.read(name)
            if data is not None:
                state: dict[str, Any] = torch.load(
                    io.BytesIO(data), map_location="cpu", weights_only=True
                )
                return state
            print(f"{self._scratch.folder / name}: damaged, not used", file=sys.stderr)
        return None

    @property
    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return time.monotonic() >= self._due

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Save the state after ``step``: tensors, numbers, texts, and lists and dicts of them."""
        start = time.monotonic()
        buffer = io.BytesIO()
        torch.save(state, buffer)
        # On the disk before an older one is removed, or a power loss might leave none.
        self._scratch.write(f"step-{step:09d}", buffer.getvalue(), durable=True)
        for name in self._scratch.names("step-*")[:-KEPT]:
            self._scratch.remove(name)
        end = time.monotonic()
        self._due = end + INTERVAL * (end - start)
