"""Datasets in VOC layout are indexed; of a broken one, all that is wrong is listed."""

import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auxseg.data.index import Index, read_index, write_index
from auxseg.data.maps import write_labels
from auxseg.params import Dataset
from auxseg.scoring.masks import read_mask
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


def test_classes_that_are_not_listed_are_no_labels(root: Path) -> None:
    index, warnings = import_dataset("voc", root, params(classes=["dog"]))
    assert [e.labels for e in index.entries] == [(0,), (0,), (), ()]
    path = root / "Annotations/2008_a.xml"
    assert warnings == [
        f"class left out, as dataset.classes lacks it: 3, such as 'aeroplane' in {path}",
        "image without any class: 2, such as 007",
    ]


def test_a_class_that_is_near_to_a_listed_one_is_left_out_with_a_hint(tmp_path: Path) -> None:
    root = voc(tmp_path, {"a": [*CLASSES, "Aeroplan"]}, {"v": []})
    _, warnings = import_dataset("voc", root, params())
    assert warnings[0] == (
        "class 'Aeroplan' left out, as dataset.classes lacks it; did you mean 'aeroplane'?: "
        f"1, such as {root / 'Annotations/a.xml'}"
    )


def test_classes_of_voc_are_no_misspelt_others(tmp_path: Path) -> None:
    root = voc(tmp_path, {"a": ["boats", "boat"]}, {"v": []})
    _, warnings = import_dataset("voc", root, params(classes=["boats"]))
    assert warnings[0].startswith("class left out, as dataset.classes lacks it: 1, such as 'boat'")


def test_a_class_that_differs_from_a_listed_one_in_case_is_refused(tmp_path: Path) -> None:
    root = voc(tmp_path, {"a": [*CLASSES, "Cat"]}, {"v": []})
    (line,) = problems(root)
    assert line.endswith("a.xml: class 'Cat' is not in dataset.classes; did you mean 'cat'?")


def test_names_of_classes_may_have_another_unicode_form(tmp_path: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "zébu") for form in ("NFC", "NFD"))
    root = voc(tmp_path, {"a": [nfd]}, {"v": [nfc]})
    assert [e.labels for e in imported(root, classes=[nfc]).entries] == [(0,), (0,)]


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    good: Sequence[str] = CLASSES
    names = ("fine", "no_photo", "cut", "no_xml", "bad_xml")
    root = voc(tmp_path, dict.fromkeys(names, good), {"fine_too": good})
    (root / "JPEGImages/no_photo.jpg").unlink()
    photo = root / "JPEGImages/cut.jpg"
    photo.write_bytes(photo.read_bytes()[:-300])
    (root / "Annotations/no_xml.xml").unlink()
    (root / "Annotations/bad_xml.xml").write_text("<annotation><object>")
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
    ):
        assert sum(pattern in line for line in found) == 1, (pattern, found)
    assert len(found) == 6


def test_many_problems_of_a_kind_are_counted_not_all_shown(tmp_path: Path) -> None:
    root = voc(tmp_path, {f"{n:02d}": CLASSES for n in range(50)}, {"val": []})
    for path in (root / "JPEGImages").glob("[0-9]*"):
        path.unlink()
    (root / "Annotations/val.xml").unlink()
    found = problems(root)
    assert len(found) == 22
    assert found[20] == "and 30 more: missing photograph"
    assert "val.xml: No such file" in found[21]


def test_a_missing_or_empty_list_is_named(root: Path) -> None:
    lists = root / "ImageSets/Segmentation"
    (lists / "val.txt").write_text("\n")
    assert problems(root) == [f"{root}: val lists no image"]
    (lists / "train.txt").unlink()
    assert problems(root) == [
        f"{lists / 'train.txt'}: no such list of image ids: No such file or directory"
    ]


@pytest.mark.parametrize("suffix", [".jpeg", ".JPG", ".png", ".Png"])
@pytest.mark.parametrize("listed", ["007", "007{}", "/JPEGImages/007{} x"])
def test_photographs_may_have_other_suffixes(suffix: str, listed: str, root: Path) -> None:
    photo = root / "JPEGImages/007.jpg"
    photo.rename(photo.with_suffix(suffix))
    (root / "ImageSets/Segmentation/train.txt").write_text(f"2008_a\n{listed.format(suffix)}\n")
    entry = imported(root).split("train")[1]
    assert (entry.id, entry.path) == ("007", f"JPEGImages/007{suffix}")


def test_two_photographs_of_one_id_are_refused(root: Path) -> None:
    Image.fromarray(noise(32, 40)).save(root / "JPEGImages/007.png")
    folder, path = root / "JPEGImages", root / "ImageSets/Segmentation/train.txt"
    assert problems(root) == [
        f"{path}, line 3: {folder}: both '007.jpg' and '007.png' may be meant by '007': rename one"
    ]


def test_an_id_may_hold_spaces(tmp_path: Path) -> None:
    root = voc(tmp_path, {"my img 2": CLASSES, "my": []}, {"v": []})
    assert [e.id for e in imported(root).split("train")] == ["my img 2", "my"]


def test_a_folder_is_part_of_the_name_and_of_the_id(tmp_path: Path) -> None:
    root = voc(tmp_path, {"i1": ["cat"], "cam2_i2": ["dog"]}, {"v": ["aeroplane"]})
    for folder, suffix in (("JPEGImages", "jpg"), ("Annotations", "xml")):
        (root / folder / "cam2").mkdir()
        (root / folder / f"cam2_i2.{suffix}").rename(root / folder / f"cam2/i1.{suffix}")
    (root / "ImageSets/Segmentation/train.txt").write_text("i1\ncam2/i1\n")
    index = imported(root, classes=["cat", "dog"])
    assert [(e.id, e.path, e.labels) for e in index.split("train")] == [
        ("i1", "JPEGImages/i1.jpg", (0,)),
        ("cam2_i1", "JPEGImages/cam2/i1.jpg", (1,)),
    ]
    (root / "SegmentationClass/cam2").mkdir(parents=True)
    Image.new("L", (41, 31)).save(root / "SegmentationClass/cam2/i1.png")
    (line,) = problems(root, classes=["cat", "dog"])
    assert "cam2/i1.jpg: 40×31 pixels (upright), but its mask" in line


