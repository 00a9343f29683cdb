"""Outlines of regions hold all that is in a label map."""

import numpy as np
import pytest
from hypothesis import given, settings
from maps import ANY_MAP, DRAWINGS, drawing

from auxseg.annotations.regions import Region, find_regions
from auxseg.annotations.spans import paint, polygon_spans
from auxseg.data.arrays import Bytes


def painted(regions: list[Region], shape: tuple[int, int]) -> Bytes:
    spans = polygon_spans([region.outline for region in regions], shape)
    return paint([(r.label, s) for r, s in zip(regions, spans, strict=True)], shape)


def shapes(text: str) -> list[tuple[int, list[list[float]]]]:
    """Label and outline of each region that needs a shape."""
    regions = find_regions(drawing(text))
    return [(r.label, r.outline.tolist()) for r in regions if r.label != r.beneath]


def box(left: int, top: int, right: int, bottom: int) -> list[list[float]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


@pytest.mark.parametrize("text", DRAWINGS.values(), ids=DRAWINGS.keys())
def test_a_map_is_its_outlines_filled_from_large_to_small(text: str) -> None:
    labels = drawing(text)
    regions = find_regions(labels)
    np.testing.assert_array_equal(painted(regions, labels.shape), labels)


@settings(max_examples=100, deadline=None)
@given(ANY_MAP)
def test_any_map_is_its_outlines_exactly_also_without_those_on_their_own_label(
    labels: Bytes,
) -> None:
    regions = find_regions(labels)
    assert sum(region.area for region in regions) == labels.size
    for some in (regions, [region for region in regions if region.label != region.beneath]):
        np.testing.assert_array_equal(painted(some, labels.shape), labels)
    for region in regions:
        part = labels[region.top :, region.left :]
        height, width = region.mask.shape
        assert (part[:height, :width][region.mask] == region.label).all()
        assert region.area == region.mask.sum()


def test_a_donut_is_a_square_and_a_square_of_background() -> None:
    assert shapes(DRAWINGS["donut"]) == [(1, box(1, 1, 4, 4)), (0, box(2, 2, 3, 3))]


def test_what_lies_inside_comes_later() -> None:
    assert shapes(DRAWINGS["background within ignored within cat"]) == [
        (1, box(0, 0, 5, 5)),
        (255, box(1, 1, 4, 4)),
        (0, box(2, 2, 3, 3)),
    ]


def test_pixels_that_touch_in_a_corner_are_two_regions() -> None:
    assert shapes("#.\n.#") == [(1, box(0, 0, 1, 1)), (1, box(1, 1, 2, 2))]


def test_an_outline_may_touch_itself_in_a_corner() -> None:
    ((_, outline),) = shapes("##.\n#.#\n###")
    assert outline.count([2, 1]) == 2


def test_background_round_everything_needs_no_shape() -> None:
    assert shapes(DRAWINGS["nothing"]) == []
    assert shapes(DRAWINGS["one pixel"]) == [(1, box(2, 1, 3, 2))]
