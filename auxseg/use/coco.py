"""Segmentations as COCO's JSON: a data set of its own, or results for one that there is."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
from pycocotools import mask
from pydantic import BaseModel, ConfigDict, ValidationError

from auxseg.data.arrays import Floats
from auxseg.data.pixels import resize_labels
from auxseg.datasets.problems import nearest

BOM = b"\xef\xbb\xbf"


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Picture(_Record):
    """A photograph in the file of a data set; its size is (W, H), where it is stated."""

    id: int | str
    file_name: str
    width: int | None = None
    height: int | None = None


class Category(_Record):
    """A class in the file of a data set."""

    id: int | str
    name: str


class Annotations(_Record):
    """What is used of the file of a data set: not its annotations."""

    images: list[Picture]
    categories: list[Category]


class Document(Protocol):
    """A JSON document to which images are added."""

    def add(self, file_name: str, size: tuple[int, int], probabilities: Floats) -> None:
        """Add an image of ``size`` (H, W), with its class probabilities (K+1, h, w)."""

    def content(self) -> object:
        """Return the document."""

    def warnings(self) -> list[str]:
        """Return a line for everything odd."""


class NewDataset:
    """A data set as ``pycocotools.coco.COCO`` reads it; images are numbered as they come."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, file_name: str, size: tuple[int, int], probabilities: Floats) -> None:
        """Add an image and its objects, one for each class."""
        height, width = size
        image = len(self._images) + 1
        self._images.append({"id": image, "file_name": file_name, "height": height, "width": width})
        for label, runs, score in objects(probabilities, size):
            annotation = {
                "id": len(self._annotations) + 1,
                "image_id": image,
                "category_id": label,
                "iscrowd": 0,
                "area": int(mask.area(runs)),
                "bbox": mask.toBbox(runs).tolist(),
                **_segmentation(runs, score),
            }
            self._annotations.append(annotation)

    def content(self) -> object:
        """Return images, annotations and categories."""
        categories = [{"id": n, "name": name} for n, name in enumerate(self._classes, 1)]
        return {
            "images": self._images,
            "annotations": self._annotations,
            "categories": categories,
        }

    def warnings(self) -> list[str]:
        """Return nothing."""
        return []


class Results:
    """Results for the images of a data set, as ``pycocotools.coco.COCO.loadRes`` reads them."""

    def __init__(self, path: Path, classes: Sequence[str], file_names: Sequence[str]) -> None:
        """Find the ids of the images and categories.

        Args:
            path: The data set's file, such as ``instances_val2017.json``.
            classes: Names of the K classes.
            file_names: Paths of the photographs. That in the data set may be longer or shorter by
                some folders at its beginning.

        Raises:
            ValueError: If the file cannot be read, contradicts itself, lacks a class, or has none
                of the photographs.
        """
        self._path, self._classes = path, classes
        annotations = _read(path)
        self._categories = _categories(path, annotations.categories, classes)
        self._pictures = _pictures(path, annotations.images, file_names)
        self._missing = [name for name in file_names if name not in self._pictures]
        if len(self._missing) == len(file_names):
            raise ValueError(f"{path}: has no image {file_names[0]!r}, nor any other of them")
        self._other_sizes: list[str] = []
        self._entries: list[dict[str, Any]] = []

    def add(self, file_name: str, size: tuple[int, int], probabilities: Floats) -> None:
        """Add an entry for each class; nothing if the data set does not have the image."""
        picture = self._pictures.get(file_name)
        if picture is None:
            return
        height, width = size
        if (picture.height or height, picture.width or width) != size:
            self._other_sizes.append(
                f"{file_name}: {width}×{height} instead of {picture.width}×{picture.height}"
            )
        for label, runs, score in objects(probabilities, size):
            # Without a box, of which `loadRes` would make the area.
            ids = {"image_id": picture.id, "category_id": self._categories[label - 1]}
            self._entries.append(ids | _segmentation(runs, score))

    def content(self) -> object:
        """Return all entries."""
        return self._entries

    def warnings(self) -> list[str]:
        """Return a line about photographs that are not in the file, or of another size there."""
        kinds = {
            "photograph left out of the results, as it is not in": self._missing,
            "photograph of another size than in": self._other_sizes,
        }
        return [
            f"{kind} {self._path}: {len(names)}, such as {names[0]}"
            for kind, names in kinds.items()
            if names
        ]


def objects(probabilities: Floats, size: tuple[int, int]) -> Iterator[tuple[int, Any, float]]:
    """Give each class 1..K that wins pixels of an image, with run lengths and mean probability.

    Args:
        probabilities: (K+1, h, w).
        size: (H, W) that the run lengths are for.
    """
    labels = probabilities.argmax(0).astype(np.uint8)
    for label in np.unique(labels[labels > 0]).tolist():
        where = resize_labels((labels == label).astype(np.uint8), size)
        runs = mask.encode(np.asfortranarray(where))
        yield label, runs, float(probabilities[label][labels == label].mean())


def _segmentation(runs: Any, score: float) -> dict[str, Any]:
    counts = runs["counts"].decode("ascii")
    return {"segmentation": {"size": runs["size"], "counts": counts}, "score": score}


def _read(path: Path) -> Annotations:
    try:
        return Annotations.model_validate_json(path.read_bytes().removeprefix(BOM))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        raise ValueError(f"{path}: {where}: {problem['msg'].lower()}") from None


def _categories(path: Path, categories: Sequence[Category], classes: Sequence[str]) -> list[Any]:
    """Find the id of each class."""
    ids: dict[str, int | str] = {}
    for category in categories:
        if ids.setdefault(category.name, category.id) != category.id:
            raise ValueError(f"{path}: two categories are named {category.name!r}")
    for name in classes:
        if name not in ids:
            raise ValueError(f"{path}: no category is named {name!r}; {nearest(name, list(ids))}")
    return [ids[name] for name in classes]


def _pictures(
    path: Path, pictures: Sequence[Picture], file_names: Sequence[str]
) -> dict[str, Picture]:
    """Find the images of the photographs, by path."""
    known: defaultdict[str, list[tuple[tuple[str, ...], Picture]]] = defaultdict(list)
    for picture in pictures:
        parts = _parts(picture.file_name.replace("\\", "/"))
        known[parts[-1]].append((parts, picture))
    found: dict[str, Picture] = {}
    taken: dict[int | str, str] = {}
    for file_name in file_names:
        own = _parts(file_name)
        fitting = [
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
    return PurePosixPath(unicodedata.normalize("NFC", file_name)).parts or ("",)
