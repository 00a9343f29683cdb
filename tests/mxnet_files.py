"""Files of parameters as MXNet writes them."""

import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA


def stored(array: npt.NDArray[np.generic], magic: int | None = V2, kind: int = 0) -> bytes:
    """An array as MXNet stores it; ``magic`` None is the oldest form."""
    versioned = magic is not None
    parts = [struct.pack("<I", magic)] if magic is not None else []
    parts += [struct.pack("<i", 0)] if magic in (V2, V3) else []
    parts += [struct.pack(f"<I{array.ndim}{'q' if versioned else 'I'}", array.ndim, *array.shape)]
    parts += [struct.pack("<iii", 1, 0, kind), array.tobytes()]
    return b"".join(parts)


def listed(arrays: Sequence[bytes], names: Sequence[bytes]) -> bytes:
    parts = [struct.pack("<QQQ", 0x112, 0, len(arrays)), *arrays, struct.pack("<Q", len(names))]
    for name in names:
        parts += [struct.pack("<Q", len(name)), name]
    return b"".join(parts)
