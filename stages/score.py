"""Score one round against the ground truth; append it to the tables of the rounds before."""

from auxseg.system.stage import run

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from auxseg.data.corrections import corrected
from auxseg.data.files import new_folder
from auxseg.data.index import read_index
from auxseg.data.tables import read_table
from auxseg.params import load_params
from auxseg.scoring.curves import read_curves
from auxseg.scoring.rounds import round_row, score_round

NAMES = {"rounds": [], "classes": ["class"], "training": ["curve"]}  # columns of text


def main(
    train: Path,
    val: Path,
    out: Path,
    round_: Annotated[int, typer.Option("--round")],
    model: Annotated[Path, typer.Option(help="The round's network, for its training curves.")],
    pseudo_labels: Annotated[Path, typer.Option(help="Label maps of the training images.")],
    saliency: Annotated[Path, typer.Option(help="Saliency maps of the training images.")],
    prediction: Annotated[Path, typer.Option(help="Predictions of the validation images.")],
    corrections: Annotated[Path, typer.Option(help="Label maps that people corrected.")],
    previous: Annotated[Path | None, typer.Option(help="Scores of the round before.")] = None,
) -> None:
    """Write the scores and training curves of all rounds up to this one to OUT.

    TRAIN and VAL are the indexes of the training images and of the predicted images.
    """
    values = load_params().dataset.mask_values
    indexes = read_index(train, values), read_index(val, values)
    mended = corrected(corrections)
    scores, classes = score_round(*indexes, pseudo_labels, saliency, prediction, mended)
    classes.insert(0, "round", round_)
    tables = {
        "rounds": round_row(round_, scores),
        "classes": classes,
        "training": read_curves(model, round_),
    }
    with new_folder(out) as folder:
        for name, table in tables.items():
            file = f"{name}.csv"
            before = [] if previous is None else [read_table(previous / file, text=NAMES[name])]
            pd.concat([*before, table]).to_csv(folder / file, index=False)


if __name__ == "__main__":
    run(main)
