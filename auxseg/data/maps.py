"""Label maps and grey maps as PNG files, one per image."""

import io
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from auxseg.data.arrays import Bytes
from auxseg.data.encoding import encode
from auxseg.data.files import FIRST, exists, find_files, read_file
from auxseg.data.palette import voc_palette
from auxseg.data.photos import open_image


def encode_labels(labels: Bytes) -> bytes:
    """Encode a label map (H, W) uint8 as 8-bit PNG with the VOC palette (255 = ignore)."""
    image = Image.fromarray(labels)
    image.putpalette(voc_palette().tobytes())
    return encode(image, "PNG")


def write_labels(path: Path, labels: Bytes) -> None:
    """Write a label map (H, W) uint8 as ``encode_labels`` encodes it."""
    path.write_bytes(encode_labels(labels))


def read_labels(path: Path) -> Bytes:
    """Read a label map as (H, W) uint8.

    Raises:
        ValueError: If the file is missing, damaged, or not an image of 8-bit label numbers.
    """
    image = _open(path)
    if image.mode not in ("P", "L"):
        raise ValueError(f"{path}: not a label map: mode {image.mode} instead of P or L")
    return np.asarray(image)


def encode_grey(values: Bytes) -> bytes:
    """Encode a grey map (H, W) uint8 as 8-bit PNG."""
    return encode(Image.fromarray(values), "PNG")


def read_grey(path: Path) -> Bytes:
    """Read a grey map as (H, W) uint8.

    Raises:
        ValueError: If the file is missing, damaged, not an image, or has more than 8 bits a value.
    """
    image = _open(path)
    if image.mode.startswith(("I", "F")):
        # Pillow would clip all values above 255.
        raise ValueError(f"{path}: mode {image.mode}; save it as an 8-bit grey image")
    return np.asarray(image.convert("L"))


def has_saliency(folder: Path) -> bool:
    """Return whether a folder holds saliency maps; an empty one means a run without saliency."""
    return bool(find_files(folder, ".png"))


def read_saliency(folder: Path, id_: str) -> Bytes | None:
    """Read the saliency map of an image.

    Returns:
        (H, W) uint8, 255 = salient; None if the folder is empty: a run without saliency.

    Raises:
        ValueError: If the folder holds maps, but none of this image.
    """
    path = folder / f"{id_}.png"
    return read_grey(path) if exists(path) or has_saliency(folder) else None


def decode_map(data: bytes) -> Bytes:
    """Decode what ``encode_labels`` or ``encode_grey`` returned."""
    return np.asarray(Image.open(io.BytesIO(data)))


def write_files(folder: Path, items: Iterable[tuple[str, bytes]]) -> None:
    """Write encoded maps, given as pairs of id and content, as ``<id>.png``."""
    for name, data in items:
        (folder / f"{name}.png").write_bytes(data)


def _open(path: Path) -> Image.Image:
    try:
        data = read_file(path, since=FIRST)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        image = open_image(data)
        image.load()
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise ValueError(f"{path}: cannot be read as an image: {error}") from error
    return image
