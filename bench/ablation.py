"""Compare the kinds of affinity over several seeds, by DVC experiments: `make ablation`.

Every run is a named experiment (`ablation-<affinity>-<seed>`) in a temporary workspace, so it can
be looked at with `dvc exp show` and applied with `dvc exp apply`. Runs that exist already are not
repeated. The table goes to the terminal and to metrics/ablation.csv.
"""

import io
import itertools
import subprocess
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

SEEDS = (0, 1, 2)
AFFINITIES = ("dual", "pairwise", "none")
TABLE = Path("metrics/ablation.csv")
SCORES = {"pseudo-label mIoU": "pseudo_labels.miou", "val mIoU": "val.miou"}


def main() -> None:
    """Run what is missing, then collect and print."""
    done = subprocess.run(
        ["dvc", "exp", "list", "--name-only"], check=True, capture_output=True, text=True
    ).stdout.split()
    for seed, affinity in itertools.product(SEEDS, AFFINITIES):
        name = f"ablation-{affinity}-{seed}"
        if name not in done:
            changes = ["-S", f"seed={seed}", "-S", f"train.affinity={affinity}"]
            subprocess.run(["dvc", "exp", "run", "--temp", "--name", name, *changes], check=True)
    table = pd.concat(
        _rounds(affinity, seed) for seed, affinity in itertools.product(SEEDS, AFFINITIES)
    )
    table.to_csv(TABLE, index=False)
    _print(table)


def _rounds(affinity: str, seed: int) -> pd.DataFrame:
    """The table of rounds of one experiment, read from its commit."""
    commit = f"ablation-{affinity}-{seed}"
    revisions = subprocess.run(
        ["git", "for-each-ref", "--format=%(objectname)", f"refs/exps/**/{commit}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    text = subprocess.run(
        ["git", "show", f"{revisions[-1]}:metrics/rounds.csv"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    table = pd.read_csv(io.StringIO(text))
    table.insert(0, "seed", seed)
    table.insert(0, "affinity", affinity)
    return table


def _print(table: pd.DataFrame) -> None:
    rounds = sorted(table["round"].unique())
    for title, column in SCORES.items():
        out = Table("affinity", *(f"round {number}" for number in rounds), title=title)
        for affinity in AFFINITIES:
            cells = []
            for number in rounds:
                chosen = (table["affinity"] == affinity) & (table["round"] == number)
                values = table.loc[chosen, column]
                cells.append(
                    "" if values.isna().all() else f"{values.mean():.3f} ± {values.std():.3f}"
                )
            out.add_row(affinity, *cells)
        Console().print(out)


if __name__ == "__main__":
    main()
