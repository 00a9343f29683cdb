"""The metrics file and the tables say what the scores are, with gaps where there is none."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auxseg.data.files import write_json
from auxseg.report.tables import (
    class_table,
    confusion_table,
    evaluation,
    print_summary,
    setbacks,
    training_table,
)
from auxseg.scoring.rounds import round_row

# Rows are true classes (background, cat, dog); the last column counts pixels without a label.
COUNTS = np.array([[8, 2, 0, 0], [1, 3, 0, 4], [0, 0, 0, 0]])

PSEUDO_LABELS = {"images": 7, "classes_gone": 0.25}


def rounds() -> pd.DataFrame:
    first = {
        "pseudo_labels": PSEUDO_LABELS | {"miou": 0.4, "labelled_miou": 0.6, "coverage": 0.7},
        "saliency": {"mae": 0.2, "f_beta": 0.5},
        "classifier": {"map": 0.8},
    }
    last = {
        "pseudo_labels": PSEUDO_LABELS | {"miou": 0.5, "labelled_miou": 0.7, "coverage": 0.9},
        "saliency": {"mae": 0.1, "f_beta": 0.6},
        "classifier": {"map": 0.9},
        "val": {"images": 3, "miou": 0.55, "pixel_accuracy": 0.88},
        "val_saliency": {"mae": 0.15, "f_beta": 0.65},
    }
    middle = last | {"val": {"images": 3, "miou": 0.99, "pixel_accuracy": 0.99}}
    return pd.concat([round_row(0, first), round_row(1, middle), round_row(2, last)])


def test_a_round_is_one_row_with_a_column_for_each_score() -> None:
    row = round_row(3, {"val": {"miou": 2 / 3}, "saliency": {"mae": 0.25}})
    assert row.to_dict("records") == [{"round": 3, "val.miou": 0.666667, "saliency.mae": 0.25}]


def test_the_evaluation_compares_the_first_round_with_the_last() -> None:
    values = evaluation(rounds(), COUNTS)
    assert values["pseudo_labels"]["first"] == {
        "images": 7,
        "miou": 0.4,
        "labelled_miou": 0.6,
        "coverage": 0.7,
        "classes_gone": 0.25,
    }
    assert values["pseudo_labels"]["last"]["miou"] == 0.5
    assert values["saliency"] == {
        "first": {"mae": 0.2, "f_beta": 0.5},
        "last": {"mae": 0.1, "f_beta": 0.6},
    }
    assert values["val"]["images"] == 3
    assert values["val"]["miou"] == 0.55
    assert values["val"]["pixel_accuracy"] == 0.88
    assert values["val"]["saliency"] == {"mae": 0.15, "f_beta": 0.65}


def test_the_segmentation_after_the_crf_is_scored_from_its_counts() -> None:
    crf = evaluation(rounds(), COUNTS)["val"]["crf"]
    # Background 8 of 11, cat 3 of 10; no dog is true or predicted.
    assert crf["miou"] == pytest.approx((8 / 11 + 3 / 10) / 2)
    assert crf["pixel_accuracy"] == pytest.approx(11 / 18)


def test_what_has_no_score_is_null_in_the_metrics_file(tmp_path: Path) -> None:
    """A dataset without masks for its training images, say, or a class that no image shows."""
    table = rounds()
    for column in table.columns:
        if column.startswith(("pseudo_labels.", "saliency.", "classifier.")):
            table[column] = math.nan
    write_json(tmp_path / "evaluation.json", evaluation(table, np.zeros((3, 4), np.int64)))
    text = (tmp_path / "evaluation.json").read_text()
    assert "NaN" not in text
    values = json.loads(text)
    assert values["val"]["crf"] == {"miou": None, "pixel_accuracy": None}
    assert values["classifier"] == {"first": {"map": None}, "last": {"map": None}}
    assert values["saliency"]["last"]["mae"] is None
    assert values["pseudo_labels"]["first"]["coverage"] is None


def test_the_table_of_classes_has_a_gap_for_an_absent_class(tmp_path: Path) -> None:
    table = class_table(["cat", "dog"], COUNTS)
    assert table["class"].tolist() == ["background", "cat", "dog"]
    np.testing.assert_allclose(table["iou"], [0.727273, 0.3, np.nan])
    table.to_csv(tmp_path / "table.csv", index=False)
    assert (tmp_path / "table.csv").read_text().split() == [
        "class,iou",
        "background,0.727273",
        "cat,0.3",
        "dog,",
    ]


def test_the_confusion_table_holds_shares_of_the_labelled_pixels_of_each_class() -> None:
    table = confusion_table(["cat", "dog"], COUNTS)
    shares = {(row.actual, row.predicted): row.share for row in table.itertuples()}
    assert len(shares) == 9
    assert shares["background", "background"] == 0.8
    assert shares["background", "cat"] == 0.2
    assert shares["cat", "background"] == 0.25
    assert shares["cat", "cat"] == 0.75
    assert [shares["dog", name] for name in ("background", "cat", "dog")] == [0, 0, 0]


def test_the_summary_has_a_line_for_each_round_and_the_final_scores(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = rounds()
    print_summary(table, evaluation(table, COUNTS))
    text = capsys.readouterr().out
    assert "val mIoU 0.550, with CRF 0.514; pixel accuracy 0.880, with CRF 0.611 (3 images)" in text
    lines = [line.strip(" │").split("│") for line in text.splitlines() if "│" in line]
    cells = [[cell.strip() for cell in line] for line in lines]
    assert [row[0] for row in cells] == ["0", "1", "2"]
    assert cells[0][1] == "0.400"
    assert cells[2][1] == "0.500"
    assert "nan" not in text.lower()


def test_rounds_that_made_the_pseudo_labels_worse_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = rounds()
    assert setbacks(table) == []
    table["pseudo_labels.miou"] = [0.5, 0.4, 0.396]
    table["pseudo_labels.classes_gone"] = [0.1, 0.2, 0.25]
    lines = [
        "round 1 made the pseudo labels worse: their mIoU fell from 0.500 to 0.400 and labelled "
        "classes without a pixel went from 10.0% to 20.0%",
        "round 2 made the pseudo labels worse: labelled classes without a pixel went from 20.0% to "
        "25.0%",
    ]
    assert setbacks(table) == lines
    print_summary(table, evaluation(table, COUNTS))
    assert f"warning: {lines[1]}\n" in capsys.readouterr().out


def test_without_masks_only_the_labels_that_are_contradicted_tell_of_a_worse_round() -> None:
    table = rounds()
    table["pseudo_labels.miou"] = math.nan
    table["pseudo_labels.classes_gone"] = [0.1, 0.2, 0.2]
    (line,) = setbacks(table)
    assert line.startswith("round 1") and "mIoU" not in line


def test_training_curves_have_a_row_per_epoch_that_counts_on_over_the_rounds() -> None:
    long = pd.DataFrame(
        [
            (0, 1, "loss/classification", 0.9),
            (0, 2, "loss/classification", 0.8),
            (1, 1, "loss/classification", 0.7),
            (1, 1, "loss/segmentation", 2.0),
        ],
        columns=["round", "epoch", "curve", "value"],
    )

    table = training_table(long)

    assert list(table["epoch"]) == [1, 2, 3]
    assert list(table["round"]) == [0, 0, 1]
    assert list(table["loss_classification"]) == [0.9, 0.8, 0.7]
    assert table["loss_segmentation"].isna().tolist() == [True, True, False]
