"""Corrections are found in whatever format they come, and what is wrong is said in one go."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from maps import an_index, corrections, drawing
from PIL import Image
from test_brush import SMALL

from auxseg.annotations.reading import read_corrections
from auxseg.data.arrays import Bytes
from auxseg.data.index import Index
from auxseg.data.maps import write_labels
from auxseg.datasets.problems import DatasetError, Report

SIZE = (4, 5)
SQUARE = [[1, 1], [3, 1], [3, 3], [1, 3]]


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """Training images 0, 1 and 2 of 4 × 5 pixels, and a validation image 3."""
    index = an_index(tmp_path / "photos", SIZE, SIZE, SIZE, SIZE)
    *train, last = index.entries
    return replace(index, entries=(*train, replace(last, split="val")))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "corrections"
    folder.mkdir()
    return folder


def shape(label: str, points: list[list[float]], kind: str = "polygon") -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}}


def labelme(path: Path, *shapes: dict[str, Any], size: tuple[int, int] = SIZE, **more: Any) -> None:
    data = {"shapes": shapes, "imagePath": f"{path.stem}.jpg", "imageData": None}
    sides = {"imageHeight": size[0], "imageWidth": size[1]}
    path.write_text(json.dumps(data | sides | more), "utf-8")


def coco(path: Path, *annotations: dict[str, Any], names: tuple[str, ...] = ("dog", "cat")) -> None:
    """A data set of the images 0, 1 and 9."""
    images = [
        {"id": id_, "file_name": f"some/{id_}.jpg", "height": SIZE[0], "width": SIZE[1]}
        for id_ in (0, 1, 9)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    data = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(data), "utf-8")


def result(kind: str, label: str = "cat", **value: Any) -> dict[str, Any]:
    sides = {"original_height": SIZE[0], "original_width": SIZE[1]}
    return {"type": kind, "value": {**value, kind: [label]}, **sides, "image_rotation": 0}


def label_studio(path: Path, *results: dict[str, Any], image: str = "/data/0.jpg") -> None:
    task = {"id": 1, "data": {"image": image}, "annotations": [{"result": results}]}
    path.write_text(json.dumps([task]), "utf-8")


def problems(root: Path, index: Index) -> list[str]:
    """The lines with which ``root`` is refused, without its own name."""
    report = Report()
    list(read_corrections(root, index, report))
    with pytest.raises(DatasetError) as error:
        report.refuse()
    return [line.replace(f"{root}/", "") for line in str(error.value).split("\n")]


def rows(labels: Bytes) -> list[str]:
    mark = {0: ".", 1: "c", 2: "d", 255: "?"}
    return ["".join(mark[int(value)] for value in row) for row in labels]


def test_formats_are_mixed_and_come_in_index_order(root: Path, index: Index) -> None:
    label_studio(root / "2.json", result("polygonlabels", points=[[0, 0], [40, 0], [40, 100]]))
    labelme(root / "1.json", shape("dog ", SQUARE))
    write_labels(root / "0.png", np.full(SIZE, 255, np.uint8))
    (root / "0.jpg").write_bytes(b"")
    (root / ".2.png").write_bytes(b"")
    label_studio(root / "export.json", image="2.png")
    (root / "2.json").unlink()
    read = corrections(root, index)
    assert list(read) == ["0", "1", "2"]
    assert (read["0"] == 255).all()
    assert rows(read["1"]) == [".....", ".dd..", ".dd..", "....."]
    assert not read["2"].any()  # submitted without a shape


def test_a_folder_without_corrections_has_none(root: Path, index: Index) -> None:
    assert corrections(root, index) == {}


def test_smaller_shapes_lie_on_larger_ones_whatever_the_order(root: Path, index: Index) -> None:
    inner = shape("background", [[2, 1], [3, 1], [3, 2], [2, 2]])
    labelme(
        root / "0.json", inner, shape("ignore", SQUARE), shape("cat", [[0, 0], [5, 4]], "rectangle")
    )
    (labels,) = corrections(root, index).values()
    assert rows(labels) == ["ccccc", "c?.cc", "c??cc", "ccccc"]


def test_a_circle_is_given_by_its_centre_and_a_point_on_it(root: Path, index: Index) -> None:
    labelme(root / "0.json", shape("cat", [[2, 2], [3.2, 2]], "circle"))
    (labels,) = corrections(root, index).values()
    assert rows(labels) == [".....", ".cc..", ".cc..", "....."]


def test_labelme_s_photograph_may_have_another_name_or_lie_beside(root: Path, index: Index) -> None:
    labelme(root / "first.json", imagePath="..\\photos\\0.jpg")
    labelme(root / "1.json", imagePath="1.png")
    Image.new("RGB", SIZE[::-1]).save(root / "1.png")
    assert list(corrections(root, index)) == ["0", "1"]


def test_coco_images_are_found_by_file_name_and_those_without_annotations_left(
    root: Path, index: Index
) -> None:
    polygon = {"image_id": 1, "category_id": 0, "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]}
    # A crowd is what CVAT makes of what its brush painted.
    crowd = {"size": [4, 5], "counts": [0, 4, 16]}
    brush = {"image_id": 1, "category_id": 1, "segmentation": crowd, "iscrowd": 1}
    coco(root / "instances_default.json", polygon, brush)
    (read,) = corrections(root / "instances_default.json", index).items()
    assert read[0] == "1"
    assert rows(read[1]) == ["c....", "cdd..", "cdd..", "c...."]


def test_label_studio_s_shapes(root: Path, index: Index) -> None:
    label_studio(
        root / "export.json",
        result("rectanglelabels", "dog", x=0, y=0, width=40, height=25, rotation=0),
        # About the corner (4, 0), a quarter clockwise: 1 to the left, 4 down.
        result("rectanglelabels", "ignore", x=80, y=0, width=80, height=25, rotation=90),
        result("brushlabels", "cat", rle=SMALL, format="rle"),
        {"type": "choices", "value": {"choices": ["good"]}},
        {"type": "relation", "from_id": "a", "to_id": "b"},
    )
    (labels,) = corrections(root, index).values()
    assert rows(labels) == ["dd.?.", ".cc?.", ".cc?.", "...?c"]


@pytest.mark.parametrize(
    "image",
    [
        "/data/local-files/?d=images/1.jpg",
        "/data/local-files/?d=images%5C1.jpg",
        "/data/upload/3/0a1b2c3d-1.jpg",
        "s3://bucket/1.jpg",
    ],
)
def test_label_studio_s_image_is_found_by_its_address(image: str, root: Path, index: Index) -> None:
    label_studio(root / "export.json", image=image)
    assert list(corrections(root, index)) == ["1"]


def test_a_skipped_task_and_one_that_nobody_did_are_left(root: Path, index: Index) -> None:
    tasks = [
        {"data": {"id": "0"}, "annotations": [{"result": [], "was_cancelled": True}]},
        {"data": {"id": "1"}, "annotations": [], "predictions": [{"result": []}]},
    ]
    (root / "export.json").write_text(json.dumps(tasks), "utf-8")
    assert corrections(root, index) == {}


@pytest.fixture
def reduced(tmp_path: Path) -> Index:
    """One image, a photograph of 60 × 40 pixels that lies on its side, reduced to 20 × 30."""
    root = tmp_path / "large"
    root.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 60)).save(root / "0.jpg", exif=exif)
    index = an_index(tmp_path / "photos", (20, 30))
    digest = sha256((root / "0.jpg").read_bytes()).hexdigest()
    entry = replace(index.entries[0], path="0.jpg", sha256=digest)
    return replace(index, root=root, max_side=30, entries=(entry,))


@pytest.mark.parametrize("size", [(20, 30), (40, 60)])
def test_a_map_may_have_the_photograph_s_own_size(
    size: tuple[int, int], root: Path, reduced: Index
) -> None:
    labels = np.zeros(size, np.uint8)
    labels[: size[0] // 2] = 2
    write_labels(root / "0.png", labels)
    expected = np.zeros((20, 30), np.uint8)
    expected[:10] = 2
    np.testing.assert_array_equal(corrections(root, reduced)["0"], expected)
    (root / "0.png").unlink()
    half = [[0, 0], [size[1], size[0] / 2]]
    labelme(root / "0.json", shape("dog", half, "rectangle"), size=size)
    np.testing.assert_array_equal(corrections(root, reduced)["0"], expected)


def test_another_size_is_refused(root: Path, reduced: Index) -> None:
    write_labels(root / "0.png", np.zeros((60, 40), np.uint8))
    line = "0.png: 40×60 pixels, but the photograph of '0' has 60×40 (or 30×20, as it is reduced)"
    assert problems(root, reduced) == [line]


def test_a_huge_size_is_refused_before_anything_is_drawn(root: Path, index: Index) -> None:
    labelme(root / "0.json", shape("cat", SQUARE), size=(10**9, 10**9))
    (line,) = problems(root, index)
    assert line.endswith("but the photograph of '0' has 5×4")


def test_all_problems_of_all_files_are_reported_together(root: Path, index: Index) -> None:
    labelme(root / "0.json", shape("cow", SQUARE), shape("cat", SQUARE, "mask"))
    labelme(root / "3.json")
    labelme(root / "9.json")
    labelme(root / "again.json", imagePath="1.jpg")
    write_labels(root / "1.png", np.zeros(SIZE, np.uint8))
    write_labels(root / "2.png", np.full(SIZE, 7, np.uint8))
    (root / "cut.json").write_text('{"shapes": [')
    (root / "other.json").write_text('{"a": 1}')
    assert sorted(problems(root, index)) == [
        "0.json: shapes.0: no class is named 'cow'; there are cat, dog, and 'background' and "
        "'ignore'",
        "0.json: shapes.1: a shape of the type 'mask'; polygons, rectangles and circles are read: "
        "draw it anew",
        "1.png: '1' is corrected in again.json, too: remove one",
        "2.png: label 7, but there are 0 = background, 1 = cat, …, 255 = ignore",
        "3.json: '3' is no training image, and others are not corrected: remove it",
        "9.json: no training image has the id '9': name it as the image, or remove it",
        "cut.json: damaged, or no JSON: EOF while parsing a list at line 1 column 12",
        "other.json: neither of LabelMe, nor a COCO data set, nor of Label Studio",
    ]


def png(mode: str) -> Callable[[Path], object]:
    return lambda root: Image.new(mode, SIZE[::-1]).save(root / "0.png")


def text(name: str, content: Any) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text(json.dumps(content), "utf-8")


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (png("RGB"), "0.png: a colour image; label numbers in 8 bits are needed"),
        (lambda root: (root / "0.png").write_bytes(b"\x89PNG\r\n"), "0.png: not a JPEG or PNG"),
        (
            text("0.json", {"shapes": [], "imageHeight": 4, "imageWidth": 5}),
            "0.json: imagePath: is missing",
        ),
        (
            lambda root: labelme(root / "0.json", shape("cat", [[0, 0], [1e9, 0], [0, 1]])),
            "0.json: shapes.0.points: [[0, 0], [1000000000.0, 0], [0, 1]]: a coordinate that is "
            "none from -100000 to 100000",
        ),
        (
            lambda root: labelme(root / "0.json", shape("cat", [[0, 10**400]])),
            "0.json: shapes.0.points: [[0, 1000",
        ),
        (
            lambda root: labelme(root / "0.json", shape("cat", [[0, 0, 0]])),
            "0.json: shapes.0.points: [[0, 0, 0]]: a list of points [x, y] is needed",
        ),
        (
            lambda root: (root / "0.json").write_text("[" * 100_000, "utf-8"),
            "0.json: the file: invalid JSON: recursion limit exceeded",
        ),
        (
            lambda root: (root / "0.json").write_text('{"shapes":' + "[" * 100_000, "utf-8"),
            "0.json: damaged, or no JSON: recursion limit exceeded",
        ),
        (
            lambda root: labelme(root / "0.json", shape("cat", [[0, 0]], "circle")),
            "0.json: shapes.0: a circle of 1 points; 2 are needed",
        ),
        (
            lambda root: coco(root / "a.json", {"image_id": 0, "category_id": 0}),
            "a.json: annotations.0: no outline; a box alone is none",
        ),
        (
            lambda root: coco(
                root / "a.json",
                {"image_id": 0, "category_id": 0, "segmentation": [[0, 0, 1, 0, 1, 1]]},
                names=("cow",),
            ),
            "a.json: annotations.0: no class is named 'cow'; there are cat, dog",
        ),
        (
            lambda root: coco(root / "a.json", {"image_id": 4, "category_id": 0}),
            "a.json: annotations.0.image_id: 4: no image has this id",
        ),
        (text("a.json", [{"image": "0.jpg", "label": []}]), "a.json: 0.annotations: is missing"),
        (text("a.json", [{"annotations": 3}]), "a.json: 0.annotations: 3: input should be"),
        (text("a.json", [{"annotations": [{"result": []}]}]), "a.json: 0.annotations.0: no train"),
        (
            lambda root: label_studio(root / "a.json", result("ellipselabels", x=1, y=1)),
            "a.json: 0.annotations.0.result.0: a result of the type 'ellipselabels'; polygonlabels",
        ),
        (
            lambda root: label_studio(root / "a.json", result("brushlabels", rle=[0, 300])),
            "a.json: 0.annotations.0.result.0.value.rle: [0, 300]: a list of whole numbers from 0",
        ),
        (
            lambda root: label_studio(root / "a.json", result("brushlabels", rle=SMALL[:-1])),
            "a.json: 0.annotations.0.result.0: brush strokes whose RLE is cut off",
        ),
        (
            lambda root: label_studio(root / "a.json", result("rectanglelabels", x=1, y=1)),
            "a.json: 0.annotations.0.result.0: value.x, y, width or height is missing",
        ),
        (
            lambda root: label_studio(
                root / "a.json", result("polygonlabels", points=SQUARE) | {"image_rotation": 90}
            ),
            "a.json: 0.annotations.0.result.0: a photograph that was turned",
        ),
        (
            lambda root: label_studio(
                root / "a.json",
                result("polygonlabels", points=SQUARE),
                result("polygonlabels", points=SQUARE) | {"original_width": 6},
            ),
            "a.json: 0.annotations.0.result.1: original_width and original_height are missing, or",
        ),
        (
            lambda root: label_studio(root / "a.json", {"type": "polygonlabels"}),
            "a.json: 0.annotations.0.result.0: original_width and original_height are missing",
        ),
    ],
)
def test_bad_input_is_one_line(
    write: Callable[[Path], object], line: str, root: Path, index: Index
) -> None:
    write(root)
    (problem,) = problems(root, index)
    assert problem.startswith(line)


def test_a_missing_folder_is_a_problem(root: Path, index: Index) -> None:
    (line,) = problems(root / "nothing", index)
    assert line == f"{root / 'nothing'}: No such file or directory"


def test_a_polygon_of_two_points_is_left_out_with_a_warning(root: Path, index: Index) -> None:
    labelme(root / "0.json", shape("cat", [[0, 0], [4, 4]]))
    report = Report()
    ((_, labels),) = read_corrections(root, index, report)
    assert not labels.any()
    (warning,) = report.warnings()
    assert warning.startswith("polygon of fewer than three points left out: 1, such as ")


def test_maps_are_read_one_at_a_time(root: Path, index: Index) -> None:
    for id_ in "01":
        write_labels(root / f"{id_}.png", drawing("ccccc\n" * 3 + "ddddd"))
    reading = read_corrections(root, index, Report())
    assert next(reading)[0] == "0"
    write_labels(root / "1.png", np.full(SIZE, 255, np.uint8))
    assert (next(reading)[1] == 255).all()


def test_of_very_many_bad_values_the_first_are_listed_and_all_are_counted(
    root: Path, index: Index
) -> None:
    data = {"imagePath": "0.jpg", "imageHeight": SIZE[0], "imageWidth": SIZE[1]}
    path = root / "0.json"
    path.write_text(json.dumps(data | {"shapes": [0] * 20_000}), "utf-8")
    report = Report()
    assert list(read_corrections(root, index, report)) == []
    with pytest.raises(DatasetError) as error:
        report.refuse()
    lines = str(error.value).splitlines()
    assert lines[0] == f"{path}: shapes.0: 0: input should be an object"
    assert lines[-1] == "and 1 more: unusable file"
