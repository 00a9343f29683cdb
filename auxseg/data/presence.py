"""Which classes of an image its label map has."""

from collections.abc import Sequence

import numpy as np

from auxseg.data.arrays import Bytes

LEAST = 0.002  # of an image's pixels; a class with fewer counts as absent


def absent(labels: Bytes, classes: Sequence[int]) -> list[int]:
    """Return those of the classes 0..K-1 that have less than ``LEAST`` of a label map (H, W)."""
    counts = np.bincount(labels.ravel(), minlength=256)
    return [k for k in classes if counts[k + 1] < LEAST * labels.size]
