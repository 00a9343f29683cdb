"""A model card: what a network was trained on, how well it does, and what it cannot do."""

import re
from pathlib import Path, PurePath

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from auxseg.data.files import NO_FILE
from auxseg.data.index import Index
from auxseg.params import Params
from auxseg.report.tables import Evaluation

SCORES = (
    "pseudo_labels.miou",
    "pseudo_labels.labelled_miou",
    "pseudo_labels.coverage",
    "pseudo_labels.classes_gone",
    "val.miou",
)


def model_card(
    index: Index,
    params: Params,
    rounds: pd.DataFrame,
    values: Evaluation,
    class_iou: pd.DataFrame,
    model: PurePath,
) -> str:
    """Return the card as Markdown.

    Args:
        index: The training images.
        params: All parameters.
        rounds: The table of all rounds.
        values: The content of ``metrics/evaluation.json``.
        class_iou: IoU by class of the segmentation after the CRF, as ``class_table`` gives it.
        model: Folder of the network.
    """
    environment = Environment(  # Markdown, not HTML
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["escaped"] = _escaped
    last, source = rounds.iloc[-1], PurePath(params.saliency.root)
    return environment.get_template("card.md.j2").render(
        index=index,
        params=params,
        model=model.as_posix(),
        weights=PurePath(params.network.weights).name,
        saliency="" if source.name == NO_FILE else source.name,
        corrected=int(last["pseudo_labels.corrected"]),
        images=values["val"]["images"],
        miou=_shown(values["val"]["crf"]["miou"]),
        class_iou=[(name, _shown(iou)) for name, iou in class_iou[["class", "iou"]].values],
        rounds=[
            [str(int(row["round"])), *(_shown(row[column]) for column in SCORES)]
            for _, row in rounds.iterrows()
        ],
    )


def _escaped(name: str) -> str:
    """Return a name so that it is text in Markdown: no HTML, link, or end of a table's cell."""
    return re.sub(r"[\\`*_\[\]<>&|~$]", r"\\\g<0>", name)


def _shown(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"
