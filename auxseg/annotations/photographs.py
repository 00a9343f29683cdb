"""Photographs written for other code, upright and reduced as the pipeline sees them."""

from pathlib import Path

import numpy as np
from PIL import Image

from auxseg.data.encoding import encode
from auxseg.data.index import Entry, Index
from auxseg.data.photos import open_image

QUALITY = 95


def write_photograph(path: Path, index: Index, entry: Entry) -> None:
    """Write a photograph of the size that its entry says as the JPEG file ``path``.

    A JPEG is copied if it reads the same without its metadata, which other code may ignore. Any
    other photograph is encoded anew.
    """
    image = index.read_image(entry)
    data = (index.root / entry.path).read_bytes()
    original = open_image(data)
    if original.format == "JPEG" and np.array_equal(np.asarray(original.convert("RGB")), image):
        path.write_bytes(data)
    else:
        path.write_bytes(encode(Image.fromarray(image), "JPEG", quality=QUALITY))
