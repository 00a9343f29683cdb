"""Which value a class has in masks, as ``dataset.mask_values`` says."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from auxseg.data.names import composed
from auxseg.data.palette import IGNORE

MaskRule = Literal["order", "voc"] | dict[str, int]

# Of the PASCAL VOC devkit, in the order of their numbers 1 to 20 in masks.
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)

_RULES = {"order": "class k has the value k", "voc": "classes have the values of the VOC devkit"}
UNKNOWN = -1  # the label of a value that no mask may hold


class MaskValues:
    """The values that masks hold, and the labels that they stand for."""

    def __init__(self, classes: Sequence[str], mask_values: MaskRule) -> None:
        """Take the K ``classes`` and ``dataset.mask_values``, in which all of them have a value."""
        self.classes = tuple(classes)
        self.of_class = class_values(classes, mask_values)
        """The value of each class, K numbers."""
        self.rule = _RULES.get(str(mask_values), "the values are those of dataset.mask_values")
        """How values follow from classes, for messages."""
        highest = {"order": len(classes), "voc": len(VOC_CLASSES)}.get(str(mask_values), IGNORE)
        self.labels: npt.NDArray[np.int16] = np.full(256, UNKNOWN, np.int16)
        """The label 0..K, or 255, of each of the 256 values; ``UNKNOWN`` where it may not occur."""
        self.labels[: highest + 1] = IGNORE
        self.labels[IGNORE] = IGNORE
        self.labels[[0, *self.of_class]] = range(len(classes) + 1)

    def described(self) -> str:
        """Return which numbers masks hold, for messages."""
        more = " …," if len(self.classes) > 1 else ""
        return f"0 = background, {self.of_class[0]} = {self.classes[0]},{more} 255 = ignore"


def class_values(classes: Sequence[str], mask_values: MaskRule) -> list[int]:
    """Return the value in masks of each of the K classes."""
    if mask_values == "order":
        return list(range(1, len(classes) + 1))
    if mask_values == "voc":
        return [VOC_CLASSES.index(name) + 1 for name in classes]
    values = {composed(name): value for name, value in mask_values.items()}
    return [values[composed(name)] for name in classes]
