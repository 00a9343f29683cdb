"""Files of numpy: ``.npy``, with pickled objects too, and ``.npz``. Nothing in them is executed."""

import io
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

from auxseg.data.pickled_arrays import MAX_BYTES, read_pickle
from auxseg.data.raw_arrays import as_array
from auxseg.data.zipped import open_zipped

MAX_HEADER = 10_000  # bytes, as numpy's own reader has it; longer numbers take minutes to multiply

_MAGIC = b"\x93NUMPY"
_OBJECTS = "O"
_HEADER = re.compile(
    rb"\s*\{\s*'descr':\s*'([^']+)',\s*'fortran_order':\s*(True|False),"
    rb"\s*'shape':\s*\(([\d,\sL]*)\),?\s*\}\s*"
)


def read_npy(path: Path) -> object:
    """Read a file of numpy by its content, whatever it is called.

    Args:
        path: A ``.npy`` or ``.npz`` file.

    Returns:
        Of a ``.npy`` file the array, or, if it is pickled, the object: a dict, list, text, or
        number, within which may be arrays, too. Of a ``.npz`` file a dict of these by name. Tensors
        are arrays as well. Arrays cannot be written to.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is damaged, larger than 256 MiB, or holds anything else; the
            message names the file and what is in it.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
        data = path.read_bytes()
        if data.startswith(b"PK"):
            return _archive(data)
        if data.startswith(_MAGIC):
            return _array(data)
        raise ValueError(f"no file of numpy: it begins with {data[:20]!r}")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _archive(data: bytes) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    left, pickles = MAX_BYTES, 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                with open_zipped(archive, info) as file:
                    member = file.read(left + 1)
                left -= len(member)
                if left < 0:
                    raise ValueError(f"more than {MAX_BYTES >> 20} MiB are packed in it")
                pickles += _header(member)[0] == _OBJECTS
                if pickles > 1:  # each may take ten seconds, and a kilobyte may hold many
                    raise ValueError("holds more than one pickled object")
                name = info.filename.removesuffix(".npy")
                if name in arrays:
                    raise ValueError(f"holds {name!r} twice")
                arrays[name] = _array(member)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise ValueError(f"a damaged archive: {error}") from error
    return arrays


def _array(data: bytes) -> Any:
    type_, fortran, shape, end = _header(data)
    try:
        if type_ == _OBJECTS:
            return read_pickle(io.BytesIO(data[end:]))
        sizes = [int(size.rstrip("L")) for size in shape.replace(" ", "").split(",") if size]
        return as_array(data, type_, sizes, fortran == "True", end)
    except ValueError as error:
        raise ValueError(
            f"holds {error}; numpy arrays, dicts, lists, text and numbers are read"
        ) from error


def _header(data: bytes) -> tuple[str, str, str, int]:
    """Return the type, whether it is in Fortran's order, the shape, and where the values begin."""
    start = 10 if data[6:7] == b"\1" else 12
    length = int.from_bytes(data[8:start], "little")
    if data.startswith(_MAGIC) and length > MAX_HEADER:
        raise ValueError(f"its header has {length} bytes, and the limit is {MAX_HEADER}")
    end = start + length
    header = _HEADER.fullmatch(data[start:end]) if data.startswith(_MAGIC) else None
    if header is None:
        raise ValueError("damaged, or it holds something else than a plain array")
    type_, fortran, shape = (group.decode("latin-1") for group in header.groups())
    return _OBJECTS if type_ == f"|{_OBJECTS}" else type_, fortran, shape, end
