"""Datasets in VOC layout are indexed; of a broken one, all that is wrong is listed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from auxseg.data.index import Index
from auxseg.params import Dataset
from helpers import dataset_params, import_dataset, import_indexes, import_problems, noise
from project import ROOT

CLASSES = ("cat", "dog", "aeroplane")
VOC2012 = ROOT.parent / "shared" / "real" / "VOC2012"


def voc(root: Path, train: dict[str, Sequence[str]], val: dict[str, Sequence[str]]) -> Path:
    """Write a dataset: for each split the ids and the classes that their objects have."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for split, images in (("train", train), ("val", val)):
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("".join(f"{i}\n" for i in images))
        for number, (id_, names) in enumerate(images.items()):
            Image.fromarray(noise(30 + number, 40)).save(root / f"JPEGImages/{id_}.jpg")
            objects = "".join(
                f"<object><name>{name}</name><part><name>head</name></part></object>"
                for name in names
            )
            (root / f"Annotations/{id_}.xml").write_text(
                f"<annotation><folder>VOC2012</folder>{objects}</annotation>"
            )
    return root


def params(**changed: Any) -> Dataset:
    own = {"classes": list(CLASSES)}
    return dataset_params(**own | changed)


def imported(root: Path, **changed: Any) -> Index:
    return import_dataset("voc", root, params(**changed))[0]


def problems(root: Path, **changed: Any) -> list[str]:
    return import_problems("voc", root, params(**changed))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    train = {"2008_b": ["dog"], "2008_a": ["aeroplane", "dog", "cat", "dog"], "007": []}
    return voc(tmp_path, train, {"NA": ["cat"]})


def test_a_dataset_is_indexed_in_the_order_of_its_lists(root: Path) -> None:
    index = imported(root)
    assert index.format == "voc"
    assert index.root == root
    assert index.classes == CLASSES
    found = [(e.split, e.id, e.labels, (e.width, e.height)) for e in index.entries]
    assert found == [
        ("train", "2008_b", (1,), (40, 30)),
        ("train", "2008_a", (0, 1, 2), (40, 31)),
        ("train", "007", (), (40, 32)),
        ("val", "NA", (0,), (40, 30)),
    ]
    for e in index.entries:
        assert index.read_image(e).shape == (e.height, e.width, 3)


def test_labels_are_numbered_by_the_order_of_the_classes_not_of_the_names(root: Path) -> None:
    index = imported(root, classes=["dog", "aeroplane", "cat"])
    assert [e.labels for e in index.entries] == [(0,), (0, 1, 2), (), (2,)]


def test_masks_are_not_needed(root: Path) -> None:
    assert not (root / "SegmentationClass").exists()
    assert len(imported(root).entries) == 4


