"""COCO's ``instances_*.json``, checked: images, categories, and the outlines of objects."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from auxseg.data.photos import MAX_PIXELS

FAR = 100_000  # pixels


def read_counts(text: str) -> list[int]:
    """Decode the run lengths of a compressed RLE.

    The format is that of ``rleFrString`` in pycocotools, which itself reads beyond the end of a
    malformed string: 5 bits per character, lowest first; from the fourth number on, differences to
    the last but one.

    Raises:
        ValueError: If the text is malformed.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError("malformed compressed RLE")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("compressed RLE that ends within a number")
    return counts


def _polygon(value: Any) -> npt.NDArray[np.float64]:
    if not isinstance(value, list) or len(value) < 6 or len(value) % 2:
        raise ValueError("a polygon is a list of x, y of at least three points")
    # Lines to points far outside would fill the memory. NaN is refused, too.
    if not all(isinstance(number, int | float) and abs(number) <= FAR for number in value):
        raise ValueError(f"coordinates are numbers from -{FAR} to {FAR}")
    return np.array(value, np.float64)


def _runs(value: Any) -> npt.NDArray[np.int64]:
    counts = read_counts(value) if isinstance(value, str) else value
    if not isinstance(counts, list) or not all(
        isinstance(run, int) and 0 <= run <= MAX_PIXELS for run in counts
    ):
        raise ValueError("counts are run lengths: whole numbers, or COCO's text of them")
    return np.array(counts, np.int64)


def _within(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.name:
        raise ValueError("a file in the folder of the split is needed")
    return name


# As arrays, the outlines of all of COCO fit into memory.
Polygon = Annotated[npt.NDArray[np.float64], PlainValidator(_polygon)]
Runs = Annotated[npt.NDArray[np.int64], PlainValidator(_runs)]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Rle(_Record):
    """Runs of background and object in turn, down the columns of an image of ``size`` (H, W)."""

    size: Annotated[list[int], Field(min_length=2, max_length=2)]
    counts: Runs


class Annotation(_Record):
    """One object, or a crowd; its polygons hold x, y, x, y, … in pixels."""

    image_id: int
    category_id: int
    iscrowd: Literal[0, 1] = 0
    segmentation: list[Polygon] | Rle | None = None


class Picture(_Record):
    """One photograph; ``file_name`` is relative to the folder of the split."""

    id: int
    file_name: Annotated[str, AfterValidator(_within)]
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]


class Category(_Record):
    """A class; ids have gaps (COCO numbers its 80 up to 90)."""

    id: int
    name: str


class Instances(_Record):
    """The content of a file; all ``annotations`` refer to images and categories that exist."""

    images: list[Picture]
    categories: list[Category]
    annotations: list[Annotation]


def instances_path(root: Path, split: str) -> Path:
    """Return where the annotations of the images in ``<root>/<split>/`` are."""
    return root / "annotations" / f"instances_{split}.json"


def read_instances(path: Path) -> Instances:
    """Read and check a file.

    Raises:
        ValueError: If the content is invalid; the message has one line per problem.
        OSError: If there is no such file.
    """
    try:
        instances = Instances.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problems: dict[str, str] = {}
        for problem in error.errors():
            where, message = _describe(problem)
            problems.setdefault(where, message)
        raise _refusal(path, problems) from None
    pictures = {picture.id: picture for picture in instances.images}
    categories = {category.id for category in instances.categories}
    problems = {}
    for number, annotation in enumerate(instances.annotations):
        where, outline = f"annotations.{number}", annotation.segmentation
        picture = pictures.get(annotation.image_id)
        if annotation.category_id not in categories:
            problems[where] = f"no category has the id {annotation.category_id}"
        elif picture is None:
            problems[where] = f"no image has the id {annotation.image_id}"
        elif isinstance(outline, Rle):
            size = [picture.height, picture.width]
            if outline.size != size:
                problems[where] = f"size {outline.size}, but its image has {size}"
            elif outline.counts.sum() != picture.height * picture.width:
                problems[where] = "the run lengths do not add up to the size"
    if problems:
        raise _refusal(path, problems)
    return instances


def _describe(problem: Any) -> tuple[str, str]:
    """Return place and message; all attempts to read a value of several types have one place."""
    where = ".".join(str(part) for part in problem["loc"][:3]) or "the file"
    message = problem["msg"].removeprefix("Value error, ")
    return where, message[0].lower() + message[1:]


def _refusal(path: Path, problems: dict[str, str]) -> ValueError:
    return ValueError("\n".join(f"{path}: {where}: {text}" for where, text in problems.items()))
