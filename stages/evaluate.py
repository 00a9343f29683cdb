"""Metrics, tables for plots, overlays of the examples, and a summary on the terminal."""

from auxseg.system.stage import run

from pathlib import Path
from typing import Annotated

import typer

from auxseg.data.files import new_file, new_folder, read_table, write_json
from auxseg.data.index import read_index
from auxseg.params import load_params
from auxseg.report.examples import Artifacts, draw_example
from auxseg.report.tables import (
    class_table,
    confusion_table,
    evaluation,
    print_summary,
    training_table,
)
from auxseg.scoring.rounds import confusion
from auxseg.work.scratch import forget_finished


def main(
    dataset: Path,
    out: Path,
    first: Annotated[Path, typer.Option(help="Artifacts of round 0.")],
    last: Annotated[Path, typer.Option(help="Artifacts of the last round.")],
    segmentation: Annotated[Path, typer.Option(help="Label maps after the CRF.")],
) -> None:
    """Write evaluation.json, CSV tables and overlays to OUT."""
    index = read_index(dataset, load_params().dataset.mask_values)
    counts, _ = confusion(index, "val", segmentation)
    rounds = read_table(last / "scores" / "rounds.csv")
    values = evaluation(rounds, counts)
    tables = {
        "rounds": rounds,
        "training": training_table(read_table(last / "scores" / "training.csv")),
        "iou_by_class": class_table(index.classes, counts),
        "confusion": confusion_table(index.classes, counts),
    }
    for name, table in tables.items():
        with new_file(out / f"{name}.csv") as partial:
            table.to_csv(partial, index=False)
    artifacts = Artifacts(first, last, segmentation)
    with new_folder(out / "overlays", checksums=False) as folder:
        for entry in index.split("train"):
            draw_example(index, entry, artifacts).save(folder / f"{entry.id}.png")
    write_json(out / "evaluation.json", values)
    forget_finished()
    print_summary(rounds, values)


if __name__ == "__main__":
    run(main)
