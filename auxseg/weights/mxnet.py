"""MXNet's ``.params`` files (lists of named NDArrays), read without MXNet.

The layout, little-endian, after ``src/ndarray/ndarray.cc`` of MXNet 1.9:

- file: uint64 0x112, uint64 0; uint64 count, the arrays; uint64 count, the names
- name: uint64 length, UTF-8
- array: uint32 magic; from V2 on int32 storage type; uint32 number of dimensions; int64 each;
  int32 device type, int32 device number; int32 data type; the values
- the oldest arrays have no magic and begin with the number of dimensions; uint32 each
"""

import math
import struct
from pathlib import Path
from typing import BinaryIO, NoReturn

import torch
from torch import Tensor

HEADER = struct.pack("<QQ", 0x112, 0)
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DENSE = 0
DTYPES = {
    0: torch.float32,
    1: torch.float64,
    2: torch.float16,
    3: torch.uint8,
    4: torch.int32,
    5: torch.int8,
    6: torch.int64,
}
MAX_DIMENSIONS = 8  # more than any layer has


def read_mxnet(path: Path) -> dict[str, Tensor]:
    """Read all arrays by name (``arg:…`` or ``aux:…``), in the order of the file.

    Nothing is read or allocated that the file is too small to hold.

    Raises:
        ValueError: If the file is malformed; the message names the file, the byte and the problem.
    """
    with path.open("rb") as file:
        reader = _Reader(path, file)
        if reader.take(len(HEADER), "the header") != HEADER:
            reader.refuse("not a list of MXNet arrays")
        count = reader.number("Q", "the number of arrays")
        arrays = [_array(reader, f"array {n} of {count}") for n in range(1, count + 1)]
        if reader.number("Q", "the number of names") != count:
            reader.refuse(f"not as many names as arrays ({count})")
        named: dict[str, Tensor] = {}
        for number, array in enumerate(arrays, 1):
            name = _name(reader, f"name {number} of {count}")
            if name in named:
                reader.refuse(f"a second array named {name[:80]!r}")
            named[name] = array
        if reader.left:
            reader.refuse(f"{reader.left} bytes more than the list has")
        return named


class _Reader:
    """A reader that goes forward, and never past the end of the file."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self._size = path.stat().st_size

    @property
    def left(self) -> int:
        return self._size - self._file.tell()

    def refuse(self, problem: str) -> NoReturn:
        raise ValueError(f"{self._path}: at byte {self._file.tell()}: {problem}")

    def take(self, count: int, what: str) -> bytes:
        if count > self.left:
            self.refuse(f"{what} takes {count} bytes, and the file has {self.left} more")
        return self._file.read(count)

    def number(self, kind: str, what: str) -> int:
        value: int = self.numbers(1, kind, what)[0]
        return value

    def numbers(self, count: int, kind: str, what: str) -> tuple[int, ...]:
        form = f"<{count}{kind}"
        return struct.unpack(form, self.take(struct.calcsize(form), what))


def _array(reader: _Reader, what: str) -> Tensor:
    magic = reader.number("I", what)
    if magic in (V2, V3) and reader.number("i", f"{what}: storage type") != DENSE:
        reader.refuse(f"{what} is sparse; only dense arrays can be read")
    versioned = magic in (V1, V2, V3)
    dimensions = reader.number("I", f"{what}: number of dimensions") if versioned else magic
    if dimensions > MAX_DIMENSIONS:
        reader.refuse(f"{what}: {dimensions} dimensions, not {MAX_DIMENSIONS} at most")
    if dimensions == 0 and magic != V3:  # V3 has scalars
        reader.refuse(f"{what} is empty")
    shape = reader.numbers(dimensions, "q" if versioned else "I", f"{what}: shape")
    if any(length < 1 for length in shape):
        reader.refuse(f"{what}: shape {shape}")
    reader.take(8, f"{what}: device")  # where the array was, which does not matter
    kind = reader.number("i", f"{what}: data type")
    if kind not in DTYPES:
        reader.refuse(f"{what}: data type {kind} is not one of {sorted(DTYPES)}")
    dtype = DTYPES[kind]
    values = reader.take(math.prod(shape) * dtype.itemsize, f"{what}, of shape {shape},")
    return torch.frombuffer(bytearray(values), dtype=dtype).reshape(shape)


def _name(reader: _Reader, what: str) -> str:
    letters = reader.take(reader.number("Q", f"{what}: length"), what)
    try:
        return letters.decode("utf-8")
    except UnicodeDecodeError:
        reader.refuse(f"{what} is not UTF-8: {letters[:80]!r}")
