"""Image-level labels as ``cls_labels.npy``, a pickled dict of arrays, as the field's code has them.

The key of an image is its id, its file name, or a number made of the digits of its id; the values
are K numbers 0 and 1.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from auxseg.data.mask_values import VOC_CLASSES, class_values
from auxseg.data.names import composed
from auxseg.data.npy import read_npy
from auxseg.datasets.names import without_suffix
from auxseg.datasets.problems import Report
from auxseg.params import Dataset

CLASS_LABELS = "cls_labels.npy"

Labels = tuple[int, ...]


class ClassLabels:
    """The labels by image; each key stands for one image."""

    def __init__(self, labels: dict[str | int, Labels]) -> None:
        """Take the classes 0..K-1 that images show, by id or number."""
        self._labels = labels
        self._id_of_key: dict[str | int, str] = {}

    def find(self, id_: str) -> Labels | None:
        """Return the classes that an image shows; None if there is no key for it.

        Raises:
            ValueError: If several keys stand for the image, or its key for another image as well.
        """
        digits = re.findall("[0-9]+", id_)
        numbers = {int("".join(digits)), int(digits[-1])} if digits else set()
        keys = [key for key in (composed(id_), *sorted(numbers)) if key in self._labels]
        if not keys:
            return None
        if len(keys) > 1:
            raise ValueError(f"both {keys[0]!r} and {keys[1]!r} may be meant by {id_!r}")
        other = self._id_of_key.setdefault(keys[0], id_)
        if other != id_:
            raise ValueError(f"{keys[0]!r} may mean {other!r} and {id_!r}")
        return self._labels[keys[0]]

    @property
    def unused(self) -> list[str]:
        """The keys that stood for no image."""
        return [str(key) for key in self._labels if key not in self._id_of_key]


def read_class_labels(path: Path, params: Dataset, report: Report) -> ClassLabels | None:
    """Read a file of image-level labels.

    Class k is in column v - 1 if its value in masks is v: as in the code that such files are for,
    the columns are those of the masks.

    Args:
        path: The file.
        params: The section ``dataset``.
        report: Gets problems.

    Returns:
        The labels; None if there are problems.
    """
    try:
        content = read_npy(path)
        if not isinstance(content, dict):
            kind = type(content).__name__
            raise ValueError(f"{path}: a dict of arrays by image is needed, but it holds a {kind}")
    except (OSError, ValueError) as error:
        report.problem("unreadable labels", str(error))
        return None
    columns = [value - 1 for value in class_values(params.classes, params.mask_values)]
    labels: dict[str | int, Labels] = {}
    problems = 0
    for key, row in content.items():
        try:
            name = _name(key)
            if name in labels:
                raise ValueError("there are two keys for this image")
            shown = _row(row, params)[columns]
            labels[name] = tuple(np.flatnonzero(shown).tolist())
        except ValueError as error:
            problems += 1
            report.problem("unusable labels", f"{path}: key {key!r}: {error}")
    return None if problems else ClassLabels(labels)


def _name(key: Any) -> str | int:
    if isinstance(key, str):
        return composed(without_suffix(key))
    if type(key) is int:
        return key
    raise ValueError("an id or a number is needed")


def _row(row: Any, params: Dataset) -> Any:
    """Return a row of 0 and 1 with a column for each value that a class may have in masks."""
    # Lists may hold one another many times, and writing them out would fill the memory.
    plain = isinstance(row, list | tuple) and all(isinstance(value, int | float) for value in row)
    values = np.asarray(row) if plain or isinstance(row, np.ndarray) else np.empty(())
    if values.ndim != 1 or values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise ValueError("a row of 0 and 1 is needed")
    needed = {"order": len(params.classes), "voc": len(VOC_CLASSES)}.get(str(params.mask_values))
    if needed is None and isinstance(params.mask_values, dict):
        needed = max(values.size, *params.mask_values.values())
    if values.size != needed:
        raise ValueError(
            f"{values.size} columns, but {needed} are needed, one for each class "
            "(see dataset.classes and dataset.mask_values)"
        )
    return values
