"""Label Studio's JSON export: what annotators submitted for each task."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from pydantic import Field, PlainValidator, RootModel

from auxseg.annotations.brush import brush_spans
from auxseg.annotations.corrections import (
    Coordinate,
    Correction,
    Polygon,
    Record,
    Side,
    Size,
    parse,
)
from auxseg.annotations.drawing import Outline, draw_objects
from auxseg.annotations.names import Names

_READ = ("polygonlabels", "rectanglelabels", "brushlabels")
# The types of results that outline something, all with or without "labels" at the end. Others, such
# as choices, say nothing about pixels.
_SHAPES = ("", "polygon", "rectangle", "brush", "ellipse", "keypoint", "vector", "bitmask")

_UPLOADED = re.compile(r"[0-9a-f]{8}-")  # what Label Studio puts before the name of an upload


def _bytes(value: Any) -> bytes:
    if isinstance(value, list):
        with suppress(TypeError, ValueError):
            return bytes(value)
    raise ValueError("a list of whole numbers from 0 to 255 is needed")


class _Value(Record):
    points: Polygon | None = None
    x: Coordinate | None = None
    y: Coordinate | None = None
    width: Coordinate | None = None
    height: Coordinate | None = None
    rotation: Coordinate = 0
    rle: Annotated[bytes | None, PlainValidator(_bytes)] = None
    polygonlabels: Sequence[str] = ()
    rectanglelabels: Sequence[str] = ()
    brushlabels: Sequence[str] = ()


class _Result(Record):
    type: str = ""
    value: _Value = _Value()
    original_width: Side | None = None
    original_height: Side | None = None
    image_rotation: float = 0


class _Annotation(Record):
    result: list[_Result]
    was_cancelled: bool = False


class _Task(Record):
    data: dict[str, Any] = Field(default_factory=dict)
    annotations: list[_Annotation] | None = None


class _Tasks(RootModel[list[_Task]]):
    pass


def read_label_studio(path: Path, names: Names) -> list[Correction]:
    """Read all annotations that were submitted; predictions are passed over.

    Raises:
        ValueError: If the content is invalid; the message has one line per problem.
    """
    corrections = []
    for number, task in enumerate(parse(_Tasks, path.read_bytes(), path).root):
        if task.annotations is None:
            line = f"{path}: {number}.annotations: is missing: export the project as JSON"
            raise ValueError(f"{line}, not as JSON-MIN")
        for which, annotation in enumerate(task.annotations):
            if not annotation.was_cancelled:
                place = f"{path}: {number}.annotations.{which}"
                results = [
                    (f"{place}.result.{n}", result)
                    for n, result in enumerate(annotation.result)
                    if result.type.removesuffix("labels") in _SHAPES
                ]
                size = _size(results[0][1]) if results else None
                objects = [(where, partial(_read, result, size)) for where, result in results]
                drawing = partial(draw_objects, objects, names)
                corrections.append(Correction(tuple(_names(task.data)), place, size, drawing))
    return corrections


def _size(result: _Result) -> Size | None:
    if result.original_height is None or result.original_width is None:
        return None
    return result.original_height, result.original_width


def _names(data: dict[str, Any]) -> Iterator[str]:
    """Yield names that the image may have: the id that our tasks hold, then those of files."""
    if isinstance(id_ := data.get("id"), str):
        yield id_
    for value in data.values():
        if isinstance(value, str):
            try:
                address = urlsplit(value)
                path = parse_qs(address.query).get("d", [unquote(address.path)])[0]
            except ValueError:
                continue
            stem = PurePosixPath(path.replace("\\", "/")).stem
            yield stem
            yield _UPLOADED.sub("", stem, count=1)


def _read(result: _Result, size: Size | None) -> tuple[str, Outline]:
    if result.type not in _READ:
        kinds = ", ".join(_READ)
        raise ValueError(f"a result of the type {result.type!r}; {kinds} are read: draw it anew")
    if size is None or _size(result) != size:
        raise ValueError("original_width and original_height are missing, or not as before")
    if result.image_rotation:
        raise ValueError("a photograph that was turned; turn it back and draw the shape anew")
    return _label(result), _outline(result, size)


def _label(result: _Result) -> str:
    labels: Sequence[str] = getattr(result.value, result.type)
    if len(labels) != 1:
        raise ValueError(f"{len(labels)} labels ({', '.join(labels)}); one is needed")
    return labels[0]


def _outline(result: _Result, size: Size) -> Outline:
    value = result.value
    scale = np.array(size[::-1]) / 100
    if result.type == "brushlabels":
        if value.rle is None:
            raise ValueError("value.rle is missing")
        return brush_spans(value.rle, size)
    if result.type == "polygonlabels":
        if value.points is None:
            raise ValueError("value.points is missing")
        return [value.points * scale]
    if None in (value.x, value.y, value.width, value.height):
        raise ValueError("value.x, y, width or height is missing")
    start = np.array([value.x, value.y]) * scale
    width, height = np.array([value.width, value.height]) * scale
    # Turned clockwise about its first corner.
    turn = np.deg2rad(value.rotation)
    along = width * np.array([np.cos(turn), np.sin(turn)])
    down = height * np.array([-np.sin(turn), np.cos(turn)])
    return [np.array([start, start + along, start + along + down, start + down])]
