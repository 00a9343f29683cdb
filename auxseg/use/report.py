"""The page about the run in this folder, with as many images as one likes."""

from pathlib import Path

from auxseg.data.files import read_json
from auxseg.data.index import read_index
from auxseg.data.tables import read_table
from auxseg.params import load_params
from auxseg.report.gallery import Run
from auxseg.report.page.page import write_page
from auxseg.report.summary import page_content
from auxseg.report.tables import training_table


def write_report(out: Path, images: int | None) -> None:
    """Write the page about the finished run in the working folder.

    Args:
        out: The HTML file.
        images: How many images of each split it shows; None for ``report.images``.

    Raises:
        ValueError: If a result is missing.
    """
    params = load_params()
    if images is not None:
        params = params.model_copy(
            update={"report": params.report.model_copy(update={"images": images})}
        )
    data, metrics = Path("data"), Path("metrics")
    values = params.dataset.mask_values
    train, val = (read_index(data / "dataset" / name, values) for name in ("train", "val"))
    rounds = data / "rounds"
    run = Run(
        rounds / "0", rounds / str(params.train.stages), data / "segmentation", data / "corrections"
    )
    scores = run.last / "scores"
    tables = {
        "rounds": read_table(scores / "rounds.csv"),
        "classes": read_table(scores / "classes.csv", text=["class"]),
        "confusion": read_table(metrics / "confusion.csv", text=["actual", "predicted"]),
        "training": training_table(read_table(scores / "training.csv")),
    }
    evaluation = read_json(metrics / "evaluation.json")
    write_page(out, page_content(train, val, params, run, tables, evaluation))
