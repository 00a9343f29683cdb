"""Ground-truth masks. Only ``evaluate`` and ``score`` may import this module; a test checks it."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from auxseg.artifacts import read_labels
from auxseg.dataset.index import Entry, Index
from auxseg.dataset.instances import (
    Annotation,
    Instances,
    Picture,
    Rle,
    instances_path,
    read_instances,
)
from auxseg.dataset.layout import find_mask
from auxseg.palette import IGNORE

Mask = npt.NDArray[np.uint8]


def read_mask(index: Index, entry: Entry) -> Mask | None:
    """Read the mask of an image, 255 = ignore; None if the dataset has none for it.

    It has the size (H, W) of the upright photograph before any reduction. ValueError if it holds a
    label that no class has.
    """
    if index.format == "coco":
        return _coco_mask(index, entry)
    path = find_mask(index.format, index.root, entry.id)
    if path is None:
        return None
    mask = read_labels(path)
    worst = int(mask[mask != IGNORE].max(initial=0))
    if worst > len(index.classes):
        raise ValueError(f"{path}: label {worst}, but there are {len(index.classes)} classes")
    return mask


def draw_mask(height: int, width: int, objects: Sequence[tuple[int, Annotation]]) -> Mask | None:
    """Rasterise outlined objects, each with its label, as a label map (H, W).

    Smaller objects lie on larger ones; a crowd is 255 where no object is. None if an object has no
    outline.
    """
    # Only COCO needs it. Its runs are small; pixels are made of one object at a time.
    from pycocotools.mask import area, decode

    if not all(annotation.segmentation for _, annotation in objects):
        return None
    shapes = [
        (IGNORE if annotation.iscrowd else label, _runs(height, width, annotation))
        for label, annotation in objects
    ]
    mask = np.zeros((height, width), np.uint8)
    for label, runs in sorted(shapes, key=lambda shape: (shape[0] != IGNORE, -int(area(shape[1])))):
        mask[decode(runs) == 1] = label
    return mask


def _runs(height: int, width: int, annotation: Annotation) -> Any:
    """The outline in pycocotools' own form."""
    from pycocotools.mask import frPyObjects, merge

    outline = annotation.segmentation
    if isinstance(outline, Rle):
        whole = {"size": outline.size, "counts": outline.counts.tolist()}
        return frPyObjects(whole, height, width)
    return merge(frPyObjects([polygon.tolist() for polygon in outline or []], height, width))


def _coco_mask(index: Index, entry: Entry) -> Mask | None:
    split, *parts = PurePosixPath(entry.path).parts
    instances, by_file = _instances(instances_path(index.root, split))
    picture, annotations = by_file[PurePosixPath(*parts)]
    label = {
        category.id: index.classes.index(category.name) + 1
        for category in instances.categories
        if category.name in index.classes
    }
    objects = [(label[a.category_id], a) for a in annotations if a.category_id in label]
    return draw_mask(picture.height, picture.width, objects)


@lru_cache(maxsize=2)  # the training and the validation images
def _instances(
    path: Path,
) -> tuple[Instances, dict[PurePosixPath, tuple[Picture, list[Annotation]]]]:
    """A file, and the image and the annotations by file name; parsed once per process."""
    instances = read_instances(path)
    annotations: dict[int, list[Annotation]] = {picture.id: [] for picture in instances.images}
    for annotation in instances.annotations:
        annotations[annotation.image_id].append(annotation)
    return instances, {
        PurePosixPath(picture.file_name): (picture, annotations[picture.id])
        for picture in instances.images
    }
