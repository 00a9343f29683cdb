"""Segmentations in COCO's format load with pycocotools: as a data set, or as results for one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from auxseg.data.arrays import Floats
from auxseg.datasets.problems import Report
from auxseg.use.coco import Document, NewDataset, Results, objects
from auxseg.use.commands import segment as main
from helpers import noise

NAMES = ("cat", "dog", "cow")
SIZE = (3, 5)


def probabilities() -> Floats:
    """Cow at the lower left, cat in a corner."""
    values = np.full((4, *SIZE), 0.1, np.float32)
    values[0] = 0.5
    values[3, 1:, :2] = 0.6
    values[1, 0, 4] = 0.9
    return values


def instances(folder: Path, *images: Any, categories: Any = None, **more: Any) -> Path:
    """The file of a data set whose classes have numbers with gaps, in another order."""
    path = folder / "instances.json"
    if categories is None:
        categories = [
            {"id": 90, "name": "cow"},
            {"id": 7, "name": "cat"},
            {"id": 18, "name": "dog"},
            {"id": 1, "name": "person"},
        ]
    content = {"images": images, "categories": categories, "annotations": [], **more}
    path.write_text(json.dumps(content))
    return path


def image(id_: Any, file_name: str, height: int = 3, width: int = 5) -> dict[str, Any]:
    return {"id": id_, "file_name": file_name, "height": height, "width": width}


def load(path: Path, document: Document) -> COCO:
    path.write_text(json.dumps(document.content()))
    return COCO(str(path))


def test_each_class_present_is_an_object_with_its_mask_and_mean_probability() -> None:
    labels = probabilities().argmax(0)
    found = list(objects(probabilities(), SIZE))
    assert [(label, score) for label, _, score in found] == [
        (1, pytest.approx(0.9)),
        (3, pytest.approx(0.6)),
    ]
    for label, runs, _ in found:
        np.testing.assert_array_equal(mask.decode(runs), labels == label)


def test_a_data_set_of_ones_own_loads_with_masks_boxes_and_areas(tmp_path: Path) -> None:
    document = NewDataset(NAMES)
    for name in ("b/1.jpg", "a.png"):
        document.add(name, SIZE, probabilities())
    coco = load(tmp_path / "coco.json", document)
    assert coco.loadCats(coco.getCatIds(catNms=["cow"])) == [{"id": 3, "name": "cow"}]
    assert [coco.imgs[n]["file_name"] for n in (1, 2)] == ["b/1.jpg", "a.png"]
    (cow,) = coco.loadAnns(coco.getAnnIds(imgIds=[2], catIds=[3], iscrowd=False))
    assert (cow["bbox"], cow["area"]) == ([0, 1, 2, 2], 4)
    np.testing.assert_array_equal(coco.annToMask(cow), probabilities().argmax(0) == 3)
    assert sorted(coco.anns) == [1, 2, 3, 4]


def test_results_load_for_their_data_set_and_can_be_evaluated(tmp_path: Path) -> None:
    truth = {
        "id": 1,
        "image_id": 397133,
        "category_id": 90,
        "iscrowd": 0,
        "area": 4,
        "bbox": [0, 1, 2, 2],
        "segmentation": [[0, 1, 2, 1, 2, 3, 0, 3]],
    }
    path = instances(tmp_path, image(397133, "1.jpg"), image(5, "2.jpg"), annotations=[truth])
    document = Results(path, NAMES, ["1.jpg"], Report())
    document.add("1.jpg", SIZE, probabilities())
    (tmp_path / "results.json").write_text(json.dumps(document.content()))
    coco = COCO(str(path))
    results = coco.loadRes(str(tmp_path / "results.json"))
    assert {ann["category_id"]: ann["area"] for ann in results.anns.values()} == {7: 1, 90: 4}
    evaluation = COCOeval(coco, results, "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("known", "own"),
    [
        ("val2017/1.jpg", "1.jpg"),
        ("1.jpg", "images/1.jpg"),
        ("images\\1.jpg", "images/1.jpg"),
        ("e\u0301.jpg", "é.jpg"),
    ],
)
def test_file_names_may_begin_with_other_folders(known: str, own: str, tmp_path: Path) -> None:
    document = Results(instances(tmp_path, image("an id", known)), NAMES, [own], Report())
    document.add(own, SIZE, probabilities())
    assert [entry["image_id"] for entry in document.content()] == ["an id", "an id"]  # type: ignore[attr-defined]


def test_the_same_path_is_preferred_to_its_end(tmp_path: Path) -> None:
    names = ["1.jpg", "a/1.jpg"]
    document = Results(
        instances(tmp_path, *(image(name, name) for name in names)), NAMES, names, Report()
    )
    for name in names:
        document.add(name, SIZE, probabilities())
    assert [entry["image_id"] for entry in document.content()[::2]] == names  # type: ignore[index]


def test_what_the_data_set_does_not_have_is_left_out_and_counted(tmp_path: Path) -> None:
    path = instances(tmp_path, image(1, "1.jpg", 6, 10))
    report = Report()
    document = Results(path, NAMES, ["1.jpg", "2.jpg", "other/3.jpg"], report)
    for name in ("2.jpg", "other/3.jpg", "1.jpg"):
        document.add(name, SIZE, probabilities())
    assert {entry["image_id"] for entry in document.content()} == {1}  # type: ignore[attr-defined]
    assert report.warnings() == [
        f"photograph left out of the results, as it is not in {path}: 2, such as 2.jpg",
        f"photograph of another size than in {path}: 1, such as 1.jpg: 5×3 instead of 10×6",
    ]


@pytest.mark.parametrize(
    ("images", "own", "problem"),
    [
        (["a/1.jpg", "b/1.jpg"], ["1.jpg"], r"2 images may be '1\.jpg'"),
        (["1.jpg", "1.jpg"], ["1.jpg"], r"2 images may be '1\.jpg'"),
        (["1.jpg"], ["a/1.jpg", "b/1.jpg"], r"image 0 may be 'a/1\.jpg' or 'b/1\.jpg'"),
        (["b/1.jpg"], ["a/1.jpg"], r"has no image 'a/1\.jpg', nor any other"),
        ([], ["1.jpg"], r"has no image '1\.jpg', nor any other"),
    ],
)
def test_contradictory_file_names_are_refused(
    images: list[str], own: list[str], problem: str, tmp_path: Path
) -> None:
    path = instances(tmp_path, *(image(n, name) for n, name in enumerate(images)))
    with pytest.raises(ValueError, match=problem):
        Results(path, NAMES, own, Report())


def test_classes_and_ids_that_are_not_clear_are_refused(tmp_path: Path) -> None:
    categories = [{"id": n, "name": name} for n, name in enumerate(("Cat", "dog", "cow"))]
    path = instances(tmp_path, image(1, "1.jpg"), categories=categories)
    with pytest.raises(ValueError, match=r"no category is named 'cat'; did you mean 'Cat'"):
        Results(path, NAMES, ["1.jpg"], Report())
    path = instances(tmp_path, image(1, "1.jpg"), image(1, "2.jpg"))
    with pytest.raises(ValueError, match="two images have the id 1"):
        Results(path, NAMES, ["1.jpg"], Report())
    categories = [{"id": n, "name": name} for n, name in enumerate((*NAMES, "cat"))]
    path = instances(tmp_path, image(1, "1.jpg"), categories=categories)
    with pytest.raises(ValueError, match="two categories are named 'cat'"):
        Results(path, NAMES, ["1.jpg"], Report())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "the file: "),
        (b"<html>", "the file: invalid json"),
        (b'{"images": []}', "categories: field required"),
        (b'{"images": [{"id": 1}], "categories": []}', "images.0.file_name: field required"),
        (b"[" * 100_000, "the file: invalid json"),
    ],
)
def test_a_file_of_something_else_is_refused_in_one_line(
    text: bytes, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=problem) as error:
        Results(path, NAMES, ["1.jpg"], Report())
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{path}: ")


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = instances(tmp_path, image(1, "1.jpg"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert Results(path, NAMES, ["1.jpg"], Report()).content() == []


def test_the_command_writes_a_data_set_or_results(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "val2017"
    folder.mkdir()
    for number in (1, 2):
        Image.fromarray(noise(40, 57, number)).save(folder / f"00{number}.png")
    main(folder, model, tmp_path / "out", crf=False, coco_json=tmp_path / "new.json")
    new = COCO(str(tmp_path / "new.json"))
    assert sorted(new.imgs) == [1, 2]
    path = instances(tmp_path, *(image(n, f"val2017/00{n}.png", 40, 57) for n in (1, 2)))
    results = tmp_path / "results.json"
    main(folder, model, tmp_path / "out", crf=False, coco_json=results, coco_images=path)
    loaded = COCO(str(path)).loadRes(str(results))
    number = {1: 7, 2: 18, 3: 90}
    assert [(a["image_id"], a["category_id"], a["area"]) for a in loaded.anns.values()] == [
        (a["image_id"], number[a["category_id"]], a["area"]) for a in new.anns.values()
    ]
    with pytest.raises(ValueError, match="--coco-images is of use with --coco-json only"):
        main(folder, model, tmp_path / "out", crf=False, coco_images=path)
