"""Progress of long work: a bar on a terminal, ten plain lines elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from auxseg.system.interrupt import stop_if_asked

T = TypeVar("T")
LINES = 10


class RateColumn(ProgressColumn):
    """A column with the units done per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        """Draw the rate once there is one."""
        return Text("" if task.speed is None else f"{task.speed:.1f} {self.unit}/s")


def track(items: Iterable[T], description: str, total: int, unit: str = "images") -> Iterator[T]:
    """Yield ``items`` and show how many of ``total`` are done, the rate and the remaining time.

    Raises:
        Interrupted: After a signal, instead of the next item.
    """
    items = _until_signal(items)
    console = Console(file=sys.stderr)
    if not console.is_terminal:
        yield from _lines(items, description, total, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield from progress.track(items, total=total, description=description)


def _until_signal(items: Iterable[T]) -> Iterator[T]:
    stop_if_asked()
    for item in items:
        yield item
        stop_if_asked()


def _lines(items: Iterable[T], description: str, total: int, unit: str) -> Iterator[T]:
    start = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        # One line whenever another tenth is complete.
        if done * LINES // total > (done - 1) * LINES // total:
            rate = done / max(time.monotonic() - start, 1e-9)
            left = (total - done) / rate
            print(
                f"{description}: {done}/{total} {unit}, {rate:.1f} {unit}/s, {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
