"""Class logits as they are stored: those that matter, and all others as one map.

An image shows few classes. Stored are those that can have a probability of ``LEAST`` at some pixel,
which the winner of a pixel always has, and the logarithm of the summed exponentials of the rest.
"""

import numpy as np
import numpy.typing as npt

from auxseg.data.arrays import Arrays, Bytes, Floats
from auxseg.data.pixels import to_pixels

LEAST = 0.01


def compact(logits: npt.NDArray[np.float16]) -> Arrays:
    """Leave out the classes that matter nowhere between the grid points either.

    Args:
        logits: (C, h, w) float16, at least two rows and columns.

    Returns:
        ``segmentation`` (P, h, w) float16, the logits that are kept; ``classes`` (P,) uint8, their
        numbers in ascending order; ``rest`` (h, w) float16, if any class is left out.
    """
    values = logits.astype(np.float32)
    kept = _largest_odds(values) >= np.log(LEAST)
    numbers = np.flatnonzero(kept).astype(np.uint8)
    arrays: Arrays = {"segmentation": logits[kept], "classes": numbers}
    if not kept.all():
        others = values[~kept]
        top = others.max(0)
        arrays["rest"] = (top + np.log(np.exp(others - top).sum(0))).astype(np.float16)
    return arrays


def predicted_labels(prediction: Arrays, size: tuple[int, int]) -> Bytes:
    """Return the label map (H, W) uint8 of ``size``; it is that of all logits."""
    winners = to_pixels(prediction["segmentation"], size).argmax(0)
    labels: Bytes = prediction["classes"][winners]
    return labels


def predicted_probabilities(prediction: Arrays, size: tuple[int, int], classes: int) -> Floats:
    """Return the probabilities (C, H, W) float32 of ``size``; 0 for classes that were left out.

    Those of the kept classes are as with all logits at the grid points. Between them they are
    smaller by at most the probability of the rest, which was summed before it is enlarged.
    """
    pixels = to_pixels(prediction["segmentation"], size)
    top = pixels.max(0)
    powers = np.exp(pixels - top)
    total = powers.sum(0)
    if "rest" in prediction:
        total += np.exp(to_pixels(prediction["rest"][None], size)[0] - top)
    probabilities = np.zeros((classes, *size), np.float32)
    probabilities[prediction["classes"]] = powers / total
    return probabilities


def _largest_odds(logits: Floats) -> Floats:
    """Return an upper bound (C,) of the logarithm of every class's probability at any pixel.

    A pixel's logits are weighted means of those at the corners of its cell, and a probability is
    at most its ratio to that of any other class: here, to the strongest one of the cell.
    """
    corners = np.stack(
        [logits[:, :-1, :-1], logits[:, :-1, 1:], logits[:, 1:, :-1], logits[:, 1:, 1:]]
    )
    strongest = corners.mean(0).argmax(0)[None, None]
    odds: Floats = (corners - np.take_along_axis(corners, strongest, 1)).max((0, 2, 3))
    return odds
