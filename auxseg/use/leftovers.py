"""Unfinished work of killed runs: listing and removal."""

from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from auxseg.system.runtime import scratch_root
from auxseg.work.scratch import Leftover, leftovers, remove

DAY = 86400
MB = 10**6


def list_leftovers(older: float | None, larger: float | None) -> None:
    """Print all unfinished work, and remove what exceeds all limits, if any is given.

    Work in use is kept.

    Args:
        older: Limit of the age in days.
        larger: Limit of the size in MB.
    """
    found = leftovers(scratch_root())
    cleaning = older is not None or larger is not None
    gone = set()
    if cleaning:
        chosen = [
            leftover
            for leftover in found
            if leftover.age >= (older or 0) * DAY and leftover.bytes >= (larger or 0) * MB
        ]
        gone = {leftover.folder for leftover in chosen if remove(leftover.folder)}
    _print(found, gone)


def _print(found: list[Leftover], gone: set[Path]) -> None:
    table = Table("unfinished work", "last written", "records", "MB", "")
    for leftover in found:
        table.add_row(
            leftover.folder.name,
            f"{timedelta(seconds=round(leftover.age))} ago",
            str(leftover.records),
            f"{leftover.bytes / MB:.1f}",
            "removed" if leftover.folder in gone else _state(leftover),
        )
    console = Console()
    console.print(f"{scratch_root()}", soft_wrap=True)
    console.print(table if found else "nothing unfinished")


def _state(leftover: Leftover) -> str:
    if leftover.in_use:
        return "in use"
    if leftover.finished:
        return "finished"
    return "of another version" if leftover.outdated else ""
