"""A dataset and its pseudo labels in VOC layout, for training other segmentation code."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from auxseg.data.arrays import Bytes
from auxseg.data.files import new_folder
from auxseg.data.index import Entry, Index, read_index
from auxseg.data.maps import read_labels, write_labels
from auxseg.system.progress import track
from auxseg.use.outputs import refuse_pipeline_folder

QUALITY = 95


def write_tree(dataset: Path, pseudo_labels: Path, out: Path) -> None:
    """Write the photographs of an index, their pseudo labels and a list to the new folder ``out``.

    Raises:
        ValueError: If ``out`` exists or lies in a folder of the pipeline.
    """
    refuse_pipeline_folder(out)
    if out.exists():
        raise ValueError(f"{out}: exists already; remove it or name another folder")
    index = read_index(dataset)
    entries = index.entries
    with new_folder(out, checksums=False) as folder:
        for entry in track(entries, "export", len(entries)):
            write_pair(folder, index, entry, read_labels(pseudo_labels / f"{entry.id}.png"))
        write_lists(folder, index, entries)


def write_pair(folder: Path, index: Index, entry: Entry, labels: Bytes) -> None:
    """Write ``JPEGImages/<id>.jpg`` and ``SegmentationClass/<id>.png`` from labels (H, W) uint8.

    A JPEG is copied if it reads the same without its metadata, which other code may ignore. Any
    other photograph is encoded anew.

    Raises:
        ValueError: If the sizes of photograph and labels differ.
    """
    image = index.read_image(entry)
    if labels.shape != image.shape[:2]:
        raise ValueError(f"{entry.id}: labels are {labels.shape}, the photo {image.shape[:2]}")
    photo, label = folder / "JPEGImages", folder / "SegmentationClass"
    photo.mkdir(exist_ok=True)
    label.mkdir(exist_ok=True)
    data = (index.root / entry.path).read_bytes()
    original = Image.open(io.BytesIO(data))
    if original.format == "JPEG" and np.array_equal(np.asarray(original.convert("RGB")), image):
        (photo / f"{entry.id}.jpg").write_bytes(data)
    else:
        Image.fromarray(image).save(photo / f"{entry.id}.jpg", quality=QUALITY)
    write_labels(label / f"{entry.id}.png", labels)


def write_lists(folder: Path, index: Index, entries: Sequence[Entry]) -> None:
    """Write ``ImageSets/Segmentation/train.txt``, and ``classes.txt`` with label i in line i.

    Lines are counted from 0.
    """
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("".join(f"{entry.id}\n" for entry in entries), "utf-8")
    names = ("background", *index.classes)
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in names), "utf-8")
