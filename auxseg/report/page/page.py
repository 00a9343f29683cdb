"""The page about a finished run: one HTML file that needs no network and no other file."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from auxseg.data.files import new_file
from auxseg.data.palette import voc_palette
from auxseg.report.page.cards import make_card
from auxseg.report.page.charts import classes_chart, scores_chart, training_chart
from auxseg.report.page.content import KINDS, Content
from auxseg.report.page.tables import (
    classes_grid,
    confusion_grid,
    number,
    scores_grid,
    significant,
    training_grid,
)
from auxseg.report.plots import INFERNO

FOLDER = Path(__file__).parent


def write_page(path: Path, content: Content) -> None:
    """Write a page about a run, with everything that it shows inside.

    The same content gives the same bytes. One picture is in memory at a time.

    Raises:
        ValueError: If a picture is labelled with an unknown class.
    """
    # Escapes every value, so that no name of a file or a class can become a part of the page.
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    scores, classes = scores_grid(content.rounds), classes_grid(content.class_iou)
    training = training_grid(content.training)
    chunks = environment.get_template("page.html.j2").generate(
        content=content,
        kinds=KINDS,
        colours=_hex(voc_palette()),
        heat=", ".join(_hex(INFERNO)),
        scores=scores,
        number=number,
        significant=significant,
        scores_chart=scores_chart(content.rounds) if len(scores.heads) > 1 and scores.known else "",
        classes=classes,
        classes_chart=classes_chart(classes) if classes.known else "",
        confusion=confusion_grid(content.confusion),
        training=training,
        training_chart=training_chart(content.training) if training.known else "",
        cards=(make_card(picture, content.classes) for picture in content.pictures),
        style=Markup((FOLDER / "page.css").read_text("utf-8")),
        script=Markup((FOLDER / "page.js").read_text("utf-8")),
    )
    with new_file(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(chunks)


def _hex(colours: npt.NDArray[np.integer]) -> list[str]:
    return ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours]
