"""Decoding of JPEG and PNG photographs of any mode into 8-bit RGB, with bounded memory."""

import io
import re
import struct
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image

from auxseg.data.arrays import Bytes
from auxseg.data.turning import EXCHANGED, orientation, turned
from auxseg.data.viewers import variants

FORMATS = ("JPEG", "PNG")  # by content; the file name does not matter
MAX_PIXELS = 100_000_000  # of a photograph as stored; a PNG of that size needs 400 MB
MAX_SCANS = 100  # passes over all pixels of a JPEG; programs write about ten

_PNG_DEPTH = 24  # where a PNG says how many bits its values have
_BEGIN, _SCAN, _END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"  # markers of a JPEG
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # that begins a part with a length


@dataclass(frozen=True)
class Photo:
    """A decoded photograph.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, upright and reduced.
        full_size: (width, height) in pixels, upright, before the reduction.
        faint: Whether the file has 16 bits, but no value above an eighth of their range.
    """

    pixels: Bytes
    full_size: tuple[int, int]
    faint: bool = False


def read_photo(data: bytes, max_side: int) -> Photo:
    """Decode a photograph, turn it upright and reduce its longer side to ``max_side``.

    16-bit grey is scaled to 8 bits, and transparent pixels are laid on white. Large JPEGs are
    reduced while they are decoded. A JPEG that lacks nothing but its end marker is read.

    Args:
        data: Content of a JPEG or PNG file.
        max_side: Longest side of the result in pixels; smaller photographs keep their size.

    Raises:
        ValueError: If the file cannot be read; the message says why, but does not name the file.
    """
    try:
        return _decode(data, max_side)
    except ValueError:
        photo = _decode_variants(data, max_side)
        if photo is None:
            raise
        return photo


def _decode_variants(data: bytes, max_side: int) -> Photo | None:
    try:
        photo, *others = (_decode(variant, max_side) for variant in variants(data))
    except ValueError:
        return None
    same = all(np.array_equal(photo.pixels, other.pixels) for other in others)
    return photo if same else None


def _decode(data: bytes, max_side: int) -> Photo:
    image = open_image(data)
    deep = image.format == "PNG" and data[_PNG_DEPTH] == 16
    try:
        turn = orientation(image)  # before a conversion, which may lose it
        image = _continuous(image)
        faint = deep and _brightest(image) < 32
        width, height = image.size
        longest = max(width, height)
        # The result's own sides, rounded up: for a square, Pillow would decode more of a JPEG.
        reduced = (-(-width * max_side // longest), -(-height * max_side // longest))
        image.thumbnail(reduced, reducing_gap=2.0)
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        pixels = np.ascontiguousarray(turned(np.asarray(image.convert("RGB")), turn))
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise ValueError(f"damaged: {error}") from error
    return Photo(pixels, (height, width) if turn in EXCHANGED else (width, height), faint)


def open_image(data: bytes) -> Image.Image:
    """Read the header of a JPEG or PNG file, but not the pixels.

    Raises:
        ValueError: If it is neither, or has more than ``MAX_PIXELS`` pixels.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns at a size below our limit, and refuses only at one above it.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        too_large = image.width * image.height > MAX_PIXELS
    except Image.DecompressionBombError:
        too_large = True
    except ValueError as error:
        raise ValueError(f"cannot be read: {error}") from error
    except (OSError, SyntaxError, struct.error) as error:
        raise ValueError("not a JPEG or PNG image") from error
    if too_large:
        raise ValueError(f"more than {MAX_PIXELS // 1_000_000} million pixels: make it smaller")
    if image.format != "PNG" and _has_more_scans(data, MAX_SCANS):
        raise ValueError(f"a JPEG of more than {MAX_SCANS} scans: save it anew")
    return image


def _has_more_scans(data: bytes, limit: int) -> bool:
    """Return whether a JPEG has more than ``limit`` scans; each may be empty, and takes as long."""
    if data.count(_SCAN) <= limit:
        return False
    place = scans = 0
    while marker := _MARKER.search(data, place):  # behind the end, there may be a video
        kind, place = marker[0], marker.end()
        if kind == _END or scans > limit:
            break
        if kind != _BEGIN:
            scans += kind == _SCAN
            place += int.from_bytes(data[place : place + 2])
    return scans > limit


def _continuous(image: Image.Image) -> Image.Image:
    """Convert to a mode whose pixels can be averaged; JPEGs are left undecoded."""
    if image.mode.startswith("I"):
        # Pillow's own conversion clips all values above 255.
        image = image.point(lambda value: value * (1 / 257) + 0.5).convert("L")
        image.info.pop("transparency", None)
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("RGB") if image.mode in ("P", "1") else image


def _brightest(image: Image.Image) -> int:
    """Return the largest value of an 8-bit image, whatever is transparent."""
    return int(np.asarray(image.convert("RGB")).max())
