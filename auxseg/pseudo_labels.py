"""Fusion of CAM and saliency into pseudo labels, as the published AuxSegNet does it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from auxseg.data.arrays import Bytes
from auxseg.data.palette import IGNORE
from auxseg.data.presence import absent


def fuse(
    cam: npt.NDArray[np.floating],
    classes: Sequence[int],
    saliency: npt.NDArray[np.floating] | None,
    cam_threshold: float,
    saliency_threshold: float,
) -> Bytes:
    """Label every pixel where CAM and saliency agree; 255 where exactly one sees an object.

    Without saliency the CAM decides alone: the strongest class above its threshold, else
    background; nothing is ignored.

    Args:
        cam: (P, H, W) in [0, 1], one map for each present class.
        classes: The P present classes, numbers 0..K-1.
        saliency: (H, W) in [0, 1], or None.
        cam_threshold: A CAM above it marks its class.
        saliency_threshold: Saliency above it marks an object.

    Returns:
        (H, W) uint8: 0 is background, k+1 is class k, 255 is ignored.
    """
    background = np.full((1, *cam.shape[1:]), cam_threshold, cam.dtype)
    numbers = np.array([0, *(k + 1 for k in classes)], np.uint8)
    # Of equal values the first one wins, so a CAM at the threshold is background.
    labels: Bytes = numbers[np.concatenate([background, cam]).argmax(0)]
    if saliency is None:
        return labels
    return np.where((labels > 0) ^ (saliency > saliency_threshold), IGNORE, labels).astype(np.uint8)


def restore(labels: Bytes, first: Bytes, classes: Sequence[int]) -> Bytes:
    """Give the classes of an image that are absent from its labels the pixels of round 0 again.

    The image-level label says that they are there. But where two classes share a photograph, the
    affinity lets the stronger one take all, and the updated saliency keeps the main object alone.

    Args:
        labels: (H, W) uint8 of ``fuse``.
        first: (H, W) uint8, the pseudo labels of round 0.
        classes: The present classes, numbers 0..K-1.

    Returns:
        (H, W) uint8.
    """
    lost = np.array([k + 1 for k in absent(labels, classes)], np.uint8)
    return np.where(np.isin(first, lost), first, labels)
