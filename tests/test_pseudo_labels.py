"""Fusion labels a pixel where CAM and saliency agree, and leaves it open where they do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from auxseg.pseudo_labels import fuse, restore

CAM, SALIENCY = 0.2, 0.06


def one_pixel(cam: list[float], classes: list[int], saliency: float) -> int:
    fused = fuse(np.reshape(cam, (-1, 1, 1)), classes, np.array([[saliency]]), CAM, SALIENCY)
    assert fused.dtype == np.uint8
    return int(fused[0, 0])


@pytest.mark.parametrize(
    ("cam", "saliency", "label"),
    [
        (0.1, 0.0, 0),
        (0.1, 0.5, 255),
        (0.5, 0.0, 255),
        (0.5, 0.5, 4),
        # A threshold itself is not above it.
        (0.2, 0.5, 255),
        (0.5, 0.06, 255),
        (0.2, 0.06, 0),
    ],
)
def test_the_truth_table(cam: float, saliency: float, label: int) -> None:
    assert one_pixel([cam], [3], saliency) == label


def test_the_strongest_of_the_present_classes_wins() -> None:
    assert one_pixel([0.3, 0.9, 0.5], [0, 4, 7], 1) == 5
    assert one_pixel([0.95, 0.9, 0.5], [0, 4, 7], 1) == 1
    assert one_pixel([0.3, 0.9, 0.95], [0, 4, 7], 1) == 8


def test_without_a_present_class_nothing_is_an_object() -> None:
    saliency = np.array([[0.0, 0.05, 0.07, 1.0]])
    fused = fuse(np.zeros((0, 1, 4), np.float32), [], saliency, CAM, SALIENCY)
    assert fused.tolist() == [[0, 0, 255, 255]]


@pytest.mark.parametrize(("cam", "label"), [(0.1, 0), (0.2, 0), (0.21, 4), (1.0, 4)])
def test_without_saliency_the_cam_decides_alone(cam: float, label: int) -> None:
    assert fuse(np.array([[[cam]]]), [3], None, CAM, SALIENCY).tolist() == [[label]]


def test_without_saliency_and_a_present_class_all_is_background() -> None:
    assert fuse(np.zeros((0, 1, 4), np.float32), [], None, CAM, SALIENCY).tolist() == [[0] * 4]


def test_the_254th_class_is_a_label_and_not_the_ignored_one() -> None:
    assert one_pixel([1.0], [253], 1.0) == 254


fractions = st.floats(0, 1, width=32)


@given(
    cam=arrays(np.float32, (3, 4, 5), elements=fractions),
    saliency=arrays(np.float32, (4, 5), elements=fractions),
    classes=st.lists(st.integers(0, 253), min_size=3, max_size=3, unique=True),
    cam_threshold=st.floats(0, 1),
    saliency_threshold=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_labels_are_of_present_classes_and_open_exactly_where_one_cue_fires(
    cam: np.ndarray,
    saliency: np.ndarray,
    classes: list[int],
    cam_threshold: float,
    saliency_threshold: float,
) -> None:
    fused = fuse(cam, classes, saliency, cam_threshold, saliency_threshold)
    assert set(np.unique(fused)) <= {0, 255, *(k + 1 for k in classes)}
    by_cam, by_saliency = (cam > cam_threshold).any(0), saliency > saliency_threshold
    np.testing.assert_array_equal(fused == 255, by_cam != by_saliency)
    np.testing.assert_array_equal((fused > 0) & (fused < 255), by_cam & by_saliency)
    alone = fuse(cam, classes, None, cam_threshold, saliency_threshold)
    np.testing.assert_array_equal(alone > 0, by_cam)
    np.testing.assert_array_equal(alone, np.where(fused == 255, alone, fused))
    for i, j in np.argwhere(by_cam & by_saliency):
        assert cam[classes.index(fused[i, j] - 1), i, j] == cam[:, i, j].max()


def test_a_class_that_vanished_from_its_image_is_restored_where_round_0_had_it() -> None:
    first = np.array([[1, 1, 2, 2, 0, 255]], np.uint8)
    labels = np.array([[1, 1, 1, 255, 0, 0]], np.uint8)
    assert restore(labels, first, [0, 1]).tolist() == [[1, 1, 2, 2, 0, 0]]
    # Of no class that the image does not show, and of none that is still there.
    assert restore(labels, first, [0]).tolist() == labels.tolist()
    assert restore(first, labels, [0, 1]).tolist() == first.tolist()
    assert restore(labels, first, []).dtype == np.uint8


def test_a_class_has_vanished_with_less_than_two_thousandths_of_the_pixels() -> None:
    first = np.full((20, 50), 2, np.uint8)
    for pixels, restored in [(0, True), (1, True), (2, False), (30, False)]:
        labels = np.zeros_like(first)
        labels.ravel()[:pixels] = 2
        assert (restore(labels, first, [1]) == 2).all() == restored
