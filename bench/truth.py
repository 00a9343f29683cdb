"""The true masks of the training images, in the form of their pseudo labels."""

from collections.abc import Iterator

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.data.pixels import resize_labels
from auxseg.scoring.masks import masks


def true_labels(index: Index) -> Iterator[tuple[Entry, Bytes]]:
    """Yield the training images that have a mask, with it, of the photograph's size as read."""
    for entry, mask in masks(index, "train"):
        size = entry.height, entry.width
        yield entry, mask if mask.shape == size else resize_labels(mask, size)
