"""Scores of a round's artifacts against the ground truth."""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from auxseg.data.arrays import Bytes, Counts
from auxseg.data.index import Index
from auxseg.data.maps import has_saliency, read_labels, read_saliency
from auxseg.data.pixels import resize_grey, resize_labels, to_pixels
from auxseg.data.predictions import predicted_labels
from auxseg.data.presence import absent
from auxseg.data.shards import Shards
from auxseg.scoring import metrics
from auxseg.scoring.masks import masks

Counted = tuple[Counts, int]  # confusion matrix (C, C + 1), number of images
Scores = dict[str, float]


def confusion(index: Index, split: str, labels: Path) -> Counted:
    """Compare the label maps ``<id>.png`` in the folder ``labels`` with the masks of a split.

    Returns:
        The confusion matrix (C, C + 1), and the number of images that have a mask.
    """
    pairs = ((mask, read_labels(labels / f"{e.id}.png")) for e, mask in masks(index, split))
    return _count(pairs, len(index.classes) + 1)


def predicted_confusion(index: Index, prediction: Shards) -> Counted:
    """Compare the stored segmentation logits of the validation images with their masks.

    Returns:
        The confusion matrix (C, C + 1), and the number of images that have a mask.
    """
    # At the photo's size as read: logits of a large mask's size fill the memory.
    pairs = (
        (mask, predicted_labels(prediction[entry.id], (entry.height, entry.width)))
        for entry, mask in masks(index, "val")
    )
    return _count(pairs, len(index.classes) + 1)


def without(index: Index, ids: Collection[str]) -> Index:
    """Return an index without the images ``ids``."""
    return replace(index, entries=tuple(e for e in index.entries if e.id not in ids))


def score_pseudo_labels(index: Index, folder: Path, counted: Counted | None = None) -> Scores:
    """Score pseudo labels; ignored pixels count as wrong, except in ``labelled_miou``.

    Args:
        index: The images.
        folder: Their label maps.
        counted: Their ``confusion`` with the masks, if it is known.
    """
    counts, images = counted or confusion(index, "train", folder)
    return {
        "images": images,
        "miou": metrics.mean_score(metrics.iou_by_class, counts),
        "labelled_miou": metrics.mean_score(metrics.iou_by_class, metrics.labelled_only(counts)),
        "coverage": metrics.coverage(counts),
        "precision": metrics.mean_score(metrics.precision_by_class, counts),
        "recall": metrics.mean_score(metrics.recall_by_class, counts),
        "classes_gone": classes_gone(index, folder),
    }


def classes_gone(index: Index, folder: Path) -> float:
    """Return the share of image-level labels that the pseudo labels contradict, without any mask.

    A label is contradicted where its class is ``absent``; NaN without labels.
    """
    entries = index.split("train")
    gone = sum(len(absent(read_labels(folder / f"{e.id}.png"), e.labels)) for e in entries)
    labels = sum(len(entry.labels) for entry in entries)
    return gone / labels if labels else math.nan


def score_segmentation(counts: Counts) -> Scores:
    """Return mean IoU and pixel accuracy of a confusion matrix (C, C + 1); NaN without objects."""
    accuracy = metrics.pixel_accuracy(counts) if metrics.has_objects(counts) else math.nan
    return {"miou": metrics.mean_score(metrics.iou_by_class, counts), "pixel_accuracy": accuracy}


def score_saliency(index: Index, folder: Path) -> Scores:
    """Return MAE and F-beta of the training images' saliency maps; NaN without saliency."""
    return _saliency(
        (mask, saliency)
        for entry, mask in masks(index, "train")
        if (saliency := read_saliency(folder, entry.id)) is not None
    )


def score_predicted_saliency(index: Index, prediction: Shards) -> Scores:
    """Return MAE and F-beta of the stored saliency of the validation images."""

    def maps() -> Iterator[tuple[Bytes, Bytes]]:
        for entry, mask in masks(index, "val"):
            saliency = to_pixels(prediction[entry.id]["saliency"][None], mask.shape)[0]
            yield mask, (saliency * 255).round().astype(np.uint8)

    return _saliency(maps())


def score_classification(index: Index, prediction: Shards) -> Scores:
    """Return the mean average precision of the validation images' image-level classes."""
    entries = index.split("val")
    logits = np.stack([prediction[entry.id]["classification"] for entry in entries])
    targets = np.stack([index.label_vector(entry) for entry in entries]) > 0
    return {"map": metrics.mean_average_precision(logits, targets)}


def score_round(
    train: Index,
    val: Index,
    pseudo_labels: Path,
    saliency: Path,
    prediction: Path,
    corrected: Collection[str] = (),
) -> tuple[dict[str, Scores], pd.DataFrame]:
    """Return all scores of one round, in groups, and the IoU of every class.

    Round 0 has no segmentation to score.

    Args:
        train: Index of the images with pseudo labels and saliency maps.
        val: Index of the predicted images.
        pseudo_labels: Folder of label maps.
        saliency: Folder of saliency maps; empty in a run without saliency.
        prediction: Folder of shards.
        corrected: Training images whose labels people corrected. They are counted, and left out of
            the scores of pseudo labels and saliency, which they would flatter.

    Returns:
        The scores, and a table with the columns ``class``, ``pseudo_labels`` and ``val``; an IoU is
        empty for a class that is nowhere.
    """
    shards, made = Shards(prediction), without(train, corrected)
    counted = confusion(made, "train", pseudo_labels)
    labels = score_pseudo_labels(made, pseudo_labels, counted)
    classes = pd.DataFrame({"class": ["background", *train.classes], "val": math.nan})
    classes.insert(1, "pseudo_labels", metrics.iou_by_class(counted[0]))
    scores = {
        "pseudo_labels": labels | {"corrected": len(corrected)},
        "saliency": score_saliency(made, saliency),
        "classifier": score_classification(val, shards),
    }
    if "segmentation" in shards[val.split("val")[0].id]:
        counts, images = predicted_confusion(val, shards)
        scores["val"] = {"images": images, **score_segmentation(counts)}
        classes["val"] = metrics.iou_by_class(counts)
        # Without saliency maps the network did not learn saliency: its output means nothing.
        scores["val_saliency"] = (
            score_predicted_saliency(val, shards) if has_saliency(saliency) else _saliency(())
        )
    return scores, classes.round(6)


def round_row(number: int, scores: dict[str, Scores]) -> pd.DataFrame:
    """Return one row of the table of rounds: ``round``, and a column ``<group>.<score>`` each."""
    row: dict[str, float] = {"round": number}
    for group, values in scores.items():
        row |= {f"{group}.{name}": round(value, 6) for name, value in values.items()}
    return pd.DataFrame([row])


def _count(pairs: Iterable[tuple[Bytes, Bytes]], classes: int) -> Counted:
    total, images = np.zeros((classes, classes + 1), np.int64), 0
    for truth, labels in pairs:
        images += 1
        if labels.shape != truth.shape:
            labels = resize_labels(labels, truth.shape)
        total += metrics.confusion_matrix(truth, labels, classes)
    return total, images


def _saliency(pairs: Iterable[tuple[Bytes, Bytes]]) -> Scores:
    score = metrics.SaliencyScore()
    for truth, saliency in pairs:
        if saliency.shape != truth.shape:
            saliency = resize_grey(saliency, truth.shape)
        score.update(truth, saliency)
    return {"mae": score.mae, "f_beta": score.f_beta, "max_f_beta": score.max_f_beta}
