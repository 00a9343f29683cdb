"""Trials of a parser: damaged files are read in a process that may take little time and memory."""

import multiprocessing
import os
import random
import resource
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from bench.damage import damaged

SECONDS = 10.0  # of the processor; three times as many may pass where others are at work
BYTES = 2**30
MOST_FAULTS = 50  # of a parser; then comes the next one

# As they may be sent to another process.
Seeds = Callable[[], Sequence[bytes]]
Files = Callable[[], dict[str, bytes]]


@dataclass(frozen=True)
class Parser:
    """A reader of files called ``name``.

    Attributes:
        seeds: Whole files.
        alone: Whether the file is read by itself, so that its refusal is one line.
        around: The files that lie beside it, by path.
    """

    name: str
    read: Callable[[Path], object]
    seeds: Seeds
    alone: bool = True
    around: Files = dict


class Result(NamedTuple):
    """What became of an input; ``seconds`` are those of the processor."""

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


def fuzz(parser: Parser, seed: int, first: int, count: int, seconds: float = SECONDS) -> Outcome:
    """Damage so many inputs of a parser from the number ``first`` on, and have them read."""
    outcome, number, end = Outcome(), first, first + count
    context = multiprocessing.get_context("spawn")
    while number < end and sum(map(len, outcome.faults.values())) < MOST_FAULTS:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(parser, seed, number, end, seconds, sender))
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
            outcome.add(number, Result(seconds, None, f"the process ended: {process.exitcode}"))
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
    start = time.process_time()
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
    return Result(time.process_time() - start, refusal, fault)


def _plain(message: str, alone: bool) -> bool:
    """Whether a message is a line, or several where there may be several problems."""
    lines = message.split("\n")
    return all(map(str.strip, lines)) and not (alone and len(lines) > 1)


def _place(error: Exception) -> str:
    """Where an error came from: the last line of ours, and the very last one."""
    frames = list(traceback.extract_tb(error.__traceback__))
    ours = [frame for frame in frames if "/auxseg/" in frame.filename]
    return ", ".join(f"{Path(f.filename).name}:{f.lineno}" for f in (*ours[-1:], frames[-1]))


def _work(
    parser: Parser, seed: int, first: int, end: int, seconds: float, sender: Connection
) -> None:
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
            data = make_input(parser, seeds, seed, number)
            _limit(seconds)
            result = try_input(parser, path, data)
            _limit(0)
            sender.send(result)


def _limit(seconds: float) -> None:
    """Have this process end after so many seconds; 0 lets it live."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 3 * seconds)
