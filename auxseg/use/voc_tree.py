"""A dataset and its label maps in VOC layout, for training other segmentation code."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from auxseg.annotations.photographs import write_photograph
from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.data.maps import write_labels


def write_tree(folder: Path, index: Index, maps: Iterable[tuple[Entry, Bytes]]) -> None:
    """Write photographs, their label maps and a list.

    These are ``JPEGImages/<id>.jpg``, ``SegmentationClass/<id>.png`` and
    ``ImageSets/Segmentation/train.txt``, and ``classes.txt``.

    Args:
        folder: An empty folder.
        index: Where the photographs are.
        maps: Each image and its label map (H, W) uint8.
    """
    photographs, label_maps = folder / "JPEGImages", folder / "SegmentationClass"
    photographs.mkdir()
    label_maps.mkdir()
    entries = []
    for entry, labels in maps:
        write_photograph(photographs / f"{entry.id}.jpg", index, entry)
        write_labels(label_maps / f"{entry.id}.png", labels)
        entries.append(entry)
    write_lists(folder, index, entries)


def write_lists(folder: Path, index: Index, entries: Sequence[Entry]) -> None:
    """Write ``ImageSets/Segmentation/train.txt``, and ``classes.txt`` with label i in line i.

    Lines are counted from 0.
    """
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("".join(f"{entry.id}\n" for entry in entries), "utf-8")
    names = ("background", *index.classes)
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in names), "utf-8")
