"""Masks that are files: label maps of the size of the upright photograph, 255 = ignore."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from auxseg.data.arrays import Bytes
from auxseg.data.files import FIRST, read_file
from auxseg.data.index import Index
from auxseg.data.mask_values import UNKNOWN, MaskValues
from auxseg.data.photos import open_image
from auxseg.datasets.names import find_file

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_KINDS = {
    "1": "a 1-bit image, which has room for one class only",
    "RGB": "a colour image",
    "RGBA": "a colour image",
    "LA": "a grey image with transparency",
}


def find_mask(folders: tuple[Path, ...], name: str) -> Path | None:
    """Find the mask ``<name>.png`` in the first of ``folders`` that has it.

    Args:
        folders: Where to look.
        name: Name of the photograph without its suffix; it may be ``<folder>/<stem>``.

    Returns:
        The file; None if there is none.

    Raises:
        ValueError: If two files of a folder may be meant.
    """
    found = (find_file(folder, name, (".png",)) for folder in folders)
    return next((path for path in found if path is not None), None)


def read_mask(index: Index, path: Path) -> Bytes:
    """Read a mask as labels (H, W) uint8.

    Raises:
        ValueError: If it holds a value that no class of ``index`` has, or is no label map.
    """
    values = MaskValues(index.classes, index.mask_values)
    image = open_mask(path, values)
    labels_in(path, image, values)
    labels: Bytes = values.labels.astype(np.uint8)[np.asarray(image)]
    return labels


def open_mask(path: Path, values: MaskValues) -> Image.Image:
    """Read a mask as an image of 8-bit values. A 1-bit mask of one class is one, too.

    Raises:
        ValueError: If it is anything else.
    """
    data = read_file(path, since=FIRST)
    if not data.startswith(_PNG):
        jpeg = " but a JPEG image, which blurs labels" if data.startswith(_JPEG) else ""
        raise ValueError(f"{path}: not a PNG image{jpeg}")
    try:
        image = open_image(data)
        image.load()
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error) as error:
        raise ValueError(f"{path}: damaged or cut off: {error}") from error
    if image.mode == "1" and len(values.classes) == 1:
        return image.convert("L").point([0] + [values.of_class[0]] * 255)
    if image.mode not in ("P", "L"):
        kind = _KINDS.get(image.mode, "a 16-bit image")
        line = f"{kind}; label numbers in 8 bits are needed ({values.described()})"
        raise ValueError(f"{path}: {line}")
    return image


def labels_in(path: Path, image: Image.Image, values: MaskValues) -> set[int]:
    """Return the labels that a mask holds, 0 and 255 included.

    Raises:
        ValueError: If it holds a value that no class has.
    """
    found = np.flatnonzero(image.histogram())
    labels = values.labels[found]
    unknown = found[labels == UNKNOWN]
    if unknown.size:
        count = len(values.classes)
        classes = "there is 1 class" if count == 1 else f"there are {count} classes"
        raise ValueError(
            f"{path}: label {unknown[-1]}, but {classes} ({values.described()}); "
            "dataset.mask_values says which numbers masks hold ('voc': those of PASCAL VOC)"
        )
    return set(labels.tolist())
