"""What is written for an annotation tool reads as the same label map, pixel by pixel."""

import json
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from maps import ANY_MAP, DRAWINGS, NAMES, an_index, corrections, drawing
from PIL import Image
from pycocotools.coco import COCO

from auxseg.annotations.coco import write_coco
from auxseg.annotations.label_studio import write_label_studio
from auxseg.annotations.labelme import write_labelme
from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.data.maps import write_labels

Write = Callable[[Path, Index, Iterable[tuple[Entry, Bytes]]], None]


def write_maps(folder: Path, index: Index, maps: Iterable[tuple[Entry, Bytes]]) -> None:
    for entry, labels in maps:
        write_labels(folder / f"{entry.id}.png", labels)


def submit_label_studio(folder: Path, index: Index, maps: Iterable[tuple[Entry, Bytes]]) -> None:
    """As if annotators submitted what was predicted."""
    write_label_studio(folder, index, maps)
    tasks = json.loads((folder / "tasks.json").read_text("utf-8"))
    for task in tasks:
        (prediction,) = task.pop("predictions")
        task["annotations"] = [{"id": 7, "result": prediction["result"], "was_cancelled": False}]
    (folder / "tasks.json").write_text(json.dumps(tasks), "utf-8")


FORMATS: dict[str, Write] = {
    "png": write_maps,
    "coco": write_coco,
    "labelme": write_labelme,
    "label-studio": submit_label_studio,
}


def written(folder: Path, write: Write, *maps: Bytes) -> Index:
    index = an_index(folder / "photos", *(labels.shape for labels in maps))
    (folder / "out").mkdir()
    write(folder / "out", index, zip(index.entries, maps, strict=True))
    return index


def content(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("format_", FORMATS)
def test_all_drawings_come_back(format_: str, tmp_path: Path) -> None:
    maps = [drawing(text) for text in DRAWINGS.values()]
    index = written(tmp_path, FORMATS[format_], *maps)
    read = corrections(tmp_path / "out", index)
    for entry, labels in zip(index.entries, maps, strict=True):
        if format_ == "coco" and not labels.any():
            assert entry.id not in read  # an image without annotations is no correction
        else:
            np.testing.assert_array_equal(read[entry.id], labels)
    assert list(read) == [entry.id for entry in index.entries if entry.id in read]


@pytest.mark.parametrize("format_", FORMATS)
@settings(max_examples=25, deadline=None)
@given(ANY_MAP)
def test_any_map_comes_back(format_: str, labels: Bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        index = written(Path(folder), FORMATS[format_], labels)
        read = corrections(Path(folder) / "out", index)
        if format_ != "coco" or labels.any():
            np.testing.assert_array_equal(read["0"], labels)


@settings(max_examples=40, deadline=None)
@given(ANY_MAP)
def test_pycocotools_loads_what_it_is_given(labels: Bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written(Path(folder), write_coco, labels)
        coco = COCO(str(Path(folder) / "out" / "annotations.json"))
    names = {category["id"]: category["name"] for category in coco.dataset["categories"]}
    assert names == {1: "cat", 2: "dog", 3: "ignore"}
    value = {"cat": 1, "dog": 2, "ignore": 255}
    read = np.zeros_like(labels)
    for annotation in coco.loadAnns(coco.getAnnIds(imgIds=[1])):
        mask = coco.annToMask(annotation) == 1
        assert (read[mask] == 0).all()
        read[mask] = value[names[annotation["category_id"]]]
        assert annotation["area"] == mask.sum()
        x, y, width, height = annotation["bbox"]
        rows, columns = np.nonzero(mask)
        assert (y, y + height) == (rows.min(), rows.max() + 1)
        assert (x, x + width) == (columns.min(), columns.max() + 1)
    np.testing.assert_array_equal(read, labels)


def test_coco_has_a_polygon_where_there_is_no_hole(tmp_path: Path) -> None:
    written(tmp_path, write_coco, drawing("cc.\nccd\n..."), drawing("ccc\nc.c\nccc"))
    data = content(tmp_path / "out" / "annotations.json")
    assert [image["file_name"] for image in data["images"]] == ["0.jpg", "1.jpg"]
    polygon, dog, ring = data["annotations"]
    assert polygon["segmentation"] == [[0, 0, 2, 0, 2, 2, 0, 2]]
    assert dog["segmentation"] == [[2, 1, 3, 1, 3, 2, 2, 2]]
    assert ring["segmentation"] == {"size": [3, 3], "counts": [0, 4, 1, 4, 0]}
    assert [entry["iscrowd"] for entry in data["annotations"]] == [0, 0, 0]


def test_labelme_s_file_has_what_labelme_writes(tmp_path: Path) -> None:
    written(tmp_path, write_labelme, drawing("?cc\n?cc"))
    data = content(tmp_path / "out" / "0.json")
    assert [*data] == [
        *("version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth")
    ]
    assert (data["imagePath"], data["imageHeight"], data["imageWidth"]) == ("0.jpg", 2, 3)
    assert data["shapes"][0] == {
        "label": "cat",
        "points": [[1, 0], [3, 0], [3, 2], [1, 2]],
        "group_id": None,
        "shape_type": "polygon",
        "flags": {},
    }
    assert data["shapes"][1]["label"] == "ignore"
    names = (tmp_path / "out" / "labels.txt").read_text("utf-8").split()
    assert names == ["background", *NAMES, "ignore"]


def test_label_studio_s_tasks_fit_to_its_configuration(tmp_path: Path) -> None:
    written(tmp_path, write_label_studio, drawing("....\n..cc"))
    (task,) = content(tmp_path / "out" / "tasks.json")
    assert task["data"] == {"image": "/data/local-files/?d=images/0.jpg", "id": "0"}
    (result,) = task["predictions"][0]["result"]
    assert result["value"]["points"] == [[50, 50], [100, 50], [100, 100], [50, 100]]
    assert result["value"]["polygonlabels"] == ["cat"]
    assert (result["original_width"], result["original_height"]) == (4, 2)
    view = ElementTree.parse(tmp_path / "out" / "config.xml").getroot()
    (tool,) = [tag for tag in view if tag.get("name") == result["from_name"]]
    (image,) = view.iter("Image")
    assert tool.tag == "PolygonLabels"
    assert tool.get("toName") == image.get("name") == result["to_name"]
    assert image.get("value") == "$image"
    assert [tag.get("value") for tag in tool] == ["background", *NAMES, "ignore"]


@pytest.mark.parametrize("write", [write_coco, write_labelme, write_label_studio])
def test_photographs_have_the_size_of_the_maps(write: Write, tmp_path: Path) -> None:
    written(tmp_path, write, drawing("....\n..cc"))
    (photograph,) = (tmp_path / "out").rglob("*.jpg")
    with Image.open(photograph) as image:
        assert image.size == (4, 2)


@pytest.mark.parametrize("name", ["background", "ignore"])
def test_a_class_that_is_named_as_no_class_is_refused(name: str, tmp_path: Path) -> None:
    index = Index("voc", tmp_path, ("cat", name), (), 1024)
    with pytest.raises(ValueError, match=f"a class is named '{name}'"):
        write_labelme(tmp_path, index, [])
