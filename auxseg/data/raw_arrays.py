"""Bytes of a file looked at as an array, checked first."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_SIZE = 2**31  # of an axis
MAX_DIMENSIONS = 32

_PLAIN = r"[<>|=]?(b1|[iu][1248]|f[248]|U[1-9]\d{0,3})"  # numpy's short names of plain types


def as_array(
    data: bytes, type_: str, shape: Sequence[int], fortran: bool = False, offset: int = 0
) -> npt.NDArray[Any]:
    """Look at bytes as an array.

    Args:
        data: The bytes.
        type_: Numpy's short name of a plain type, such as ``<f4``.
        shape: Whole numbers from 0.
        fortran: Whether it is the first index that varies fastest.
        offset: Where in ``data`` the array begins.

    Returns:
        An array of the shape ``shape`` that cannot be written to.

    Raises:
        ValueError: If the type is not plain, or the bytes do not suffice.
    """
    if not re.fullmatch(_PLAIN, type_):
        raise ValueError(f"an array of the type {type_[:40]!r}")
    if len(shape) > MAX_DIMENSIONS:
        raise ValueError(f"an array of {len(shape)} dimensions, not {MAX_DIMENSIONS} at most")
    dtype, count = np.dtype(type_), math.prod(shape)
    if len(data) - offset < count * dtype.itemsize or max(shape, default=0) >= MAX_SIZE:
        raise ValueError(f"an array of the shape {tuple(shape)}, but fewer values than that")
    flat = np.frombuffer(data, dtype, count, offset) if count else np.empty(0, dtype)
    if dtype.kind == "U" and (flat.view(dtype.str[0] + "u4") > 0x10FFFF).any():
        raise ValueError("text with a character that does not exist")
    flat.flags.writeable = False
    return flat.reshape(shape, order="F" if fortran else "C")
