"""Segmentations as COCO's JSON: a data set of its own, or results for one that there is."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pycocotools import mask

from auxseg.data.arrays import Floats
from auxseg.data.pixels import resize_labels
from auxseg.datasets.problems import Report
from auxseg.use.coco_ids import find_pictures, ids_of_classes, read_annotations


class Document(Protocol):
    """A JSON document to which images are added."""

    def add(self, file_name: str, size: tuple[int, int], probabilities: Floats) -> None:
        """Add an image of ``size`` (H, W), with its class probabilities (K+1, h, w)."""

    def content(self) -> object:
        """Return the document."""


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


class Results:
    """Results for the images of a data set, as ``pycocotools.coco.COCO.loadRes`` reads them."""

    def __init__(
        self, path: Path, classes: Sequence[str], file_names: Sequence[str], report: Report
    ) -> None:
        """Find the ids of the images and categories.

        Args:
            path: The data set's file, such as ``instances_val2017.json``.
            classes: Names of the K classes.
            file_names: Paths of the photographs, as ``find_pictures`` takes them.
            report: Gets warnings of photographs that the data set lacks, or has in another size.

        Raises:
            ValueError: If the file cannot be read, contradicts itself, lacks a class, or has none
                of the photographs.
        """
        annotations = read_annotations(path)
        self._path, self._report = path, report
        self._categories = ids_of_classes(path, annotations.categories, classes)
        self._pictures = find_pictures(path, annotations.images, file_names)
        if not self._pictures:
            raise ValueError(f"{path}: has no image {file_names[0]!r}, nor any other of them")
        self._entries: list[dict[str, Any]] = []

    def add(self, file_name: str, size: tuple[int, int], probabilities: Floats) -> None:
        """Add an entry for each class; nothing if the data set does not have the image."""
        picture = self._pictures.get(file_name)
        if picture is None:
            kind = f"photograph left out of the results, as it is not in {self._path}"
            self._report.warning(kind, file_name)
            return
        stated = picture.height or size[0], picture.width or size[1]
        if stated != size:
            line = f"{file_name}: {size[1]}×{size[0]} instead of {stated[1]:g}×{stated[0]:g}"
            self._report.warning(f"photograph of another size than in {self._path}", line)
        for label, runs, score in objects(probabilities, size):
            # Without a box, of which `loadRes` would make the area.
            ids = {"image_id": picture.id, "category_id": self._categories[label - 1]}
            self._entries.append(ids | _segmentation(runs, score))

    def content(self) -> object:
        """Return all entries."""
        return self._entries


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
