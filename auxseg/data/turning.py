"""EXIF orientations: what a photograph or a map says of how to turn it upright."""

import struct

from PIL import ExifTags, Image

from auxseg.data.arrays import Bytes

UPRIGHT = 1
EXCHANGED = (5, 6, 7, 8)  # orientations of which turning exchanges width and height


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation 1 to 8; 1 if there is none that can be read."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except (SyntaxError, ValueError, struct.error):
        return UPRIGHT
    return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT


def turned(values: Bytes, orientation: int) -> Bytes:
    """Turn pixels upright.

    Args:
        values: (h, w) or (h, w, C), as a photograph of the EXIF orientation is stored.
        orientation: 1 to 8.

    Returns:
        A view of them: (h, w, …), or (w, h, …) if sides are exchanged.
    """
    if orientation in EXCHANGED:
        values = values.swapaxes(0, 1)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    right = -1 if orientation in (2, 3, 6, 7) else 1
    return values[::down, ::right]
