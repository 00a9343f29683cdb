"""From photographs to features and back without a shift, at any size and scale, mirrored or not."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from auxseg.cam.multi_scale import class_maps, multi_scale_cam
from auxseg.data.pixels import to_pixels
from auxseg.networks.inputs import (
    grid_size,
    network_input,
    normalise,
    photos_of,
    resize_by_products,
    resize_maps,
    unmirror,
)
from helpers import noise

SIZES = [(70, 93), (65, 97), (101, 64), (120, 88)]


def test_pixels_are_normalised_by_the_imagenet_mean_and_deviation() -> None:
    image = np.array([[[0, 255, 51]]], dtype=np.uint8)
    expected = [(0 - 0.485) / 0.229, (1 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    result = normalise(photos_of([image]))[0]
    assert result.shape == (3, 1, 1)
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result.flatten(), expected, rtol=1e-5)


def test_normalising_keeps_rows_rows_and_channels_channels() -> None:
    image = noise(3, 5)
    red = normalise(photos_of([image]))[0, 0] * 0.229 + 0.485
    np.testing.assert_allclose(red * 255, image[:, :, 0], atol=1e-3)


@pytest.mark.parametrize(
    ("pixels", "scale", "cells"),
    [
        (1, 1, 2),
        (9, 1, 2),
        (64, 1, 9),
        (65, 1, 9),
        (66, 1, 9),
        (70, 1, 10),
        (65, 0.5, 5),
        (65, 2, 17),
        (97, 1.5, 19),
        (8, 0.1, 2),
    ],
)
def test_the_grid_is_the_nearest_one_with_a_cell_on_every_eighth_pixel(
    pixels: int, scale: float, cells: int
) -> None:
    assert grid_size(pixels, 9, 8, scale)[0] == grid_size(9, pixels, 8, scale)[1] == cells


@given(st.integers(1, 200), st.integers(1, 200), st.sampled_from([0.1, 0.5, 1.0, 1.5, 2.0]))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_network_inputs_have_sides_8n_plus_1_that_give_the_grid(
    height: int, width: int, scale: float
) -> None:
    rows, columns = grid_size(height, width, 8, scale)
    images = network_input(
        torch.zeros(1, 3, height, width, dtype=torch.uint8), 8, scale, mirror=False
    )
    assert images.shape == (1, 3, 8 * (rows - 1) + 1, 8 * (columns - 1) + 1)
    assert images[:, :, ::8, ::8].shape[2:] == (rows, columns)


def test_an_image_that_fits_the_grid_is_not_resampled() -> None:
    photos = photos_of([noise(65, 41)])
    assert torch.equal(network_input(photos, 8, 1, mirror=False), normalise(photos))


def test_the_mirrored_input_is_the_mirror_image_and_unmirror_turns_it_back() -> None:
    photos = photos_of([noise(40, 70, 0), noise(40, 70, 1)])
    images = network_input(photos, 8, 1, mirror=True)
    assert len(images) == 4
    assert torch.equal(images[:2], network_input(photos, 8, 1, mirror=False))
    assert torch.equal(images[2:], images[:2].flip(3))
    assert not torch.equal(images[2:], images[:2])
    assert torch.equal(unmirror(images, mirror=True), images[:2].expand(2, -1, -1, -1, -1))


def test_maps_without_mirror_images_are_not_turned() -> None:
    maps = torch.randn(2, 2, 3, 4)
    assert torch.equal(unmirror(maps, mirror=False), maps[None])


def test_resizing_keeps_corners_on_corners() -> None:
    maps = torch.tensor([[[0.0, 1.0], [2.0, 4.0]]])
    resized = resize_maps(maps, (3, 5))
    assert resized.tolist() == [
        [[0, 0.25, 0.5, 0.75, 1], [1, 1.375, 1.75, 2.125, 2.5], [2, 2.5, 3, 3.5, 4]]
    ]
    assert torch.equal(resize_maps(maps[None], (3, 5))[0], resized)


# No shift: what the network sees at a pixel is shown at that pixel.


def pick(images: Tensor) -> Tensor:
    """The ideal network: feature (i, j) is the brightness of pixel (8i, 8j)."""
    return images[:, :1, ::8, ::8]


def blob(size: tuple[int, int], row: float, column: float) -> npt.NDArray[np.uint8]:
    """A bright, soft spot on black."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    spot = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 11**2))
    return np.repeat((255 * spot).astype(np.uint8)[:, :, None], 3, 2)


def centre(cam: Tensor, size: tuple[int, int]) -> tuple[float, float]:
    pixels = to_pixels(cam.numpy(), size)[0]
    rows, columns = np.mgrid[: size[0], : size[1]]
    return (rows * pixels).sum() / pixels.sum(), (columns * pixels).sum() / pixels.sum()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("scales", "mirror"), [([1.0], False), ([1.0], True), ([1, 1.5, 2], True)])
