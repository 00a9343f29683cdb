"""The files of CAMs that the field's repositories write, one per image or one per map.

A class has the number v - 1 in them if its value in masks is v, see ``dataset.mask_values``.

- ``<id>.npy``, a pickled dict of (H, W) arrays by class number: PSA, SEAM, EPS, MCTformer
- ``<id>.npy``, a pickled dict of the class numbers ``keys`` and of arrays (P, H, W): IRN, ReCAM,
  AdvCAM, ToCo, CLIP-ES; see ``FIELDS``
- ``<id>.npz`` with the same contents
- ``<id>_<class number>.png``, 8-bit: OAA, L2G
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from auxseg.data.maps import read_grey
from auxseg.data.npy import read_npy
from auxseg.data.pickled_arrays import MAX_BYTES

Map = npt.NDArray[Any]

# The maps beside ``keys``, the best first: of the photograph's size (refined in CLIP-ES), then of a
# part of it.
FIELDS = ("high_res", "attn_highres", "highres", "cam", "strided_cam")


def find_maps(
    files: Mapping[str, Path], id_: str, numbers: Iterable[int]
) -> tuple[Path, dict[int, Map]]:
    """Read the maps of an image.

    Args:
        files: The files of a folder by name.
        id_: Of the image.
        numbers: The numbers of all classes.

    Returns:
        The file, or the first one of several, and the maps by class number, unchecked.

    Raises:
        FileNotFoundError: If there is no file of the image.
        ValueError: If a file cannot be read, or there are files of several kinds.
    """
    arrays = [files[name] for suffix in (".npy", ".npz") if (name := f"{id_}{suffix}") in files]
    images = {n: files[name] for n in numbers if (name := f"{id_}_{n}.png") in files}
    sources = [*arrays, *list(images.values())[:1]]
    if not sources:
        raise FileNotFoundError
    if len(sources) > 1:
        raise ValueError(f"{sources[0]}: {sources[1].name} holds CAMs of this image, too")
    if images:
        return sources[0], {number: read_grey(path) for number, path in images.items()}
    return sources[0], read_maps(sources[0])


def read_maps(path: Path) -> dict[int, Map]:
    """Read the maps of a ``.npy`` or ``.npz`` file by class number.

    Raises:
        ValueError: If it has none of the known forms; the message names the file.
    """
    content = read_npy(path)
    if isinstance(content, dict) and list(content) == ["arr_0"]:  # saved without a name
        content = content["arr_0"]
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds no dict of maps, but {type(content).__name__}")
    if "keys" in content:
        return _beside_keys(path, content)
    if not all(isinstance(key, int) or str(key).isdecimal() for key in content):
        raise ValueError(
            f"{path}: its keys are neither class numbers nor 'keys' and {FIELDS[0]!r}: "
            f"{_listed(content)}"
        )
    return {int(key): map_ for key, map_ in content.items()}


def _beside_keys(path: Path, content: Mapping[Any, Any]) -> dict[int, Map]:
    field = next((field for field in FIELDS if field in content), None)
    if field is None:
        raise ValueError(f"{path}: holds none of {', '.join(FIELDS)}, but {_listed(content)}")
    numbers, maps = _array(path, content, "keys").ravel(), _array(path, content, field)
    if numbers.dtype.kind not in "iu":
        raise ValueError(f"{path}: 'keys' holds {numbers.dtype}, not class numbers")
    if maps.ndim == 2 and len(numbers) == 1:
        maps = maps[None]
    if maps.ndim == 3 and len(numbers) == len(maps) + 1 and numbers[0] == 0:
        numbers = numbers[1:] - 1  # those of label maps, where 0 is the background
    if maps.ndim != 3 or len(maps) != len(numbers) or len({*numbers}) < len(numbers):
        raise ValueError(
            f"{path}: {field!r} of the shape {maps.shape} does not fit the class numbers "
            f"{', '.join(map(str, numbers))}"
        )
    return dict(zip(numbers.tolist(), maps, strict=True))


def _array(path: Path, content: Mapping[Any, Any], field: str) -> Map:
    """Return an array, or a list of numbers or arrays as one."""
    values = content[field]
    if isinstance(values, list | tuple):
        # They may hold one another or an array many times, and written out would fill the memory.
        if not all(isinstance(value, int | float | np.ndarray) for value in values):
            raise ValueError(f"{path}: {field!r} holds something else than numbers and arrays")
        size = sum(value.nbytes for value in values if isinstance(value, np.ndarray))
        if size > MAX_BYTES:
            raise ValueError(f"{path}: {field!r} has more than {MAX_BYTES >> 20} MiB of arrays")
    return np.asarray(values)


def _listed(content: Mapping[Any, Any]) -> str:
    return ", ".join(repr(key)[:40] for key in list(content)[:20])
