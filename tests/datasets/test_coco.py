"""COCO datasets: labels by category name, hostile annotations refused line by line."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from auxseg.data.index import Index
from auxseg.datasets import instances
from auxseg.datasets.rle import read_counts, read_rle
from auxseg.params import Dataset
from helpers import dataset_params, import_dataset, import_problems, noise
from project import ROOT

COCO = ROOT.parent / "shared" / "real" / "COCO"
CATEGORIES = [{"id": 1, "name": "person"}, {"id": 17, "name": "cat"}, {"id": 90, "name": "brush"}]
BOX = [2, 2, 8, 2, 8, 6, 2, 6]


def params(**changed: Any) -> Dataset:
    own = {"format": "coco", "classes": ["cat", "person"], "train": "train2014", "val": "val2014"}
    return dataset_params(**own | changed)


def picture(number: int, name: str) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": 20, "height": 10}


def annotation(image: int, category: int, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "iscrowd": 0, "segmentation": [BOX]} | more


def content(split: str) -> dict[str, Any]:
    """Three images: a cat and a brush, a cat and a crowd of persons, a person."""
    names = [f"COCO_{split}_{number:012d}.jpg" for number in (9, 7, 8)]
    return {
        "images": [picture(n, name) for n, name in zip((9, 7, 8), names, strict=True)],
        "categories": [dict(category) for category in CATEGORIES],
        "annotations": [
            annotation(9, 17),
            annotation(9, 90),
            annotation(7, 17),
            annotation(7, 1, iscrowd=1, segmentation={"size": [10, 20], "counts": [150, 50]}),
            annotation(8, 1),
        ],
    }


def store(root: Path, split: str, values: object) -> None:
    (root / "annotations").mkdir(exist_ok=True)
    (root / f"annotations/instances_{split}.json").write_text(json.dumps(values))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split in ("train2014", "val2014"):
        (tmp_path / split).mkdir()
        values = content(split)
        for image in values["images"]:
            Image.fromarray(noise(10, 20)).save(tmp_path / split / image["file_name"])
        store(tmp_path, split, values)
    return tmp_path


def imported(root: Path, **changed: Any) -> Index:
    return import_dataset("coco", root, params(**changed))[0]


def refusal(root: Path, values: object) -> list[str]:
    """The lines about a training annotation file of this content, without its name."""
    store(root, "train2014", values)
    path = f"{root / 'annotations/instances_train2014.json'}: "
    lines = import_problems("coco", root, params())
    return [line.removeprefix(path) for line in lines if line.startswith(path)]


def test_labels_follow_the_names_of_the_categories_in_the_order_of_the_classes(root: Path) -> None:
    index = imported(root)
    assert [(e.id[-1], e.labels) for e in index.split("train")] == [
        ("9", (0,)),
        ("7", (0,)),  # a crowd is no label
        ("8", (1,)),
    ]
    assert index.entries[0].id == "COCO_train2014_000000000009"
    assert index.entries[0].path == "train2014/COCO_train2014_000000000009.jpg"


def test_any_subset_of_the_categories_may_be_asked_for(root: Path) -> None:
    index, warnings = import_dataset("coco", root, params(classes=["brush"]))
    assert [e.labels for e in index.split("train")] == [(0,), (), ()]
    path = root / "annotations/instances_val2014.json"
    assert warnings == [
        f"class left out, as dataset.classes lacks it: 2, such as 'cat' in {path}",
        "image without any class: 4, such as COCO_train2014_000000000007",
    ]


def test_a_class_that_no_category_has_is_refused_with_the_nearest(root: Path) -> None:
    lines = import_problems("coco", root, params(classes=["cat", "persn"]))
    assert "no category is named 'persn'; did you mean 'person'?" in lines[0]


def test_images_without_a_file_and_of_another_size_are_refused(root: Path) -> None:
    (root / "val2014/COCO_val2014_000000000007.jpg").unlink()
    Image.fromarray(noise(20, 10)).save(root / "train2014/COCO_train2014_000000000009.jpg")
    lines = import_problems("coco", root, params())
    assert len(lines) == 2
    assert "009.jpg: 10×20 pixels (upright), but it is listed with 20×10" in lines[0]
    assert "007.jpg: No such file" in lines[1]


def test_categories_of_one_name_are_one_class_and_counted(root: Path) -> None:
    values = content("train2014")
    values["categories"].append({"id": 18, "name": "cat"})
    values["annotations"].append(annotation(8, 18))
    store(root, "train2014", values)
    index, warnings = import_dataset("coco", root, params())
    assert index.entries[2].labels == (0, 1)
    assert [line for line in warnings if "one class" in line] == [
        f"name of several categories, read as one class: 1, such as 'cat' in {root}/annotations/"
        "instances_train2014.json"
    ]


def test_a_missing_file_of_annotations_is_named(root: Path) -> None:
    (root / "annotations/instances_val2014.json").unlink()
    lines = import_problems("coco", root, params())
    assert "instances_val2014.json: No such file" in lines[0]


@pytest.mark.parametrize(
    "name", ["../x.jpg", "/etc/x.jpg", "a/../../x.jpg", "..\\x.jpg", "", "a\0"]
)
def test_a_photograph_outside_its_folder_is_refused(name: str, root: Path) -> None:
    values = content("train2014")
    values["images"][1]["file_name"] = name
    assert refusal(root, values) == [
        f"images.1.file_name: {name!r}: a file in the folder of the split is needed"
    ]


def test_all_bad_values_are_listed_one_line_each(root: Path) -> None:
    values = content("train2014")
    del values["images"][0]["file_name"]
    values["images"][1]["width"] = "20"
    values["images"][2]["height"] = 0
    values["categories"] = [*CATEGORIES, {"id": 1.5, "name": "dog"}]
    values["annotations"] = [
        {"category_id": 17},
        annotation(9, 17, iscrowd=2),
        annotation(9, 17, segmentation="none"),
        annotation(9, 17, segmentation=[[1, 2, 3, 4, 5, 6, 7]]),
        annotation(9, 17, segmentation=[[1, 2, 3, 4, 5, float("nan")]]),
        annotation(9, 17, segmentation=[[0, 0, 1e9, 0, 1e9, 1e9]]),
        annotation(9, 17, segmentation=[[0, 0, "1", 0, 1, 1]]),
        annotation(9, 17, segmentation={"size": [10, 20], "counts": [-1, 201]}),
        annotation(9, 17, segmentation={"size": [10, 20], "counts": "ooooooooo"}),
        annotation(9, 17, segmentation={"counts": [200]}),
        annotation(9, 17, segmentation={"size": [10, 20], "counts": [200.5]}),
        annotation(9, 17, segmentation={"size": [10, 20], "counts": [10**400]}),
        annotation(9, 17, segmentation={}),
        annotation(9, 17, segmentation=1),
    ]
    lines = refusal(root, values)
    places = [line.partition(":")[0] for line in lines]
    assert places == [
        "images.0.file_name",
        "images.1.width",
        "images.2.height",
        "categories.3.id",
        "annotations.0.image_id",
        "annotations.1.iscrowd",
        *(f"annotations.{number}.segmentation" for number in range(2, 14)),
    ]
    reasons = {
        1: "'20': a whole number from 1 is needed",
        3: "1.5: an id is a whole number or text",
        4: "is missing",
        5: "2: 0 or 1 is needed",
        6: "'none': a list of polygons or an RLE is needed",
        7: "[[1, 2, 3, 4, 5, 6, 7]]: a polygon of 7 numbers, so an x has no y",
        13: "{'counts': [200]}: RLE of the size None, but [height, width] is needed",
        14: "{'counts': [200.5], 'size': [10, 20]}: RLE whose counts are not whole numbers from 0",
    }
    for number, reason in reasons.items():
        assert lines[number].partition(": ")[2] == reason


def test_what_does_not_refer_to_anything_is_listed(root: Path) -> None:
    values = content("train2014")
    values["annotations"] += [
        annotation(10, 17),
        annotation(9, 18),
        annotation(9, 17, segmentation={"size": [20, 10], "counts": [200]}),
        annotation(9, 17, segmentation={"size": [10, 20], "counts": [150, 49]}),
    ]
    assert refusal(root, values) == [
        "annotations.5.image_id: 10: no image has this id",
        "annotations.6.category_id: 18: no category has this id",
        "annotations.7.segmentation: RLE of the size [20, 10], but its image has [10, 20]",
        "annotations.8.segmentation: RLE whose counts do not add up to its size",
    ]


@pytest.mark.parametrize("values", [[], None, 1, {}, {"images": 1}])
def test_other_json_is_refused(values: object, root: Path) -> None:
    assert refusal(root, values)


def test_what_is_no_json_is_refused(root: Path) -> None:
    (root / "annotations/instances_train2014.json").write_text("{")
    lines = import_problems("coco", root, params())
    assert "instances_train2014.json: the file: invalid JSON" in lines[0]


def test_images_of_both_splits_and_of_one_name_are_refused(root: Path) -> None:
    values = content("train2014")
    (root / "train2014/more").mkdir()
    first = root / "train2014" / values["images"][0]["file_name"]
    for name in (f"more/{first.name}", "COCO_val2014_000000000007.jpg"):
        (root / "train2014" / name).write_bytes(first.read_bytes())
        values["images"].append(picture(100 + len(name), name))
    store(root, "train2014", values)
    one, two = import_problems("coco", root, params())
    folder = root / "train2014"
    assert one == (
        "COCO_train2014_000000000009: listed twice in train2014, "
        f"as {first} and as {folder / 'more' / first.name}"
    )
    assert two.startswith("COCO_val2014_000000000007: listed in both train2014 and val2014, as ")


def test_nothing_is_said_of_a_split_whose_annotations_cannot_be_read(root: Path) -> None:
    values = content("train2014")
    values["images"][0]["width"] = 0
    assert refusal(root, values) == ["images.0.width: 0: a whole number from 1 is needed"]
    assert len(import_problems("coco", root, params())) == 1


@pytest.mark.parametrize("kind", ["images", "categories", "annotations"])
def test_an_id_that_occurs_twice_is_refused(kind: str, root: Path) -> None:
    values = content("train2014")
    for number, annotation_ in enumerate(values["annotations"]):
        annotation_["id"] = number
    values[kind][2]["id"] = values[kind][0]["id"]
    lines = refusal(root, values)
    assert lines[0] == f"{kind}.2.id: {values[kind][0]['id']}: the id of {kind}.0, too"


def test_annotations_need_no_id(root: Path) -> None:
    assert all("id" not in annotation_ for annotation_ in content("train2014")["annotations"])
    assert imported(root).entries


@pytest.mark.parametrize(
    "change",
    [
        lambda id_: str(id_),
        lambda id_: float(id_),
        lambda id_: f"0{id_}",
        lambda id_: f"image {id_}",
    ],
)
def test_ids_may_be_text_and_numbers_with_a_fraction_of_zero(change: Any, root: Path) -> None:
    expected = imported(root)
    values = content("train2014")
    for image in values["images"]:
        image["id"] = change(image["id"])
    for annotation_ in values["annotations"]:
        annotation_["image_id"] = change(annotation_["image_id"])
    store(root, "train2014", values)
    assert imported(root) == expected


def test_numbers_are_the_same_ids_as_text_or_not(root: Path) -> None:
    expected = imported(root)
    values = content("train2014")
    for image in values["images"]:
        image["id"] = str(image["id"])
    store(root, "train2014", values)
    assert imported(root) == expected


def test_whole_sizes_with_a_fraction_of_zero_are_read(root: Path) -> None:
    values = content("train2014")
    values["images"][0] |= {"width": 20.0, "height": 10.0}
    rle = values["annotations"][3]["segmentation"]
    rle |= {"size": [10.0, 20.0], "counts": [150.0, 50]}
    store(root, "train2014", values)
    assert imported(root).entries


def test_a_byte_order_mark_is_passed_over(root: Path) -> None:
    path = root / "annotations/instances_train2014.json"
    path.write_text("\ufeff" + path.read_text(), "utf-8")
    assert imported(root).entries


def test_backslashes_in_names_are_slashes(root: Path) -> None:
    values = content("train2014")
    name = values["images"][0]["file_name"]
    (root / "train2014/more").mkdir()
    (root / "train2014" / name).rename(root / "train2014/more" / name)
    values["images"][0]["file_name"] = f"more\\{name}"
    store(root, "train2014", values)
    assert imported(root).entries[0].path == f"train2014/more/{name}"


def test_degenerate_polygons_are_left_out_and_counted(root: Path) -> None:
    values = content("train2014")
    for number, outline in enumerate(([BOX, [1, 2, 3, 4]], [[]], [[1, 2, 3], [5]])):
        values["annotations"][number]["segmentation"] = outline
    store(root, "train2014", values)
    _, warnings = import_dataset("coco", root, params())
    path = root / "annotations/instances_train2014.json"
    assert warnings[0] == (
        f"polygon of fewer than three points left out: 4, such as {path}: annotations.0"
    )


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_in_another_unicode_form_or_case_are_found(form: Any, root: Path) -> None:
    values = content("train2014")
    on_disk, written = (unicodedata.normalize(f, "Café/é.jpg") for f in ("NFC", "NFD"))
    if form == "NFD":
        on_disk, written = written, on_disk
    (root / "train2014" / on_disk).parent.mkdir()
    first = root / "train2014" / values["images"][0]["file_name"]
    first.rename(root / "train2014" / on_disk)
    values["images"][0]["file_name"] = written.upper()
    store(root, "train2014", values)
    entry = imported(root).entries[0]
    assert entry.path == f"train2014/{on_disk}"
    assert entry.id == Path(written.upper()).stem


def test_a_photograph_of_two_images_is_refused(root: Path) -> None:
    values = content("train2014")
    name = values["images"][0]["file_name"]
    values["images"].append(picture(99, name.lower()))
    store(root, "train2014", values)
    assert import_problems("coco", root, params()) == [
        f"{root / 'train2014' / name}: listed as {name[:-4]!r} and as {name[:-4].lower()!r}"
    ]


def test_mask_values_are_for_masks_that_are_files(root: Path) -> None:
    assert import_problems("coco", root, params(mask_values={"cat": 1, "person": 2})) == [
        "dataset.mask_values: format coco goes by the names of the categories: 'order' is needed"
    ]


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_compressed_runs_are_read_as_pycocotools_writes_them(runs: list[int]) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    height = sum(runs) or 1
    text = coco.frPyObjects({"size": [height, 1], "counts": runs}, height, 1)["counts"].decode()
    assert read_counts(text) == runs


@pytest.mark.parametrize("text", ["o", "ooooooooooooooo", "1 2", "é", "0\0", "P"])
def test_malformed_compressed_runs_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="compressed RLE"):
        read_counts(text)


@pytest.mark.skipif(not COCO.is_dir(), reason=f"there is no {COCO}")
def test_real_annotations_are_imported() -> None:
    names = ["person", "chair", "car"]
    changed = {"train": "train2017", "val": "val2017", "classes": names}
    index = imported(COCO, **changed)
    assert len(index.entries) == 43
    assert index.entries[0].id == "000000000009"


def test_a_run_covers_a_hundred_million_pixels_at_most() -> None:
    most = 100_000_000
    assert read_rle({"size": [1, most], "counts": [most]}).counts.tolist() == [most]
    for size, count in (([1, most + 1], most), ([1, most], most + 1)):
        with pytest.raises(ValueError, match=r"RLE whose (size|counts) are not whole numbers"):
            read_rle({"size": size, "counts": [count]})


def with_outlines(root: Path, *outlines: list[float]) -> Path:
    values = content("train2014")
    values["annotations"] = [annotation(9, 17, segmentation=[outline]) for outline in outlines]
    store(root, "train2014", values)
    return root / "annotations" / "instances_train2014.json"


def test_coordinates_are_read_up_to_the_limit(root: Path) -> None:
    assert instances.read_instances(with_outlines(root, [-100_000, 0, 100_000, 0, 5, 5]))
    path = with_outlines(root, [-100_001, 0, 5, 0, 5, 5])
    with pytest.raises(ValueError, match="a coordinate that is none from -100000 to 100000"):
        instances.read_instances(path)


def test_the_outlines_of_an_image_have_a_largest_length(root: Path) -> None:
    """pycocotools needs memory for each of their pixels, also outside of the image."""
    zigzag = [-1e5, 0, 1e5, 1] * 24 + [-1e5, 0, 99_999, 1]  # 9,999,998 pixels, and 2 more
    assert instances.read_instances(with_outlines(root, zigzag, [0, 0, 0.7, 0, 0, 0]))
    path = with_outlines(root, zigzag, [0, 0, 1, 0, 1, 1], [0, 0, 1, 0, 1, 1])
    with pytest.raises(ValueError) as error:
        instances.read_instances(path)
    assert str(error.value) == (
        f"{path}: annotations.1.segmentation: the outlines of its image are longer than 10000000 "
        "pixels together: simplify them"
    )


def test_of_very_many_bad_values_the_first_are_listed_and_all_are_counted(root: Path) -> None:
    values = content("train2014")
    for number, lines in ((10_000, 10_000), (10_001, 21)):
        values["images"] = [0] * number
        store(root, "train2014", values)
        with pytest.raises(ValueError) as error:
            instances.read_instances(root / "annotations/instances_train2014.json")
        found = str(error.value).splitlines()
        assert len(found) == lines
        assert found[0].endswith("images.0: 0: input should be an object")
    assert found[-1].endswith(
        "the file: 10001 problems; of each list, the first 20 values were checked"
    )
