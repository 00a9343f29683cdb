"""Damage to the files that users bring: each must be read, or be refused in plain lines.

`python -m bench.fuzz` damages files of every kind and reads them, in a process that may take 1 GB
more than it has, and 10 s for a file. Whatever gives neither a result nor a ValueError or OSError
with a message is a fault. The same seed makes the same inputs: `--only NAME --first NUMBER
--inputs 1` repeats one.
"""

import os
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.parsers import parsers
from bench.trials import fuzz


def main(
    inputs: Annotated[int, typer.Option(help="How many, over all parsers.")] = 20_000,
    seed: int = 0,
    only: Annotated[str | None, typer.Option(help="One parser, by its file's name.")] = None,
    first: Annotated[int, typer.Option(help="Number of the first input of a parser.")] = 0,
) -> None:
    """Damage files of all kinds, and list what is neither read nor refused in plain lines."""
    os.environ["OMP_NUM_THREADS"] = "1"  # threads would have stacks of their own
    chosen = [parser for parser in parsers() if only in (None, parser.name)]
    print(f"seed {seed}")
    table = Table("file", "inputs", "read", "refused", "faults", "slowest, s")
    faults: list[str] = []
    for parser in chosen:
        outcome = fuzz(parser, seed, first, -(-inputs // len(chosen)))
        table.add_row(*outcome.row(parser.name))
        for what, numbers in outcome.faults.items():
            faults.append(f"{parser.name}: {len(numbers)}, such as {numbers[0]}: {what}")
            print(faults[-1], flush=True)
    Console().print(table)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    typer.run(main)
