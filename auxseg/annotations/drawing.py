"""Label maps drawn from the named objects of a file."""

from collections.abc import Callable, Iterable

import numpy as np

from auxseg.annotations.names import Names
from auxseg.annotations.outlines import Points
from auxseg.annotations.spans import Spans, paint, polygon_spans
from auxseg.data.arrays import Bytes
from auxseg.datasets.problems import Report

Outline = list[Points] | Spans  # polygons, or spans of pixels
Object = tuple[str, Callable[[], tuple[str, Outline]]]  # its place; reads its name and outline


def draw_objects(
    objects: Iterable[Object], names: Names, size: tuple[int, int], report: Report
) -> Bytes | None:
    """Draw objects from large to small, whatever their order.

    Args:
        objects: Polygons of fewer than three points are left out; a ValueError of the function
            that reads an object is a problem.
        names: The labels of names.
        size: (H, W) of the map.
        report: Gets problems.

    Returns:
        (H, W) uint8; None if there is a problem.

    Raises:
        ValueError: If the outlines are too many for the memory.
    """
    labels: list[int] = []
    outlines: list[Outline] = []
    is_good = True
    for place, read in objects:
        try:
            name, outline = read()
            label = names.label(name)
        except ValueError as error:
            report.problem("unusable shape", f"{place}: {error}")
            is_good = False
            continue
        if isinstance(outline, list):
            corners = [polygon for polygon in outline if len(polygon) > 2]
            for _ in range(len(outline) - len(corners)):
                report.warning("polygon of fewer than three points left out", place)
            outline = corners
        if len(outline):
            labels.append(label)
            outlines.append(outline)
    if not is_good:
        return None
    return paint(list(zip(labels, _spans(outlines, size), strict=True)), size)


def _spans(outlines: list[Outline], size: tuple[int, int]) -> list[Spans]:
    """Return the spans of each object; all polygons are filled together."""
    polygons = [p for outline in outlines if isinstance(outline, list) for p in outline]
    filled = iter(polygon_spans(polygons, size))
    return [
        np.concatenate([next(filled) for _ in outline]) if isinstance(outline, list) else outline
        for outline in outlines
    ]
