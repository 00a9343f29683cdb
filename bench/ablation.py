"""Compare the kinds of affinity over several seeds, by DVC experiments: `make ablation`.

Every run is a named experiment (`ablation-<affinity>-<seed>`) of the current commit, two at a time
in temporary workspaces, each on one thread; `dvc exp show` lists them. Those that exist already are
not repeated. The table goes to the terminal, the scores of every run and round to
metrics/ablation.csv.
"""

import io
import json
import os
import subprocess
from pathlib import Path

import dvc.api
import pandas as pd
from rich.console import Console
from rich.table import Table

SEEDS = (0, 1, 2)
AFFINITIES = ("dual", "pairwise", "none")
TABLE = Path("metrics/ablation.csv")
SCORES = {
    "Pseudo-label mIoU": "pseudo_labels.miou",
    "val mIoU": "val.miou",
    "val mIoU after the CRF": "val.crf.miou",
}


def main() -> None:
    """Run what is missing, then collect and print."""
    commit = _output("git", "rev-parse", "HEAD").strip()
    done = _output("dvc", "exp", "list", "--name-only").split()
    # The seeds of one affinity first: what they have in common is then computed only once.
    runs = [(seed, affinity) for affinity in AFFINITIES for seed in SEEDS]
    missing = [run for run in runs if _name(*run) not in done]
    for seed, affinity in missing:
        changes = ["-S", f"seed={seed}", "-S", f"train.affinity={affinity}"]
        name = _name(seed, affinity)
        subprocess.run(["dvc", "exp", "run", "--queue", "--name", name, *changes], check=True)
    if missing:
        # Two processes of one thread each get more done than one of two threads.
        one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(["dvc", "exp", "run", "--run-all", "-j", "2"], check=True, env=one_thread)
    table = pd.concat([_rounds(commit, seed, affinity) for seed, affinity in runs])
    table.to_csv(TABLE, index=False)
    for title, column in SCORES.items():
        _print(table, title, column)


def _rounds(commit: str, seed: int, affinity: str) -> pd.DataFrame:
    """The scores of all rounds of one experiment, as its own commit records them."""
    reference = f"refs/exps/{commit[:2]}/{commit[2:]}/{_name(seed, affinity)}"
    table = pd.read_csv(io.StringIO(dvc.api.read("metrics/rounds.csv", rev=reference)))
    evaluation = json.loads(dvc.api.read("metrics/evaluation.json", rev=reference))
    # Only the last round's predictions go through the CRF.
    table.loc[table.index[-1], "val.crf.miou"] = evaluation["val"]["crf"]["miou"]
    table.insert(0, "seed", seed)
    table.insert(0, "affinity", affinity)
    return table


def _print(table: pd.DataFrame, title: str, column: str) -> None:
    """Print mean ± standard deviation over the seeds: a row for each affinity, a column a round."""
    groups = table.dropna(subset=column).groupby(["affinity", "round"])[column]
    mean, spread = groups.mean().unstack(), groups.std().unstack()
    out = Table("affinity", *(f"round {number}" for number in mean), title=title)
    for affinity in AFFINITIES:
        cells = zip(mean.loc[affinity], spread.loc[affinity], strict=True)
        out.add_row(affinity, *(f"{m:.3f} ± {s:.3f}" for m, s in cells))
    Console(width=80).print(out)


def _name(seed: int, affinity: str) -> str:
    return f"ablation-{affinity}-{seed}"


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
