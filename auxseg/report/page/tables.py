"""Tables of the page: names that people read, and numbers of three digits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

GAP = "–"  # where there is no score

SCORES = {
    "pseudo_labels.miou": "pseudo labels: mIoU",
    "pseudo_labels.labelled_miou": "pseudo labels: mIoU, labelled pixels only",
    "pseudo_labels.coverage": "pseudo labels: share of pixels labelled",
    "pseudo_labels.precision": "pseudo labels: precision",
    "pseudo_labels.recall": "pseudo labels: recall",
    "pseudo_labels.classes_gone": "pseudo labels: classes without a pixel",
    "saliency.mae": "saliency: mean absolute error",
    "saliency.f_beta": "saliency: F-beta",
    "saliency.max_f_beta": "saliency: best F-beta",
    "classifier.map": "classifier: mAP",
    "val.miou": "validation: mIoU",
    "val.pixel_accuracy": "validation: pixel accuracy",
    "val_saliency.mae": "validation saliency: mean absolute error",
    "val_saliency.f_beta": "validation saliency: F-beta",
    "val_saliency.max_f_beta": "validation saliency: best F-beta",
}


@dataclass(frozen=True)
class Grid:
    """A table: the heads of its columns, and rows of a name and a cell for each column.

    ``corner`` is the head of the names.
    """

    corner: str
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float]]]

    @property
    def known(self) -> bool:
        """Whether any cell is known."""
        return any(not np.isnan(cell) for _, cells in self.rows for cell in cells)


def number(value: float) -> str:
    """Return a number with three digits after the point; a gap for NaN."""
    return GAP if np.isnan(value) else f"{value:.3f}"


def significant(value: float) -> str:
    """Return a number of any size with three significant digits; a gap for NaN."""
    return GAP if np.isnan(value) else f"{value:.3g}"


def scores_grid(rounds: pd.DataFrame) -> Grid:
    """Return the scores by round, without those that no round has."""
    heads = [f"round {n}" for n in rounds.get("round", ())]
    rows = [
        (name, rounds[column].astype(float).tolist())
        for column, name in SCORES.items()
        if column in rounds and rounds[column].notna().any()
    ]
    return Grid("score", heads, rows)


def classes_grid(class_iou: pd.DataFrame) -> Grid:
    """Return the IoU of the classes, in the order of their first row, by round."""
    if class_iou.empty:
        return Grid("class", (), ())
    if "round" not in class_iou:
        pairs = zip(class_iou["class"], class_iou["iou"].astype(float), strict=True)
        return Grid("class", ("IoU",), [(name, [iou]) for name, iou in pairs])
    table = class_iou.pivot(index="class", columns="round", values="iou")
    table = table.loc[class_iou["class"].unique()].astype(float)
    heads = [f"round {n}" for n in table.columns]
    return Grid("class", heads, list(zip(table.index, table.to_numpy(), strict=True)))


def confusion_grid(confusion: pd.DataFrame) -> Grid:
    """Return the shares of the actual classes (rows); unknown where a class has no pixel."""
    if confusion.empty:
        return Grid("actual", (), ())
    table = confusion.pivot(index="actual", columns="predicted", values="share")
    names = confusion["actual"].unique()
    table = table.loc[names, names].astype(float)
    table[table.sum(axis=1) == 0] = np.nan
    return Grid("actual", list(names), list(zip(names, table.to_numpy(), strict=True)))


def training_grid(training: pd.DataFrame) -> Grid:
    """Return the losses in the last epoch of every round."""
    if training.empty:
        return Grid("end of", (), ())
    last = training.groupby("round").tail(1)
    heads = [f"round {n}" for n in last["round"]]
    losses = loss_columns(training)
    rows = [(loss_name(column), last[column].astype(float).tolist()) for column in losses]
    return Grid("end of", heads, rows)


def loss_columns(training: pd.DataFrame) -> list[str]:
    """Return the columns of ``metrics/training.csv`` that are losses and have values."""
    names = [str(column) for column in training if training[column].notna().any()]
    return [name for name in names if name.startswith("loss_")]


def loss_name(column: str) -> str:
    """Return the name of a loss: ``loss_saliency_refined`` becomes ``saliency, refined``."""
    return column.removeprefix("loss_").replace("_", ", ")
