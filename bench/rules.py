"""What each rule for pseudo labels makes of the same cues: `python -m bench.rules` after a run.

The networks are those of the run, so this says what a rule adds in one update, not what later
rounds learn from it. Prints a row for every round and rule.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from rich.console import Console
from rich.table import Table

from auxseg.data.index import read_index
from auxseg.data.shards import Shards
from auxseg.params import PseudoLabelParams, load_params
from auxseg.scoring.rounds import score_pseudo_labels
from stages.pseudo_labels import fused, read

ROUNDS, CORRECTIONS = Path("data/rounds"), Path("data/corrections")
RULES = get_args(PseudoLabelParams.model_fields["rule"].annotation)
SCORES = {"mIoU": "miou", "labelled only": "labelled_miou", "classes gone": "classes_gone"}


def main() -> None:
    """Label the training images by every rule, and score the labels."""
    params = load_params()
    index = read_index(Path("data/dataset/train"), params.dataset.mask_values)
    table = Table("round", "rule", *SCORES)
    for number in range(params.train.stages + 1):
        folder = ROUNDS / str(number)
        shards, saliency = Shards(folder / ("refined" if number else "cam")), folder / "saliency"
        for rule in RULES:
            chosen = params.pseudo_labels.model_copy(update={"rule": rule})
            first = None if rule == "published" else ROUNDS / "0/saliency"
            with TemporaryDirectory() as labels:
                for entry in index.entries:
                    cues = read(shards, saliency, first, CORRECTIONS, entry)
                    (Path(labels) / f"{entry.id}.png").write_bytes(fused(chosen, cues))
                scores = score_pseudo_labels(index, Path(labels))
            table.add_row(str(number), rule, *(f"{scores[s]:.4f}" for s in SCORES.values()))
    Console(width=80).print(table)


if __name__ == "__main__":
    main()
