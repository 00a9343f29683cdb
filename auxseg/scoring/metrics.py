"""Scores of label maps, saliency maps and image-level predictions.

Label maps are scored by a confusion matrix of counts: a dataset's score is that of the sum of its
images' matrices. Fractions are in [0, 1]; a fraction of nothing is NaN.

In a mean over classes, a class with neither a true nor a predicted pixel has IoU NaN and is left
out; a class that is predicted but nowhere true has IoU 0 and counts.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from auxseg.data.arrays import Bytes, Counts
from auxseg.data.palette import IGNORE

Labels = npt.NDArray[np.integer[Any]]
Fractions = npt.NDArray[np.float64]

BETA_SQUARED = 0.3  # usual in the saliency literature; it favours precision


def confusion_matrix(truth: Labels, prediction: Labels, classes: int) -> Counts:
    """Count the pixels of every pair of true and predicted label.

    Args:
        truth: Label map of any shape, integers; pixels with the label 255 are left out.
        prediction: Label map of the same shape; 255 means that no label was given.
        classes: C, the number of classes with background; at most 255.

    Returns:
        (C, C + 1) int64: rows are true classes; the first C columns are predicted classes, the
        last one counts the pixels that were given no label (always zero for a network's
        prediction; pseudo labels have such pixels).

    Raises:
        ValueError: If the shapes differ, or a label is neither 0..C-1 nor 255.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"truth has shape {truth.shape}, prediction {prediction.shape}")
    # Both labels of a pixel form one 16-bit number. Label maps have long runs of equal ones, which
    # are counted at once.
    pairs = _as_bytes("truth", truth).astype(np.uint16) << 8 | _as_bytes("prediction", prediction)
    pairs = pairs.ravel()
    is_last = np.ones(pairs.size, np.bool_)
    np.not_equal(pairs[1:], pairs[:-1], out=is_last[:-1])
    last = np.flatnonzero(is_last)
    lengths = np.diff(last, prepend=-1)
    table = np.bincount(pairs[last], lengths, minlength=2**16).reshape(256, 256)
    known = [*range(classes), IGNORE]
    counts = table[known][:, known]
    if counts.sum() < truth.size:
        _refuse_unknown_labels("truth", table.sum(1), classes)
        _refuse_unknown_labels("prediction", table.sum(0), classes)
    return counts[:classes].astype(np.int64)


def labelled_only(confusion: Counts) -> Counts:
    """Return the matrix (C, C + 1) without the pixels that were given no label.

    The scores below count such pixels as wrong; on this matrix they leave them out. A class whose
    pixels were all left out and that is predicted nowhere has IoU NaN. Read such scores together
    with ``coverage``.
    """
    labelled = confusion.copy()
    labelled[:, -1] = 0
    return labelled


def coverage(confusion: Counts) -> float:
    """Return the share of the matrix's (C, C + 1) pixels that were given a label."""
    return float(_share(confusion[:, :-1].sum(), confusion.sum()))


def pixel_accuracy(confusion: Counts) -> float:
    """Return the share of the matrix's (C, C + 1) pixels that were given their true label."""
    return float(_share(np.trace(confusion), confusion.sum()))


def iou_by_class(confusion: Counts) -> Fractions:
    """Return the intersection over union of each class.

    Args:
        confusion: (C, C + 1) counts of ``confusion_matrix``.

    Returns:
        (C,) float64; NaN for a class with neither a true nor a predicted pixel.
    """
    hits = np.diagonal(confusion)
    return _share(hits, confusion.sum(axis=1) + confusion[:, :-1].sum(axis=0) - hits)


def precision_by_class(confusion: Counts) -> Fractions:
    """Return the true share of each class's predicted pixels.

    Args:
        confusion: (C, C + 1) counts of ``confusion_matrix``.

    Returns:
        (C,) float64; NaN for a class that is predicted nowhere.
    """
    return _share(np.diagonal(confusion), confusion[:, :-1].sum(axis=0))


def recall_by_class(confusion: Counts) -> Fractions:
    """Return the found share of each class's true pixels.

    Args:
        confusion: (C, C + 1) counts of ``confusion_matrix``.

    Returns:
        (C,) float64; NaN for a class that is true nowhere.
    """
    return _share(np.diagonal(confusion), confusion.sum(axis=1))


def has_objects(confusion: Counts) -> bool:
    """Return whether a class but background is true or predicted in the matrix (C, C + 1)."""
    return bool(confusion[1:].any() or confusion[:, 1:-1].any())


def mean_score(by_class: Callable[[Counts], Fractions], confusion: Counts) -> float:
    """Return the mean over classes of a score.

    Args:
        by_class: The score, such as `iou_by_class`.
        confusion: Matrix (C, C + 1).

    Returns:
        A fraction; NaN if no class but background is true or predicted.
    """
    return mean_over_classes(by_class(confusion)) if has_objects(confusion) else math.nan


def mean_over_classes(values: Fractions) -> float:
    """Return the mean of the values (C,) that are not NaN; NaN if all are."""
    defined = values[~np.isnan(values)]
    return float(_share(defined.sum(), defined.size))


