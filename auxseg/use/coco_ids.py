"""The ids in the file of a COCO data set, such as ``instances_val2017.json``."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from auxseg.data.names import composed
from auxseg.datasets.problems import nearest

BOM = b"\xef\xbb\xbf"


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Picture(_Record):
    """A photograph in the file of a data set; its size is (W, H), where it is stated."""

    id: int | str
    file_name: str
    width: float | None = None
    height: float | None = None


class Category(_Record):
    """A class in the file of a data set."""

    id: int | str
    name: str


class Annotations(_Record):
    """What is used of the file of a data set: not its annotations."""

    images: list[Picture]
    categories: list[Category]


def read_annotations(path: Path) -> Annotations:
    """Read the images and categories of a data set.

    Raises:
        OSError: If there is no such file.
        ValueError: If it is something else, or has an id twice.
    """
    try:
        annotations = Annotations.model_validate_json(path.read_bytes().removeprefix(BOM))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        raise ValueError(f"{path}: {where}: {problem['msg'].lower()}") from None
    for kind, items in (("images", annotations.images), ("categories", annotations.categories)):
        seen: set[int | str] = set()
        for item in items:
            if item.id in seen:
                raise ValueError(f"{path}: two {kind} have the id {item.id!r}")
            seen.add(item.id)
    return annotations


def ids_of_classes(
    path: Path, categories: Sequence[Category], classes: Sequence[str]
) -> list[int | str]:
    """Return the id of each class.

    Raises:
        ValueError: If a class has none, or several.
    """
    ids: dict[str, int | str] = {}
    for category in categories:
        if category.name in ids:
            raise ValueError(f"{path}: two categories are named {category.name!r}")
        ids[category.name] = category.id
    for name in classes:
        if name not in ids:
            raise ValueError(f"{path}: no category is named {name!r}; {nearest(name, list(ids))}")
    return [ids[name] for name in classes]


def find_pictures(
    path: Path, pictures: Sequence[Picture], file_names: Sequence[str]
) -> dict[str, Picture]:
    """Find the images of photographs, by path; not all need be there.

    The path of an image may be longer or shorter by some folders at its beginning.

    Raises:
        ValueError: If a photograph may be one image or another, or the other way round.
    """
    known: defaultdict[str, list[tuple[tuple[str, ...], Picture]]] = defaultdict(list)
    for picture in pictures:
        parts = _parts(picture.file_name.replace("\\", "/"))
        known[parts[-1]].append((parts, picture))
    found: dict[str, Picture] = {}
    taken: dict[int | str, str] = {}
    for file_name in file_names:
        own = _parts(file_name)
        fitting = [picture for parts, picture in known[own[-1]] if parts == own] or [
            picture
            for parts, picture in known[own[-1]]
            if all(a == b for a, b in zip(reversed(own), reversed(parts), strict=False))
        ]
        if len(fitting) > 1:
            raise ValueError(f"{path}: {len(fitting)} images may be {file_name!r}")
        for picture in fitting:
            if (other := taken.setdefault(picture.id, file_name)) != file_name:
                raise ValueError(f"{path}: image {picture.id} may be {other!r} or {file_name!r}")
            found[file_name] = picture
    return found


def _parts(file_name: str) -> tuple[str, ...]:
    return PurePosixPath(composed(file_name)).parts or ("",)
