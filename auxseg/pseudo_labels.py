"""Fusion of the cues into pseudo labels: as published, or so that little stays open."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from auxseg.data.arrays import Bytes, Floats
from auxseg.data.palette import IGNORE
from auxseg.data.presence import absent

EPSILON = 1e-5  # as for the CAMs of round 0
CORE = 0.6  # a cue above it is sure of its class
SEEN = 0.5  # of a core must be salient, or saliency says nothing about its class


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


def complete(
    cam: Floats,
    classes: Sequence[int],
    updated: npt.NDArray[np.floating] | None,
    imported: npt.NDArray[np.floating] | None,
    cam_threshold: float,
    saliency_threshold: float,
) -> Bytes:
    """Label nearly every pixel, and every class of the image.

    Where nothing is salient is background, and where no CAM is strong something salient is ignored.
    ``fuse`` ignores the pixels around an object too, where the CAM says object and saliency does
    not; most of them are background, and the next round needs them to learn where objects end.

    The image-level label says that a class is there. But an affinity spreads the CAM of a small
    object thin, a stronger class takes all, and the updated saliency keeps the main object alone.
    So each CAM is divided by its maximum again. A class that then has no pixel gets those where its
    CAM agrees with the imported saliency, and if there is none, those of its CAM alone.

    Args:
        cam: (P, H, W), at least 0.
        classes: The P present classes, numbers 0..K-1.
        updated: Saliency (H, W) in [0, 1], or None.
        imported: Saliency (H, W) in [0, 1] before any update, or None.
        cam_threshold: As of ``fuse``.
        saliency_threshold: As of ``fuse``.

    Returns:
        (H, W) uint8, as of ``fuse``.
    """
    again = _scaled(cam)
    labels = fuse(again, classes, updated, cam_threshold, saliency_threshold)
    if updated is not None:
        labels[updated <= saliency_threshold] = 0
    for saliency in (imported, None):
        lost = np.array([k + 1 for k in absent(labels, classes)], np.uint8)
        if lost.size:
            source = fuse(again, classes, saliency, cam_threshold, saliency_threshold)
            labels = np.where(np.isin(source, lost), source, labels)
    return labels


def joint(
    cam: Floats,
    segmentation: Floats,
    classes: Sequence[int],
    updated: npt.NDArray[np.floating] | None,
    imported: npt.NDArray[np.floating] | None,
    cam_threshold: float,
    saliency_threshold: float,
) -> Bytes:
    """Label as ``complete`` does, but by CAM and segmentation, and keep what they are sure of.

    A CAM is strong at the parts that tell a class from others, and its affinity leaks to what
    stands beside. A segmentation is of whole objects, but has learned little of rare classes. Each
    map is divided by its maximum, so that it says where a class is, not whether: that is known. The
    cue of the class is their geometric mean, so both must see it.

    The updated saliency is of the main object, and of what the network has learned to see. So it is
    not enough to make background of a class's core, where the cue is sure: what the imported
    saliency shows of the core stays. Where an image has several classes and less than half of a
    core is salient, saliency says nothing about the class, and all of its core stays.

    Args:
        cam: As of ``complete``.
        segmentation: (P, H, W), at least 0: probabilities of the P classes.
        classes: As of ``complete``, like all below.
        updated: Saliency after the round.
        imported: Saliency before any update.
        cam_threshold: For the cue.
        saliency_threshold: For saliency.

    Returns:
        (H, W) uint8, as of ``fuse``.
    """
    cue = _scaled(np.sqrt(_scaled(cam) * _scaled(segmentation)))
    labels = complete(cue, classes, updated, imported, cam_threshold, saliency_threshold)
    if updated is None or imported is None or not classes:
        return labels
    strongest = cue.argmax(0)
    for number, k in enumerate(classes):
        core = (strongest == number) & (cue[number] > CORE)
        known = (updated[core] > saliency_threshold).sum() >= SEEN * core.sum()
        stays = core & (imported > saliency_threshold) if known or len(classes) == 1 else core
        labels[stays & (labels == 0)] = k + 1
    return labels


def _scaled(maps: Floats) -> Floats:
    """Divide each map by its maximum."""
    scaled: Floats = maps / (maps.max((1, 2), keepdims=True) + EPSILON)
    return scaled
