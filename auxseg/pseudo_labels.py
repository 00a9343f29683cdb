"""Fusion of CAM and saliency into pseudo labels, as the published AuxSegNet does it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from auxseg.palette import IGNORE


def fuse(
    cam: npt.NDArray[np.floating],
    classes: Sequence[int],
    saliency: npt.NDArray[np.floating],
    cam_threshold: float,
    saliency_threshold: float,
) -> npt.NDArray[np.uint8]:
    """Label every pixel where CAM and saliency agree; 255 where exactly one sees an object.

    ``cam`` is (P, H, W) in [0, 1], one map for each of the P present ``classes`` (numbers 0..K-1);
    ``saliency`` is (H, W) in [0, 1]. Returns (H, W): 0 is background, k+1 is class k.
    """
    salient = saliency > saliency_threshold
    if not classes:
        # Nothing that is labelled can be here, so what is salient stays open.
        return np.where(salient, IGNORE, 0).astype(np.uint8)
    active = cam.max(0) > cam_threshold
    labels = np.asarray(classes, np.uint8)[cam.argmax(0)] + 1
    labels = np.where(active & salient, labels, 0)
    return np.where(active ^ salient, IGNORE, labels).astype(np.uint8)
