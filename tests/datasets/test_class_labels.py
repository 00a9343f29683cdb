"""``cls_labels.npy`` as the field's repositories ship it: ids, file names or numbers as keys."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auxseg.datasets.class_labels import ClassLabels, read_class_labels
from auxseg.datasets.problems import DatasetError, Report
from helpers import dataset_params, import_dataset, import_problems, noise

ROWS = {"a": [1, 1], "b": [0, 0], "c": [0, 1]}


def store(root: Path, labels: Any) -> Path:
    path = root / "cls_labels.npy"
    np.save(path, labels, allow_pickle=True)
    return path


def rows(labels: dict[Any, list[int]], type_: Any = np.float32) -> dict[Any, Any]:
    return {key: np.array(row, type_) for key, row in labels.items()}


def own(root: Path, labels: Any, *names: str) -> Path:
    (root / "images").mkdir()
    for number, name in enumerate(names or ("a.jpg", "b.PNG", "c.jpeg")):
        Image.fromarray(noise(10, 20, number)).save(root / "images" / name)
    store(root, labels)
    return root


def problems(path: Path, **changed: Any) -> list[str]:
    report = Report()
    assert read_class_labels(path, dataset_params(**changed), report) is None
    with pytest.raises(DatasetError) as error:
        report.refuse()
    return [line.removeprefix(f"{path}: ") for line in str(error.value).split("\n")]


def read(path: Path, **changed: Any) -> ClassLabels:
    report = Report()
    labels = read_class_labels(path, dataset_params(**changed), report)
    report.refuse()
    assert labels is not None
    return labels


@pytest.mark.parametrize("type_", [np.float32, np.float64, np.uint8, np.int64, np.bool_])
def test_a_folder_of_images_is_labelled_and_every_fifth_is_for_validation(
    type_: Any, tmp_path: Path
) -> None:
    names = [f"{number:02d}" for number in range(10)]
    labels = rows({name: [1, int(name) % 2] for name in names}, type_)
    root = own(tmp_path, labels, *(f"{name}.jpg" for name in names))
    index, warnings = import_dataset("folder", root, dataset_params(format="folder"))
    assert {e.id: e.labels for e in index.entries} == {
        name: ((0, 1) if int(name) % 2 else (0,)) for name in names
    }
    assert [e.id for e in index.split("val")] == ["04", "09"]
    assert warnings == [
        "image for validation (every fifth, as cls_labels.npy has no splits): 2, such as 04.jpg"
    ]


def test_images_and_keys_without_each_other_are_counted(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(6)]
    labels = rows({name: [1, 1] for name in (*names[:5], "x", "y")})
    root = own(tmp_path, labels, *names)
    _, warnings = import_dataset("folder", root, dataset_params(format="folder"))
    assert warnings[:2] == [
        "image left out, as cls_labels.npy lacks it: 1, such as 5.jpg",
        "key of cls_labels.npy without an image: 2, such as x",
    ]


def test_labels_csv_wins(tmp_path: Path) -> None:
    root = own(tmp_path, rows(ROWS))
    (root / "labels.csv").write_text("id,labels,split\na,cat;dog,train\nc,,val\n")
    index, _ = import_dataset("folder", root, dataset_params(format="folder"))
    assert [e.labels for e in index.entries] == [(0, 1), ()]


def test_keys_may_be_file_names_numbers_and_names_of_numpy(tmp_path: Path) -> None:
    keys = {"x.jpg": "x", 2007000032: "2007_000032", np.str_("y"): "y", 9: "COCO_val2014_000000009"}
    labels = read(store(tmp_path, rows({key: [1, 0] for key in keys})))
    for id_ in keys.values():
        assert labels.find(id_) == (0,)
    assert labels.find("z") is None
    assert labels.find("8") is None


def test_a_key_stands_for_one_image(tmp_path: Path) -> None:
    labels = read(store(tmp_path, rows({1: [1, 0], 21: [1, 0]})))
    assert labels.find("a_1") == labels.find("a_1") == (0,)
    with pytest.raises(ValueError, match="1 may mean 'a_1' and 'b_1'"):
        labels.find("b_1")
    with pytest.raises(ValueError, match="both 1 and 21 may be meant by '2_1'"):
        labels.find("2_1")


def test_columns_are_those_of_the_values_in_masks(tmp_path: Path) -> None:
    row = np.zeros(20)
    row[[7, 11]] = 1  # cat and dog
    path = store(tmp_path, {"a": row})
    classes = ["dog", "person", "cat"]
    assert read(path, classes=classes, mask_values="voc").find("a") == (0, 2)
    values = {"dog": 12, "person": 15, "cat": 9}
    assert read(path, classes=classes, mask_values=values).find("a") == (0,)
    assert problems(path, classes=classes) == [
        "key 'a': 20 columns, but 3 are needed, one for each class "
        "(see dataset.classes and dataset.mask_values)"
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (np.array([0, 2]), "a row of 0 and 1 is needed"),
        (np.array([0, np.nan]), "a row of 0 and 1 is needed"),
        (np.array([[0, 1]]), "a row of 0 and 1 is needed"),
        (np.array(["0", "1"]), "a row of 0 and 1 is needed"),
        (["cat"], "a row of 0 and 1 is needed"),
        ("cat", "a row of 0 and 1 is needed"),
        (1, "a row of 0 and 1 is needed"),
        ([0, 1, 1], "3 columns, but 2 are needed"),
    ],
)
def test_other_rows_are_refused_with_their_key(row: Any, expected: str, tmp_path: Path) -> None:
    (line,) = problems(store(tmp_path, {"a": row, "b": [0, 1]}))
    assert line.startswith(f"key 'a': {expected}")


def test_two_keys_of_an_image_are_refused(tmp_path: Path) -> None:
    assert problems(store(tmp_path, rows({"a": [0, 1], "a.jpg": [1, 1]}))) == [
        "key 'a.jpg': there are two keys for this image"
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (np.ones((3, 2)), "a dict of arrays by image is needed, but it holds a ndarray"),
        ([1, 2], "a dict of arrays by image is needed, but it holds a ndarray"),
        ({"a": {1}}, "holds a pickle with the instruction EMPTY_SET"),
        ({1.5: [0, 1]}, "key 1.5: an id or a number is needed"),
    ],
)
def test_other_content_is_named(content: Any, expected: str, tmp_path: Path) -> None:
    (line,) = problems(store(tmp_path, content))
    assert line.startswith(expected)


def test_nothing_more_is_said_of_labels_that_cannot_be_read(tmp_path: Path) -> None:
    root = own(tmp_path, rows(ROWS))
    (root / "cls_labels.npy").write_text("<html>")
    assert import_problems("folder", root, dataset_params(format="folder")) == [
        f"{root / 'cls_labels.npy'}: no file of numpy: it begins with b'<html>'"
    ]


def test_lists_that_hold_one_another_many_times_are_not_written_out(tmp_path: Path) -> None:
    """So would numpy, which would take all the memory."""
    row: list[Any] = [0, 1]
    for _ in range(12):
        row = [row] * 50
    path = store(tmp_path, {"a": row, "b": ["0" * 10**6, *["1"] * 10**4]})
    assert problems(path) == [
        "key 'a': a row of 0 and 1 is needed",
        "key 'b': a row of 0 and 1 is needed",
    ]
