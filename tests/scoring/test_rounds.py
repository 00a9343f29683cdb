"""Scores say on how many images they are, and that is as many as have a mask."""

import json
import math
import warnings
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from auxseg.data.files import write_json
from auxseg.data.index import Index
from auxseg.data.maps import write_labels
from auxseg.data.predictions import compact
from auxseg.data.shards import Shards
from auxseg.report.tables import evaluation, print_summary
from auxseg.scoring.rounds import (
    confusion,
    predicted_confusion,
    round_row,
    score_pseudo_labels,
    score_round,
    score_saliency,
    score_segmentation,
)
from helpers import make_index, noise, write_arrays, write_grey

LABELS = np.repeat(np.arange(3, dtype=np.uint8)[:, None], 9, 1)  # (3, 9), a row for each class


class Round:
    """Two training images and one for validation, 9×3, and a round's artifacts of them."""

    def __init__(self, folder: Path) -> None:
        photos = [noise(3, 9, seed) for seed in range(3)]
        index = make_index(folder, photos, [(0, 1), (0,), (0, 1)])
        *train, last = index.entries
        self.index = replace(index, entries=(*train, replace(last, split="val")))
        self.folder = folder
        self.labels, self.saliency, self.prediction = (
            folder / name for name in ("labels", "saliency", "prediction")
        )
        for made in (self.labels, self.saliency, self.prediction, folder / "SegmentationClass"):
            made.mkdir()
        for entry in self.index.entries:
            write_labels(self.labels / f"{entry.id}.png", LABELS)
            write_grey(self.saliency / f"{entry.id}.png", ((LABELS > 0) * 255).astype(np.uint8))
        logits = (np.arange(3)[:, None, None] == LABELS[:, ::8]).astype(np.float16)
        arrays = {
            **compact(9 * logits),
            "saliency": (LABELS[:, ::8] > 0).astype(np.float16),
            "classification": np.ones(2, np.float32),
        }
        write_arrays(self.prediction, [("2", arrays)])

    def add_mask(self, id_: str, mask: npt.NDArray[np.uint8]) -> None:
        write_labels(self.folder / "SegmentationClass" / f"{id_}.png", mask)

    def all_scores(
        self, corrected: Collection[str] = ()
    ) -> tuple[dict[str, dict[str, float]], pd.DataFrame]:
        folders = self.labels, self.saliency, self.prediction
        return score_round(self.index, self.index, *folders, corrected)

    def scores(self) -> dict[str, dict[str, float]]:
        return self.all_scores()[0]


@pytest.fixture
def round_(tmp_path: Path) -> Round:
    return Round(tmp_path)


def test_images_with_a_mask_are_counted(round_: Round) -> None:
    round_.add_mask("1", LABELS)
    round_.add_mask("2", LABELS)
    scores = round_.scores()
    assert scores["pseudo_labels"]["images"] == 1
    assert scores["pseudo_labels"]["miou"] == 1
    assert scores["val"]["images"] == 1
    assert scores["val"]["miou"] == 1
    assert scores["saliency"]["mae"] == 0
    assert scores["val_saliency"]["mae"] == 0


