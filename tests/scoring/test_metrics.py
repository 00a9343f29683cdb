"""Scores agree with scikit-learn and with numbers counted by hand."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from sklearn import metrics as sk  # type: ignore[import-untyped]

from auxseg.scoring.metrics import (
    IGNORE,
    SaliencyScore,
    average_precision,
    confusion_matrix,
    coverage,
    has_objects,
    iou_by_class,
    labelled_only,
    mean_average_precision,
    mean_over_classes,
    mean_score,
    pixel_accuracy,
    precision_by_class,
    recall_by_class,
)

ON_RANDOM_DATA = pytest.mark.parametrize("seed", range(8))


def labels(rng: np.random.Generator, classes: int, ignored: float) -> npt.NDArray[np.uint8]:
    drawn = rng.integers(0, classes, (9, 11), dtype=np.uint8)
    drawn[rng.random(drawn.shape) < ignored] = IGNORE
    return drawn


def uint8(*rows: list[int]) -> npt.NDArray[np.uint8]:
    return np.array(rows, dtype=np.uint8)


@ON_RANDOM_DATA
@pytest.mark.parametrize("classes", [2, 21, 81])
def test_label_scores_are_those_of_scikit_learn(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    truth, prediction = labels(rng, classes, 0.2), labels(rng, classes, 0)
    confusion = confusion_matrix(truth, prediction, classes)
    t, p = truth[truth != IGNORE], prediction[truth != IGNORE]
    present = np.union1d(t, p)

    assert np.array_equal(confusion[:, :-1], sk.confusion_matrix(t, p, labels=range(classes)))
    assert not confusion[:, -1].any()
    assert pixel_accuracy(confusion) == pytest.approx(sk.accuracy_score(t, p))
    assert iou_by_class(confusion)[present] == pytest.approx(
        sk.jaccard_score(t, p, labels=present, average=None)
    )
    assert mean_over_classes(iou_by_class(confusion)) == pytest.approx(
        sk.jaccard_score(t, p, average="macro")
    )
    for ours, theirs in (
        (precision_by_class, sk.precision_score),
        (recall_by_class, sk.recall_score),
    ):
        expected = theirs(t, p, labels=range(classes), average=None, zero_division=np.nan)
        assert ours(confusion) == pytest.approx(expected, nan_ok=True)


@ON_RANDOM_DATA
def test_ignored_predictions_are_wrong_or_left_out_as_asked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, prediction = labels(rng, 5, 0.2), labels(rng, 5, 0.4)
    confusion = confusion_matrix(truth, prediction, 5)
    true, labelled = truth != IGNORE, (truth != IGNORE) & (prediction != IGNORE)

    # A sixth class that is never true stands for "no label".
    t, p = truth[true], np.where(prediction == IGNORE, 5, prediction)[true]
    assert iou_by_class(confusion) == pytest.approx(
        sk.jaccard_score(t, p, labels=range(5), average=None)
    )
    assert iou_by_class(labelled_only(confusion)) == pytest.approx(
        sk.jaccard_score(truth[labelled], prediction[labelled], labels=range(5), average=None)
    )
    assert coverage(confusion) == pytest.approx(labelled.sum() / true.sum())


def test_a_small_case_counted_by_hand() -> None:
    truth = uint8([0, 0, 1, 1, 1, 255])
    prediction = uint8([0, 1, 1, 1, 255, 1])
    confusion = confusion_matrix(truth, prediction, 2)
    assert confusion.tolist() == [[1, 1, 0], [0, 2, 1]]
    assert iou_by_class(confusion).tolist() == [1 / 2, 2 / 4]
    assert iou_by_class(labelled_only(confusion)).tolist() == [1 / 2, 2 / 3]
    assert coverage(confusion) == 4 / 5
    assert pixel_accuracy(confusion) == 3 / 5
    assert pixel_accuracy(labelled_only(confusion)) == 3 / 4
    assert precision_by_class(confusion).tolist() == [1, 2 / 3]
    assert recall_by_class(confusion).tolist() == [1 / 2, 2 / 3]


def test_only_a_class_neither_true_nor_predicted_is_left_out_of_the_mean() -> None:
    # Class 1 is predicted but never true, class 2 true but never predicted, class 3 neither.
    iou = iou_by_class(confusion_matrix(uint8([0, 0, 2]), uint8([0, 1, 0]), 4))
    np.testing.assert_array_equal(iou, [1 / 3, 0, 0, np.nan])
    assert mean_over_classes(iou) == pytest.approx(1 / 9)


def test_a_class_predicted_only_where_the_truth_is_ignored_stays_absent() -> None:
    iou = iou_by_class(confusion_matrix(uint8([0, 255]), uint8([0, 1]), 2))
    np.testing.assert_array_equal(iou, [1, np.nan])


def test_means_over_classes_are_nan_where_no_object_is_true_or_predicted() -> None:
    scores = (iou_by_class, precision_by_class, recall_by_class)
    for prediction in ([0, 0, 0, 7], [0, 255, 0, 1]):
        confusion = confusion_matrix(uint8([0, 0, 0, 255]), uint8(prediction), 8)
        assert iou_by_class(confusion)[0] > 0
        assert not has_objects(confusion)
        assert all(math.isnan(mean_score(score, confusion)) for score in scores)


@pytest.mark.parametrize(("truth", "prediction"), [([0, 1], [0, 0]), ([0, 0], [0, 1])])
def test_one_object_that_is_true_or_predicted_is_enough_for_a_mean(
    truth: list[int], prediction: list[int]
) -> None:
    confusion = confusion_matrix(uint8(truth), uint8(prediction), 3)
    assert has_objects(confusion)
    assert (
        mean_score(iou_by_class, confusion) == mean_over_classes(iou_by_class(confusion)) == 1 / 4
    )


def test_scores_of_nothing_are_nan() -> None:
    confusion = confusion_matrix(uint8([255]), uint8([0]), 3)
    assert not confusion.any()
    assert math.isnan(pixel_accuracy(confusion))
    assert math.isnan(coverage(confusion))
    assert math.isnan(mean_over_classes(iou_by_class(confusion)))


def test_counts_beyond_32_bits_do_not_overflow() -> None:
    """COCO has more pixels than a 32-bit counter holds."""
    image = confusion_matrix(uint8([0, 0, 0, 1]), uint8([0, 0, 1, 1]), 2)
    assert image.dtype == np.int64
    dataset = sum((image * 2**30 for _ in range(4)), start=np.zeros_like(image))
    assert dataset.dtype == np.int64
    assert dataset.sum() == 2**34
    assert iou_by_class(dataset).tolist() == [2 / 3, 1 / 2]

    saliency = SaliencyScore()
    saliency.histogram[:] = 2**40
    assert saliency.f_beta == pytest.approx(1.3 * 128 / (0.3 * 256 + 256))


def test_254_classes_fit_into_8_bit_labels() -> None:
    every = np.arange(254, dtype=np.uint8)
    assert np.array_equal(confusion_matrix(every, every, 254), np.eye(254, 255))


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ([0, 21], [0, 0], "truth holds the label 21; allowed are 0 to 20 and 255"),
        ([0, 0], [254, 0], "prediction holds the label 254"),
        ([0, 255], [0, 22], "prediction holds the label 22"),
        ([-1, 0], [0, 0], "truth holds the label -1"),
        ([0, 0], [0], "truth has shape"),
    ],
)
def test_a_label_that_is_no_class_is_named(
    truth: list[int], prediction: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        confusion_matrix(np.array(truth), np.array(prediction), 21)


@ON_RANDOM_DATA
def test_saliency_scores_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score = SaliencyScore()
    truths, maps, errors = [], [], []
    for _ in range(3):
        truth = labels(rng, 3, 0.2)
        saliency = rng.integers(0, 256, truth.shape, dtype=np.uint8)
        score.update(truth, saliency)
        counted = truth != IGNORE
        truths.append(truth[counted] > 0)
        maps.append(saliency[counted])
        errors.append(np.abs(maps[-1] / 255 - truths[-1]).mean())
    objects, values = np.concatenate(truths), np.concatenate(maps)
    precision, recall, _ = sk.precision_recall_curve(objects, values)
    hit = recall > 0
    f_beta = 1.3 * precision[hit] * recall[hit] / (0.3 * precision[hit] + recall[hit])

    assert score.mae == pytest.approx(np.mean(errors))
    assert score.f_beta == pytest.approx(
        sk.fbeta_score(objects, values / 255 > 1 / 2, beta=math.sqrt(0.3))
    )
    assert score.max_f_beta == pytest.approx(f_beta.max())


def test_perfect_saliency_has_no_error() -> None:
    score = SaliencyScore()
    score.update(uint8([0, 7, 255]), uint8([0, 255, 99]))
    assert (score.mae, score.f_beta, score.max_f_beta) == (0, 1, 1)


def test_saliency_error_is_a_mean_over_images_not_over_pixels() -> None:
    score = SaliencyScore()
    score.update(uint8([0]), uint8([255]))
    score.update(uint8([0, 0, 0]), uint8([0, 0, 0]))
    score.update(uint8([255]), uint8([255]))  # nothing to count: no image
    assert score.mae == 1 / 2


def test_saliency_scores_of_nothing_are_nan() -> None:
    score = SaliencyScore()
    assert all(math.isnan(value) for value in (score.mae, score.f_beta, score.max_f_beta))


@pytest.mark.parametrize(
    ("saliency", "message"), [(np.zeros((1, 2)), "uint8"), (uint8([0]), "shape")]
)
def test_saliency_that_is_no_8_bit_map_is_refused(
    saliency: npt.NDArray[np.uint8], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SaliencyScore().update(uint8([0, 1]), saliency)


@ON_RANDOM_DATA
@pytest.mark.parametrize(("size", "levels"), [(1, 1), (40, 5), (60, 1000)])
def test_average_precision_is_that_of_scikit_learn(seed: int, size: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, size) / levels  # few levels give many equal scores
    targets = rng.random(size) < 0.4
    targets[rng.integers(size)] = True
    assert average_precision(scores, targets) == pytest.approx(
        sk.average_precision_score(targets, scores)
    )
    assert average_precision(scores, targets.astype(np.uint8)) == average_precision(scores, targets)


def test_average_precision_counted_by_hand() -> None:
    assert average_precision(np.array([0.9, 0.8, 0.7]), np.array([1, 0, 1])) == pytest.approx(5 / 6)
    assert average_precision(np.array([0.5, 0.5]), np.array([1, 0])) == 1 / 2


def test_classes_without_a_positive_are_left_out_of_the_mean() -> None:
    rng = np.random.default_rng(0)
    scores, targets = rng.random((50, 4)), rng.random((50, 4)) < 0.3
    targets[:, 2] = False
    kept = [0, 1, 3]
    assert mean_average_precision(scores, targets) == pytest.approx(
        sk.average_precision_score(targets[:, kept], scores[:, kept], average="macro")
    )
    assert math.isnan(average_precision(scores[:, 2], targets[:, 2]))
    assert math.isnan(mean_average_precision(scores, np.zeros_like(targets)))


def test_scores_that_cannot_be_ranked_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        average_precision(np.array([0.1, np.nan]), np.array([1, 0]))
    with pytest.raises(ValueError, match="shape"):
        mean_average_precision(np.zeros((3, 2)), np.zeros((3, 1), dtype=bool))
