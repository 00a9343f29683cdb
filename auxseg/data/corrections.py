"""Label maps that people corrected, which replace those of the pipeline."""

from pathlib import Path

import numpy as np

from auxseg.data.arrays import Bytes
from auxseg.data.files import exists, find_files
from auxseg.data.maps import read_labels
from auxseg.data.palette import IGNORE


def corrected(folder: Path) -> frozenset[str]:
    """Return the ids of the corrected images, whose label maps are in ``folder``."""
    return frozenset(path.stem for path in find_files(folder, ".png"))


def read_correction(folder: Path, id_: str) -> Bytes | None:
    """Read the corrected label map of an image: (H, W) uint8; None if there is none."""
    path = folder / f"{id_}.png"
    return read_labels(path) if exists(path) else None


def correct_labels(labels: Bytes, correction: Bytes | None) -> Bytes:
    """Replace labels (H, W) by a correction, except where it is 255."""
    if correction is None:
        return labels
    return np.where(correction == IGNORE, labels, correction)


def correct_saliency(saliency: Bytes, correction: Bytes | None) -> Bytes:
    """Replace saliency (H, W) uint8 by 255 at corrected objects and 0 at corrected background."""
    if correction is None:
        return saliency
    objects = np.where(correction > 0, 255, 0).astype(np.uint8)
    return np.where(correction == IGNORE, saliency, objects)
