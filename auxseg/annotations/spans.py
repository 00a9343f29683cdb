"""Shapes as spans of pixels, and label maps painted from them.

A span is a run of pixels in an image that is read row by row. Whatever outlines an object has, its
spans need no more memory than the edge of its pixels.
"""

from collections.abc import Sequence

import numpy as np

from auxseg.annotations.outlines import Points
from auxseg.data.arrays import Bytes, Counts
from auxseg.datasets.rle import Rle

MAX_CROSSINGS = 20_000_000  # of outlines with rows of an image; each takes 100 bytes for a while

Spans = Counts  # (n, 2): first pixel, and the one after the last


def polygon_spans(polygons: Sequence[Points], size: tuple[int, int]) -> list[Spans]:
    """Fill polygons: a pixel belongs to one if its centre does, by the even-odd rule.

    Args:
        polygons: (n, 2) float64 each, n > 0, of finite coordinates; the last point is joined to the
            first. They may extend beyond the image.
        size: (H, W) of the image.

    Returns:
        The spans of each polygon.

    Raises:
        ValueError: If there are more than ``MAX_CROSSINGS``.
    """
    if not polygons:
        return []
    height, width = size
    start = np.concatenate(polygons)
    points = np.array([len(polygon) for polygon in polygons])
    owner = np.repeat(np.arange(len(polygons)), points)
    following = np.arange(1, len(start) + 1)
    following[np.cumsum(points) - 1] -= points
    end = start[following]
    # The rows whose centre is on an edge; of two edges that meet there, it is on one only.
    edges = np.ceil(np.clip(np.sort([start[:, 1], end[:, 1]], 0), 0, height) - 0.5).astype(np.int64)
    counts = edges[1] - edges[0]
    if (total := int(counts.sum())) > MAX_CROSSINGS:
        raise ValueError(f"shapes whose outlines cross {total} rows of pixels: simplify them")
    edge = np.repeat(np.arange(len(counts)), counts)
    row = np.arange(total) - np.repeat(np.cumsum(counts) - counts - edges[0], counts)
    slope = (end[:, 0] - start[:, 0])[edge] / (end[:, 1] - start[:, 1])[edge]
    x = start[edge, 0] + (row + 0.5 - start[edge, 1]) * slope
    column = np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)
    # Sorted, the crossings of a polygon with a row are pairs: into it, and out of it.
    crossings = np.sort((owner[edge] * height + row) * (width + 1) + column)
    line, column = np.divmod(crossings.reshape(-1, 2), width + 1)
    spans = line % height * width + column
    limits = np.searchsorted(line[:, 0], np.arange(1, len(polygons)) * height)
    return np.split(spans, limits)


def rle_spans(rle: Rle) -> Spans:
    """Return the spans of an RLE, whose runs are down the columns and fill the image."""
    height, width = rle.size
    ends = np.cumsum(rle.counts)
    runs = np.stack([ends - rle.counts, ends], 1)[1::2]
    runs = runs[runs[:, 0] < runs[:, 1]]
    if not len(runs):
        return runs
    left, right = runs[0, 0] // height, -(-runs[-1, 1] // height)
    lengths = np.diff(runs.reshape(-1), prepend=left * height, append=right * height)
    inside = np.arange(len(lengths)) % 2 == 1
    mask = np.repeat(inside, lengths).reshape(right - left, height).T
    row, column = np.nonzero(np.diff(np.pad(mask, ((0, 0), (1, 1)))))
    spans: Spans = (row * width + left + column).reshape(-1, 2)
    return spans


def paint(shapes: Sequence[tuple[int, Spans]], size: tuple[int, int]) -> Bytes:
    """Paint a label map from large to small: what lies on something larger is on top of it.

    Args:
        shapes: Label and spans of each shape; of two of one area, the later one is on top.
        size: (H, W) of the image.

    Returns:
        (H, W) uint8; 0 where no shape is.
    """
    labels = np.zeros(size, np.uint8)
    if not shapes:
        return labels
    spans = np.concatenate([spans for _, spans in shapes])
    shape = np.repeat(np.arange(len(shapes)), [len(spans) for _, spans in shapes])
    areas = np.bincount(shape, spans[:, 1] - spans[:, 0], len(shapes))
    values = np.array([label for label, _ in shapes])[shape]
    order = np.argsort(-areas[shape], kind="stable")
    pixels = labels.reshape(-1)
    for (first, end), label in zip(spans[order].tolist(), values[order].tolist(), strict=True):
        pixels[first:end] = label
    return labels
