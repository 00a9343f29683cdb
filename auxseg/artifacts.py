"""How artifacts are stored: label maps, grey maps, soft maps in shards, small JSON.

Everything is written beside its place and renamed into it, so what has its final name is whole.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from auxseg.palette import voc_palette

SHARD_SIZE = 64

Arrays = dict[str, npt.NDArray[Any]]


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside ``path`` that becomes ``path`` if the block succeeds."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if path.exists():
        shutil.rmtree(path)
    partial.rename(path)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a file name beside ``path`` that becomes ``path`` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` with stable key order; floats are rounded to 6 digits."""
    with new_file(path) as partial:
        partial.write_text(json.dumps(_rounded(value), indent=2) + "\n", "utf-8")


def write_labels(path: Path, labels: npt.NDArray[np.uint8]) -> None:
    """Write a label map (H, W) as 8-bit PNG with the VOC palette (255 = ignore)."""
    image = Image.fromarray(labels)
    image.putpalette(voc_palette().tobytes())
    image.save(path, "PNG")


def read_labels(path: Path) -> npt.NDArray[np.uint8]:
    """Read a label map as (H, W) uint8; ValueError if it is not an 8-bit PNG of label numbers."""
    image = _open(path)
    if image.mode not in ("P", "L"):
        raise ValueError(f"{path}: not a label map: mode {image.mode} instead of P or L")
    return np.asarray(image)


def write_grey(path: Path, values: npt.NDArray[np.uint8]) -> None:
    """Write a grey map (H, W) as 8-bit PNG."""
    Image.fromarray(values).save(path)


def read_grey(path: Path) -> npt.NDArray[np.uint8]:
    """Read a grey map as (H, W) uint8; ValueError if it has more than 8 bits."""
    image = _open(path)
    if image.mode.startswith(("I", "F")):
        # Pillow would cut everything above 255 off.
        raise ValueError(f"{path}: mode {image.mode}; save it as an 8-bit grey image")
    return np.asarray(image.convert("L"))


def has_saliency(folder: Path) -> bool:
    """Whether a folder holds saliency maps; an empty one says that the pipeline runs without."""
    return any(folder.iterdir())


def read_saliency(folder: Path, id_: str) -> npt.NDArray[np.uint8] | None:
    """Read an image's saliency map (H, W), 255 = salient; None where there is no saliency.

    ValueError if the folder holds maps, but none of this image.
    """
    path = folder / f"{id_}.png"
    return read_grey(path) if path.exists() or has_saliency(folder) else None


def write_shards(folder: Path, items: Iterable[tuple[str, Arrays]]) -> None:
    """Store named arrays per image, ``SHARD_SIZE`` images a file, in the order given.

    The bytes depend on the items and their order only.
    """
    shard: Arrays = {}
    count = 0
    for count, (name, arrays) in enumerate(items, 1):
        shard |= {f"{name}/{key}": np.ascontiguousarray(array) for key, array in arrays.items()}
        if count % SHARD_SIZE == 0:
            save_file(shard, folder / f"{count // SHARD_SIZE - 1:05d}.safetensors")
            shard = {}
    if shard:
        save_file(shard, folder / f"{count // SHARD_SIZE:05d}.safetensors")


class Shards:
    """Arrays that ``write_shards`` stored, read per image; one file is open at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[str, dict[str, Path]] = {}
        self._open: tuple[Path, Any] | None = None
        for path in sorted(folder.glob("*.safetensors")):
            try:
                with safe_open(path, "numpy") as file:
                    keys = list(file.keys())
            except SafetensorError as error:
                raise ValueError(f"{path}: cannot be read as a shard: {error}") from error
            for key in keys:
                name, _, field = key.rpartition("/")
                self._keys.setdefault(name, {})[field] = path
        if not self._keys:
            raise ValueError(f"{folder}: holds no shards")

    def __getitem__(self, name: str) -> Arrays:
        if name not in self._keys:
            raise ValueError(f"{self._folder}: holds nothing for image {name}; run `dvc repro`")
        return {key: self._read(path, f"{name}/{key}") for key, path in self._keys[name].items()}

    def _read(self, path: Path, key: str) -> npt.NDArray[Any]:
        if self._open is None or self._open[0] != path:
            self._open = path, safe_open(path, "numpy")
        array: npt.NDArray[Any] = self._open[1].get_tensor(key)
        return array


def _open(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
        image.load()
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: cannot be read as an image: {error}") from error
    return image


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 6)
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
