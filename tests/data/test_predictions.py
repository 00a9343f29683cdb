"""Stored predictions say of every pixel what all logits would say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxseg.data.pixels import to_pixels, to_probabilities
from auxseg.data.predictions import (
    LEAST,
    compact,
    predicted_labels,
    predicted_probabilities,
)


def logits(seed: int, classes: int, spread: float, rows: int = 4, columns: int = 6) -> np.ndarray:
    """Some classes that are strong in places, and many that are weak."""
    rng = np.random.default_rng(seed)
    strength = spread * rng.standard_normal((classes, 1, 1))
    noise = spread * rng.standard_normal((classes, rows, columns)) / 2
    return (strength + noise).astype(np.float16)


many = given(
    seed=st.integers(0, 2**32),
    classes=st.integers(1, 90),
    spread=st.floats(0.1, 12),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
)


@many
@settings(max_examples=150, deadline=None, derandomize=True)
def test_labels_are_those_of_all_logits_at_every_size(
    seed: int, classes: int, spread: float, size: tuple[int, int]
) -> None:
    whole = logits(seed, classes, spread)
    labels = predicted_labels(compact(whole), size)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, to_pixels(whole, size).argmax(0))


@many
@settings(max_examples=150, deadline=None, derandomize=True)
def test_probabilities_are_those_of_all_logits_and_none_that_matters_is_missing(
    seed: int, classes: int, spread: float, size: tuple[int, int]
) -> None:
    whole = logits(seed, classes, spread)
    expected = to_probabilities(whole, size)
    stored = compact(whole)
    found = predicted_probabilities(stored, size, classes)
    kept = np.isin(np.arange(classes), stored["classes"])
    assert (expected[~kept] < LEAST).all()
    assert not found[~kept].any()
    # The rest is never less if it is summed before it is enlarged.
    rest = 1 - found.sum(0)
    assert (found[kept] <= expected[kept] + 1e-3).all()
    assert (found[kept] >= expected[kept] - rest - 1e-3).all()
    # At the grid points it is the same.
    np.testing.assert_allclose(
        predicted_probabilities(stored, (4, 6), classes)[kept],
        to_probabilities(whole, (4, 6))[kept],
        rtol=0,
        atol=1e-3,
    )


def test_few_classes_are_kept_where_few_are_likely() -> None:
    whole = np.full((81, 60, 80), -4.0, np.float16)
    whole[0], whole[17, 10:30, 10:30], whole[50, 0, 0] = 4.0, 9.0, 1.5
    stored = compact(whole)
    assert stored["classes"].tolist() == [0, 17, 50]
    size = sum(array.nbytes for array in stored.values())
    assert size < whole.nbytes / 20


def test_a_class_that_is_second_at_every_grid_point_may_win_between_them() -> None:
    whole = np.array([[[3, 0], [3, 0]], [[0, 3], [0, 3]], [[2, 2], [2, 2]]], np.float16)
    stored = compact(whole)
    assert stored["classes"].tolist() == [0, 1, 2]
    assert "rest" not in stored
    assert set(predicted_labels(stored, (9, 9)).ravel()) == {0, 1, 2}


@pytest.mark.parametrize("classes", [1, 254])
def test_any_number_of_classes_is_stored(classes: int) -> None:
    stored = compact(np.zeros((classes, 2, 2), np.float16))
    assert len(stored["classes"]) == classes
