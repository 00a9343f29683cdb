"""Index the dataset: ids, splits, image-level labels, and the digest of every photograph."""

import sys
from pathlib import Path

from auxseg.artifacts import new_folder, verify
from auxseg.dataset.coco import list_coco
from auxseg.dataset.folder import list_folder
from auxseg.dataset.index import write_index
from auxseg.dataset.listing import index_images
from auxseg.dataset.problems import Report
from auxseg.dataset.voc import list_voc
from auxseg.params import load_params
from auxseg.progress import track
from stages import run

FORMATS = {"voc": list_voc, "coco": list_coco, "folder": list_folder}


def main(root: Path, out: Path) -> None:
    """Check the dataset at ROOT and write its index to OUT."""
    params = load_params().dataset
    verify(root)
    report = Report()
    listed = FORMATS[params.format](root, params, report)
    photographs = track(listed, "dataset", len(listed))
    try:
        index = index_images(root, params, photographs, report)
    finally:
        for line in report.warnings():
            print(f"warning: {line}", file=sys.stderr)
    with new_folder(out) as folder:
        write_index(folder, index)


if __name__ == "__main__":
    run(main)
