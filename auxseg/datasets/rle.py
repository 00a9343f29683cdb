"""Run-length encodings of COCO, checked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from auxseg.data.photos import MAX_PIXELS


@dataclass(frozen=True, slots=True)
class Rle:
    """Runs of background and object in turn, down the columns of an image.

    Attributes:
        size: (height, width) in pixels.
        counts: The lengths of the runs, int64.
    """

    size: tuple[int, int]
    counts: npt.NDArray[np.int64]


def read_rle(value: dict[str, Any]) -> Rle:
    """Check an RLE with ``size`` and ``counts``, which may be compressed.

    Raises:
        ValueError: If it is malformed.
    """
    size, counts = value.get("size"), value.get("counts")
    if not isinstance(size, list) or len(size) != 2:
        raise ValueError(f"RLE of the size {size!r}, but [height, width] is needed")
    if isinstance(counts, str):
        counts = read_counts(counts)
    runs, sizes = numbers(counts), numbers(size)
    for name, found in (("size", sizes), ("counts", runs)):
        if found is None or not ((found >= 0) & (found <= MAX_PIXELS) & (found % 1 == 0)).all():
            raise ValueError(f"RLE whose {name} are not whole numbers from 0")
    assert runs is not None and sizes is not None
    height, width = sizes.astype(int).tolist()
    return Rle((height, width), runs.astype(np.int64))


def read_counts(text: str) -> list[int]:
    """Decode the run lengths of a compressed RLE.

    The format is that of ``rleFrString`` in pycocotools, which itself reads beyond the end of a
    malformed string: 5 bits per character, lowest first; from the fourth number on, differences to
    the last but one.

    Raises:
        ValueError: If the text is malformed.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError("malformed compressed RLE")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("compressed RLE that ends within a number")
    return counts


def numbers(values: Any) -> npt.NDArray[np.float64] | None:
    """Return a list of numbers as float64; None if it is anything else."""
    if not isinstance(values, list) or not {*map(type, values)} <= {int, float}:
        return None
    try:
        return np.array(values, np.float64)
    except OverflowError:
        return None
