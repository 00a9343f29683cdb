"""COCO's ``instances_*.json``, checked: images, categories, and the outlines of objects."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from reprlib import Repr
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, PlainValidator, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from auxseg.datasets.rle import Rle, numbers, read_rle
from auxseg.datasets.validation import errors_of

FAR = 100_000  # pixels
MAX_OUTLINES = 10_000_000  # pixels; drawing takes 40 bytes for each pixel of the longest one
BOM = b"\xef\xbb\xbf"

_REPR = Repr()  # of values in messages, without writing out a whole outline
_REPR.maxlist = 8
_REPR.maxstring = 60

Polygon = npt.NDArray[np.float64]  # x, y, x, y, … in pixels; as arrays, all of COCO fits in memory


def _outline(value: Any) -> list[Polygon] | Rle | None:
    if value is None or isinstance(value, list):
        return None if value is None else [_polygon(polygon) for polygon in value]
    if isinstance(value, dict):
        return read_rle(value)
    raise ValueError("a list of polygons or an RLE is needed")


def _polygon(value: Any) -> Polygon:
    polygon = numbers(value)
    if polygon is None:
        raise ValueError("a polygon is a list of numbers x, y, x, y, …")
    # Lines to points far outside would fill the memory. NaN is refused, too.
    if not (np.abs(polygon) <= FAR).all():
        raise ValueError(f"a polygon with a coordinate that is none from -{FAR} to {FAR}")
    if polygon.size > 6 and polygon.size % 2:
        raise ValueError(f"a polygon of {polygon.size} numbers, so an x has no y")
    return polygon


def _id(value: Any) -> int | str:
    """Numbers are the same as text or as numbers with a fraction of 0; any other text is an id."""
    if type(value) is int:
        return value
    if isinstance(value, str):
        is_number = value.isascii() and value.isdecimal() and len(value) < 19
        return int(value) if is_number and str(int(value)) == value else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError("an id is a whole number or text")


def _crowd(value: Any) -> int:
    if not isinstance(value, int | float) or value not in (0, 1):
        raise ValueError("0 or 1 is needed")
    return int(value)


def _side(value: Any) -> int:
    if type(value) not in (int, float) or not value >= 1 or value % 1:
        raise ValueError("a whole number from 1 is needed")
    return int(value)


def _file_name(value: Any) -> str:
    name = value.replace("\\", "/") if isinstance(value, str) else ""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or not path.name:
        raise ValueError("a file in the folder of the split is needed")
    return path.as_posix()


Id = Annotated[int | str, PlainValidator(_id)]


_record = dataclass(frozen=True, slots=True, config=ConfigDict(strict=True))


@_record
class Annotation:
    """One object, or a crowd, with its outline."""

    image_id: Id
    category_id: Id
    id: Id | None = None
    iscrowd: Annotated[int, PlainValidator(_crowd)] = 0
    segmentation: Annotated[list[Polygon] | Rle | None, PlainValidator(_outline)] = None


@_record
class Picture:
    """One photograph; ``file_name`` is relative to the folder of the split."""

    id: Id
    file_name: Annotated[str, PlainValidator(_file_name)]
    width: Annotated[int, PlainValidator(_side)]
    height: Annotated[int, PlainValidator(_side)]


@_record
class Category:
    """A class; ids have gaps (COCO numbers its 80 up to 90)."""

    id: Id
    name: str


@_record
class Instances:
    """The content of a file; all ``annotations`` refer to images and categories that exist."""

    images: list[Picture]
    categories: list[Category]
    annotations: list[Annotation]


_INSTANCES = TypeAdapter(Instances)


def instances_path(root: Path, split: str) -> Path:
    """Return where the annotations of the images in ``<root>/<split>/`` are."""
    return root / "annotations" / f"instances_{split}.json"


def read_instances(path: Path) -> Instances:
    """Read and check a file.

    Raises:
        ValueError: If the content is invalid; the message has one line per problem.
        OSError: If there is no such file.
    """
    data = path.read_bytes().removeprefix(BOM)
    try:
        instances = _INSTANCES.validate_json(data)
    except ValidationError as error:
        problems: dict[str, str] = {}
        for problem in errors_of(error, data, _INSTANCES.validate_json):
            where, message = _describe(problem)
            problems.setdefault(where, message)
    else:
        problems = dict(_contradictions(instances))
    if problems:
        raise ValueError("\n".join(f"{path}: {where}: {text}" for where, text in problems.items()))
    return instances


def _describe(problem: Any) -> tuple[str, str]:
    """Return place and message; all attempts to read a value of several types have one place."""
    where = ".".join(str(part) for part in problem["loc"][:3]) or "the file"
    message = problem["msg"]
    if problem["type"] == "missing":
        return where, "is missing"
    if problem["type"] == "value_error":
        message = message.removeprefix("Value error, ")
    else:
        message = message[0].lower() + message[1:]
    return where, f"{_short(problem['input'])}: {message}" if problem["loc"] else message


def _short(value: Any) -> str:
    text = _REPR.repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _contradictions(instances: Instances) -> Iterable[tuple[str, str]]:
    """Yield place and message of all that occurs twice, and of what refers to nothing."""
    yield from _repeated("images", instances.images)
    yield from _repeated("categories", instances.categories)
    yield from _repeated("annotations", instances.annotations)
    pictures = {picture.id: picture for picture in instances.images}
    categories = {category.id for category in instances.categories}
    lengths: Counter[int | str] = Counter()
    for number, annotation in enumerate(instances.annotations):
        where, outline = f"annotations.{number}", annotation.segmentation
        picture = pictures.get(annotation.image_id)
        if annotation.category_id not in categories:
            yield f"{where}.category_id", f"{annotation.category_id!r}: no category has this id"
        elif picture is None:
            yield f"{where}.image_id", f"{annotation.image_id!r}: no image has this id"
        elif isinstance(outline, Rle):
            size = picture.height, picture.width
            if outline.size != size:
                line = f"RLE of the size {[*outline.size]}, but its image has {[*size]}"
                yield f"{where}.segmentation", line
            elif outline.counts.sum() != picture.height * picture.width:
                yield f"{where}.segmentation", "RLE whose counts do not add up to its size"
        elif outline:
            before = lengths[annotation.image_id]
            lengths[annotation.image_id] += sum(map(_length, outline))
            if before <= MAX_OUTLINES < lengths[annotation.image_id]:
                line = f"the outlines of its image are longer than {MAX_OUTLINES} pixels"
                yield f"{where}.segmentation", f"{line} together: simplify them"


def _length(polygon: Polygon) -> int:
    """Return the length of an outline in pixels, or a bound that is as good."""
    if polygon.size < 6:  # it is not drawn
        return 0
    bound = polygon.size / 2 * (polygon.max() - polygon.min())
    if bound < MAX_OUTLINES / 1000:
        return int(bound)
    points = polygon[: polygon.size // 2 * 2].reshape(-1, 2)
    steps = np.abs(np.diff(points, axis=0, append=points[:1]))
    return int(steps.max(1).sum())


def _repeated(
    kind: str, records: Iterable[Picture | Category | Annotation]
) -> Iterable[tuple[str, str]]:
    seen: dict[int | str, int] = {}
    for number, record in enumerate(records):
        if record.id is not None and seen.setdefault(record.id, number) != number:
            line = f"{record.id!r}: the id of {kind}.{seen[record.id]}, too"
            yield f"{kind}.{number}.id", line
