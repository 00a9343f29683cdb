"""What a file says about one image: a label map that is drawn when it is needed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from auxseg.annotations.outlines import Points
from auxseg.data.arrays import Bytes
from auxseg.datasets.instances import BOM, FAR
from auxseg.datasets.problems import Report
from auxseg.datasets.rle import numbers
from auxseg.datasets.validation import errors_of

Size = tuple[int, int]  # (H, W) in pixels

_LONGEST = 60  # characters of a value in a message


@dataclass(frozen=True)
class Correction:
    """A label map for one image.

    Attributes:
        names: Names that the image may have, without suffix; the first one that is an id counts.
        place: The file, and where in it, for messages.
        size: (H, W) of the map; None if the file does not say.
        draw: Makes the map, (H, W) uint8, given its size; None after a problem.
        photograph: Name of the photograph's file, if it may lie beside this one.
    """

    names: tuple[str, ...]
    place: str
    size: Size | None
    draw: Callable[[Size, Report], Bytes | None]
    photograph: str | None = None


class Record(BaseModel):
    """Base of what is read of JSON files; other keys are passed over."""

    model_config = ConfigDict(strict=True, frozen=True, arbitrary_types_allowed=True)


def _points(value: Any) -> Points:
    if not isinstance(value, list) or not all(
        isinstance(point, list) and len(point) == 2 for point in value
    ):
        raise ValueError("a list of points [x, y] is needed")
    flat = numbers([number for point in value for number in point])
    if flat is None:
        raise ValueError("points [x, y] of numbers are needed")
    if not (np.abs(flat) <= FAR).all():  # NaN neither
        raise ValueError(f"a coordinate that is none from -{FAR} to {FAR}")
    return flat.reshape(-1, 2)


Coordinate = Annotated[float, Field(ge=-FAR, le=FAR)]
Polygon = Annotated[Points, PlainValidator(_points)]
Side = Annotated[int, Field(ge=1)]

AnyModel = TypeVar("AnyModel", bound=BaseModel)


def parse(kind: type[AnyModel], data: bytes, path: object) -> AnyModel:
    """Read JSON.

    Raises:
        ValueError: If it is something else; the message has one line per problem.
    """
    data = data.removeprefix(BOM)
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        problems = errors_of(error, data, kind.model_validate_json)
        lines = [f"{path}: {_described(problem)}" for problem in problems]
        raise ValueError("\n".join(dict.fromkeys(lines))) from None


def _described(problem: Any) -> str:
    where = ".".join(map(str, problem["loc"])) or "the file"
    if problem["type"] == "missing":
        return f"{where}: is missing"
    message = problem["msg"].removeprefix("Value error, ")
    value = repr(problem["input"])
    short = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    message = message[0].lower() + message[1:]
    return f"{where}: {short}: {message}" if problem["loc"] else f"{where}: {message}"
