"""Named DVC experiments of the current commit, and their scores as a table.

Experiments run two at a time in temporary workspaces, each on one thread. Those that exist already
are not repeated, so that a series that was interrupted goes on.
"""

import io
import json
import os
import subprocess
from collections.abc import Mapping
from typing import Any

import dvc.api
import pandas as pd
from rich.console import Console
from rich.table import Table

Changes = Mapping[str, Any]  # a value for each key of params.yaml


def run(experiments: Mapping[str, Changes]) -> pd.DataFrame:
    """Run those experiments that are missing; return the scores of all.

    Args:
        experiments: What to change in ``params.yaml``, by the name of the experiment.

    Returns:
        A row for each experiment and round: ``experiment``, the columns of ``metrics/rounds.csv``,
        and ``val.crf.miou``, which only the last round has.
    """
    done = _output("dvc", "exp", "list", "--name-only").split()
    missing = [name for name in experiments if name not in done]
    for name in missing:
        changes = [part for item in experiments[name].items() for part in ("-S", _setting(*item))]
        subprocess.run(["dvc", "exp", "run", "--queue", "--name", name, *changes], check=True)
    if missing:
        # Two processes of one thread each get more done than one of two threads.
        one_thread = os.environ | {"OMP_NUM_THREADS": "1", "AUXSEG_PROCESSES": "1"}
        subprocess.run(["dvc", "exp", "run", "--run-all", "-j", "2"], check=True, env=one_thread)
    commit = _output("git", "rev-parse", "HEAD").strip()
    return pd.concat([_rounds(commit, name) for name in experiments], ignore_index=True)


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


def _rounds(commit: str, name: str) -> pd.DataFrame:
    """The scores of all rounds of one experiment, as its own commit records them."""
    reference = f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"
    table = pd.read_csv(io.StringIO(dvc.api.read("metrics/rounds.csv", rev=reference)))
    evaluation = json.loads(dvc.api.read("metrics/evaluation.json", rev=reference))
    # Only the last round's predictions go through the CRF.
    table.loc[table.index[-1], "val.crf.miou"] = evaluation["val"]["crf"]["miou"]
    table.insert(0, "experiment", name)
    return table


def _setting(key: str, value: Any) -> str:
    return f"{key}={json.dumps(value) if isinstance(value, list | dict) else value}"


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