@pytest.mark.parametrize("place", [(0.3, 0.72), (0.72, 0.3)])
def test_what_is_bright_is_shown_where_it_is(
    size: tuple[int, int], scales: list[float], mirror: bool, place: tuple[float, float]
) -> None:
    row, column = place[0] * (size[0] - 1), place[1] * (size[1] - 1)
    cam = multi_scale_cam(pick, photos_of([blob(size, row, column)]), 8, scales, mirror)
    assert cam.shape == (1, 1, *grid_size(*size, 8))
    assert centre(cam[0], size) == pytest.approx((row, column), abs=1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("scales", [[0.5], [1.0], [2.0], [0.5, 1, 1.5, 2]])
@pytest.mark.parametrize("mirror", [False, True])
def test_no_pixel_of_a_map_is_shifted(
    size: tuple[int, int], axis: int, scales: list[float], mirror: bool
) -> None:
    """A ramp shows at every pixel, borders included, which pixel the network saw there."""
    place = np.indices(size)[axis]
    slope = 110 / (size[axis] - 1)
    # Brighter than the ImageNet mean (124), which the ReLU would cut off.
    ramp = np.repeat((140 + slope * place).round().astype(np.uint8)[:, :, None], 3, 2)
    cam = multi_scale_cam(pick, photos_of([ramp]), 8, scales, mirror)
    grey = to_pixels(cam[0].numpy(), size)[0] * (250 - 255 * 0.485) + 255 * 0.485
    # Resampling to half the size may cost half a small pixel at each border.
    assert np.abs((grey - 140) / slope - place).max() < 1.5


def lopsided(seed: int = 0) -> Callable[[Tensor], Tensor]:
    """A network that sees something else in a mirror image."""
    weight = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(seed))
    return lambda images: F.conv2d(images, weight, stride=8, padding=4)


@pytest.mark.parametrize("size", SIZES)
def test_the_maps_of_a_mirror_image_are_mirrored_maps(size: tuple[int, int]) -> None:
    photos, activation, scales = photos_of([noise(*size)]), lopsided(), [0.5, 1, 1.5]
    maps = multi_scale_cam(activation, photos, 8, scales, True)
    mirrored = multi_scale_cam(activation, photos.flip(3), 8, scales, True)
    torch.testing.assert_close(mirrored.flip(3), maps, rtol=0, atol=0.02)
    assert not torch.allclose(maps.flip(3), maps, atol=0.2)


def test_without_mirror_images_a_lopsided_network_is_lopsided() -> None:
    photos, activation = photos_of([noise(65, 65)]), lopsided()
    maps = multi_scale_cam(activation, photos, 8, [1], False)
    mirrored = multi_scale_cam(activation, photos.flip(3), 8, [1], False)
    assert not torch.allclose(mirrored.flip(3), maps, atol=0.2)


def test_maps_are_sums_of_positive_parts_divided_by_their_maximum() -> None:
    values = torch.tensor([[[-1.0, 2.0], [3.0, -4.0]], [[-1.0, -1.0], [-1.0, -1.0]]])
    photos = photos_of([noise(9, 9)])
    cam = multi_scale_cam(lambda _: values[None], photos, 8, [1], False)[0]
    assert cam[0].tolist() == [[0, pytest.approx(2 / 3, abs=1e-4)], [pytest.approx(1, abs=1e-4), 0]]
    assert cam[1].tolist() == [[0, 0], [0, 0]]  # a class seen nowhere, not NaN
    faint = torch.stack([values[0], values[0] / 100])
    cams = multi_scale_cam(lambda _: faint[None], photos, 8, [1], False)[0]
    torch.testing.assert_close(cams[0], cams[1], rtol=0, atol=1e-3)  # each by its own maximum
    # Mirror images are summed after the ReLU: both signs of a pair count.
    both = torch.stack([values, -values.flip(2)])
    summed = multi_scale_cam(lambda _: both, photos, 8, [1], True)
    assert summed[0, 0].flatten().tolist() == pytest.approx([0.25, 0.5, 0.75, 1], abs=1e-4)


def test_no_scale_is_no_map() -> None:
    with pytest.raises(ValueError, match="no scales"):
        multi_scale_cam(pick, photos_of([noise(9, 9)]), 8, [], False)


def test_only_present_classes_are_stored_in_label_order_and_half_precision() -> None:
    cam = torch.rand(4, 3, 5)
    stored = class_maps(cam, (1, 3))["cam"]
    assert stored.dtype == torch.float16
    np.testing.assert_array_equal(stored, cam[[1, 3]].half().numpy())
    assert class_maps(cam, ())["cam"].shape == (0, 3, 5)


@pytest.mark.parametrize(
    ("size", "target"),
    [((17, 17), (257, 257)), ((5, 9), (33, 20)), ((1, 4), (1, 50)), ((7, 7), (7, 7))],
)
def test_resizing_by_products_has_the_values_and_gradients_of_the_usual_one(
    size: tuple[int, int], target: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    maps = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, *target, dtype=torch.float64)
    results = resize_by_products(maps, target), resize_maps(maps, target)
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)
    gradients = (torch.autograd.grad((r * weights).sum(), maps)[0] for r in results)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)
