"""Damage to the files that users bring: each must be read, or be refused in plain lines.

`python -m bench.fuzz` damages files of every kind and reads them, in a process that may take 1 GB
more than it has, and 10 s for a file. Whatever gives neither a result nor a ValueError or OSError
with a message is a fault. The same seed makes the same inputs: `--only NAME --first NUMBER
--inputs 1` repeats one.
"""

import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from bench.damage import damaged
from bench.parsers import Parser, parsers

SECONDS = 10
BYTES = 2**30
LONGEST = 2_000  # letters of a message's line
MOST_FAULTS = 50  # of a parser; then comes the next one


class Result(NamedTuple):
    """What became of an input."""

    seconds: float
    refusal: str | None
    fault: str | None = None


@dataclass
class Outcome:
    """What became of the inputs of a parser.

    Attributes:
        results: One for each input.
        faults: What happened, with the numbers of the inputs.
    """

    results: list[Result] = field(default_factory=list)
    faults: dict[str, list[int]] = field(default_factory=dict)

    def add(self, number: int, result: Result) -> None:
        """Note what became of the input ``number``."""
        self.results.append(result)
        if result.fault is not None:
            self.faults.setdefault(result.fault, []).append(number)

    def row(self, name: str) -> list[str]:
        """Return inputs, results, refusals, faults and the longest time."""
        refused = sum(result.refusal is not None for result in self.results)
        faults = sum(map(len, self.faults.values()))
        read = len(self.results) - refused - faults
        slowest = max((result.seconds for result in self.results), default=0)
        return [name, *map(str, (len(self.results), read, refused, faults)), f"{slowest:.2f}"]


def fuzz(parser: Parser, seed: int, first: int, count: int) -> Outcome:
    """Damage so many inputs of a parser from the number ``first`` on, and have them read."""
    outcome, number, end = Outcome(), first, first + count
    context = multiprocessing.get_context("spawn")
    while number < end and sum(map(len, outcome.faults.values())) < MOST_FAULTS:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(parser, seed, number, end, sender))
        process.start()
        sender.close()
        try:
            receiver.recv()
            while True:
                outcome.add(number, receiver.recv())
                number += 1
        except EOFError:
            process.join()
        if number < end:
            outcome.add(number, Result(SECONDS, None, f"the process ended: {process.exitcode}"))
            number += 1
    return outcome


def make_input(parser: Parser, seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """Damage one of ``seeds``, the same way for the same seed and number."""
    return damaged(random.Random(f"{seed}/{parser.name}/{number}"), seeds)


def fill(parser: Parser, folder: Path) -> Path:
    """Write the files around a parser's own; return the path of that one."""
    for name, data in parser.around().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    path = folder / parser.name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def try_input(parser: Parser, path: Path, data: bytes) -> Result:
    """Have ``data`` read as the file ``path``."""
    path.write_bytes(data)
    start = time.monotonic()
    refusal: str | None = None
    fault: str | None = None
    try:
        parser.read(path)
    except (ValueError, OSError) as error:
        refusal = str(error)
        if not _plain(refusal, parser.alone):
            fault, refusal = f"{_place(error)}: not in plain lines: {refusal[:300]!r}", None
    except Exception as error:
        fault = f"{_place(error)}: {type(error).__name__}: {str(error)[:300]!r}"
    return Result(time.monotonic() - start, refusal, fault)


def _plain(message: str, alone: bool) -> bool:
    """Whether a message has a line, or a few, and none that is empty or fills a screen."""
    lines = message.split("\n")
    return all(line.strip() and len(line) < LONGEST for line in lines) and not (
        alone and len(lines) > 1
    )


def _place(error: Exception) -> str:
    """Where an error came from: the last line of ours, and the very last one."""
    frames = list(traceback.extract_tb(error.__traceback__))
    ours = [frame for frame in frames if "/auxseg/" in frame.filename]
    return ", ".join(f"{Path(f.filename).name}:{f.lineno}" for f in (*ours[-1:], frames[-1]))


def _work(parser: Parser, seed: int, first: int, end: int, sender: Connection) -> None:
    """Try inputs, in a process of its own that may be killed."""
    warnings.simplefilter("ignore")
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    seeds = parser.seeds()
    with tempfile.TemporaryDirectory() as folder:
        path = fill(parser, Path(folder))
        for data in seeds:
            try_input(parser, path, data)  # all libraries are loaded then
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        sender.send(None)
        for number in range(first, end):
            signal.alarm(SECONDS)  # which ends the process
            result = try_input(parser, path, make_input(parser, seeds, seed, number))
            signal.alarm(0)
            sender.send(result)


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
