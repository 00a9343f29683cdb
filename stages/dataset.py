"""Index the dataset: ids, splits, image-level labels, and the digest of every photograph."""

from pathlib import Path

from auxseg.artifacts import new_folder
from auxseg.dataset.index import write_index
from auxseg.dataset.voc import import_voc
from auxseg.params import load_params
from stages import run


def main(root: Path, out: Path) -> None:
    """Check the dataset at ROOT and write its index to OUT."""
    params = load_params().dataset
    index = import_voc(root, params.classes, params.train, params.val, params.examples)
    with new_folder(out) as folder:
        write_index(folder, index)


if __name__ == "__main__":
    run(main)
