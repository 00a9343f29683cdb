"""Fusion labels a pixel where CAM and saliency agree, and leaves it open where they do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from auxseg.data.presence import absent
from auxseg.pseudo_labels import CORE, complete, fuse, joint

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


def completed(
    cam: list[list[float]], updated: list[float] | None, imported: list[float] | None
) -> list[int]:
    """A row of pixels, and the classes 0, 1, …."""
    maps = np.array(cam, np.float32)[:, None]
    saliency = [None if s is None else np.array([s], np.float32) for s in (updated, imported)]
    labels = complete(maps, range(len(cam)), *saliency, CAM, SALIENCY)
    assert labels.dtype == np.uint8
    return labels[0].tolist()


def test_a_cam_that_was_spread_thin_is_scaled_to_1_again() -> None:
    assert completed([[0.1, 0.05, 0.01]], [1, 1, 0], [1, 1, 0]) == [1, 1, 0]


def test_a_class_that_the_update_lost_is_labelled_where_the_imported_saliency_had_it() -> None:
    cam = [[1, 0.5, 0, 0], [0, 0, 0.5, 1]]
    assert completed(cam, [1, 1, 0, 0], [1, 1, 1, 0]) == [1, 1, 2, 0]


def test_a_class_that_saliency_never_sees_is_labelled_by_its_cam_alone() -> None:
    cam = [[1, 0.5, 0, 0], [0, 0, 0.5, 1]]
    assert completed(cam, [1, 1, 0, 0], [1, 1, 0, 0]) == [1, 1, 2, 2]


def test_around_an_object_is_background_and_a_salient_thing_without_a_class_stays_open() -> None:
    cam = [[1, 0.5, 0, 0], [0, 0, 0, 1]]
    assert completed(cam, [1, 0, 1, 1], [1, 1, 1, 1]) == [1, 0, 255, 2]


def test_without_saliency_or_a_present_class_completing_changes_nothing() -> None:
    assert completed([[1, 0.5, 0, 0], [0, 0, 0.5, 1]], None, None) == [1, 1, 2, 2]
    nothing = complete(np.zeros((0, 1, 2), np.float32), [], None, None, CAM, SALIENCY)
    assert nothing.tolist() == [[0, 0]]


@given(
    cam=arrays(np.float32, (3, 40, 5), elements=fractions),
    saliency=arrays(np.float32, (2, 40, 5), elements=fractions),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_only_what_would_be_ignored_is_completed(cam: np.ndarray, saliency: np.ndarray) -> None:
    classes = [0, 1, 2]
    labels = complete(cam, classes, *saliency, CAM, SALIENCY)
    again = (cam / (cam.max((1, 2), keepdims=True) + 1e-5)).astype(np.float32)
    published = fuse(again, classes, saliency[0], CAM, SALIENCY)
    changed = labels != published
    assert (published[changed] == 255).all()
    assert len(absent(labels, classes)) <= len(absent(published, classes))


@given(
    cam=arrays(np.float32, (2, 40, 5), elements=fractions),
    saliency=arrays(np.float32, (40, 5), elements=fractions),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_completed_labels_are_open_only_where_something_salient_has_no_class(
    cam: np.ndarray, saliency: np.ndarray
) -> None:
    labels = complete(cam, [0, 1], saliency, saliency, CAM, SALIENCY)
    again = cam / (cam.max((1, 2), keepdims=True) + 1e-5)
    nameless = (saliency > SALIENCY) & ~(again > CAM).any(0)
    np.testing.assert_array_equal(labels == 255, nameless)


def joined(
    cam: list[list[float]],
    segmentation: list[list[float]],
    updated: list[float] | None,
    imported: list[float] | None,
) -> list[int]:
    """A row of pixels, and the classes 0, 1, …."""
    cues = [np.array(maps, np.float32)[:, None] for maps in (cam, segmentation)]
    saliency = [None if s is None else np.array([s], np.float32) for s in (updated, imported)]
    labels = joint(cues[0], cues[1], range(len(cam)), *saliency, CAM, SALIENCY)
    assert labels.dtype == np.uint8
    return labels[0].tolist()


def test_cam_and_segmentation_have_an_equal_say_however_weak_they_are() -> None:
    cam = [[0.4, 0.1, 0.2, 0], [0.1, 0.4, 0.1, 0.4]]
    segmentation = [[0.01, 0.03, 0.03, 0.03], [0.9, 0.9, 0.1, 0.9]]
    assert joined(cam, segmentation, [1] * 4, [1] * 4) == [1, 2, 1, 2]
    assert joined(cam, [[1] * 4] * 2, [1] * 4, [1] * 4) == [1, 2, 1, 2]
    assert joined([[1] * 4] * 2, segmentation, [1] * 4, [1] * 4)[1:] == [1, 1, 1]


# The core of class 1 is six pixels. Saliency knows nothing of it if it sees fewer than three.
BESIDE = [[1, 1, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0.3, 1, 1, 1, 1, 1, 1]]
A_THIRD = [1.0, 1, 0, 0, 1, 1, 0, 0, 0, 0]
HALF = [1.0, 1, 0, 0, 1, 1, 1, 0, 0, 0]
TWO_THIRDS = [1.0, 1, 0, 1, 1, 1, 1, 1, 0, 0]


def test_what_the_imported_saliency_shows_of_a_core_stays() -> None:
    assert joined(BESIDE, BESIDE, HALF, TWO_THIRDS) == [1, 1, 0, 0, 2, 2, 2, 2, 0, 0]
    one = joined(BESIDE[1:], BESIDE[1:], A_THIRD, TWO_THIRDS)
    assert one == [255, 255, 0, 0, 1, 1, 1, 1, 0, 0]


def test_where_the_cue_is_not_sure_the_updated_saliency_decides() -> None:
    assert joined(BESIDE, BESIDE, [1.0] * 10, HALF) == [1, 1, 255, 2, 2, 2, 2, 2, 2, 2]
    assert joined(BESIDE, BESIDE, TWO_THIRDS, HALF) == [1, 1, 0, 2, 2, 2, 2, 2, 0, 0]


def test_a_class_beside_the_main_object_that_saliency_hardly_sees_keeps_its_core() -> None:
    assert joined(BESIDE, BESIDE, A_THIRD, A_THIRD) == [1, 1, 0, 0, 2, 2, 2, 2, 2, 2]
    assert joined(BESIDE, BESIDE, HALF, A_THIRD) == [1, 1, 0, 0, 2, 2, 2, 0, 0, 0]


def test_of_a_single_class_saliency_decides_what_is_background() -> None:
    one = joined(BESIDE[1:], BESIDE[1:], A_THIRD, A_THIRD)
    assert one == [255, 255, 0, 0, 1, 1, 0, 0, 0, 0]


@given(
    cues=arrays(np.float32, (2, 3, 40, 5), elements=fractions),
    saliency=arrays(np.float32, (2, 40, 5), elements=fractions),
    shown=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_what_is_not_background_is_labelled_as_by_the_joint_cue(
    cues: np.ndarray, saliency: np.ndarray, shown: int
) -> None:
    cam, segmentation = cues[:, :shown]
    classes = list(range(shown))
    labels = joint(cam, segmentation, classes, *saliency, CAM, SALIENCY)

    def scaled(maps: np.ndarray) -> np.ndarray:
        return maps / (maps.max((1, 2), keepdims=True) + 1e-5)

    # Rounded as there: of nearly equal maps the other might win.
    cue = scaled(np.sqrt(scaled(cam) * scaled(segmentation)))
    assert cue.dtype == np.float32
    completed = complete(cue, classes, *saliency, CAM, SALIENCY)
    changed = labels != completed
    assert (completed[changed] == 0).all()
    assert (cue.max(0, initial=0)[changed] > CORE).all()
    assert shown > 1 or (saliency[1][changed] > SALIENCY).all()
    alone = joint(cam, segmentation, classes, None, None, CAM, SALIENCY)
    np.testing.assert_array_equal(alone, complete(cue, classes, None, None, CAM, SALIENCY))
