"""Photographs several times over: what a stage costs beyond the start of its processes.

A module of its own, as those processes import it, and a stage's do not wait for torch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from auxseg.data.index import Entry

Inputs = TypeVar("Inputs")


@dataclass(frozen=True)
class Again:
    """A photograph once more."""

    entry: Entry
    number: int

    @property
    def id(self) -> str:
        """A name of its own."""
        return f"{self.entry.id} {self.number}"


def again(entries: list[Entry], times: int) -> list[Again]:
    """All of them so many times."""
    return [Again(entry, number) for number in range(times) for entry in entries]


def of_entry(read: Callable[[Entry], Inputs], one: Again) -> Inputs:
    """What is read of a photograph."""
    return read(one.entry)
