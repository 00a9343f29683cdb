"""The true masks. Only ``evaluate`` and ``score`` may import this module; a test checks it."""

from collections.abc import Iterator

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.datasets.formats import FORMATS


def read_mask(index: Index, entry: Entry) -> Bytes | None:
    """Read the mask of an image.

    Returns:
        (H, W) uint8 of the upright photograph before any reduction, 255 = ignore; None if the
        dataset has no mask for the image.

    Raises:
        ValueError: If the mask holds a label that no class has.
    """
    return FORMATS[index.format].read_mask(index, entry)


def masks(index: Index, split: str) -> Iterator[tuple[Entry, Bytes]]:
    """Yield the entries of a split that have a mask, with it.

    A mask may be larger than the photograph as read.
    """
    for entry in index.split(split):
        mask = read_mask(index, entry)
        if mask is not None:
            yield entry, mask
