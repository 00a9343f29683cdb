"""Corrected label maps that are PNG files."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from auxseg.annotations.corrections import Correction, Size
from auxseg.data.arrays import Bytes
from auxseg.data.mask_values import MaskValues
from auxseg.data.palette import IGNORE
from auxseg.data.photos import open_image
from auxseg.datasets.masks import open_mask
from auxseg.datasets.problems import Report


def read_label_map(path: Path, classes: Sequence[str]) -> Correction:
    """Read the size of a label map; its pixels are read when they are needed.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no image.
    """
    try:
        width, height = open_image(path.read_bytes()).size
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return Correction((path.stem,), str(path), (height, width), partial(_draw, path, classes))


def is_colour(path: Path) -> bool:
    """Return whether a file is an image in colour, so no label map.

    Raises:
        OSError: If the file cannot be read.
    """
    try:
        return open_image(path.read_bytes()).mode in ("RGB", "RGBA")
    except ValueError:
        return False


def _draw(path: Path, classes: Sequence[str], size: Size, report: Report) -> Bytes | None:
    # Always in the order of the classes, whatever values the dataset's own masks have.
    values = MaskValues(classes, "order")
    image = open_mask(path, values)
    labels = np.flatnonzero(image.histogram())
    unknown = labels[(labels > len(classes)) & (labels != IGNORE)]
    if unknown.size:
        line = f"{path}: label {unknown[0]}, but there are {values.described()}"
        report.problem("unknown label", line)
        return None
    return np.asarray(image)
