"""The dataset index: ids, splits, image-level labels, and the digest of every photograph.

Every later step finds its images through an index, of which a dataset has two: that of the images
to train on, and that of the images to predict. So another validation list changes no training. The
digest makes an image that changed behind DVC's back an error instead of a silent difference. Masks
are not in it: see ``auxseg/scoring/masks.py``.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from auxseg.data.arrays import Bytes, Floats
from auxseg.data.files import read_file
from auxseg.data.photos import read_photo

TABLE = "index.csv"
DESCRIPTION = "dataset.json"


@dataclass(frozen=True)
class Entry:
    """One image; ``labels`` are class numbers 0..K-1, ``path`` is relative to the root.

    ``width`` and ``height`` are those of the photograph as read: upright, and reduced if need be.
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
    """An entry and the file of its photograph, to be decoded where the pixels are needed."""

    entry: Entry
    data: bytes
    max_side: int

    @property
    def pixels(self) -> Bytes:
        """The photograph as (height, width, 3) of its entry."""
        return read_photo(self.data, self.max_side).pixels


@dataclass(frozen=True)
class Index:
    """Images of a dataset; ``classes`` are the K foreground classes in label order.

    The images to predict are those of the split ``val``, followed by the training images that are
    shown in plots.
    Photographs with a longer side than ``max_side`` pixels are reduced when they are read.
    """

    format: str
    root: Path
    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    max_side: int

    def split(self, name: str) -> list[Entry]:
        """Entries of ``train`` or ``val`` in index order."""
        return [entry for entry in self.entries if entry.split == name]

    def label_vector(self, entry: Entry) -> Floats:
        """Image-level labels as (K,) of 0 and 1."""
        vector = np.zeros(len(self.classes), np.float32)
        vector[list(entry.labels)] = 1
        return vector

    def read_image(self, entry: Entry) -> Bytes:
        """Read a photograph as (height, width, 3) of its entry, as ``photograph`` does."""
        return self.photograph(entry).pixels

    def photograph(self, entry: Entry) -> Photograph:
        """Read a photograph's file; ValueError if it is not the one that was indexed, or gone."""
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
    rows = [
        {
            **vars(entry),
            "labels": ";".join(index.classes[label] for label in entry.labels),
        }
        for entry in index.entries
    ]
    pd.DataFrame(rows).to_csv(folder / TABLE, index=False)
    description = {
        "format": index.format,
        "root": index.root.as_posix(),
        "classes": list(index.classes),
        "max_side": index.max_side,
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", "utf-8")


def read_index(folder: Path) -> Index:
    """Read what ``write_index`` wrote."""
    description = json.loads(read_file(folder / DESCRIPTION))
    classes = tuple(description["classes"])
    number = {name: value for value, name in enumerate(classes)}
    # Ids such as `2011_000304` or `NA` must stay text.
    text = {"id": str, "split": str, "path": str, "sha256": str, "labels": str}
    table = pd.read_csv(io.BytesIO(read_file(folder / TABLE)), dtype=text, keep_default_na=False)
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
        for row in table.to_dict("records")
    )
    root = Path(description["root"])
    return Index(description["format"], root, classes, entries, description["max_side"])
