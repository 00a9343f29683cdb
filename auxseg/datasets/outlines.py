"""Outlines of objects, as COCO has them, drawn as label maps."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from auxseg.data.arrays import Bytes
from auxseg.data.palette import IGNORE
from auxseg.datasets.instances import Annotation, Polygon
from auxseg.datasets.rle import Rle

_CORNERS = 6  # the fewest numbers of a polygon


def draw_mask(height: int, width: int, objects: Sequence[tuple[int, Annotation]]) -> Bytes | None:
    """Draw outlined objects as a label map.

    Smaller objects lie on larger ones; a crowd is 255 where no object is. Polygons of fewer than
    three points are left out.

    Args:
        height: H, in pixels.
        width: W, in pixels.
        objects: Label and annotation of each object; the label may be 255.

    Returns:
        (H, W) uint8; None if an object has no outline.
    """
    # Only COCO needs it. Runs are small; only one object at a time is decoded to pixels.
    from pycocotools.mask import area, decode

    outlines = [_outline(annotation) for _, annotation in objects]
    if not all(outlines):
        return None
    shapes = [
        (annotation.iscrowd, IGNORE if annotation.iscrowd else label, _runs(height, width, outline))
        for (label, annotation), outline in zip(objects, outlines, strict=True)
    ]
    mask = np.zeros((height, width), np.uint8)
    for _, label, runs in sorted(shapes, key=lambda shape: (-shape[0], -int(area(shape[2])))):
        mask[decode(runs) == 1] = label
    return mask


def degenerate(annotation: Annotation) -> int:
    """Return how many polygons of an annotation have fewer than three points."""
    outline = annotation.segmentation
    return 0 if isinstance(outline, Rle) else sum(p.size < _CORNERS for p in outline or ())


def _outline(annotation: Annotation) -> Rle | list[Polygon]:
    outline = annotation.segmentation
    return outline if isinstance(outline, Rle) else [p for p in outline or () if p.size >= _CORNERS]


def _runs(height: int, width: int, outline: Rle | list[Polygon]) -> Any:
    """Return the outline in pycocotools' own form."""
    from pycocotools.mask import frPyObjects, merge

    if isinstance(outline, Rle):
        whole = {"size": [*outline.size], "counts": outline.counts.tolist()}
        return frPyObjects(whole, height, width)
    return merge(frPyObjects([polygon.tolist() for polygon in outline], height, width))
