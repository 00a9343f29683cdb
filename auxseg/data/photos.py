"""Decoding of photographs of any kind into 8-bit RGB, with bounded memory."""

import io
import struct
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image

from auxseg.data.arrays import Bytes

FORMATS = ("JPEG", "PNG")  # by content, whatever the file is called
MAX_PIXELS = 100_000_000  # of a photograph as it is stored; a PNG of that size needs 400 MB

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Photo:
    """``pixels`` (H, W, 3) as read; ``full_size`` is (width, height) before the reduction."""

    pixels: Bytes
    full_size: tuple[int, int]


def read_photo(data: bytes, max_side: int) -> Photo:
    """Decode a JPEG or PNG file, turn it upright and reduce its longer side to ``max_side`` pixels.

    16-bit grey is scaled to 8 bits; what is transparent is laid on white. Large JPEGs are reduced
    while they are decoded. ValueError says why a file cannot be read, without naming it.
    """
    image = open_image(data)
    try:
        orientation = _orientation(image)
        image = _continuous(image)
        width, height = image.size
        longest = max(width, height)
        # The sides of the result, rounded up: for a square, Pillow would decode all of a JPEG.
        reduced = (-(-width * max_side // longest), -(-height * max_side // longest))
        image.thumbnail(reduced, reducing_gap=2.0)
        if orientation in _UPRIGHT:
            image = image.transpose(_UPRIGHT[orientation])
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        pixels = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise ValueError(f"damaged: {error}") from error
    return Photo(pixels, (height, width) if orientation >= 5 else (width, height))


def open_image(data: bytes) -> Image.Image:
    """Read the header of a JPEG or PNG file, not the pixels yet.

    ValueError if it is neither, or has more than ``MAX_PIXELS`` pixels.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns below its own limit; ours is between its warning and its error.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        too_large = image.width * image.height > MAX_PIXELS
    except Image.DecompressionBombError:
        too_large = True
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise ValueError("not a JPEG or PNG image") from error
    if too_large:
        raise ValueError(f"more than {MAX_PIXELS // 1_000_000} million pixels: make it smaller")
    return image


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation 1 to 8; 1 where the EXIF data cannot be read, as viewers do."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION)
    except (SyntaxError, ValueError, struct.error):
        return 1
    return value if value in _UPRIGHT else 1


def _continuous(image: Image.Image) -> Image.Image:
    """The image in a mode whose pixels can be averaged; JPEGs are left undecoded."""
    if image.mode.startswith("I"):
        # Pillow's own conversion cuts everything above 255 off.
        image = image.point(lambda value: value * (1 / 257) + 0.5).convert("L")
        image.info.pop("transparency", None)
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("RGB") if image.mode in ("P", "1") else image
