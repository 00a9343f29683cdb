"""Images as the bytes of a file."""

import io
from typing import Any

from PIL import Image


def encode(image: Image.Image, format_: str, **options: Any) -> bytes:
    """Return an image as the content of a file; ``options`` are those of the format in Pillow.

    Pillow must not write files itself: what a full disk or a signal cuts off, it takes for written.
    """
    buffer = io.BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()
