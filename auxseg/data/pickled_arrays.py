"""Pickled numpy arrays and torch tensors, made of what a pickle holds without executing it.

The field stores image-level labels and CAMs as pickled dicts of arrays. The few calls that numpy
and torch store arrays as are checked and then done here, not by them, who trust what they are
called with: memory stays in proportion to the file.
"""

import io
import math
import re
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from auxseg.data.pickles import KEYS, Call, Global, follow
from auxseg.data.raw_arrays import MAX_DIMENSIONS, MAX_SIZE, as_array

MAX_BYTES = 2**28  # of the values of a pickle
MAX_DEPTH = 16

_NAMES = ("numpy.ndarray", "collections.OrderedDict")
_OBJECTS = r"\|?O[48]?"

_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {
    "torch.DoubleStorage": "<f8",
    "torch.FloatStorage": "<f4",
    "torch.HalfStorage": "<f2",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "<i1",
    "torch.ByteStorage": "<u1",
    "torch.BoolStorage": "|b1",
}


def read_pickle(stream: BinaryIO) -> Any:
    """Read one pickle.

    Args:
        stream: The bytes of a pickle of protocol 2 or later.

    Returns:
        A dict, list, tuple, text, bytes, number, None, or a numpy array, into which tensors are
        turned; within the first three also any of these. Arrays cannot be written to.

    Raises:
        ValueError: If the pickle is damaged, nested too deeply, too large, or holds anything else,
            which is named.
    """
    return _Values().of(follow(stream, {*_NAMES, *_STORAGES, *_CALLS}))


class _Values:
    """Does the calls that ``follow`` wrote down, each once."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}
        self._left = MAX_BYTES

    def of(self, value: Any, depth: int = 0) -> Any:
        """The value, with all its parts; what occurs twice is made once."""
        if not isinstance(value, dict | list | tuple | Call | Global):
            return value
        if depth > MAX_DEPTH:
            raise ValueError(f"values nested in more than {MAX_DEPTH} others")
        if id(value) not in self._made:
            self._spend(100)
            self._made[id(value)] = self  # until it is made
            self._made[id(value)] = self._make(value, depth + 1)
        if self._made[id(value)] is self:
            raise ValueError("a value that holds itself")
        return self._made[id(value)]

    def bytes_of(self, data: Any, depth: int) -> bytes:
        """The bytes that an array is made of; Python 2 had one type for them and text."""
        made = self.of(data, depth)
        if not isinstance(made, bytes | str):
            raise TypeError
        self._spend(len(made))
        return made if isinstance(made, bytes) else made.encode("latin-1")

    def _spend(self, size: int) -> None:
        # One text may be the argument of many calls.
        self._left -= size
        if self._left < 0:
            raise ValueError(f"values of more than {MAX_BYTES >> 20} MiB")

    def _make(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return {self._key(key, depth): self.of(item, depth) for key, item in value.items()}
        if isinstance(value, list):
            return [self.of(item, depth) for item in value]
        if isinstance(value, tuple):
            return tuple(self.of(item, depth) for item in value)
        if isinstance(value, Global):
            return value.name
        try:
            return _CALLS[value.function](self, value, depth)
        except (TypeError, IndexError, KeyError, AttributeError, struct.error) as error:
            raise ValueError(f"a damaged call of {value.function}") from error

    def _key(self, key: Any, depth: int) -> Any:
        made = self.of(key, depth)
        if not isinstance(made, KEYS):
            raise ValueError(f"a dict with a key of the type {type(made).__name__}")
        return made


def _array(values: _Values, call: Call, depth: int) -> Any:
    _, shape, type_, fortran, data = call.state
    name = values.of(type_, depth)
    if not re.fullmatch(_OBJECTS, name):
        return as_array(values.bytes_of(data, depth), name, _sizes(shape), fortran is True)
    items = values.of(data, depth)
    if shape not in ((), (len(items),)):
        raise ValueError(f"an array of objects of the shape {shape}")
    return items if shape else items[0]


def _scalar(values: _Values, call: Call, depth: int) -> Any:
    type_, data = call.arguments
    return as_array(values.bytes_of(data, depth), values.of(type_, depth), ()).item()


def _dtype(values: _Values, call: Call, depth: int) -> str:
    return str.__add__(call.state[1], call.arguments[0])


def _encoded(values: _Values, call: Call, depth: int) -> bytes:
    text, encoding = call.arguments
    if encoding not in ("latin1", "latin-1"):
        raise TypeError
    return values.bytes_of(text, depth)


def _tensor(values: _Values, call: Call, depth: int) -> npt.NDArray[Any]:
    storage, start, *sizes = call.arguments[:4]
    flat, (shape, strides) = values.of(storage, depth), map(_sizes, sizes)
    last = start + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    count = math.prod(shape)
    if not count:
        return np.empty(shape, flat.dtype)
    if start < 0 or last >= flat.size or count > flat.size:
        raise ValueError(f"a tensor of the shape {shape}, but fewer values than that")
    steps = [step * flat.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(flat[start:], shape, steps, writeable=False)


def _storage(values: _Values, call: Call, depth: int) -> npt.NDArray[Any]:
    """The values of a tensor, in torch's form before version 1.6: five pickles, then the bytes."""
    data = values.bytes_of(call.arguments[0], depth)
    stream = io.BytesIO(data)
    magic, _, system, description, _ = (follow(stream, _STORAGES) for _ in range(5))
    if magic != _TORCH_MAGIC or not system["little_endian"]:
        raise TypeError
    count = struct.unpack("<q", stream.read(8))
    return as_array(data, _STORAGES[description[1].name], _sizes(count), offset=stream.tell())


def _sizes(sizes: Any) -> tuple[int, ...]:
    if not isinstance(sizes, tuple) or not all(
        type(size) is int and 0 <= size < MAX_SIZE for size in sizes
    ):
        raise TypeError
    if len(sizes) > MAX_DIMENSIONS:  # the product of millions of sizes takes minutes
        raise ValueError(f"an array of {len(sizes)} dimensions, not {MAX_DIMENSIONS} at most")
    return sizes


_CALLS: dict[str, Callable[[_Values, Call, int], Any]] = {
    "numpy._core.multiarray._reconstruct": _array,
    "numpy.core.multiarray._reconstruct": _array,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.dtype": _dtype,
    "_codecs.encode": _encoded,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch.storage._load_from_bytes": _storage,
}
