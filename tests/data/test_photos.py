"""Photographs of any kind become upright 8-bit RGB of bounded size, or are refused."""

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from auxseg.data import photos
from auxseg.data.photos import open_image, read_photo
from helpers import noise

Pixels = npt.NDArray[np.uint8]


def encoded(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def read(data: bytes, max_side: int = 1024) -> Pixels:
    pixels = read_photo(data, max_side).pixels
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    return pixels


def exif(orientation: int) -> Image.Exif:
    values = Image.Exif()
    values[0x0112] = orientation
    return values


def test_a_photograph_that_is_small_enough_is_read_as_it_is() -> None:
    photo = noise(30, 20)
    np.testing.assert_array_equal(read(encoded(Image.fromarray(photo)), 64), photo)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P"])
def test_grey_and_indexed_photographs_are_read_in_colour(mode: str) -> None:
    image = Image.fromarray(noise(6, 5)).convert(mode)
    np.testing.assert_array_equal(read(encoded(image)), np.asarray(image.convert("RGB")))


def test_cmyk_is_converted() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    np.testing.assert_allclose(read(encoded(red, "JPEG"))[8, 8], (255, 0, 0), atol=3)


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    deep = np.array([[0, 257, 256, 40_000, 65_535]], np.uint16)
    pixels = read(encoded(Image.fromarray(deep)))
    assert pixels[0, :, 0].tolist() == [0, 1, 1, 156, 255]


def colour_of_16_bits(*values: int) -> bytes:
    """A PNG of one row, which Pillow cannot write."""
    row = b"\0" + struct.pack(f">{len(values)}H", *values)
    header = struct.pack(">IIBBBBB", len(values) // 3, 1, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(row)), (b"IEND", b""))
    )


def test_16_bit_colour_is_scaled_not_clipped() -> None:
    data = colour_of_16_bits(65_535, 0, 40_000, 257, 256, 32_768)
    assert read(data)[0].tolist() == [[255, 0, 156], [1, 1, 128]]


def test_what_is_transparent_is_white() -> None:
    image = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
    image.putpixel((1, 0), (10, 20, 30, 0))
    assert read(encoded(image))[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_transparent_entries_of_a_palette_are_white() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert read(encoded(image, transparency=1))[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_the_hidden_colour_of_transparent_pixels_does_not_bleed_when_reduced() -> None:
    image = Image.new("RGBA", (200, 100), (255, 0, 0, 0))
    assert (read(encoded(image), 64) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
def test_exif_rotation_is_undone(orientation: int, format_: str) -> None:
    upright = np.zeros((64, 32, 3), np.uint8)
    upright[:32, :16] = 255  # bright at the top left
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    image = Image.fromarray(np.ascontiguousarray(turned))
    photo = read_photo(encoded(image, format_, exif=exif(orientation)), 1024)
    np.testing.assert_allclose(photo.pixels.astype(int), upright, atol=40)
    assert photo.full_size == (32, 64)


@pytest.mark.filterwarnings("ignore:::PIL")
def test_nonsense_in_exif_is_no_rotation() -> None:
    photo = noise(8, 6)
    for data in (b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", exif(77).tobytes()):
        assert read(encoded(Image.fromarray(photo), exif=data)).shape == photo.shape


@pytest.mark.parametrize(
    ("size", "reduced"),
    [
        ((1, 1), (1, 1)),
        ((1024, 700), (1024, 700)),
        ((1025, 700), (1024, 699)),
        ((20, 2000), (10, 1024)),
        ((6000, 4000), (1024, 683)),
        ((1, 50_000), (1, 1024)),
    ],
)
@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
def test_the_longer_side_is_bounded(
    size: tuple[int, int], reduced: tuple[int, int], format_: str
) -> None:
    photo = read_photo(encoded(Image.new("RGB", size, (90, 120, 150)), format_), 1024)
    height, width, _ = photo.pixels.shape
    assert (width, height) == reduced
    assert photo.full_size == size
    np.testing.assert_allclose(photo.pixels[height // 2, width // 2], (90, 120, 150), atol=2)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(64, 200))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_reduced_photographs_keep_their_shape(width: int, height: int, max_side: int) -> None:
    rows, columns, _ = read(encoded(Image.new("L", (width, height))), max_side).shape
    longest = max(width, height)
    assert max(rows, columns) == min(longest, max_side)
    ratio = min(1, max_side / longest)
    assert abs(rows - height * ratio) < 1
    assert abs(columns - width * ratio) < 1


def test_a_large_jpeg_is_reduced_while_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    load = Image.Image.resize
    monkeypatch.setattr(
        Image.Image,
        "resize",
        lambda self, *a, **k: decoded.append(self.size) or load(self, *a, **k),
    )
    read(encoded(Image.new("RGB", (6000, 4000)), "JPEG"), 1024)
    assert decoded[0] == (3000, 2000)


@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
@pytest.mark.parametrize("max_side", [64, 1024])
def test_a_truncated_file_is_refused(format_: str, max_side: int) -> None:
    data = encoded(Image.fromarray(noise(300, 400)), format_)
    with pytest.raises(ValueError, match=r"damaged: .*truncated"):
        read_photo(data[: len(data) // 2], max_side)


@pytest.mark.parametrize("cut", [1, 2])
@pytest.mark.parametrize("max_side", [64, 1024])
@pytest.mark.parametrize("options", [{}, {"restart_marker_blocks": 2}])
def test_a_jpeg_that_lacks_its_end_marker_only_is_read(
    cut: int, max_side: int, options: dict[str, Any]
) -> None:
    data = encoded(Image.fromarray(noise(90, 120)), "JPEG", **options)
    np.testing.assert_array_equal(read(data[:-cut], max_side), read(data, max_side))


@given(
    st.integers(6, 3000),
    st.sampled_from([{}, {"progressive": True}, {"restart_marker_blocks": 2}]),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_jpeg_that_lacks_more_is_refused(cut: int, options: dict[str, Any]) -> None:
    data = encoded(Image.fromarray(noise(90, 120)), "JPEG", **options)
    with pytest.raises(ValueError, match="damaged: "):
        read_photo(data[:-cut], 1024)


def test_a_jpeg_that_ends_before_a_restart_marker_is_refused() -> None:
    data = encoded(Image.fromarray(noise(90, 120)), "JPEG", restart_marker_blocks=2)
    for number in range(0xD0, 0xD8):
        with pytest.raises(ValueError, match="damaged: "):
            read_photo(data[: data.rindex(bytes([0xFF, number]))], 1024)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_png_with_long_texts_is_read(where: str, zipped: bool) -> None:
    photo = noise(8, 6)
    data, size = encoded(Image.fromarray(photo)), 2**21 if zipped else 2**27
    text = b"Comment\0" + (b"\0" + zlib.compress(bytes(size)) if zipped else bytes(size))
    kind = b"zTXt" if zipped else b"tEXt"
    chunk = struct.pack(">I", len(text)) + kind + text + struct.pack(">I", zlib.crc32(kind + text))
    place = data.index(b"IDAT" if where == "before" else b"IEND") - 4
    np.testing.assert_array_equal(read(data[:place] + chunk + data[place:]), photo)


@pytest.mark.parametrize(
    ("values", "faint"),
    [
        (np.uint16([[0, 255]]), True),
        (np.uint16([[0, 4095]]), True),
        (np.uint16([[0, 0]]), True),
        (np.uint16([[0, 9000]]), False),
        (np.uint16([[0, 65_535]]), False),
        (np.uint8([[0, 10]]), False),
        (np.uint8([[[0, 10, 20]]]), False),
    ],
)
def test_16_bits_without_a_large_value_are_faint(values: Any, faint: bool) -> None:
    assert read_photo(encoded(Image.fromarray(values)), 1024).faint == faint


@pytest.mark.parametrize(("highest", "faint"), [(4095, True), (20_000, False)])
def test_16_bits_of_colour_without_a_large_value_are_faint(highest: int, faint: bool) -> None:
    assert read_photo(colour_of_16_bits(0, highest, 7), 1024).faint == faint


@pytest.mark.parametrize("data", [b"", b"id,labels\n1,cat\n", b"GIF89a" + bytes(20), b"\xff\xd8"])
def test_what_is_no_image_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a JPEG or PNG image"):
        read_photo(data, 1024)


def test_other_formats_are_refused() -> None:
    """Some of Pillow's readers start other programs."""
    with pytest.raises(ValueError, match="not a JPEG or PNG image"):
        read_photo(encoded(Image.new("RGB", (8, 8)), "EPS"), 1024)


@pytest.mark.parametrize("side", [10_001, 30_000])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    data = bytearray(encoded(Image.new("L", (8, 8))))
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(ValueError, match="more than 100 million pixels"):
        read_photo(bytes(data), 1024)


@pytest.mark.filterwarnings("ignore:::PIL")
def test_damage_never_raises_anything_but_a_value_error() -> None:
    random = np.random.default_rng(0)
    image = Image.fromarray(noise(20, 16))
    originals = [
        encoded(image, "JPEG", exif=exif(6)),
        encoded(image, exif=exif(6)),
        encoded(image.convert("P"), transparency=3),
    ]
    refused = 0
    for number in range(600):
        data = bytearray(originals[number % 3])
        for place in random.integers(0, min(len(data), 300), 3):
            data[place] = random.integers(256)
        try:
            read_photo(bytes(data), 64)
        except ValueError:
            refused += 1
    assert 0 < refused < 600


def test_a_photograph_of_exactly_the_most_pixels_is_opened() -> None:
    data = bytearray(encoded(Image.new("L", (8, 8))))
    data[16:24] = struct.pack(">II", 10_000, 10_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    assert open_image(bytes(data)).size == (10_000, 10_000)


@pytest.mark.parametrize("behind", [b"", b"\0\2" + b"\xff\xda\0\2" * 200], ids=["", "a video"])
def test_a_jpeg_of_too_many_scans_is_refused(behind: bytes) -> None:
    """An empty scan has a dozen bytes, and takes as long as a whole one."""
    image = Image.fromarray(noise(16, 24))
    whole = encoded(image, "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    count = whole.count(b"\xff\xda")
    assert count < 15

    def with_scans(number: int) -> bytes:
        return whole[:-2] + last * (number - count) + whole[-2:] + behind

    assert read_photo(with_scans(100), 1024).full_size == (24, 16)
    with pytest.raises(ValueError, match=r"^a JPEG of more than 100 scans: save it anew$"):
        read_photo(with_scans(101), 1024)


def test_scans_are_counted_in_a_jpeg_of_several_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow calls its format MPO."""
    image = Image.fromarray(noise(16, 24))
    data = encoded(image, "MPO", save_all=True, append_images=[image])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    for most, problem in ((1, False), (0, True)):
        monkeypatch.setattr(photos, "MAX_SCANS", most)
        with pytest.raises(ValueError, match="scans") if problem else contextlib.nullcontext():
            open_image(data)
