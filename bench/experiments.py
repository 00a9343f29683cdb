"""Named DVC experiments of the current commit, and their scores as a table.

Experiments run two at a time in temporary workspaces, each on one thread. Those that exist already
are not repeated, so that a series that was interrupted goes on.
"""

import io
import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dvc.api
import pandas as pd
from rich.console import Console
from rich.table import Table

Changes = Mapping[str, Any]  # a value for each key of params.yaml


@dataclass(frozen=True)
class Edit:
    """A change of the code that no parameter makes: in ``file``, ``new`` instead of ``old``."""

    file: Path
    old: str
    new: str


@contextmanager
def edited(edits: Sequence[Edit]) -> Iterator[None]:
    """Change the code for as long as the block lasts.

    Raises:
        ValueError: If a file does not have the old code once.
    """
    before = {edit.file: edit.file.read_text("utf-8") for edit in edits}
    try:
        for edit in edits:
            code = edit.file.read_text("utf-8")
            if code.count(edit.old) != 1:
                raise ValueError(f"{edit.file}: has not {edit.old!r} once; change the edit")
            edit.file.write_text(code.replace(edit.old, edit.new), "utf-8")
        yield
    finally:
        for file, code in before.items():
            file.write_text(code, "utf-8")


def run(
    experiments: Mapping[str, Changes], edits: Mapping[str, Sequence[Edit]] | None = None
) -> pd.DataFrame:
    """Run those experiments that are missing; return the scores of all.

    Args:
        experiments: What to change in ``params.yaml``, by the name of the experiment.
        edits: What to change in the code for some of them.

    Returns:
        A row for each experiment and round: ``experiment``, the columns of ``metrics/rounds.csv``,
        and ``val.crf.miou``, which only the last round has.

    Raises:
        SystemExit: If an experiment has failed; what DVC printed says why.
    """
    missing = _missing(experiments)
    for name in missing:
        changes = [part for item in experiments[name].items() for part in ("-S", _setting(*item))]
        with edited((edits or {}).get(name, ())):  # DVC keeps a copy of the code in its queue
            subprocess.run(["dvc", "exp", "run", "--queue", "--name", name, *changes], check=True)
    if missing:
        # Two processes of one thread each get more done than one of two threads.
        one_thread = os.environ | {"OMP_NUM_THREADS": "1", "AUXSEG_PROCESSES": "1"}
        subprocess.run(["dvc", "exp", "run", "--run-all", "-j", "2"], check=True, env=one_thread)
        if failed := _missing(experiments):
            raise SystemExit(f"failed: {', '.join(failed)}; the output above says why")
    return pd.concat([_rounds(name) for name in experiments], ignore_index=True)


def reference(name: str) -> str:
    """Return the git reference of an experiment of the current commit."""
    commit = _output("git", "rev-parse", "HEAD").strip()
    return f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"


def unpack(table: pd.DataFrame, *columns: str) -> None:
    """Replace the column ``experiment``, such as ``ablation-dual-0``, by columns of its parts."""
    parts = table.pop("experiment").str.split("-", expand=True)
    for place, column in enumerate(columns, 1):
        table.insert(place - 1, column, parts[place])


def print_means(table: pd.DataFrame, column: str, by: str, title: str) -> None:
    """Print mean ± standard deviation of a score: a row for each value of ``by``, a column a round.

    The rows are in the order of the table. With one run there is no deviation.
    """
    groups = table.dropna(subset=column).groupby([by, "round"], sort=False)[column]
    mean, spread = groups.mean().unstack(), groups.std().unstack()
    rounds = sorted(mean)
    out = Table(by, *(f"round {number}" for number in rounds), title=title)
    for value in mean.index:
        cells = [
            f"{mean.loc[value, n]:.3f}"
            + ("" if pd.isna(spread.loc[value, n]) else f" ± {spread.loc[value, n]:.3f}")
            for n in rounds
        ]
        out.add_row(str(value), *cells)
    Console(width=80).print(out)


def _missing(names: Iterable[str]) -> list[str]:
    done = _output("dvc", "exp", "list", "--name-only").split()
    return [name for name in names if name not in done]


def _rounds(name: str) -> pd.DataFrame:
    """The scores of all rounds of one experiment, as its own commit records them."""
    rev = reference(name)
    table = pd.read_csv(io.StringIO(dvc.api.read("metrics/rounds.csv", rev=rev)))
    evaluation = json.loads(dvc.api.read("metrics/evaluation.json", rev=rev))
    # Only the last round's predictions go through the CRF.
    table.loc[table.index[-1], "val.crf.miou"] = evaluation["val"]["crf"]["miou"]
    table.insert(0, "experiment", name)
    return table


def _setting(key: str, value: Any) -> str:
    return f"{key}={json.dumps(value) if isinstance(value, list | dict) else value}"


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
