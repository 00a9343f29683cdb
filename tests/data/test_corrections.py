"""What people corrected replaces what the pipeline found, except where they left it open."""

from pathlib import Path

import numpy as np

from auxseg.data.corrections import (
    correct_labels,
    correct_saliency,
    corrected,
    read_correction,
)
from auxseg.data.maps import write_labels

FOUND = np.uint8([[0, 2, 255, 1]])
CORRECTION = np.uint8([[1, 255, 0, 255]])


def test_labels_are_replaced_but_where_the_correction_is_open() -> None:
    assert correct_labels(FOUND, CORRECTION).tolist() == [[1, 2, 0, 1]]
    assert correct_labels(FOUND, None) is FOUND


def test_saliency_is_that_of_the_objects_but_where_the_correction_is_open() -> None:
    saliency = np.uint8([[9, 9, 9, 200]])
    assert correct_saliency(saliency, CORRECTION).tolist() == [[255, 9, 0, 200]]
    assert correct_saliency(saliency, None) is saliency


def test_corrections_are_found_by_id(tmp_path: Path) -> None:
    write_labels(tmp_path / "a.b.png", CORRECTION)
    assert corrected(tmp_path) == {"a.b"}
    read = read_correction(tmp_path, "a.b")
    assert read is not None
    np.testing.assert_array_equal(read, CORRECTION)
    assert read_correction(tmp_path, "a") is None
