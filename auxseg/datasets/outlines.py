"""Outlines of objects, as COCO has them, drawn as label maps."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from auxseg.data.arrays import Bytes
from auxseg.data.palette import IGNORE
from auxseg.datasets.instances import Annotation, Rle


def draw_mask(height: int, width: int, objects: Sequence[tuple[int, Annotation]]) -> Bytes | None:
    """Draw outlined objects as a label map.

    Smaller objects lie on larger ones; a crowd is 255 where no object is.

    Args:
        height: H, in pixels.
        width: W, in pixels.
        objects: Label and annotation of each object.

    Returns:
        (H, W) uint8; None if an object has no outline.
    """
    # Only COCO needs it. Runs are small; only one object at a time is decoded to pixels.
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
    """Return the outline in pycocotools' own form."""
    from pycocotools.mask import frPyObjects, merge

    outline = annotation.segmentation
    if isinstance(outline, Rle):
        whole = {"size": outline.size, "counts": outline.counts.tolist()}
        return frPyObjects(whole, height, width)
    return merge(frPyObjects([polygon.tolist() for polygon in outline or []], height, width))
