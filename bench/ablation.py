"""Compare the kinds of affinity over several seeds on the demo: `make ablation`.

The table goes to the terminal, the scores of every run and round to metrics/ablation.csv.
"""

from itertools import product
from pathlib import Path

from bench.experiments import print_means, run, unpack

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
    # The seeds of one affinity first: what they have in common is then computed only once.
    runs = {
        f"ablation-{affinity}-{seed}": {"seed": seed, "train.affinity": affinity}
        for affinity, seed in product(AFFINITIES, SEEDS)
    }
    table = run(runs)
    unpack(table, "affinity", "seed")
    table.to_csv(TABLE, index=False)
    for title, column in SCORES.items():
        print_means(table, column, "affinity", title)


if __name__ == "__main__":
    main()
