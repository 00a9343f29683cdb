"""A map lies as its upright photograph does: it is turned or refused, and never stretched."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_archives import pack

from auxseg.data.photos import read_photo
from auxseg.data.shapes import same_shape
from auxseg.saliency.decoding import Decoded, ShapeError, decode_map
from auxseg.saliency.imported import SaliencyError, import_maps

Map = npt.NDArray[np.uint8]

STORED = np.kron(np.arange(12, dtype=np.uint8).reshape(3, 4) * 20, np.ones((16, 16), np.uint8))


def encoded(values: Map, format_: str = "PNG", orientation: int | None = None) -> bytes:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format_, exif=exif)
    return buffer.getvalue()


def upright(orientation: int) -> Map:
    """The stored picture as photographs are read."""
    return read_photo(encoded(STORED, orientation=orientation), 1024).pixels[:, :, 0]


def decoded(data: bytes, size: tuple[int, ...], orientation: int = 1) -> Decoded:
    return decode_map(data, (size[0], size[1]), lambda: orientation)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_map_that_lies_as_the_stored_photograph_is_turned_as_that_is(
    orientation: int, scale: int
) -> None:
    expected, stored = upright(orientation), STORED[::scale, ::scale]
    map_ = decoded(encoded(stored), expected.shape, orientation)
    assert map_.traits.turned and not map_.traits.stretched
    assert map_.pixels.shape == expected.shape
    away = np.abs(map_.pixels.astype(int) - expected) <= 1
    assert away.mean() == 1 if scale == 1 else away.mean() > 0.6  # but for blurred edges


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
def test_a_map_s_own_exif_orientation_is_honoured(orientation: int, format_: str) -> None:
    expected = upright(orientation)
    map_ = decoded(encoded(STORED, format_, orientation), expected.shape, orientation)
    np.testing.assert_allclose(map_.pixels, expected, atol=8 if format_ == "JPEG" else 0)
    assert not map_.traits.turned


def test_the_photograph_is_only_asked_where_the_sides_are_exchanged() -> None:
    def never() -> int:
        raise AssertionError

    decode_map(encoded(STORED), (96, 128), never)
    decode_map(encoded(STORED), (37, 49), never)
    with pytest.raises(ShapeError):
        decode_map(encoded(STORED), (40, 128), never)


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_exchanged_sides_are_refused_if_exif_does_not_exchange_them(orientation: int) -> None:
    with pytest.raises(ShapeError, match=r"^64×48 for 48×64$"):
        decoded(encoded(STORED), (64, 48), orientation)


def test_a_map_that_was_turned_but_kept_its_exif_is_not_turned_twice() -> None:
    with pytest.raises(ShapeError, match=r"^64×48 for 48×64$"):
        decoded(encoded(STORED.T, orientation=6), (64, 48), 6)


def test_all_maps_of_another_shape_are_told_in_one_line_with_both_sizes(tmp_path: Path) -> None:
    sizes = {str(number): (64, 48) for number in range(30)} | {"good": (48, 64)}
    pack(tmp_path, [(f"{id_}.png", encoded(STORED)) for id_ in sizes])
    found = []
    with pytest.raises(SaliencyError) as error:
        found += import_maps(tmp_path, sizes, lambda _: 1)
    assert [id_ for id_, _ in found] == ["good"]
    (line,) = str(error.value).split("\n")
    assert line.startswith(f"{tmp_path}: 30 of 31 maps have another shape than their photographs: ")
    assert f"{tmp_path / '0.png'}: 64×48 for 48×64; " in line
    assert line.count("64×48 for 48×64") == 20


def test_a_map_is_found_whatever_the_unicode_form_of_its_name(tmp_path: Path) -> None:
    pack(tmp_path, [("e\u0301te\u0301.png", encoded(STORED))])
    ((id_, _),) = import_maps(tmp_path, {"\u00e9t\u00e9": (48, 64)}, lambda _: 1)
    assert id_ == "\u00e9t\u00e9"


@given(
    st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    st.floats(0.01, 1),
    st.sampled_from([np.floor, np.ceil, np.round]),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_every_reduction_of_a_picture_has_its_shape(
    size: tuple[int, int], scale: float, rounded: np.ufunc
) -> None:
    small = (max(1, int(rounded(size[0] * scale))), max(1, int(rounded(size[1] * scale))))
    assert same_shape(size, small) and same_shape(small, size)


@pytest.mark.parametrize(
    ("one", "other"), [((64, 48), (48, 64)), ((375, 500), (320, 320)), ((480, 640), (480, 620))]
)
def test_other_shapes_are_told_apart(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert not same_shape(one, other) and not same_shape(other, one)