@pytest.mark.parametrize("name", ["cam2/007", "../007", "/etc/007"])
def test_a_photograph_in_another_folder_is_not_taken_for_that_of_a_line(
    name: str, root: Path
) -> None:
    path = root / "ImageSets/Segmentation/train.txt"
    path.write_text(f"2008_a\n\n{name}\n")
    shutil.copy(root / "JPEGImages/007.jpg", root)
    wanted = f"{root / 'JPEGImages'}/{name.lstrip('/')}.jpg"
    assert problems(root) == [f"{path}, line 3: {wanted}: No such file, nor .jpeg or .png"]


def test_ids_in_another_unicode_form_or_case_are_found(tmp_path: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    root = voc(tmp_path, {nfd: CLASSES, "img_1": []}, {"v": []})
    (root / f"Annotations/{nfd}.xml").rename(root / f"Annotations/{nfc}.xml")
    (root / "SegmentationClass").mkdir()
    Image.new("L", (1, 1)).save(root / f"SegmentationClass/{nfc.upper()}.png")
    (root / "ImageSets/Segmentation/train.txt").write_text(f"{nfc}\nIMG_1\n")
    (line,) = problems(root)
    assert "has 1×1" in line
    (root / f"SegmentationClass/{nfc.upper()}.png").unlink()
    assert [e.id for e in imported(root).split("train")] == [nfd, "img_1"]


def test_an_id_that_two_photographs_differ_from_in_case_is_refused(tmp_path: Path) -> None:
    root = voc(tmp_path, {"img_1": CLASSES, "IMG_1": []}, {"v": []})
    assert len(imported(root).split("train")) == 2
    path = root / "ImageSets/Segmentation/train.txt"
    path.write_text("img_1\nImg_1\n")
    assert problems(root) == [
        f"{path}, line 2: {root / 'JPEGImages'}: "
        "both 'IMG_1.jpg' and 'img_1.jpg' may be meant by 'Img_1': rename one"
    ]


def test_ids_that_differ_in_unicode_form_only_are_the_same(tmp_path: Path) -> None:
    nfc, nfd = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    root = voc(tmp_path, {nfd: CLASSES}, {"v": []})
    (root / "ImageSets/Segmentation/train.txt").write_text(f"{nfc}\n{nfd}\n")
    assert problems(root) == [f"{nfd}: listed twice in train"]


def test_without_annotations_labels_are_those_of_cls_labels(root: Path) -> None:
    expected = imported(root)
    labels = {e.id: np.isin(range(3), e.labels).astype(np.float32) for e in expected.entries}
    shutil.rmtree(root / "Annotations")
    assert problems(root) == [
        f"{root / 'Annotations'}: no such folder, and no cls_labels.npy that stands for it"
    ]
    np.save(root / "cls_labels.npy", labels, allow_pickle=True)  # type: ignore[arg-type]
    assert imported(root) == expected
    del labels["007"]
    np.save(root / "cls_labels.npy", labels, allow_pickle=True)  # type: ignore[arg-type]
    lists = root / "ImageSets/Segmentation"
    assert problems(root) == [
        f"{root / 'cls_labels.npy'}: no key for '007', see {lists / 'train.txt'}, line 3"
    ]


def test_mask_values_reach_scoring(tmp_path: Path) -> None:
    root = voc(tmp_path, {"a": ["cat", "dog"]}, {"v": ["dog", "sofa"]})
    (root / "SegmentationClass").mkdir()
    stored = np.zeros((30, 40), np.uint8)
    stored[0, :5] = 8, 12, 18, 255, 0  # cat, dog, sofa
    write_labels(root / "SegmentationClass/v.png", stored)
    index, warnings = import_dataset("voc", root, params(classes=["dog", "cat"], mask_values="voc"))
    assert not any("masks hold none" in line for line in warnings)
    write_index(tmp_path, index)
    index = read_index(tmp_path, "voc")
    mask = read_mask(index, index.split("val")[0])
    assert mask is not None
    assert mask[0, :5].tolist() == [2, 1, 255, 255, 0]


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


def test_an_annotation_may_have_a_megabyte(root: Path) -> None:
    path = root / "Annotations" / "007.xml"
    text = path.read_bytes()
    path.write_bytes(text.ljust(2**20))
    assert imported(root)
    path.write_bytes(text.ljust(2**20 + 1))
    assert problems(root) == [f"{path}: not readable as XML: larger than 1 MiB"]


def test_entities_neither_grow_nor_read_files(root: Path) -> None:
    path, secret = root / "Annotations" / "007.xml", root / "secret"
    secret.write_text("dog")
    lines = [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)]
    for declared, used, problem in (
        ("".join(['<!ENTITY a0 "dog">', *lines]), "a9", "amplification"),
        (f'<!ENTITY a SYSTEM "{secret.as_uri()}">', "a", "undefined entity &a;"),
    ):
        path.write_text(
            f"<!DOCTYPE annotation [{declared}]>"
            f"<annotation><object><name>&{used};</name></object></annotation>"
        )
        (line,) = problems(root)
        assert line.startswith(f"{path}: not readable as XML: ")
        assert problem in line
