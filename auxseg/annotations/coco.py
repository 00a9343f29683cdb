"""Label maps as a COCO data set, which CVAT reads and writes, and back."""

import json
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from auxseg.annotations.corrections import Correction, Size
from auxseg.annotations.drawing import Object, Outline, draw_objects
from auxseg.annotations.names import Names, names_of_labels
from auxseg.annotations.photographs import write_photograph
from auxseg.annotations.regions import Region, find_regions
from auxseg.annotations.spans import rle_spans
from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.data.palette import IGNORE
from auxseg.datasets.instances import Annotation, read_instances
from auxseg.datasets.rle import Rle

ANNOTATIONS = "annotations.json"


def write_coco(folder: Path, index: Index, maps: Iterable[tuple[Entry, Bytes]]) -> None:
    """Write ``images/<id>.jpg`` and ``annotations.json``, as ``pycocotools.coco.COCO`` reads it.

    Each region is an annotation: a polygon, or an RLE if it has holes. Class k is category k + 1,
    and the last category is ``ignore``: as a crowd, an ignored region would need a class, and left
    out it would come back as background.

    Args:
        folder: An empty folder.
        index: Where the photographs are.
        maps: Each image and its label map (H, W) uint8.
    """
    labels_of_categories = [*range(1, len(index.classes) + 1), IGNORE]
    numbers = {label: number for number, label in enumerate(labels_of_categories, 1)}
    names = names_of_labels(index.classes)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    (folder / "images").mkdir()
    for entry, labels in maps:
        name, size = f"{entry.id}.jpg", (entry.height, entry.width)
        write_photograph(folder / "images" / name, index, entry)
        image = {"id": len(images) + 1, "file_name": name, "height": size[0], "width": size[1]}
        images.append(image)
        for region in find_regions(labels):
            if region.label in numbers:
                annotation = {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": numbers[region.label],
                    "iscrowd": 0,
                    "area": region.area,
                    "bbox": [region.left, region.top, *region.mask.shape[::-1]],
                    "segmentation": _segmentation(region, size),
                }
                annotations.append(annotation)
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": names[label]} for label, number in numbers.items()],
    }
    text = json.dumps(content, ensure_ascii=False)
    (folder / ANNOTATIONS).write_text(text, "utf-8")


def _segmentation(region: Region, size: Size) -> list[list[float]] | dict[str, Any]:
    if not region.has_holes:
        return [region.outline.reshape(-1).tolist()]
    height, width = size
    # Run lengths go down the columns of the image.
    columns = np.zeros((region.mask.shape[1], height), bool)
    columns[:, region.top : region.top + region.mask.shape[0]] = region.mask.T
    changes = np.flatnonzero(np.diff(columns.reshape(-1), prepend=False, append=False))
    ends = np.append(changes + region.left * height, height * width)
    return {"size": [*size], "counts": np.diff(ends, prepend=0).tolist()}


def read_coco(path: Path, names: Names) -> list[Correction]:
    """Read a data set; its images without an annotation are left out.

    Whether an annotation is a crowd is passed over: CVAT makes a crowd of what its brush painted.

    Raises:
        ValueError: If the content is invalid; the message has one line per problem.
    """
    instances = read_instances(path)
    category = {category.id: category.name for category in instances.categories}
    objects: defaultdict[int | str, list[Object]] = defaultdict(list)
    for number, annotation in enumerate(instances.annotations):
        read = partial(_read, category[annotation.category_id], annotation)
        objects[annotation.image_id].append((f"{path}: annotations.{number}", read))
    return [
        Correction(
            (PurePosixPath(picture.file_name).stem,),
            f"{path}: image {picture.file_name}",
            (picture.height, picture.width),
            partial(draw_objects, objects[picture.id], names),
        )
        for picture in instances.images
        if picture.id in objects
    ]


def _read(name: str, annotation: Annotation) -> tuple[str, Outline]:
    outline = annotation.segmentation
    if not outline:
        raise ValueError("no outline; a box alone is none: draw a polygon or a mask")
    if isinstance(outline, Rle):
        return name, rle_spans(outline)
    # Only a polygon of too few points may have an odd number of them.
    return name, [polygon[: polygon.size // 2 * 2].reshape(-1, 2) for polygon in outline]
