"""What the page about a run says in words and numbers."""

import math
from pathlib import PurePath

import pandas as pd

from auxseg.data.index import Index
from auxseg.params import Params
from auxseg.report.gallery import Run, gallery
from auxseg.report.page.content import Content
from auxseg.report.tables import Evaluation, setbacks


def page_content(
    train: Index,
    val: Index,
    params: Params,
    run: Run,
    tables: dict[str, pd.DataFrame],
    values: Evaluation,
) -> Content:
    """Gather the page of a run.

    Args:
        train: The training images.
        val: The images to predict.
        params: All parameters.
        run: The results.
        tables: ``rounds``, ``classes``, ``confusion`` and ``training``, as in ``metrics/``.
        values: The content of ``metrics/evaluation.json``.
    """
    scores, rounds = values["val"], tables["rounds"]
    summary = [
        ("data set", PurePath(params.dataset.root).name),
        ("classes", str(len(train.classes))),
        ("training images", str(len(train.entries))),
        ("corrected by people", str(int(rounds["pseudo_labels.corrected"].iloc[-1]))),
        ("validation images", str(len(val.split("val")))),
        ("of them with a mask", str(scores["images"])),
        ("backbone", params.network.backbone),
        ("rounds", str(run.rounds)),
        ("val mIoU", _shown(scores["miou"])),
        ("val mIoU after the CRF", _shown(scores["crf"]["miou"])),
    ]
    column = "val" if tables["classes"]["val"].notna().any() else "pseudo_labels"
    classes = tables["classes"].rename(columns={column: "iou"})[["round", "class", "iou"]]
    return Content(
        title=f"auxseg: {PurePath(params.dataset.root).name}",
        classes=train.classes,
        pictures=gallery(train, val, run, params.report.images),
        summary=[row for row in summary if row[1]],
        warnings=setbacks(rounds),
        rounds=rounds,
        class_iou=classes.dropna(subset="iou"),
        confusion=tables["confusion"] if scores["images"] else pd.DataFrame(),
        training=tables["training"],
    )


def _shown(score: float | None) -> str:
    return "" if score is None or math.isnan(score) else f"{score:.3f}"
