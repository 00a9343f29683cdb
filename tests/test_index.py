"""The index keeps ids, labels and digests; importing a broken dataset lists all that is wrong."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import make_index, noise
from PIL import Image

from auxseg.dataset.index import Entry, Index, read_index, write_index
from auxseg.dataset.voc import DatasetError, import_voc

CLASSES = ("cat", "dog", "aeroplane")


def entry(id_: str, split: str = "train", labels: tuple[int, ...] = (0,)) -> Entry:
    return Entry(id_, split, False, f"JPEGImages/{id_}.jpg", "ab" * 32, 7, 5, labels)


def test_an_index_comes_back_as_it_was(tmp_path: Path) -> None:
    entries = (
        entry("NA"),
        entry("007", labels=()),
        entry("2011_000304", labels=(0, 2)),
        replace(entry("1e5"), example=True),
        entry("null", "val"),
        entry("a,b", "val"),
        entry("True", "val", (1,)),
    )
    index = Index("voc", Path("data/sources/demo"), CLASSES, entries)
    write_index(tmp_path, index)
    assert read_index(tmp_path) == index


@pytest.mark.parametrize("labels", [(), (1,)])
def test_a_single_image_with_or_without_labels_comes_back(
    labels: tuple[int, ...], tmp_path: Path
) -> None:
    index = Index("voc", Path("root"), CLASSES, (entry("0001", labels=labels),))
    write_index(tmp_path, index)
    assert read_index(tmp_path) == index


def test_splits_and_examples_keep_the_order_of_the_index() -> None:
    entries = (entry("b"), entry("c", "val"), replace(entry("a"), example=True))
    index = Index("voc", Path("root"), CLASSES, entries)
    assert [e.id for e in index.split("train")] == ["b", "a"]
    assert [e.id for e in index.split("val")] == ["c"]
    assert [e.id for e in index.examples()] == ["a"]


def test_label_vectors_follow_the_order_of_the_classes() -> None:
    index = Index("voc", Path("root"), CLASSES, ())
    vector = index.label_vector(entry("a", labels=(2, 0)))
    assert vector.dtype == np.float32
    assert vector.tolist() == [1, 0, 1]
    assert index.label_vector(entry("a", labels=())).tolist() == [0, 0, 0]


def test_a_photograph_that_changed_after_indexing_is_named(tmp_path: Path) -> None:
    photo = noise(6, 5)
    index = make_index(tmp_path, [photo], [(0,)])
    np.testing.assert_array_equal(index.read_image(index.entries[0]), photo)
    photo[0, 0, 0] ^= 1
    Image.fromarray(photo).save(tmp_path / "0.png")
    with pytest.raises(ValueError, match=r"0\.png: changed since it was indexed"):
        index.read_image(index.entries[0])


def test_a_photograph_that_is_gone_is_named(tmp_path: Path) -> None:
    index = make_index(tmp_path, [noise(6, 5)], [(0,)])
    (tmp_path / "0.png").unlink()
    with pytest.raises(OSError, match=r"0\.png"):
        index.read_image(index.entries[0])


def test_grey_photographs_are_read_in_colour(tmp_path: Path) -> None:
    index = make_index(tmp_path, [noise(6, 5)[:, :, 0]], [(0,)])
    assert index.read_image(index.entries[0]).shape == (6, 5, 3)


# Datasets in VOC layout


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


def imported(root: Path, classes: Sequence[str] = CLASSES, examples: int = 1) -> Index:
    return import_voc(root, classes, "train", "val", examples)


def problems(root: Path, classes: Sequence[str] = CLASSES) -> list[str]:
    with pytest.raises(DatasetError) as error:
        imported(root, classes)
    return str(error.value).split("\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    train = {"2008_b": ["dog"], "2008_a": ["aeroplane", "dog", "dog"], "007": []}
    return voc(tmp_path, train, {"NA": ["cat"]})


def test_a_dataset_is_indexed_in_the_order_of_its_lists(root: Path) -> None:
    index = imported(root)
    assert index.format == "voc"
    assert index.root == root
    assert index.classes == CLASSES
    found = [(e.split, e.id, e.labels, (e.width, e.height)) for e in index.entries]
    assert found == [
        ("train", "2008_b", (1,), (40, 30)),
        ("train", "2008_a", (1, 2), (40, 31)),
        ("train", "007", (), (40, 32)),
        ("val", "NA", (0,), (40, 30)),
    ]
    for e in index.entries:
        assert index.read_image(e).shape == (e.height, e.width, 3)


def test_labels_are_numbered_by_the_order_of_the_classes_not_of_the_names(root: Path) -> None:
    index = imported(root, ("dog", "aeroplane", "cat"))
    assert [e.labels for e in index.entries] == [(0,), (0, 1), (), (2,)]


def test_masks_are_not_needed(root: Path) -> None:
    assert not (root / "SegmentationClass").exists()
    assert len(imported(root).entries) == 4


@pytest.mark.parametrize(("examples", "shown"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_as_many_training_images_as_asked_are_shown(examples: int, shown: int, root: Path) -> None:
    index = imported(root, examples=examples)
    assert len(index.examples()) == shown
    assert {e.split for e in index.examples()} == {"train"}


def test_the_images_shown_are_spread_over_the_list(tmp_path: Path) -> None:
    root = voc(tmp_path, {f"{n:02d}": [] for n in range(10)}, {"val": []})
    shown = [e.id for e in imported(root, examples=5).examples()]
    assert shown == ["00", "02", "04", "06", "08"]


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    good: Sequence[str] = ["cat"]
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
        "train.txt: fine is listed twice",
        "fine: listed in both train.txt and val.txt",
        "no_photo.jpg: No such file",
        "cut.jpg: cannot be read as an image",
        "no_xml.xml: ",
        "bad_xml.xml: ",
        "unicorn.xml: unknown class 'unicorn'",
    ):
        assert sum(pattern in line for line in found) == 1, (pattern, found)
    assert len(found) == 7


def test_many_problems_are_counted_not_all_shown(tmp_path: Path) -> None:
    root = voc(tmp_path, {f"{n:02d}": [] for n in range(50)}, {"val": []})
    for path in (root / "JPEGImages").glob("[0-9]*"):
        path.unlink()
    found = problems(root)
    assert len(found) == 21
    assert found[-1] == "and 30 more problems"


def test_a_missing_or_empty_list_is_named(root: Path) -> None:
    lists = root / "ImageSets/Segmentation"
    (lists / "val.txt").write_text("\n")
    assert any("val.txt: lists no image" in line for line in problems(root))
    (lists / "train.txt").unlink()
    assert any("train.txt: no such list" in line for line in problems(root))