@dataclass
class SaliencyScore:
    """Scores of 8-bit saliency maps against true label maps; ``update`` adds an image.

    A true pixel is an object where its label is above 0; pixels with the label 255 are left out.
    F-beta is computed from the counts of the whole dataset, with beta squared = 0.3.

    Attributes:
        histogram: (2, 256) pixels of every saliency value, of background and of objects.
        errors: Mean absolute error in [0, 1] of each image that has a pixel to count.
    """

    histogram: Counts = field(default_factory=lambda: np.zeros((2, 256), dtype=np.int64))
    errors: list[float] = field(default_factory=list)

    def update(self, truth: Labels, saliency: Bytes) -> None:
        """Add one image.

        Args:
            truth: (H, W) true labels, integers.
            saliency: (H, W) uint8.

        Raises:
            ValueError: If the shapes differ, or saliency is not uint8.
        """
        if truth.shape != saliency.shape:
            raise ValueError(f"truth has shape {truth.shape}, saliency {saliency.shape}")
        if saliency.dtype != np.uint8:
            raise ValueError(f"saliency must be uint8, not {saliency.dtype}")
        counted = truth != IGNORE
        cells = 256 * (truth[counted] > 0).astype(np.int64) + saliency[counted]
        histogram = np.bincount(cells, minlength=512).reshape(2, 256)
        value = np.arange(256)
        error = histogram[0] @ value + histogram[1] @ (255 - value)
        self.histogram += histogram
        if cells.size:
            self.errors.append(float(error) / (255 * cells.size))

    @property
    def mae(self) -> float:
        """The mean over images of the mean absolute error; NaN before the first image."""
        # fsum rounds once, at the end: the order of the images does not matter.
        return math.fsum(self.errors) / len(self.errors) if self.errors else math.nan

    @property
    def f_beta(self) -> float:
        """F-beta of the pixels with a saliency above 0.5."""
        return float(self._f_beta_by_threshold()[128])

    @property
    def max_f_beta(self) -> float:
        """The highest F-beta of the pixels with a saliency of at least t/255, over t = 0..255."""
        return float(np.fmax.reduce(self._f_beta_by_threshold()))

    def _f_beta_by_threshold(self) -> Fractions:
        at_least = self.histogram[:, ::-1].cumsum(axis=1)[:, ::-1]
        hits, predicted = at_least[1], at_least.sum(axis=0)
        return _share((1 + BETA_SQUARED) * hits, BETA_SQUARED * hits[0] + predicted)


def average_precision(
    scores: npt.NDArray[np.floating[Any]],
    targets: npt.NDArray[np.bool_ | np.integer[Any]],
) -> float:
    """Return the area under the precision-recall curve, summed in steps of recall.

    The definition is that of scikit-learn's ``average_precision_score``: no interpolation, and
    equal scores form one threshold.

    Args:
        scores: (N,) floats, higher is more certain.
        targets: (N,) 0 or 1, or bool.

    Returns:
        A fraction; NaN without a positive target.

    Raises:
        ValueError: If the shapes differ, or a score is NaN.
    """
    if scores.shape != targets.shape:
        raise ValueError(f"scores have shape {scores.shape}, targets {targets.shape}")
    if np.isnan(scores).any():
        raise ValueError("scores hold NaN")
    if not targets.any():
        return math.nan
    descending = np.argsort(scores)[::-1]
    ranked = scores[descending]
    threshold_ends = np.append(ranked[1:] != ranked[:-1], True)
    hits = targets[descending].cumsum(dtype=np.int64)[threshold_ends]
    precision = hits / (np.flatnonzero(threshold_ends) + 1)
    return float(np.diff(hits, prepend=0) @ precision / hits[-1])


def mean_average_precision(
    scores: npt.NDArray[np.floating[Any]],
    targets: npt.NDArray[np.bool_ | np.integer[Any]],
) -> float:
    """Return the mean of ``average_precision`` over classes.

    Args:
        scores: (N, K) floats, higher is more certain.
        targets: (N, K) 0 or 1, or bool.

    Returns:
        A fraction. Classes without a positive target are left out; NaN if that leaves none.

    Raises:
        ValueError: If the shapes differ, or a score is NaN.
    """
    if scores.shape != targets.shape:
        raise ValueError(f"scores have shape {scores.shape}, targets {targets.shape}")
    by_class = [average_precision(*pair) for pair in zip(scores.T, targets.T, strict=True)]
    return mean_over_classes(np.array(by_class, dtype=np.float64))


def _share(part: npt.ArrayLike, whole: npt.ArrayLike) -> Fractions:
    """Divide; the result is NaN where ``whole`` is 0."""
    whole = np.asarray(whole, dtype=np.float64)
    return np.asarray(part, dtype=np.float64) / np.where(whole == 0, np.nan, whole)


def _as_bytes(name: str, labels: Labels) -> Bytes:
    if labels.dtype != np.uint8:
        for label in (labels.min(initial=0), labels.max(initial=0)):
            if not 0 <= label <= IGNORE:
                raise ValueError(f"{name} holds the label {label}, which is none of 0 to {IGNORE}")
    return labels.astype(np.uint8, copy=False)


def _refuse_unknown_labels(name: str, counts: Counts, classes: int) -> None:
    unknown = np.flatnonzero(counts[classes:IGNORE])
    if unknown.size:
        raise ValueError(
            f"{name} holds the label {classes + unknown[0]}; "
            f"allowed are 0 to {classes - 1} and {IGNORE}"
        )
