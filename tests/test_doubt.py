"""Doubt needs no masks: labels are compared with the first cues and with the round before."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from auxseg.data.index import Entry, Index
from auxseg.data.shards import Shards, encode_arrays, write_shards
from auxseg.doubt import cue_support, judge, round_support, small_labels, tables


def image(id_: str, labels: tuple[int, ...], width: int = 4, height: int = 1) -> Entry:
    return Entry(id_, "train", f"{id_}.jpg", "", width, height, labels)


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def test_a_region_is_supported_by_the_geometric_mean_of_cam_and_saliency() -> None:
    labels = np.uint8([[1, 1, 0, 2]])
    cam = np.stack([row(1, 0.25, 0.25, 0), row(0, 0, 0, 0.81)])
    saliency = row(1, 1, 0.25, 1)
    # Class 0: √ of (1, 0.25, 0.0625) is (1, 0.5, 0.25): common 1.5, together 1 + 1 + 0.25.
    np.testing.assert_allclose(cue_support(labels, (0, 1), cam, saliency), [1.5 / 2.25, 0.9])
    # Without saliency the CAM alone: common 1.25, together 1 + 1 + 0.25.
    np.testing.assert_allclose(cue_support(labels, (0, 1), cam, None), [1.25 / 2.25, 0.81])


def test_a_class_without_a_pixel_has_no_support() -> None:
    assert cue_support(np.uint8([[0, 0]]), (3,), row(1, 1)[None], None).tolist() == [0]
    assert round_support(np.uint8([[0, 0]]), (3,), np.uint8([[4, 0]])).tolist() == [0]
    assert round_support(np.uint8([[0, 0]]), (3,), np.uint8([[0, 0]])).tolist() == [0]


def test_rounds_agree_by_the_iou_of_each_class() -> None:
    before, now = np.uint8([[1, 1, 2, 255]]), np.uint8([[1, 2, 2, 2]])
    np.testing.assert_allclose(round_support(now, (0, 1), before), [1 / 2, 1 / 3])
    assert round_support(now, (0, 1), None).tolist() == [1, 1]


fractions = st.floats(0, 1, width=32)


@given(
    labels=arrays(np.uint8, (6, 5), elements=st.sampled_from([0, 1, 2, 255])),
    cam=arrays(np.float32, (2, 6, 5), elements=fractions),
    saliency=arrays(np.float32, (6, 5), elements=fractions),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_support_is_a_fraction_and_1_where_cues_are_the_region(
    labels: np.ndarray, cam: np.ndarray, saliency: np.ndarray
) -> None:
    support = cue_support(labels, (0, 1), cam, saliency)
    assert ((support >= 0) & (support <= 1)).all()
    exact = np.stack([labels == 1, labels == 2]).astype(np.float32)
    present = exact.any((1, 2))
    np.testing.assert_array_equal(cue_support(labels, (0, 1), exact, exact.max(0)), present)
    np.testing.assert_array_equal(round_support(labels, (0, 1), labels), present)


def test_large_images_are_judged_by_small_pictures_that_are_kept() -> None:
    labels = np.zeros((300, 600), np.uint8)
    labels[:, 300:] = 1
    cam = np.float32([[[0, 0, 1, 1]] * 2])
    found = judge(image("a", (0,), 600, 300), labels, cam, None, None)
    assert small_labels(found).shape == (120, 240)
    assert found["area"] == [0.5]
    assert found["coverage"] == [1]
    again = judge(image("a", (0,), 600, 300), 1 - labels, cam, None, found)
    assert again["change"] == [1]
    assert again["rounds"] == [0]


def test_a_class_of_too_few_pixels_is_one_without_support() -> None:
    labels = np.zeros((100, 100), np.uint8)
    labels[0, :19] = 1  # of 20 that are needed
    cam = np.ones((1, 2, 2), np.float32)
    assert judge(image("a", (0,), 100, 100), labels, cam, None, None)["cues"] == [0]
    labels[0, :20] = 1
    assert judge(image("a", (0,), 100, 100), labels, cam, None, None)["cues"] > 0


@pytest.fixture
def judged(tmp_path: Path) -> tuple[Index, Shards]:
    """Images "007" of two classes, "NA" of one, and "none" without a class."""
    entries = image("007", (0, 1)), image("NA", (1,)), image("none", ())
    index = Index("voc", tmp_path, ("cat", "dog"), entries, 500)
    numbers = {"007": [0.5, 1.0], "NA": [0.25], "none": []}
    records = {
        id_: {
            "cues": np.array(cues),
            "rounds": np.full(len(cues), 0.5),
            "area": np.full(len(cues), 0.1),
            "coverage": np.array([0.9]),
            "change": np.array([0.2]),
        }
        for id_, cues in numbers.items()
    }
    write_shards(tmp_path, ((id_, encode_arrays(record)) for id_, record in records.items()))
    return index, Shards(tmp_path)


def test_doubt_is_what_the_product_of_the_supports_leaves(judged: tuple[Index, Shards]) -> None:
    images, classes = tables(*judged, corrected=())
    assert classes[["id", "class", "doubt"]].values.tolist() == [
        ["007", "cat", 0.75],
        ["007", "dog", 0.5],
        ["NA", "dog", 0.875],
    ]
    assert images["id"].tolist() == ["007", "NA", "none"]
    np.testing.assert_allclose(images["doubt"], [0.625, 0.875, np.nan])
    assert images["coverage"].tolist() == [0.9] * 3


def test_a_corrected_image_is_not_doubted(judged: tuple[Index, Shards]) -> None:
    images, classes = tables(*judged, corrected={"007"})
    assert classes["doubt"].tolist() == [0, 0, 0.875]
    assert images["corrected"].tolist() == [1, 0, 0]
    np.testing.assert_allclose(images["doubt"], [0, 0.875, np.nan])
