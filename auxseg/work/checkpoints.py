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
FIRST = 5  # in place of it after the first one of a process, which takes several times as long
KEPT = 2
# A checkpoint waits for the disk after so many seconds: as much work a power loss may cost. To wait
# takes longer than to write, so doing it each time would double what a kill costs.
SYNC = 30.0


class Checkpoints:
    """The states of one training in its scratch folder.

    The last two are kept, and the last one that waited for the disk: the oldest file.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._due = time.monotonic()
        self._interval = FIRST
        self._sync_due = self._due + SYNC

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
        data = _encoded(state)
        before, name = self._scratch.names("step-*"), f"step-{step:09d}"
        durable = not before or start >= self._sync_due
        self._scratch.write(name, data, durable=durable)
        if durable:
            self._sync_due = start + SYNC
        kept = {name if durable else before[0], *self._scratch.names("step-*")[-KEPT:]}
        for old in set(before) - kept:
            self._scratch.remove(old)
        end = time.monotonic()
        self._due = end + self._interval * (end - start)
        self._interval = INTERVAL


def _encoded(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    try:
        torch.save(state, buffer)
    except RuntimeError as error:  # all that torch says if the buffer could not grow
        raise MemoryError(f"there is no room for a checkpoint ({error})") from error
    return buffer.getvalue()
