"""Ground-truth masks. Only ``evaluate`` and ``score`` may import this module; a test checks it."""

import numpy as np
import numpy.typing as npt

from auxseg.artifacts import read_labels
from auxseg.dataset.index import Entry, Index
from auxseg.palette import IGNORE


def read_mask(index: Index, entry: Entry) -> npt.NDArray[np.uint8] | None:
    """Read the mask (H, W) of an image, 255 = ignore; None if the dataset has none for it."""
    path = index.root / "SegmentationClass" / f"{entry.id}.png"
    if not path.is_file():
        return None
    mask = read_labels(path)
    if mask.shape != (entry.height, entry.width):
        raise ValueError(
            f"{path}: {mask.shape[1]}×{mask.shape[0]} pixels, "
            f"its photograph has {entry.width}×{entry.height}"
        )
    worst = int(mask[mask != IGNORE].max(initial=0))
    if worst > len(index.classes):
        raise ValueError(f"{path}: label {worst}, but there are {len(index.classes)} classes")
    return mask
