"""Masks: from files, or drawn from COCO's outlines; an image may have none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_coco import BOX, CATEGORIES, COCO, annotation, params, picture

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.data.maps import write_labels
from auxseg.data.palette import IGNORE
from auxseg.datasets.coco import _instances
from auxseg.scoring.masks import read_mask
from helpers import MAX_SIDE, import_dataset

# pycocotools' own use of numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def entry(path: str = "JPEGImages/a.jpg") -> Entry:
    return Entry(Path(path).stem, "val", path, "", 20, 10, ())


@pytest.mark.parametrize(
    ("format_", "folder"),
    [("voc", "SegmentationClass"), ("voc", "SegmentationClassAug"), ("folder", "masks")],
)
def test_mask_files_are_read(format_: str, folder: str, tmp_path: Path) -> None:
    index = Index(format_, tmp_path, ("cat", "dog"), (), MAX_SIDE)
    assert read_mask(index, entry()) is None
    mask = np.array([[0, 1, 2, IGNORE]], np.uint8)
    (tmp_path / folder).mkdir()
    write_labels(tmp_path / folder / "a.png", mask)
    np.testing.assert_array_equal(read_mask(index, entry()), mask)
    mask[0, 0] = 3
    write_labels(tmp_path / folder / "a.png", mask)
    with pytest.raises(ValueError, match=r"a\.png: label 3, but there are 2 classes"):
        read_mask(index, entry())


def test_the_official_masks_come_before_the_augmented_ones(tmp_path: Path) -> None:
    for value, folder in enumerate(("SegmentationClass", "SegmentationClassAug")):
        (tmp_path / folder).mkdir()
        write_labels(tmp_path / folder / "a.png", np.full((1, 1), value, np.uint8))
    assert read_mask(Index("voc", tmp_path, ("cat",), (), MAX_SIDE), entry()) == 0


def drawn(
    tmp_path: Path, *annotations: dict[str, Any], classes: tuple[str, ...] = ("cat", "person")
) -> Bytes | None:
    """The mask of a 20×10 image with these annotations."""
    values = {
        "images": [picture(9, "more/a.jpg"), picture(8, "b.jpg")],
        "categories": CATEGORIES,
        "annotations": [annotation(8, 1), *annotations],
    }
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/instances_val2017.json").write_text(json.dumps(values))
    return read_mask(Index("coco", tmp_path, classes, (), MAX_SIDE), entry("val2017/more/a.jpg"))


def boxed(**rows_and_columns: tuple[slice, slice]) -> Bytes:
    """Boxes of the values `v1`, `v2`, … painted in this order."""
    mask = np.zeros((10, 20), np.uint8)
    for name, place in rows_and_columns.items():
        mask[place] = int(name[1:])
    return mask


INNER, OUTER = (slice(2, 6), slice(2, 8)), (slice(0, 10), slice(0, 16))
OUTER_BOX = [0, 0, 16, 0, 16, 10, 0, 10]


def test_polygons_are_filled_with_the_number_of_their_class(tmp_path: Path) -> None:
    np.testing.assert_array_equal(drawn(tmp_path, annotation(9, 1)), boxed(v2=INNER))


def test_an_image_without_annotations_is_all_background(tmp_path: Path) -> None:
    np.testing.assert_array_equal(drawn(tmp_path), np.zeros((10, 20)))


def test_the_parts_of_an_object_are_joined(tmp_path: Path) -> None:
    other = [10, 0, 12, 0, 12, 3, 10, 3]
    mask = drawn(tmp_path, annotation(9, 17, segmentation=[BOX, other]))
    np.testing.assert_array_equal(mask, boxed(v1=INNER) | boxed(v1=(slice(0, 3), slice(10, 12))))


@pytest.mark.parametrize("small_first", [True, False])
def test_smaller_objects_lie_on_larger_ones(small_first: bool, tmp_path: Path) -> None:
    small, large = annotation(9, 17), annotation(9, 1, segmentation=[OUTER_BOX])
    objects = (small, large) if small_first else (large, small)
    np.testing.assert_array_equal(drawn(tmp_path, *objects), boxed(v2=OUTER, v1=INNER))


@pytest.mark.parametrize("compressed", [False, True])
def test_runs_go_down_the_columns(compressed: bool, tmp_path: Path) -> None:
    counts: list[int] | str = [13, 4, 183]
    if compressed:
        coco = pytest.importorskip("pycocotools.mask")
        runs = coco.frPyObjects({"size": [10, 20], "counts": counts}, 10, 20)
        counts = runs["counts"].decode()
    mask = drawn(tmp_path, annotation(9, 17, segmentation={"size": [10, 20], "counts": counts}))
    np.testing.assert_array_equal(mask, boxed(v1=(slice(3, 7), slice(1, 2))))


def test_a_crowd_is_ignored_where_no_object_is(tmp_path: Path) -> None:
    crowd = {"size": [10, 20], "counts": [0, 100, 100]}
    mask = drawn(tmp_path, annotation(9, 17), annotation(9, 1, iscrowd=1, segmentation=crowd))
    np.testing.assert_array_equal(mask, boxed(v255=(slice(None), slice(10)), v1=INNER))


def test_other_categories_are_ignored_where_they_are_seen(tmp_path: Path) -> None:
    small = [3, 3, 5, 3, 5, 5, 3, 5]
    mask = drawn(
        tmp_path,
        annotation(9, 17),
        annotation(9, 90, segmentation=[OUTER_BOX]),
        annotation(9, 90, segmentation=[small]),
    )
    seen = slice(3, 5), slice(3, 5)
    np.testing.assert_array_equal(mask, boxed(v255=OUTER, v1=INNER) | boxed(v255=seen))


def test_a_degenerate_polygon_is_no_outline(tmp_path: Path) -> None:
    assert drawn(tmp_path, annotation(9, 17, segmentation=[[1, 2, 3, 4]])) is None
    (tmp_path / "annotations/instances_val2017.json").unlink()
    (tmp_path / "annotations").rmdir()
    _instances.cache_clear()
    mask = drawn(tmp_path, annotation(9, 17, segmentation=[BOX, [], [1, 2, 3, 4]]))
    np.testing.assert_array_equal(mask, boxed(v1=INNER))


def test_an_object_without_an_outline_leaves_its_image_without_a_mask(tmp_path: Path) -> None:
    assert drawn(tmp_path, annotation(9, 1), annotation(9, 17, segmentation=None)) is None


def test_what_lies_outside_the_image_is_cut_off(tmp_path: Path) -> None:
    far = [-50_000, -50_000, 50_000, -50_000, 50_000, 50_000, -50_000, 50_000]
    np.testing.assert_array_equal(
        drawn(tmp_path, annotation(9, 17, segmentation=[far])), np.ones((10, 20))
    )


def test_annotations_are_parsed_once_for_all_images(tmp_path: Path) -> None:
    drawn(tmp_path)
    (tmp_path / "annotations/instances_val2017.json").unlink()
    index = Index("coco", tmp_path, ("person",), (), MAX_SIDE)
    np.testing.assert_array_equal(read_mask(index, entry("val2017/b.jpg")), boxed(v1=INNER))


@pytest.mark.skipif(not COCO.is_dir(), reason=f"there is no {COCO}")
def test_real_masks_show_what_the_labels_say() -> None:
    changed = {"train": "train2017", "val": "val2017", "classes": ["person", "chair", "car"]}
    index, _ = import_dataset("coco", COCO, params(**changed))
    for found in index.entries:
        mask = read_mask(index, found)
        assert mask is not None
        with Image.open(COCO / found.path) as photo:
            assert mask.shape[::-1] == photo.size
        shown = set(np.unique(mask).tolist()) - {0, IGNORE}
        assert shown == {label + 1 for label in found.labels}
