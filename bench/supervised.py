"""What the last round would learn from true masks: `python -m bench.supervised OUT` after a run.

So much could better labels still add: the last round is trained again, with the true masks of the
training images in place of their pseudo labels. All else is as in the run: the network to start
from, saliency maps, parameters and draws. What OUT holds is not made again, so that an interrupted
bench goes on; another run needs another folder.
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from auxseg.data.index import Index, read_index
from auxseg.data.maps import write_labels
from auxseg.data.palette import IGNORE
from auxseg.data.shards import Shards
from auxseg.params import load_params
from auxseg.scoring.metrics import iou_by_class
from auxseg.scoring.rounds import confusion, predicted_confusion
from bench.truth import true_labels

DATA, ROUNDS = Path("data/dataset"), Path("data/rounds")


def main(out: Annotated[Path, typer.Argument(help="Folder for the network and the maps.")]) -> None:
    """Train on true masks, predict, and print the IoU of each class on val beside the run's."""
    params = load_params()
    last = params.train.stages
    before = ROUNDS / str(last - 1)
    train, val = (
        read_index(DATA / split, params.dataset.mask_values) for split in ("train", "val")
    )
    names = ("masks", "model", "prediction", "segmentation")
    masks, model, prediction, segmentation = (out / name for name in names)
    write_masks(train, masks)
    labels = ("--pseudo-labels", masks, "--saliency", before / "saliency")
    start = ("--round", last, "--previous", before / "model")
    make(model, "train", DATA / "train", model, *start, *labels)
    make(prediction, "predict", DATA / "val", model, prediction)
    make(segmentation, "crf", DATA / "val", prediction, segmentation)

    scores = {}
    for name, folder, maps in (
        ("pseudo labels", ROUNDS / str(last) / "prediction", Path("data/segmentation")),
        ("true masks", prediction, segmentation),
    ):
        scores[name] = iou_by_class(predicted_confusion(val, Shards(folder))[0])
        scores[f"{name}, CRF"] = iou_by_class(confusion(val, "val", maps)[0])
    found = pd.DataFrame(scores, index=["background", *val.classes])
    found.loc["mean"] = found.mean()
    table = Table("class", *found)
    for row in found.itertuples():
        table.add_row(row[0], *(f"{value:.3f}" for value in row[1:]))
    Console(width=100).print(table)


def write_masks(index: Index, folder: Path) -> None:
    """Write the training images' true masks, of the photographs' sizes; 255 where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry, labels in true_labels(index):
        write_labels(folder / f"{entry.id}.png", labels)
    for entry in index.entries:
        path = folder / f"{entry.id}.png"
        if not path.exists():
            write_labels(path, np.full((entry.height, entry.width), IGNORE, np.uint8))


def make(out: Path, stage: str, *arguments: object) -> None:
    """Run a stage as the pipeline does, unless its output is there."""
    if not out.exists():
        subprocess.run([sys.executable, "-m", f"stages.{stage}", *map(str, arguments)], check=True)


if __name__ == "__main__":
    typer.run(main)
