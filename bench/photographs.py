"""Compare choices of the method on photographs in VOC layout: `python -m bench.photographs --help`.

Every experiment, `photographs-<choice>-<seed>`, has the parameters of params/mobilenet.yaml but for
what CHOICES says. The scores of every run and round are written to metrics/photographs.csv.
"""

from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

from bench.experiments import Changes, print_means, run

PRESET = Path("params/mobilenet.yaml")
TABLE = Path("metrics/photographs.csv")
CHOICES: dict[str, Changes] = {
    "preset": {},
    "pairwise": {"train.affinity": "pairwise"},
    "none": {"train.affinity": "none"},
    "labels as published": {"pseudo_labels.rule": "published"},
    "no saliency update": {"train.update_saliency": False},
}
SCORES = {
    "Pseudo-label mIoU": "pseudo_labels.miou",
    "Labelled only": "pseudo_labels.labelled_miou",
    "Classes gone": "pseudo_labels.classes_gone",
    "val mIoU": "val.miou",
    "val mIoU after the CRF": "val.crf.miou",
}


def main(
    root: Annotated[Path, typer.Argument(help="Folder in the layout of VOC.")],
    saliency: Annotated[Path, typer.Argument(help="Its saliency maps.")],
    weights: Annotated[Path, typer.Argument(help="ImageNet weights of MobileNetV2.")],
    classes: Annotated[Path, typer.Option(help="Names of the classes, one in a line.")],
    train: Annotated[str, typer.Option(help="List of the training images.")] = "train",
    val: Annotated[str, typer.Option(help="List of the validation images.")] = "val",
    seeds: Annotated[int, typer.Option(help="How many of them.")] = 2,
    choice: Annotated[list[str] | None, typer.Option(help="Only these; by default all.")] = None,
) -> None:
    """Run what is missing, then collect and print."""
    common = _flat(YAML(typ="safe").load(PRESET)) | {
        "dataset.root": str(root.absolute()),
        "dataset.classes": classes.read_text("utf-8").split(),
        "dataset.train": train,
        "dataset.val": val,
        "saliency.root": str(saliency.absolute()),
        "network.weights": str(weights.absolute()),
    }
    runs = {
        f"photographs-{number}-{seed}": common | CHOICES[name] | {"seed": seed}
        for (number, name), seed in product(enumerate(CHOICES), range(seeds))
        if choice is None or name in choice
    }
    table = run(runs)
    parts = table.pop("experiment").str.split("-", expand=True)
    table.insert(0, "seed", parts[2].astype(int))
    table.insert(0, "choice", [list(CHOICES)[int(number)] for number in parts[1]])
    table.to_csv(TABLE, index=False)
    for title, column in SCORES.items():
        print_means(table, column, "choice", title)


def _flat(values: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Return the leaves of nested sections by their dotted keys."""
    leaves: dict[str, Any] = {}
    for key, value in values.items():
        leaves |= (
            _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
        )
    return leaves


if __name__ == "__main__":
    typer.run(main)
