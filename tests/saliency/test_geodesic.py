from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxseg.saliency.geodesic import geodesic_saliency

Map = npt.NDArray[np.uint8]
Square = tuple[Map, npt.NDArray[np.bool_]]


def saliency(image: Map) -> Map:
    return geodesic_saliency(image, superpixels=250, compactness=20.0)


def noise(seed: int, height: int, width: int, low: int, high: int) -> Map:
    return np.random.default_rng(seed).integers(low, high, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def square() -> Square:
    """A bright square, off the centre of dark noise, and where it is."""
    image = noise(0, 96, 128, 0, 50)
    inside = np.zeros((96, 128), bool)
    inside[24:64, 30:80] = True
    image[inside] += 180
    return image, inside


def test_bright_square_on_dark_noise_is_salient_and_its_surround_is_not(
    square: Square,
) -> None:
    image, inside = square
    found = saliency(image) > 127
    assert (found & inside).sum() / (found | inside).sum() > 0.85


def test_border_is_never_salient(square: Square) -> None:
    found = saliency(square[0])
    assert found.any()
    assert not np.concatenate([found[[0, -1]].ravel(), found[:, [0, -1]].ravel()]).any()


def test_hue_alone_makes_an_object_salient() -> None:
    image = np.full((64, 80, 3), (60, 110, 60), np.uint8)
    image[20:44, 30:54] = (110, 85, 60)  # as bright as its surround
    found = saliency(image)
    assert found[32, 42] > 200
    assert found[5, 5] == 0


def test_grey_image_is_treated_like_any_other() -> None:
    image = np.full((64, 64, 3), 90, np.uint8)
    image[20:44, 20:44] = 180
    assert saliency(image)[32, 32] == 255


@pytest.mark.parametrize("seed", range(3))
def test_image_with_nothing_in_it_stays_dark(seed: int) -> None:
    assert (saliency(noise(seed, 100, 120, 60, 160)) > 127).mean() < 0.05


@pytest.mark.parametrize("mirror", [np.fliplr, np.flipud])
def test_mirrored_image_gives_about_the_mirrored_map(
    square: Square, mirror: Callable[[Map], Map]
) -> None:
    image, _ = square
    difference = mirror(saliency(mirror(image))).astype(float) - saliency(image)
    assert abs(difference).mean() < 255 * 0.06


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    superpixels=st.integers(1, 400),
    seed=st.integers(0, 99),
)
def test_any_size_gives_an_8_bit_map_of_that_size(
    height: int, width: int, superpixels: int, seed: int
) -> None:
    image = noise(seed, height, width, 0, 256)
    before = image.copy()
    found = geodesic_saliency(image, superpixels=superpixels, compactness=20.0)
    assert found.shape == (height, width)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(image, before)
    again = geodesic_saliency(image, superpixels=superpixels, compactness=20.0)
    np.testing.assert_array_equal(found, again)


@settings(max_examples=20, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    colour=st.tuples(*[st.integers(0, 255)] * 3),
)
def test_constant_image_has_no_saliency(
    height: int, width: int, colour: tuple[int, int, int]
) -> None:
    assert not saliency(np.full((height, width, 3), colour, np.uint8)).any()
