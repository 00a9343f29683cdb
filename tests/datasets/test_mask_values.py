"""A class has the value that ``dataset.mask_values`` gives it, or is refused."""

from typing import Any

import numpy as np
import pytest

from auxseg.data.mask_values import UNKNOWN, MaskValues
from auxseg.datasets.mask_values import check_mask_values
from helpers import dataset_params

IGNORE = 255


def labels(classes: list[str], mask_values: Any) -> dict[int, int]:
    """The label of each value that a mask may hold."""
    found = MaskValues(classes, mask_values).labels.tolist()
    return {value: label for value, label in enumerate(found) if label != UNKNOWN}


def test_in_order_class_k_has_the_value_k() -> None:
    assert labels(["cat", "dog"], "order") == {0: 0, 1: 1, 2: 2, 255: IGNORE}
    assert len(labels([f"{k}" for k in range(254)], "order")) == 256


def test_classes_of_voc_have_the_devkit_s_numbers_and_others_are_ignored() -> None:
    expected = dict.fromkeys(range(21), IGNORE) | {0: 0, 15: 1, 1: 2, 20: 3, 255: IGNORE}
    assert labels(["person", "aeroplane", "tvmonitor"], "voc") == expected


def test_named_values_are_those_of_their_classes_and_others_are_ignored() -> None:
    expected = dict.fromkeys(range(256), IGNORE) | {0: 0, 8: 2, 200: 1}
    assert labels(["dog", "cat"], {"cat": 8, "dog": 200}) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"mask_values": "order"}, []),
        ({"mask_values": "voc"}, []),
        ({"mask_values": {"cat": 3, "dog": 1}}, []),
        ({"mask_values": {"cat": 3}}, ["lacks the class 'dog'"]),
        ({"mask_values": {"cat": 3, "dog": 1, "cow": 2}}, ["'cow' is not in dataset.classes"]),
        ({"mask_values": {"cat": 3, "dog": 3}}, ["'cat' and 'dog' have the same value 3"]),
        (
            {"mask_values": "voc", "classes": ["cat", "zebra"]},
            ["'voc' is for the classes of PASCAL VOC, of which 'zebra' is none"],
        ),
        (
            {"mask_values": "voc", "format": "coco"},
            ["format coco goes by the names of the categories: 'order' is needed"],
        ),
        ({"mask_values": "order", "format": "coco"}, []),
    ],
)
def test_values_that_do_not_fit_to_the_classes_are_refused(
    changed: dict[str, Any], expected: list[str]
) -> None:
    lines = check_mask_values(dataset_params(**changed))
    assert lines == [f"dataset.mask_values: {line}" for line in expected]


def test_background_is_0_whatever_the_values_are() -> None:
    for mask_values in ("order", "voc", {"cat": 1}):
        assert MaskValues(["cat"], mask_values).labels[0] == 0  # type: ignore[arg-type]
        assert MaskValues(["cat"], mask_values).labels.dtype == np.int16  # type: ignore[arg-type]
