"""One saliency map: from the content of its file to grey levels of its photograph's size."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops

from auxseg.data.arrays import Bytes
from auxseg.data.photos import open_image
from auxseg.data.pixels import resize_grey
from auxseg.data.shapes import same_shape
from auxseg.data.turning import EXCHANGED, UPRIGHT, orientation, turned
from auxseg.saliency.remarks import FAINT, Traits, bright_border


class ShapeError(ValueError):
    """A map has another shape than its photograph."""


@dataclass(frozen=True)
class Decoded:
    """A map (H, W) uint8 of its photograph's size, 255 = salient, and what is kept of its file."""

    pixels: Bytes
    traits: Traits


def decode_map(data: bytes, size: tuple[int, int], turning: Callable[[], int]) -> Decoded:
    """Decode a map, turn it upright and resize it.

    16-bit values are scaled to 8 bits. Colours count by their brightness, and transparent pixels as
    black.

    Args:
        data: Content of a PNG or JPEG file.
        size: (H, W) of the photograph, upright.
        turning: Reads the EXIF orientation of the photograph; only called where it is needed.

    Raises:
        ShapeError: If it has neither the shape of the photograph nor that of a square.
        ValueError: If the file is damaged or too large.
    """
    image = open_image(data)
    try:
        grey, highest = _brightness(image)
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise ValueError(f"cannot be read as an image: {error}") from error
    own = orientation(image)
    grey = turned(grey, own)
    height, width = grey.shape
    fits, lying = same_shape((height, width), size), False
    if not fits and own == UPRIGHT and same_shape((width, height), size):
        photo = turning()
        fits = lying = photo in EXCHANGED
        grey = turned(grey, photo)
    if not fits and height != width:
        raise ShapeError(f"{width}×{height} for {size[1]}×{size[0]}")
    pixels = resize_grey(grey, size)
    traits = Traits(
        width=width,
        height=height,
        low=int(pixels.min()),
        high=int(pixels.max()),
        bright_border=bright_border(pixels),
        wide=highest is not None and highest > 0,
        faint=highest is not None and highest < FAINT,
        turned=lying,
        stretched=not fits,
    )
    return Decoded(pixels, traits)


def _brightness(image: Image.Image) -> tuple[Bytes, int | None]:
    """Return the grey levels (h, w) of an image, and its highest value if it has 16 bits."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        # Exact for maps that were scaled from 8 to 16 bits, by 256 or by 257.
        return (values >> 8).astype(np.uint8), int(values.max())
    if image.has_transparency_data:
        rgba = image.convert("RGBA")  # its own brightness would ignore alpha
        return np.asarray(ImageChops.multiply(rgba.convert("L"), rgba.getchannel("A"))), None
    return np.asarray(image.convert("L")), None
