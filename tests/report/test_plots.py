"""Pictures show what they say, and mark what is not labelled."""

import numpy as np
import numpy.typing as npt
import pytest

from auxseg.data.palette import voc_palette
from auxseg.report.plots import cam_overlay, colour, heat, overlay, panel

AEROPLANE, BICYCLE = 1, 2
RED, GREEN = [128, 0, 0], [0, 128, 0]


def photo(height: int = 6, width: int = 8) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_the_palette_is_the_published_one() -> None:
    palette = voc_palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert palette[[0, 1, 2, 15, 20]].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [192, 128, 128],
        [0, 64, 128],
    ]
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


def test_labels_are_shown_in_the_palette_s_colours() -> None:
    labels = np.array([[0, 1], [2, 255]], dtype=np.uint8)
    assert colour(labels).tolist() == [[[0, 0, 0], RED], [GREEN, [224, 224, 192]]]


def test_an_overlay_leaves_the_background_as_it_is_and_hatches_what_has_no_label() -> None:
    image = photo(40, 40)
    labels = np.zeros((40, 40), dtype=np.uint8)
    labels[:20] = 255
    labels[30:] = AEROPLANE
    shown = overlay(image, labels, opacity=1)
    assert np.array_equal(shown[20:30], image[20:30])
    assert (shown[30:] == RED).all()
    greys = shown[:20]
    assert (greys == greys[..., :1]).all()
    assert len(np.unique(greys)) == 2


def test_an_overlay_mixes_photo_and_colour_by_its_opacity() -> None:
    black = np.zeros((1, 1, 3), dtype=np.uint8)
    labels = np.array([[AEROPLANE]], dtype=np.uint8)
    assert overlay(black, labels, opacity=0.25).tolist() == [[[32, 0, 0]]]


def test_a_heat_map_grows_brighter_with_its_values() -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32)[None]
    shown = heat(photo(1, 64), values, opacity=1).astype(int)
    assert (np.diff(shown @ [299, 587, 114]) >= 0).all()
    outside = heat(photo(1, 2), np.array([[-1, 2]], dtype=np.float32), opacity=1)
    assert outside.tolist() == [[shown[0, 0].tolist(), shown[0, -1].tolist()]]


def test_a_pixel_takes_the_colour_of_its_strongest_cam() -> None:
    image = photo(1, 3)
    cams = np.array([[[1, 0.2, 0]], [[0.5, 1, 0]]], dtype=np.float32)
    shown = cam_overlay(image, cams, [AEROPLANE, BICYCLE])
    assert shown[0].tolist() == [RED, GREEN, image[0, 2].tolist()]


def test_without_a_cam_the_photo_is_shown() -> None:
    image = photo()
    no_cams = np.zeros((0, 6, 8), dtype=np.float32)
    assert np.array_equal(cam_overlay(image, no_cams, []), image)


def test_a_panel_sets_tiles_of_one_height_side_by_side() -> None:
    red, green = (
        np.full((10, 20, 3), RED, np.uint8),
        np.full((50, 40, 3), GREEN, np.uint8),
    )
    shown = np.asarray(panel([("photo", red), ("a caption wider than its tile", green)], 100))
    for tile, width in ((RED, 200), (GREEN, 80)):
        rows, columns = np.nonzero((shown == tile).all(axis=-1))
        assert [np.ptp(rows) + 1, np.ptp(columns) + 1] == [100, width]
    border = np.concatenate([shown[0], shown[-1], shown[:, 0], shown[:, -1]])
    assert (border == 255).all()


def test_a_panel_without_a_tile_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        panel([], 100)


def test_maps_that_do_not_fit_the_photo_are_refused() -> None:
    with pytest.raises(ValueError, match="photo has shape"):
        overlay(photo(), np.zeros((1, 8), dtype=np.uint8))
    with pytest.raises(ValueError, match="photo has shape"):
        heat(photo(), np.zeros((6, 1), dtype=np.float32))
    with pytest.raises(ValueError, match="2 maps, but 1 classes"):
        cam_overlay(photo(), np.zeros((2, 6, 8), dtype=np.float32), [1])
