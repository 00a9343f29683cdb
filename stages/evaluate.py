"""Metrics, plots, a page about the run, the network's model card, and a summary on the terminal."""

from auxseg.system.stage import run

from pathlib import Path
from typing import Annotated

import typer

from auxseg.data.encoding import encode
from auxseg.data.files import new_file, new_folder, write_json
from auxseg.data.index import read_index
from auxseg.data.tables import read_table
from auxseg.params import load_params
from auxseg.report.card import model_card
from auxseg.report.examples import draw_example
from auxseg.report.gallery import Run
from auxseg.report.page.page import write_page
from auxseg.report.summary import page_content
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
    train: Path,
    val: Path,
    out: Path,
    first: Annotated[Path, typer.Option(help="Artifacts of round 0.")],
    last: Annotated[Path, typer.Option(help="Artifacts of the last round.")],
    segmentation: Annotated[Path, typer.Option(help="Label maps after the CRF.")],
    corrections: Annotated[Path, typer.Option(help="Label maps that people corrected.")],
    card: Annotated[Path, typer.Option(help="File of the model card.")],
) -> None:
    """Write evaluation.json, CSV tables, overlays and report.html to OUT, and the model card."""
    params = load_params()
    indexes = [read_index(folder, params.dataset.mask_values) for folder in (train, val)]
    folders = Run(first, last, segmentation, corrections)
    counts, _ = confusion(indexes[1], "val", segmentation)
    rounds = read_table(last / "scores" / "rounds.csv")
    values = evaluation(rounds, counts)
    tables = {
        "rounds": rounds,
        "classes": read_table(last / "scores" / "classes.csv", text=["class"]),
        "training": training_table(read_table(last / "scores" / "training.csv")),
        "iou_by_class": class_table(indexes[1].classes, counts),
        "confusion": confusion_table(indexes[1].classes, counts),
    }
    for name, table in tables.items():
        with new_file(out / f"{name}.csv") as partial:
            table.to_csv(partial, index=False)
    with new_folder(out / "overlays", checksums=False) as folder:
        for entry in indexes[1].split("train"):
            picture = encode(draw_example(indexes[1], entry, folders), "PNG")
            (folder / f"{entry.id}.png").write_bytes(picture)
    write_page(
        out / "report.html", page_content(indexes[0], indexes[1], params, folders, tables, values)
    )
    with new_file(card) as partial:
        text = model_card(
            indexes[0], params, rounds, values, tables["iou_by_class"], last / "model"
        )
        partial.write_text(text, "utf-8")
    write_json(out / "evaluation.json", values)
    forget_finished()
    print_summary(rounds, values)


if __name__ == "__main__":
    run(main)
