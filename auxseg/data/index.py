"""The dataset index: ids, splits, image-level labels, and the digest of every photograph.

Every later stage finds its images through an index. A dataset has two: one of the images to train
on, and one of the images to predict, so another validation list changes no training. The digests
turn an image that changed without DVC's notice into an error instead of a silent difference. Masks
are not part of the index: see ``auxseg/scoring/masks.py``.
"""

import csv
import hashlib
import io
import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from auxseg.data.arrays import Bytes, Floats
from auxseg.data.files import read_file, read_json
from auxseg.data.mask_values import MaskRule
from auxseg.data.photos import read_photo

TABLE = "index.csv"
DESCRIPTION = "dataset.json"


@dataclass(frozen=True)
class Entry:
    """One image.

    Attributes:
        path: The photograph, relative to the root of the dataset.
        width: In pixels, of the photograph as read: upright, and reduced if it is too large.
        height: Likewise.
        labels: Numbers 0..K-1 of the classes in the image.
    """

    id: str
    split: str
    path: str
    sha256: str
    width: int
    height: int
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Photograph:
    """An entry and the content of its file, to be decoded where the pixels are needed."""

    entry: Entry
    data: bytes
    max_side: int

    @property
    def pixels(self) -> Bytes:
        """The photograph as (H, W, 3) uint8 RGB, of the entry's size."""
        return read_photo(self.data, self.max_side).pixels


@dataclass(frozen=True)
class Index:
    """Images of a dataset.

    The images to predict are those of the split ``val``, followed by the training images that are
    shown in plots.

    Attributes:
        classes: The K foreground classes in label order.
        max_side: Longest side in pixels; larger photographs are reduced when they are read.
        mask_values: Which values the classes have in masks, as ``dataset.mask_values`` says.
    """

    format: str
    root: Path
    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    max_side: int
    mask_values: MaskRule = "order"

    def split(self, name: str) -> list[Entry]:
        """Return the entries of ``train`` or ``val`` in index order."""
        return [entry for entry in self.entries if entry.split == name]

    def label_vector(self, entry: Entry) -> Floats:
        """Return the image-level labels as (K,) float32 of 0 and 1."""
        vector = np.zeros(len(self.classes), np.float32)
        vector[list(entry.labels)] = 1
        return vector

    def read_image(self, entry: Entry) -> Bytes:
        """Read a photograph, as ``photograph`` does, as (H, W, 3) uint8 RGB of the entry's size."""
        return self.photograph(entry).pixels

    def photograph(self, entry: Entry) -> Photograph:
        """Read the file of a photograph.

        Raises:
            ValueError: If the file is missing, or not the one that was indexed.
        """
        path = self.root / entry.path
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise ValueError(f"{path}: gone since it was indexed; run `dvc repro` again") from None
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ValueError(f"{path}: changed since it was indexed; run `dvc repro` again")
        return Photograph(entry, data, self.max_side)


def write_index(folder: Path, index: Index) -> None:
    """Write the index as a CSV table and a JSON description into ``folder``."""
    names = [field.name for field in fields(Entry)]
    with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        for entry in index.entries:
            labels = ";".join(index.classes[label] for label in entry.labels)
            table.writerow(vars(entry) | {"labels": labels})
    description = {
        "format": index.format,
        "root": index.root.as_posix(),
        "classes": list(index.classes),
        "max_side": index.max_side,
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", "utf-8")


def read_index(folder: Path, mask_values: MaskRule = "order") -> Index:
    """Read an index that ``write_index`` wrote.

    ``mask_values`` is not in it: it concerns scores, and must not make a training stale.
    """
    description = read_json(folder / DESCRIPTION)
    classes = tuple(description["classes"])
    number = {name: value for value, name in enumerate(classes)}
    table = io.StringIO(read_file(folder / TABLE).decode("utf-8"), newline="")
    entries = tuple(
        Entry(
            id=row["id"],
            split=row["split"],
            path=row["path"],
            sha256=row["sha256"],
            width=int(row["width"]),
            height=int(row["height"]),
            labels=tuple(number[name] for name in row["labels"].split(";") if name),
        )
        for row in csv.DictReader(table)
    )
    return Index(
        description["format"],
        Path(description["root"]),
        classes,
        entries,
        description["max_side"],
        mask_values,
    )
