"""The dataset formats by name.

A new one is a module with the functions of ``Format``, and a line here.
"""

from pathlib import Path
from typing import Protocol

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.datasets import coco, folder, voc
from auxseg.datasets.listing import Listed
from auxseg.datasets.mask_values import check_mask_values
from auxseg.datasets.problems import Report
from auxseg.datasets.tree import check_tree
from auxseg.params import Dataset


class Format(Protocol):
    """The interface of a format's module."""

    def list_images(self, root: Path, params: Dataset, report: Report) -> list[Listed]:
        """List the images of both splits; problems go to ``report``."""

    def find_mask(self, root: Path, entry: Entry) -> Path | None:
        """Return the mask file of an image; None if there is none, or if masks are not files."""

    def read_mask(self, index: Index, entry: Entry) -> Bytes | None:
        """Read the mask (H, W) uint8 of an image, for scoring; None if there is none."""


FORMATS: dict[str, Format] = {
    "voc": voc,
    "coco": coco,
    "folder": folder,
}


def list_images(root: Path, params: Dataset, report: Report) -> list[Listed]:
    """List the images of a dataset, in the order of the index.

    Args:
        root: Folder of the dataset.
        params: The section ``dataset``.
        report: Gets problems and warnings.

    Raises:
        DatasetError: If there is no such folder, it holds links to folders, or
            ``dataset.mask_values`` does not fit to the classes.
    """
    check_tree(root, report)
    for line in check_mask_values(params):
        report.problem("unusable mask values", line)
    report.refuse()
    return FORMATS[params.format].list_images(root, params, report)
