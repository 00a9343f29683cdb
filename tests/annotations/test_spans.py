"""Shapes are filled by the centres of pixels, within the image, and within the memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask

from auxseg.annotations import spans as module
from auxseg.annotations.spans import paint, polygon_spans, rle_spans
from auxseg.data.arrays import Bytes
from auxseg.datasets.rle import read_rle

SIZE = (4, 6)


def filled(*points: tuple[float, float]) -> list[str]:
    (spans,) = polygon_spans([np.array(points, np.float64)], SIZE)
    return ["".join(".#"[value] for value in row) for row in paint([(1, spans)], SIZE)]


def test_a_pixel_is_inside_if_its_centre_is() -> None:
    expected = ["......", ".###..", ".###..", "......"]
    for corner in (0.51, 1.0, 1.49):
        assert filled((corner, 1), (4, 1), (4, 3), (corner, 3)) == expected


def test_a_triangle() -> None:
    assert filled((0, 0), (4, 0), (0, 4)) == ["###...", "##....", "#.....", "......"]


def test_what_lies_beyond_the_image_is_cut_off() -> None:
    assert filled((-1e5, -1e5), (1e5, -1e5), (1e5, 2), (-1e5, 2)) == ["######"] * 2 + ["......"] * 2
    assert filled((-9, -9), (-1, -9), (-1, 9)) == ["......"] * 4


def test_lines_that_cross_leave_out_what_they_surround_twice() -> None:
    frame = [(0, 0), (6, 0), (6, 4), (0, 4), (0, 0)]
    assert filled(*frame, (1, 1), (5, 1), (5, 3), (1, 3), (1, 1))[1] == "#....#"


coordinates = st.integers(-24, 72).map(lambda eighths: eighths / 8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=6))
def test_any_polygon_is_filled_by_the_even_odd_rule(points: list[tuple[float, float]]) -> None:
    expected = []
    for y in np.arange(SIZE[0]) + 0.5:
        row = ""
        for x in np.arange(SIZE[1]) + 0.5:
            inside = False
            for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
                if min(y0, y1) <= y < max(y0, y1):
                    inside ^= x0 + (y - y0) * ((x1 - x0) / (y1 - y0)) <= x
            row += "#" if inside else "."
        expected.append(row)
    assert filled(*points) == expected


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 1))
)
def test_an_rle_is_what_pycocotools_makes_of_it(mask_: Bytes) -> None:
    runs = mask.encode(np.asfortranarray(mask_))
    rle = read_rle({"size": runs["size"], "counts": runs["counts"].decode()})
    np.testing.assert_array_equal(paint([(1, rle_spans(rle))], mask_.shape), mask_)


def test_smaller_shapes_lie_on_larger_ones_and_later_ones_on_those_as_large() -> None:
    def row(first: int, end: int) -> module.Spans:
        return np.array([[first, end]])

    shapes = [(3, row(2, 3)), (1, row(0, 5)), (2, row(1, 3)), (4, row(2, 4))]
    assert paint(shapes, (1, 6)).tolist() == [[1, 2, 3, 4, 1, 0]]
    assert paint([], (1, 2)).tolist() == [[0, 0]]


def test_more_outlines_than_fit_into_the_memory_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_CROSSINGS", 7)
    square = np.array([(0, 0), (2, 0), (2, 4), (0, 4)], np.float64)
    with pytest.raises(ValueError, match="outlines cross 8 rows of pixels: simplify them"):
        polygon_spans([square], SIZE)
    assert len(polygon_spans([square], (3, 6))[0]) == 3
