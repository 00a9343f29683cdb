"""Label maps as connected regions with outlines."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from auxseg.annotations.outlines import NONE, Outlines, Points
from auxseg.data.arrays import Bytes, Counts


@dataclass(frozen=True, slots=True)
class Region:
    """Pixels of one label that are connected by their sides.

    Attributes:
        label: 0..K or 255.
        beneath: The label of the region in whose hole it lies; 0 if it lies in none.
        outline: (n, 2) float64, x and y of the corners, clockwise; holes are within. It may touch
            itself in a corner.
        filled: Area within the outline, in pixels.
        area: Area without the holes.
        left: The first column of pixels.
        top: The first row of pixels.
        mask: (h, w) bool, the region without its holes, in the box round it.
    """

    label: int
    beneath: int
    outline: Points
    filled: int
    area: int
    left: int
    top: int
    mask: npt.NDArray[np.bool_]

    @property
    def has_holes(self) -> bool:
        """Whether other regions lie within the outline."""
        return self.filled != self.area


def find_regions(labels: Bytes) -> list[Region]:
    """Find the regions of a label map (H, W) uint8, those of background and ignored pixels too.

    Returns:
        The regions, the largest outline first. Outlines are within each other or apart, so filling
        them in turn gives the label map again, pixel by pixel. It still does if the regions whose
        label is that ``beneath`` them are left out.
    """
    # Its import takes longer than most maps.
    from skimage.measure import label

    numbered = label(labels, background=-1, connectivity=1)  # type: ignore[no-untyped-call]
    numbers: Counts = numbered - 1
    _, firsts, areas = np.unique(numbers, return_index=True, return_counts=True)
    outlines = Outlines(numbers, firsts)
    found = labels.reshape(-1)[firsts].tolist()
    regions = [
        Region(
            label=found[number],
            beneath=0 if parent == NONE else found[parent],
            outline=outline,
            filled=filled,
            area=area,
            left=left,
            top=top,
            mask=numbers[top:bottom, left:right] == number,
        )
        for number, (outline, parent, filled, area, (left, top, right, bottom)) in enumerate(
            zip(
                outlines.corners(),
                outlines.parents(),
                outlines.filled(),
                areas.tolist(),
                outlines.boxes(),
                strict=True,
            )
        )
    ]
    return sorted(regions, key=lambda region: -region.filled)
