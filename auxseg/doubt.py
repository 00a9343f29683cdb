"""How far the pseudo labels of an image are to be doubted, without any mask.

See docs/method.md, Doubt. Label maps of rounds are compared as small pictures, which are kept, so
that every round can be compared with the one before, and all of them be shown.
"""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from auxseg.data.arrays import Arrays, Bytes, Floats
from auxseg.data.index import Entry, Index
from auxseg.data.maps import decode_map, encode_labels
from auxseg.data.palette import IGNORE
from auxseg.data.pixels import fractions, resize_grey, resize_labels, to_pixels
from auxseg.data.presence import absent
from auxseg.data.shards import Shards

SIDE = 240  # pixels of the longer side of a small picture


def judge(
    entry: Entry, labels: Bytes, cam: Floats, saliency: Bytes | None, earlier: Arrays | None
) -> Arrays:
    """Compare the pseudo labels of an image with its first cues, and with a round before.

    Args:
        entry: The image.
        labels: (H, W) uint8.
        cam: (P, h, w) in [0, 1], the CAMs of round 0.
        saliency: (H, W) uint8, as imported; None in a run without saliency.
        earlier: What this function returned a round before; None in round 0.

    Returns:
        ``png``, the file of a small picture of ``labels``; for the P classes of the image ``cues``,
        ``rounds`` (see ``cue_support`` and ``round_support``) and ``area``, a share of the image;
        ``coverage``, the labelled share of the image, and ``change``, that of the pixels whose
        label was another one a round before.
    """
    size = small_size(labels.shape)
    shown = resize_labels(labels, size)
    before = None if earlier is None else small_labels(earlier)
    salient = None if saliency is None else fractions(resize_grey(saliency, size))
    cues = cue_support(shown, entry.labels, to_pixels(cam, size), salient)
    gone = np.isin(entry.labels, absent(labels, entry.labels))
    return {
        "png": np.frombuffer(encode_labels(shown), np.uint8),
        "cues": np.where(gone, 0, cues),
        "rounds": round_support(shown, entry.labels, before),
        "area": np.array([(labels == k + 1).mean() for k in entry.labels]),
        "coverage": np.array([(labels != IGNORE).mean()]),
        "change": np.array([0.0 if before is None else (shown != before).mean()]),
    }


def small_size(size: Sequence[int]) -> tuple[int, int]:
    """Return the size (h, w) of the small picture of an image of ``size`` (H, W)."""
    scale = min(1.0, SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def small_labels(judgement: Arrays) -> Bytes:
    """Return the small picture (h, w) uint8 of what ``judge`` returned."""
    return decode_map(judgement["png"].tobytes())


def tables(
    index: Index, judgements: Shards, corrected: Collection[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a table of the images of an index, and one of the classes of every image.

    The doubt of a class is 1 − ``cues`` · ``rounds``, that of an image the mean over its classes;
    it is 0 if the image was corrected. An image without a class has none.
    """
    rows, images = list[tuple[object, ...]](), list[tuple[object, ...]]()
    for entry in index.entries:
        found = judgements[entry.id]
        columns = zip(
            entry.labels, *(found[key] for key in ("cues", "rounds", "area")), strict=True
        )
        rows += [(entry.id, index.classes[label], *numbers) for label, *numbers in columns]
        mended = int(entry.id in corrected)
        images.append((entry.id, found["coverage"][0], found["change"][0], mended))
    classes = pd.DataFrame(rows, columns=["id", "class", "cues", "rounds", "area"])
    doubt = (1 - classes["cues"] * classes["rounds"]) * ~classes["id"].isin(corrected)
    classes.insert(2, "doubt", doubt)
    means = classes.groupby("id", sort=False)[["doubt", "cues", "rounds"]].mean()
    table = pd.DataFrame(images, columns=["id", "coverage", "change", "corrected"])
    table = table[["id"]].join(means, on="id").join(table.drop(columns="id"))
    return table.round(6), classes.round(6)


def cue_support(
    labels: Bytes, classes: Sequence[int], cam: Floats, saliency: Floats | None
) -> npt.NDArray[np.float64]:
    """Compare the region of every class with the first cues, which no round has touched.

    Args:
        labels: (H, W) uint8.
        classes: The P present classes, numbers 0..K-1.
        cam: (P, H, W) in [0, 1], the CAMs of round 0.
        saliency: (H, W) in [0, 1], as imported; None in a run without saliency.

    Returns:
        (P,) in [0, 1]: the soft IoU of each region with the geometric mean of CAM and saliency; 0
        for a class without a pixel.
    """
    cues = cam if saliency is None else np.sqrt(cam * saliency)
    pairs = ((labels == k + 1, cue) for k, cue in zip(classes, cues, strict=True))
    return np.array([_soft_iou(region, cue) for region, cue in pairs])


def round_support(
    labels: Bytes, classes: Sequence[int], before: Bytes | None
) -> npt.NDArray[np.float64]:
    """Compare the region of every class with that of the round before.

    Args:
        labels: (H, W) uint8.
        classes: The P present classes, numbers 0..K-1.
        before: The label map of the round before; None in round 0.

    Returns:
        (P,) in [0, 1]: the IoU of each region with itself a round earlier; 1 in round 0.
    """
    if before is None:
        return np.ones(len(classes))
    return np.array([_soft_iou(labels == k + 1, before == k + 1) for k in classes])


def _soft_iou(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic]) -> float:
    either = np.maximum(a, b).sum(dtype=np.float64)
    return float(np.minimum(a, b).sum(dtype=np.float64) / either) if either else 0.0
