"""Index the dataset: ids, splits, image-level labels, and the digest of every photograph."""

from auxseg.system.stage import run

from pathlib import Path

from auxseg.data.files import new_folder, verify
from auxseg.data.index import write_index
from auxseg.datasets.formats import FORMATS, list_images
from auxseg.datasets.listing import index_images
from auxseg.datasets.problems import Report
from auxseg.params import load_params
from auxseg.system.messages import warn
from auxseg.system.progress import track


def main(root: Path, train: Path, val: Path) -> None:
    """Check the dataset at ROOT; index the images to train on in TRAIN, those to predict in VAL."""
    params = load_params().dataset
    verify(root)
    report = Report()
    listed = list_images(root, params, report)
    photographs, find_mask = track(listed, "dataset", len(listed)), FORMATS[params.format].find_mask
    try:
        indexes = index_images(root, params, photographs, find_mask, report)
    finally:
        warn(report.warnings())
    for out, index in zip((train, val), indexes, strict=True):
        with new_folder(out) as folder:
            write_index(folder, index)


if __name__ == "__main__":
    run(main)