def test_without_any_mask_scores_are_null_and_nothing_is_warned_about(
    round_: Round, capsys: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = pd.concat([round_row(0, round_.scores())])
        counts, images = confusion(round_.index, "val", round_.labels)
        values = evaluation(table, counts)
        write_json(round_.folder / "evaluation.json", values)
        print_summary(table, values)
    assert images == 0
    stored = json.loads((round_.folder / "evaluation.json").read_text())
    assert stored["val"]["images"] == 0
    assert stored["val"]["miou"] is None
    assert stored["val"]["saliency"] == {"mae": None, "f_beta": None, "max_f_beta": None}
    assert stored["pseudo_labels"]["last"]["images"] == 0
    assert stored["pseudo_labels"]["last"]["miou"] is None
    assert stored["classifier"]["last"]["map"] == 1  # it needs no mask
    output = capsys.readouterr().out
    assert "no image has a mask" in output
    assert "nan" not in output.lower()


def test_masks_without_any_object_give_no_score_of_one(round_: Round) -> None:
    """As with masks of 0 and 255 for one class, and pseudo labels that are all background."""
    masks = np.where(LABELS > 0, 255, 0).astype(np.uint8)
    round_.add_mask("1", masks)
    write_labels(round_.labels / "1.png", np.zeros_like(LABELS))
    scores = score_pseudo_labels(round_.index, round_.labels)
    assert scores["images"] == 1
    assert scores["coverage"] == 1
    for name in ("miou", "labelled_miou", "precision", "recall"):
        assert math.isnan(scores[name])
    counts, _ = confusion(round_.index, "train", round_.labels)
    assert all(math.isnan(score) for score in score_segmentation(counts).values())


def test_a_class_without_pixels_in_its_image_has_gone_and_needs_no_mask_to_be_seen(
    round_: Round,
) -> None:
    """The images show the classes (0, 1) and (0,)."""
    assert score_pseudo_labels(round_.index, round_.labels)["classes_gone"] == 0
    for others, expected in [(0, 1 / 3), (255, 1 / 3)]:
        write_labels(round_.labels / "0.png", np.where(LABELS == 2, others, LABELS).astype("u1"))
        assert score_pseudo_labels(round_.index, round_.labels)["classes_gone"] == expected
    write_labels(round_.labels / "1.png", np.where(LABELS == 1, 2, LABELS).astype(np.uint8))
    assert score_pseudo_labels(round_.index, round_.labels)["classes_gone"] == 2 / 3


def test_a_class_on_less_than_two_thousandths_of_its_image_has_gone(round_: Round) -> None:
    for pixels, expected in [(1, 2 / 3), (2, 1 / 3), (0, 2 / 3)]:
        labels = np.ones((20, 50), np.uint8)
        labels.ravel()[:pixels] = 2
        write_labels(round_.labels / "0.png", labels)
        write_labels(round_.labels / "1.png", np.full_like(labels, 2))
        assert score_pseudo_labels(round_.index, round_.labels)["classes_gone"] == expected


@pytest.mark.parametrize("factor", [2, 5])
def test_masks_larger_than_the_photograph_as_read_are_compared_at_their_own_size(
    factor: int, round_: Round
) -> None:
    mask = np.kron(LABELS, np.ones((factor, factor), np.uint8))
    mask[0, 0] = 1  # a detail that the smaller map cannot have
    round_.add_mask("1", mask)
    round_.add_mask("2", mask)
    pixels = LABELS.size * factor**2
    for counts, images in (
        confusion(round_.index, "train", round_.labels),
        confusion(round_.index, "val", round_.labels),
        predicted_confusion(round_.index, Shards(round_.prediction)),
    ):
        assert images == 1
        assert counts.sum() == pixels
        assert np.trace(counts) == pixels - 1
        assert counts[1, 0] == 1
    assert not math.isnan(score_saliency(round_.index, round_.saliency)["mae"])


def test_an_index_of_reduced_photographs_is_scored(round_: Round) -> None:
    index: Index = replace(round_.index, max_side=64)
    round_.add_mask("2", np.zeros((6, 18), np.uint8))
    assert confusion(index, "val", round_.labels)[1] == 1


def test_corrected_images_are_counted_and_left_out_of_the_scores(round_: Round) -> None:
    for id_ in ("0", "1", "2"):
        round_.add_mask(id_, LABELS)
    write_labels(round_.labels / "1.png", np.zeros_like(LABELS))
    before, after = round_.scores(), round_.all_scores(corrected={"0"})[0]
    assert before["pseudo_labels"]["corrected"] == 0
    assert before["pseudo_labels"]["images"] == 2
    assert after["pseudo_labels"]["corrected"] == 1
    assert after["pseudo_labels"]["images"] == 1
    assert after["pseudo_labels"]["miou"] < before["pseudo_labels"]["miou"]
    assert after["val"] == before["val"]


def test_every_class_has_its_iou(round_: Round) -> None:
    round_.add_mask("0", LABELS)
    round_.add_mask("2", np.where(LABELS == 2, 0, LABELS).astype(np.uint8))
    classes = round_.all_scores()[1]
    assert classes["class"].tolist() == ["background", *round_.index.classes]
    assert classes["pseudo_labels"].tolist() == [1, 1, 1]
    assert classes["val"][1] == 1
    assert classes["val"][2] == 0
