"""What safety costs: `python -m bench.safety`, where `dvc repro` has run before.

Runs all stages of a finished run again, or those that are named, from nothing and into the same
outputs. Measures in the process of each stage how long it is in the functions that only serve to
resume and to notice damage, and compares with the time of the whole process. Both are of the same
run, so a machine that is not alone slows both. Processes that a stage starts only read: what they
compare is not counted. What a thread does beside the work counts in full, though nothing waits for
it.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

LOCKS = ("dvc.lock", "sources/dvc.lock", "rounds/dvc.lock")
# The functions by what they are for: module, and name in it. What one of them spends in another
# one counts for the other.
POINTS = {
    "records": [  # checkpoints are among them
        ("auxseg.training.trainer", "Training.state"),
        ("auxseg.work.checkpoints", "Checkpoints.latest"),
        ("auxseg.work.checkpoints", "Checkpoints.save"),
        ("auxseg.work.scratch", "Scratch.read"),
        ("auxseg.work.scratch", "Scratch.write"),
    ],
    "fingerprints": [
        ("auxseg.work.scratch", "digest"),
        ("auxseg.work.scratch", "_code"),
        ("auxseg.work.scratch", "_libraries"),
        ("auxseg.work.scratch", "_lock_folder"),
        ("auxseg.work.scratch", "_name_others"),
        ("auxseg.work.scratch", "forget_finished"),
    ],
    "checksums": [
        ("auxseg.data.files", "_write_checksums"),
        ("hashlib", "sha256"),
    ],
    "syncs": [
        ("auxseg.data.files", "sync"),
        ("auxseg.data.files", "sync_all"),
    ],
}


class Stopwatch:
    """The seconds spent in functions, by what they are for; those of threads are added up."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._clock = clock
        self._thread = threading.local()  # .inside: seconds of the calls within the call at hand
        self._lock = threading.Lock()

    def watch(self, owner: Any, name: str, kind: str) -> None:
        """Time a function or method of ``owner`` from now on."""
        function = getattr(owner, name)

        @wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            thread = self._thread
            before, thread.inside = getattr(thread, "inside", 0.0), 0.0
            start = self._clock()
            try:
                return function(*arguments, **options)
            finally:
                took = self._clock() - start
                with self._lock:
                    self.spent[kind] += took - thread.inside
                thread.inside = before + took

        setattr(owner, name, timed)


def points() -> Iterator[tuple[Any, str, str]]:
    """Yield the owner, the name and the kind of each function whose module is loaded."""
    for kind, functions in POINTS.items():
        for module, place in functions:
            if module in sys.modules:
                *classes, name = place.split(".")
                owner: Any = sys.modules[module]
                for part in classes:
                    owner = getattr(owner, part)
                yield owner, name, kind


def main(
    only: Annotated[list[str] | None, typer.Argument(help="Stages, such as train@1.")] = None,
) -> None:
    """Measure and print a table."""
    table = Table("stage", "s", *POINTS, "all, %")
    sums: dict[str, float] = defaultdict(float)
    for name, command in commands():
        if only and name not in only:
            continue
        seconds, spent = run(command)
        table.add_row(*row(name, seconds, spent))
        for kind, value in {"s": seconds, **spent}.items():
            sums[kind] += value
    table.add_section()
    table.add_row(*row("all", sums.pop("s"), sums))
    Console().print(table)


def row(name: str, seconds: float, spent: dict[str, float]) -> list[str]:
    """One row of the table, which is in seconds."""
    kinds = (f"{spent.get(kind, 0):.2f}" for kind in POINTS)
    return [name, f"{seconds:.1f}", *kinds, f"{100 * sum(spent.values()) / seconds:.1f}"]


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the command of each stage whose outputs are there."""
    for file in LOCKS:
        for name, stage in YAML(typ="safe").load(Path(file))["stages"].items():
            if all(Path(out["path"]).exists() for out in stage["outs"]):
                yield name, shlex.split(stage["cmd"])


def run(command: list[str]) -> tuple[float, dict[str, float]]:
    """Run a stage; return the seconds that it takes, and those that it spends on safety."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "spent.json"
        inside = f"from bench.safety import inside; inside({str(out)!r})"
        _, _, module, *arguments = command
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", inside, module, *arguments],
            check=True,
            env=os.environ | {"AUXSEG_SCRATCH": folder},
        )
        return time.perf_counter() - start, json.loads(out.read_text("utf-8"))


def inside(out: str) -> None:
    """Be the stage that the command line names, and write what it spends on safety to ``out``."""
    del sys.argv[0]
    stage = import_module(sys.argv[0])
    with measured(Path(out)):
        stage.run(stage.main)


@contextmanager
def measured(out: Path) -> Iterator[None]:
    """Write to ``out`` what the block spends on safety."""
    stopwatch = Stopwatch()
    for point in list(points()):
        stopwatch.watch(*point)
    try:
        yield
    finally:
        out.write_text(json.dumps(stopwatch.spent), "utf-8")


if __name__ == "__main__":
    typer.run(main)
