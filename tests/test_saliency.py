"""Saliency maps of any model are found by the image's id and brought to the image's size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.artifacts import write_grey
from auxseg.saliency import find_maps, read_map


def test_maps_are_found_by_id(tmp_path: Path) -> None:
    for id_ in ("2007_000032", "NA", "unused"):
        write_grey(tmp_path / f"{id_}.png", np.zeros((2, 2), np.uint8))
    found = find_maps(tmp_path, ["NA", "2007_000032"])
    assert found == {
        "NA": tmp_path / "NA.png",
        "2007_000032": tmp_path / "2007_000032.png",
    }


def test_missing_maps_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    write_grey(tmp_path / "3.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match=r"7 of 8 training images .*: 0, 1, 2, 4, 5, …$") as error:
        find_maps(tmp_path, [str(n) for n in range(8)])
    assert str(tmp_path) in str(error.value)
    with pytest.raises(ValueError, match=r"1 of 2 training images .*: 4$"):
        find_maps(tmp_path, ["3", "4"])


def test_a_map_is_brought_to_the_size_of_its_image(tmp_path: Path) -> None:
    values = np.zeros((10, 20), np.uint8)
    values[:5, 10:] = 255  # the upper right quarter
    write_grey(tmp_path / "map.png", values)
    resized = read_map(tmp_path / "map.png", (30, 40))
    assert resized.shape == (30, 40)
    assert resized.dtype == np.uint8
    assert (resized[:12, 23:] == 255).all()
    assert (resized[18:] == 0).all()
    assert (resized[:, :17] == 0).all()


def test_a_map_of_the_right_size_is_left_as_it_is(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (12, 17), dtype=np.uint8)
    write_grey(tmp_path / "map.png", values)
    np.testing.assert_array_equal(read_map(tmp_path / "map.png", (12, 17)), values)


def test_maps_in_colour_are_read_by_their_brightness(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 6), dtype=np.uint8)
    Image.fromarray(np.repeat(values[:, :, None], 3, 2)).save(tmp_path / "map.png")
    np.testing.assert_array_equal(read_map(tmp_path / "map.png", (5, 6)), values)


def test_a_map_of_16_bits_is_refused_rather_than_cut_off_at_255(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 30).astype(np.uint16).reshape(5, 6)
    Image.fromarray(values).save(tmp_path / "map.png")
    with pytest.raises(ValueError, match=r"map\.png: .*8-bit"):
        read_map(tmp_path / "map.png", (5, 6))
