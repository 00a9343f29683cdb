"""Photographs in a folder for each class need no table; names and copies that clash are refused."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from auxseg.data.index import Index
from helpers import dataset_params, import_dataset, import_problems, noise


def images(root: Path, *names: str) -> Path:
    """Photographs of different content; no table."""
    for number, name in enumerate(names):
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(10, 20, number)).save(path)
    return root


def copy(root: Path, source: str, *targets: str) -> None:
    for target in targets:
        (root / "images" / target).parent.mkdir(exist_ok=True, parents=True)
        (root / "images" / target).write_bytes((root / "images" / source).read_bytes())


def imported(root: Path, **changed: Any) -> tuple[Index, list[str]]:
    return import_dataset("folder", root, dataset_params(format="folder", **changed))


def problems(root: Path, **changed: Any) -> list[str]:
    lines = import_problems("folder", root, dataset_params(format="folder", **changed))
    return [line.replace(f"{root}/images/", "") for line in lines]


def test_folders_are_classes_and_every_fifth_image_is_for_validation(tmp_path: Path) -> None:
    names = ("cat/3.jpg", "cat/0.JPG", "dog/1.png", "dog/5.jpeg", "background/2.jpg", "cat/4.jpg")
    index, warnings = imported(images(tmp_path, *names))
    assert [(e.id, e.split, e.path, e.labels) for e in index.entries] == [
        ("0", "train", "images/cat/0.JPG", (0,)),
        ("1", "train", "images/dog/1.png", (1,)),
        ("2", "train", "images/background/2.jpg", ()),
        ("3", "train", "images/cat/3.jpg", (0,)),
        ("5", "train", "images/dog/5.jpeg", (1,)),
        ("4", "val", "images/cat/4.jpg", (0,)),
    ]
    assert warnings == [
        "image for validation (every fifth, as images/ has no folders 'train' and 'val'): "
        "1, such as 4.jpg",
        "image without any class: 1, such as 2",
    ]


def test_folders_of_the_splits_come_first_if_they_are_there(tmp_path: Path) -> None:
    root = images(tmp_path, "train/cat/0.jpg", "train/dog/1.jpg", "val/dog/2.jpg", "val/none/3.jpg")
    images(root, "test/cat/4.jpg")
    index, warnings = imported(root)
    assert [(e.id, e.split, e.labels) for e in index.entries] == [
        ("0", "train", (0,)),
        ("1", "train", (1,)),
        ("2", "val", (1,)),
        ("3", "val", ()),
    ]
    folder = root / "images/test"
    assert warnings[0] == (
        f"folder left out, as it is neither 'train' nor 'val': 1, such as {folder}"
    )


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    root = images(tmp_path, *(f"train/{number}.jpg" for number in range(5)))
    index, _ = imported(root, classes=["train"])
    assert [e.labels for e in index.entries] == [(0,)] * 5


def test_one_split_without_the_other_is_refused(tmp_path: Path) -> None:
    root = images(tmp_path, "train/cat/0.jpg", "train/dog/1.jpg")
    assert problems(root) == ["val: no such folder beside train"]


@pytest.mark.parametrize("name", ["background", "none", "None", "BACKGROUND"])
def test_these_folders_show_no_class_unless_a_class_is_called_so(name: str, tmp_path: Path) -> None:
    root = images(tmp_path, *(f"cat/{n}.jpg" for n in range(5)), f"{name}/5.jpg")
    assert imported(root, classes=["cat"])[0].entries[4].labels == ()
    assert imported(root, classes=["cat", name])[0].entries[4].labels == (1,)


def test_folders_of_other_classes_are_left_out_with_a_hint(tmp_path: Path) -> None:
    root = images(
        tmp_path, *(f"cat/{n}.jpg" for n in range(5)), "dog/5.jpg", "dgo/6.jpg", "x/7.jpg"
    )
    index, warnings = imported(root)
    assert [e.id for e in index.split("train")] == ["0", "1", "2", "3", "5"]
    folder = root / "images"
    assert warnings[:2] == [
        f"image in {folder / 'dgo'} left out, as dataset.classes lacks 'dgo'; did you mean 'dog'?: "
        "1, such as 6.jpg",
        f"image in {folder / 'x'} left out, as dataset.classes lacks 'x'; known are cat, dog: "
        "1, such as 7.jpg",
    ]


def test_images_may_lie_deeper_and_other_files_are_counted(tmp_path: Path) -> None:
    root = images(tmp_path, *(f"cat/deep/{n}.jpg" for n in range(5)), "dog/9.jpg", "loose.jpg")
    (root / "images/cat/notes.txt").touch()
    (root / "images/cat/.DS_Store").touch()
    for folder in ("", "cat/"):
        copy(root, "dog/9.jpg", f"{folder}.ipynb_checkpoints/9-checkpoint.jpg")
    index, warnings = imported(root)
    assert len(index.entries) == 6
    assert warnings[:2] == [
        f"file left out, as it is no .jpg or .png: 1, such as {root / 'images/cat/notes.txt'}",
        f"file left out, as it is in no class folder of {root / 'images'}: 1, such as loose.jpg",
    ]


def test_the_same_image_in_two_folders_shows_both_classes(tmp_path: Path) -> None:
    root = images(tmp_path, *(f"cat/{number}.jpg" for number in range(5)))
    copy(root, "cat/2.jpg", "dog/2.jpg")
    index, _ = imported(root)
    assert [(e.path, e.labels) for e in index.entries][2] == ("images/cat/2.jpg", (0, 1))
    assert len(index.entries) == 5


def test_two_images_of_one_name_are_refused_with_both_paths(tmp_path: Path) -> None:
    root = images(tmp_path, "cat/0.jpg", "dog/0.jpg", "dog/1.jpg")
    (line,) = problems(root)
    assert line == "cat/0.jpg and dog/0.jpg: two images of one name, which is their id: rename one"


def test_an_image_with_a_class_and_without_one_is_refused(tmp_path: Path) -> None:
    root = images(tmp_path, "cat/0.jpg", "dog/1.jpg")
    copy(root, "cat/0.jpg", "background/0.jpg")
    (line,) = problems(root)
    assert line == "background/0.jpg and cat/0.jpg: the same image, with a class and without one"


def test_an_image_in_both_splits_is_refused(tmp_path: Path) -> None:
    root = images(tmp_path, "train/cat/0.jpg", "train/dog/1.jpg")
    copy(root, "train/cat/0.jpg", "val/cat/0.jpg")
    (line,) = problems(root)
    assert line == "train/cat/0.jpg and val/cat/0.jpg: the same image, so in both splits"


def test_labels_csv_wins(tmp_path: Path) -> None:
    root = images(tmp_path, "cat/0.jpg", "1.jpg", "2.jpg")
    (root / "labels.csv").write_text("id,labels,split\n1,cat;dog,train\n2,,val\n")
    assert [e.id for e in imported(root)[0].entries] == ["1", "2"]


def test_masks_are_found_by_the_names_of_the_images(tmp_path: Path) -> None:
    root = images(tmp_path, *(f"cat/{number}.jpg" for number in range(4)), "dog/4.jpg", "dog/5.jpg")
    (root / "masks").mkdir()
    Image.new("L", (1, 1)).save(root / "masks/4.png")
    (line,) = problems(root)
    assert "dog/4.jpg: 20×10 pixels (upright), but its mask" in line
