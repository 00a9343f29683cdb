"""LabelMe's files: a JSON file of shapes beside each photograph."""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pydantic import Field

from auxseg.annotations.corrections import Correction, Polygon, Record, Side, Size, parse
from auxseg.annotations.drawing import Outline, draw_objects
from auxseg.annotations.names import Names, names_of_labels
from auxseg.annotations.photographs import write_photograph
from auxseg.annotations.regions import find_regions
from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.datasets.problems import Report

VERSION = "5.5.0"  # of LabelMe, whose files these are like

_CIRCLE = 360  # corners; of a circle of 2,000 pixels' radius, they cut off less than 0.1 pixels


def write_labelme(folder: Path, index: Index, maps: Iterable[tuple[Entry, Bytes]]) -> None:
    """Write ``<id>.jpg`` and ``<id>.json`` of each image, and ``labels.txt``.

    LabelMe has no holes. The shapes are in the order in which they are to be drawn, so smaller ones
    lie on larger ones, and background in a hole is a shape ``background``. The option ``--labels``
    of LabelMe takes ``labels.txt``.

    Args:
        folder: An empty folder.
        index: Where the photographs are.
        maps: Each image and its label map (H, W) uint8.
    """
    names = names_of_labels(index.classes)
    lines = "".join(f"{name}\n" for name in names.values())
    (folder / "labels.txt").write_text(lines, "utf-8")
    for entry, labels in maps:
        photograph = folder / f"{entry.id}.jpg"
        write_photograph(photograph, index, entry)
        shapes = [
            {
                "label": names[region.label],
                "points": region.outline.tolist(),
                "group_id": None,
                "shape_type": "polygon",
                "flags": {},
            }
            for region in find_regions(labels)
            if region.label != region.beneath
        ]
        content: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": photograph.name,
            "imageData": None,
            "imageHeight": entry.height,
            "imageWidth": entry.width,
        }
        text = json.dumps(content, ensure_ascii=False)
        (folder / f"{entry.id}.json").write_text(text, "utf-8")


class _Shape(Record):
    label: str
    points: Polygon
    shape_type: str = "polygon"


class _Header(Record):
    image_path: str = Field(alias="imagePath")
    height: Side = Field(alias="imageHeight")
    width: Side = Field(alias="imageWidth")


class _Shapes(Record):
    shapes: list[_Shape]


def read_labelme(path: Path, names: Names) -> Correction:
    """Read of which image a file is. Its shapes are read when they are drawn, and not kept.

    Raises:
        ValueError: If the content is invalid; the message has one line per problem.
    """
    header = parse(_Header, path.read_bytes(), path)
    photograph = PurePosixPath(header.image_path.replace("\\", "/"))
    return Correction(
        (path.stem, photograph.stem),
        str(path),
        (header.height, header.width),
        partial(_draw, path, names),
        photograph.name,
    )


def _draw(path: Path, names: Names, size: Size, report: Report) -> Bytes | None:
    shapes = parse(_Shapes, path.read_bytes(), path).shapes
    objects = [
        (f"{path}: shapes.{number}", partial(_read, shape)) for number, shape in enumerate(shapes)
    ]
    return draw_objects(objects, names, size, report)


def _read(shape: _Shape) -> tuple[str, Outline]:
    kind, points = shape.shape_type, shape.points
    if kind == "polygon":
        return shape.label, [points]
    if kind not in ("rectangle", "circle"):
        raise ValueError(
            f"a shape of the type {kind!r}; polygons, rectangles and circles are read: draw it anew"
        )
    if len(points) != 2:
        raise ValueError(f"a {kind} of {len(points)} points; 2 are needed")
    first, second = points
    if kind == "rectangle":
        corners = [first, (second[0], first[1]), second, (first[0], second[1])]
        return shape.label, [np.array(corners)]
    angle = np.arange(_CIRCLE) * (2 * np.pi / _CIRCLE)
    radius = np.hypot(*(second - first))
    return shape.label, [first + radius * np.stack([np.cos(angle), np.sin(angle)], 1)]
