"""The dataset formats by name.

A new one is a module with the functions of ``Format``, and a line here.
"""

from pathlib import Path
from typing import Protocol

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.datasets import coco, folder, voc
from auxseg.datasets.listing import Listed
from auxseg.datasets.problems import Report
from auxseg.params import Dataset


class Format(Protocol):
    """The interface of a format's module."""

    def list_images(self, root: Path, params: Dataset, report: Report) -> list[Listed]:
        """List the images of both splits; problems go to ``report``."""

    def find_mask(self, root: Path, id_: str) -> Path | None:
        """Return the mask file of an image; None if there is none, or if masks are not files."""

    def read_mask(self, index: Index, entry: Entry) -> Bytes | None:
        """Read the mask (H, W) uint8 of an image, for scoring; None if there is none."""


FORMATS: dict[str, Format] = {
    "voc": voc,
    "coco": coco,
    "folder": folder,
}
