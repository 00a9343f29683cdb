"""Results of a run: the metrics file, tables for plots, and a summary for the terminal."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from auxseg.data.arrays import Counts
from auxseg.scoring.metrics import iou_by_class
from auxseg.scoring.rounds import score_segmentation

Evaluation = dict[str, dict[str, Any]]

NOISE = 0.005  # smaller changes of a score are no news


def evaluation(rounds: pd.DataFrame, counts: Counts) -> Evaluation:
    """Return the content of ``metrics/evaluation.json``, fractions in [0, 1].

    Args:
        rounds: The table of all rounds.
        counts: Confusion matrix (C, C + 1) of the segmentation after the CRF.
    """
    first, last = _groups(rounds.iloc[0]), _groups(rounds.iloc[-1])
    return {
        "val": {
            **last["val"],
            "crf": score_segmentation(counts),
            "saliency": last["val_saliency"],
        },
        "pseudo_labels": {"first": first["pseudo_labels"], "last": last["pseudo_labels"]},
        "saliency": {"first": first["saliency"], "last": last["saliency"]},
        "classifier": {"first": first["classifier"], "last": last["classifier"]},
    }


def class_table(classes: Sequence[str], counts: Counts) -> pd.DataFrame:
    """Return the IoU of every class: columns ``class`` and ``iou`` (empty for an absent class)."""
    names = ["background", *classes]
    return pd.DataFrame({"class": names, "iou": iou_by_class(counts).round(6)})


def confusion_table(classes: Sequence[str], counts: Counts) -> pd.DataFrame:
    """Return the share of every actual class's pixels by predicted class, one row per cell."""
    names = ["background", *classes]
    cells = counts[:, :-1]
    shares = cells / np.maximum(cells.sum(1, keepdims=True), 1)
    rows = [
        {"actual": actual, "predicted": predicted, "share": round(float(share), 6)}
        for actual, row in zip(names, shares, strict=True)
        for predicted, share in zip(names, row, strict=True)
    ]
    return pd.DataFrame(rows)


def training_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Pivot training curves to one column per curve; ``epoch`` counts through all rounds."""
    table = curves.pivot(index=["round", "epoch"], columns="curve", values="value").reset_index()
    table["epoch"] = range(1, len(table) + 1)
    return table.rename(columns=lambda name: name.replace("loss/", "loss_"))


def print_summary(rounds: pd.DataFrame, values: Evaluation) -> None:
    """Print one line per round, and the final scores."""
    columns = {
        "pseudo-label mIoU": "pseudo_labels.miou",
        "labelled only": "pseudo_labels.labelled_miou",
        "coverage": "pseudo_labels.coverage",
        "classes gone": "pseudo_labels.classes_gone",
        "saliency F": "saliency.f_beta",
        "mAP": "classifier.map",
        "val mIoU": "val.miou",
    }
    table = Table("round", *columns, title="Scores by round")
    for _, row in rounds.iterrows():
        cells = [float(row[column]) for column in columns.values()]
        shown = ["" if np.isnan(cell) else f"{cell:.3f}" for cell in cells]
        table.add_row(str(int(row["round"])), *shown)
    console = Console(width=None if Console().is_terminal else 110)
    console.print(table)
    for line in setbacks(rounds):
        console.print(f"warning: {line}", highlight=False, soft_wrap=True)
    final = values["val"]
    if not final["images"]:
        console.print("val: no image has a mask, so nothing is scored", highlight=False)
        return
    if np.isnan(final["miou"]):
        line = "val: no object is true or predicted, so nothing is scored"
        console.print(line, highlight=False)
        return
    console.print(
        f"val mIoU {final['miou']:.3f}, with CRF {final['crf']['miou']:.3f}; "
        f"pixel accuracy {final['pixel_accuracy']:.3f}, with CRF "
        f"{final['crf']['pixel_accuracy']:.3f} ({final['images']} images)",
        highlight=False,
    )


def setbacks(rounds: pd.DataFrame) -> list[str]:
    """Return a line for each round that made the pseudo labels worse than the round before.

    They are worse if their mIoU fell, or if they contradict more image-level labels, which needs no
    masks to be seen.
    """
    lines = []
    scores = [_groups(row)["pseudo_labels"] for _, row in rounds.iterrows()]
    for number, (before, after) in enumerate(pairwise(scores), 1):
        worse = []
        if after["miou"] < before["miou"] - NOISE:
            worse.append(f"their mIoU fell from {before['miou']:.3f} to {after['miou']:.3f}")
        if after["classes_gone"] > before["classes_gone"] + NOISE:
            worse.append(
                f"labelled classes without a pixel went from {before['classes_gone']:.1%} to "
                f"{after['classes_gone']:.1%}"
            )
        if worse:
            lines.append(f"round {number} made the pseudo labels worse: {' and '.join(worse)}")
    return lines


def _groups(row: pd.Series) -> dict[str, dict[str, float]]:
    """Return a row of the table of rounds in groups; counts are int, empty cells NaN."""
    groups: dict[str, dict[str, float]] = {}
    for column, value in row.items():
        group, _, name = str(column).partition(".")
        if name:
            whole = name in ("images", "corrected") and not np.isnan(value)
            groups.setdefault(group, {})[name] = int(value) if whole else float(value)
    return groups