@pytest.mark.parametrize(("examples", "shown"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_as_many_training_images_as_asked_are_shown(examples: int, shown: int, root: Path) -> None:
    (_, predicted), _ = import_indexes("voc", root, params(examples=examples))
    assert len(predicted.split("train")) == shown
    assert [e.split for e in predicted.entries] == ["val"] + ["train"] * shown


def test_the_images_shown_are_spread_over_the_list(tmp_path: Path) -> None:
    root = voc(tmp_path, {f"{n:02d}": CLASSES for n in range(10)}, {"val": []})
    (_, predicted), _ = import_indexes("voc", root, params(examples=5))
    shown = [e.id for e in predicted.split("train")]
    assert shown == ["00", "02", "04", "06", "08"]


def test_photographs_of_any_name_are_found(tmp_path: Path) -> None:
    root = voc(tmp_path, {"naïve_猫": CLASSES, "a.b": [], "a,b": []}, {"v": []})
    index = imported(root)
    assert [e.id for e in index.entries] == ["naïve_猫", "a.b", "a,b", "v"]
    assert [index.read_image(e).shape[1] for e in index.entries] == [40] * 4


def test_lines_of_paths_stand_for_the_stem_of_the_first(root: Path) -> None:
    (root / "ImageSets/Segmentation/train_aug.txt").write_text(
        "/JPEGImages/2008_a.jpg /SegmentationClassAug/2008_a.png\n007 1\n\n"
    )
    index = imported(root, train="train_aug")
    assert [e.id for e in index.split("train")] == ["2008_a", "007"]


@pytest.mark.parametrize(("difficult", "labels"), [(True, (0, 1)), (False, (0,))])
def test_difficult_objects_are_labels_if_asked(
    difficult: bool, labels: tuple[int, ...], tmp_path: Path
) -> None:
    root = voc(tmp_path, {"a": ["cat"], "b": CLASSES}, {"v": []})
    (root / "Annotations/a.xml").write_text(
        "<annotation><object><name>cat</name><difficult>0</difficult></object>"
        "<object><name>dog</name><difficult>1</difficult></object></annotation>"
    )
    assert imported(root, difficult=difficult).entries[0].labels == labels


def test_large_photographs_are_indexed_and_read_at_the_reduced_size(root: Path) -> None:
    Image.fromarray(noise(200, 100)).save(root / "JPEGImages/007.jpg")
    index = imported(root, max_side=64)
    sizes = {e.id: (e.width, e.height) for e in index.entries}
    assert sizes["007"] == (32, 64)
    assert sizes["2008_b"] == (40, 30)
    for e in index.entries:
        assert index.read_image(e).shape == (e.height, e.width, 3)


@pytest.mark.parametrize("folder", ["SegmentationClass", "SegmentationClassAug"])
def test_a_mask_of_another_size_than_its_photograph_is_refused(folder: str, root: Path) -> None:
    (root / folder).mkdir()
    Image.new("L", (40, 30)).save(root / folder / "2008_b.png")
    assert len(imported(root, max_side=64).entries) == 4
    Image.new("L", (30, 40)).save(root / folder / "2008_b.png")
    (root / folder / "NA.png").write_text("no mask")
    found = problems(root)
    assert len(found) == 2
    assert "2008_b.jpg: 40×30 pixels (upright), but its mask" in found[0]
    assert found[0].endswith("has 30×40")
    assert found[1].endswith("NA.png: not a PNG image")


def test_masks_leave_no_trace_in_the_index(root: Path) -> None:
    without = imported(root)
    (root / "SegmentationClass").mkdir()
    Image.new("L", (40, 30)).save(root / "SegmentationClass/2008_b.png")
    assert imported(root) == without


def test_images_without_any_class_are_counted(tmp_path: Path) -> None:
    root = voc(tmp_path, {"a": [], "b": CLASSES}, {"v": []})
    _, warnings = import_dataset("voc", root, params())
    assert warnings == ["image without any class: 2, such as a"]


def test_a_class_without_a_training_image_is_refused(tmp_path: Path) -> None:
    root = voc(tmp_path, {"a": ["cat", "dog"]}, {"v": CLASSES})
    assert problems(root) == [
        "dataset.classes: no image of train shows the class 'aeroplane'",
    ]


def test_an_unknown_class_comes_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    root = voc(tmp_path, {"a": [*CLASSES, "Aeroplan"]}, {"v": []})
    (line,) = problems(root)
    assert line.endswith("class 'Aeroplan' is not in dataset.classes; did you mean 'aeroplane'?")


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    good: Sequence[str] = CLASSES
    names = ("fine", "no_photo", "cut", "no_xml", "bad_xml", "unicorn")
    root = voc(tmp_path, dict.fromkeys(names, good), {"fine_too": good})
    (root / "JPEGImages/no_photo.jpg").unlink()
    photo = root / "JPEGImages/cut.jpg"
    photo.write_bytes(photo.read_bytes()[:-300])
    (root / "Annotations/no_xml.xml").unlink()
    (root / "Annotations/bad_xml.xml").write_text("<annotation><object>")
    path = root / "Annotations/unicorn.xml"
    path.write_text(path.read_text().replace("cat", "unicorn"))
    lists = root / "ImageSets/Segmentation"
    (lists / "train.txt").write_text("\n".join([*names, "fine"]))
    (lists / "val.txt").write_text("fine_too\nfine\n")

    found = problems(root)
    for pattern in (
        "fine: listed twice in train",
        "fine: listed in both train and val",
        "no_photo.jpg: No such file",
        "cut.jpg: damaged: ",
        "no_xml.xml: ",
        "bad_xml.xml: ",
        "unicorn.xml: class 'unicorn' is not in dataset.classes; known are cat, dog, aeroplane",
    ):
        assert sum(pattern in line for line in found) == 1, (pattern, found)
    assert len(found) == 7


def test_many_problems_of_a_kind_are_counted_not_all_shown(tmp_path: Path) -> None:
    root = voc(tmp_path, {f"{n:02d}": CLASSES for n in range(50)}, {"val": []})
    for path in (root / "JPEGImages").glob("[0-9]*"):
        path.unlink()
    (root / "Annotations/val.xml").unlink()
    found = problems(root)
    assert len(found) == 22
    assert found[-1] == "and 30 more: missing photograph"
    assert "val.xml: No such file" in found[0]


def test_a_missing_or_empty_list_is_named(root: Path) -> None:
    lists = root / "ImageSets/Segmentation"
    (lists / "val.txt").write_text("\n")
    assert any("val lists no image" in line for line in problems(root))
    (lists / "train.txt").unlink()
    assert any("train.txt: no such list" in line for line in problems(root))


@pytest.mark.skipif(not VOC2012.is_dir(), reason=f"there is no {VOC2012}")
def test_real_photographs_are_imported() -> None:
    names = {
        line.partition("<name>")[2].partition("</name>")[0]
        for path in (VOC2012 / "Annotations").iterdir()
        for line in path.read_text().split("<object>")[1:]
    }
    index, warnings = import_dataset("voc", VOC2012, params(classes=sorted(names)))
    assert len(names) == 20
    assert (len(index.split("train")), len(index.split("val"))) == (104, 26)
    assert not warnings
