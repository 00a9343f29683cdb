"""Lay out the training images and their pseudo labels as VOC does, for other segmentation code."""

from pathlib import Path

from auxseg.artifacts import new_folder, read_labels
from auxseg.dataset.index import read_index
from auxseg.dataset.voc_tree import write_lists, write_pair
from auxseg.progress import track
from stages import run


def main(dataset: Path, pseudo_labels: Path, out: Path) -> None:
    """Write photographs and lists of DATASET, and its PSEUDO_LABELS, to the new folder OUT."""
    if out.exists():
        raise ValueError(f"{out}: exists already; remove it or name another folder")
    index = read_index(dataset)
    entries = index.split("train")
    with new_folder(out, checksums=False) as folder:
        for entry in track(entries, "export", len(entries)):
            write_pair(folder, index, entry, read_labels(pseudo_labels / f"{entry.id}.png"))
        write_lists(folder, index, entries)


if __name__ == "__main__":
    run(main)
