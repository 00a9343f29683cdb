"""List unfinished work of killed runs, and remove what nobody will finish."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from auxseg.runtime import scratch_root
from auxseg.scratch import Leftover, leftovers, remove
from stages import run

DAY = 86400
MB = 10**6


def main(
    older: Annotated[
        float | None, typer.Option(min=0, help="Remove what is older than so many days.")
    ] = None,
    larger: Annotated[
        float | None, typer.Option(min=0, help="Remove only what is larger than so many MB.")
    ] = None,
) -> None:
    """List unfinished work; with --older or --larger, remove what is both, unless it is in use."""
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
        state = "in use" if leftover.in_use else "finished" if leftover.finished else ""
        table.add_row(
            leftover.folder.name,
            f"{timedelta(seconds=round(leftover.age))} ago",
            str(leftover.records),
            f"{leftover.bytes / MB:.1f}",
            "removed" if leftover.folder in gone else state,
        )
    console = Console()
    console.print(f"{scratch_root()}", soft_wrap=True)
    console.print(table if found else "nothing unfinished")


if __name__ == "__main__":
    run(main)
