"""Soft maps of many images: named arrays, in safetensors files of a fixed number of images."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from auxseg.data.arrays import Arrays
from auxseg.data.files import read_file, verify

SHARD_SIZE = 64


def encode_arrays(arrays: Arrays) -> bytes:
    """Encode the named arrays of one image as safetensors."""
    return save({key: np.ascontiguousarray(array) for key, array in arrays.items()})


def write_shards(folder: Path, items: Iterable[tuple[str, bytes]]) -> None:
    """Write the arrays of many images, ``SHARD_SIZE`` images per file, in the order given.

    The bytes depend on the items and their order only.

    Args:
        folder: Gets ``00000.safetensors`` and so on.
        items: Pairs of an id and the arrays, encoded by ``encode_arrays``.
    """
    shard: Arrays = {}
    count = 0
    for count, (name, data) in enumerate(items, 1):
        shard |= {f"{name}/{key}": array for key, array in load(data).items()}
        if count % SHARD_SIZE == 0:
            (folder / f"{count // SHARD_SIZE - 1:05d}.safetensors").write_bytes(save(shard))
            shard = {}
    if shard:
        (folder / f"{count // SHARD_SIZE:05d}.safetensors").write_bytes(save(shard))


class Shards:
    """Arrays that ``write_shards`` wrote, by id of the image; one file is in memory at a time.

    Raises:
        ValueError: If the folder holds no shards, a file is damaged, or an image has no arrays.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[str, dict[str, Path]] = {}
        self._open: tuple[Path, Arrays] | None = None
        for path in sorted(folder.glob("*.safetensors")):
            try:
                with safe_open(path, "numpy") as file:
                    keys = list(file.keys())
            except SafetensorError as error:
                read_file(path)  # raises if the file is damaged
                raise ValueError(f"{path}: cannot be read as a shard: {error}") from error
            for key in keys:
                name, _, field = key.rpartition("/")
                self._keys.setdefault(name, {})[field] = path
        if not self._keys:
            raise ValueError(f"{folder}: holds no shards")

    def __getitem__(self, name: str) -> Arrays:
        if name not in self._keys:
            verify(self._folder)
            raise ValueError(f"{self._folder}: holds nothing for image {name}; run `dvc repro`")
        return {key: self._read(path)[f"{name}/{key}"] for key, path in self._keys[name].items()}

    def _read(self, path: Path) -> Arrays:
        if self._open is None or self._open[0] != path:
            self._open = path, load(read_file(path))
        return self._open[1]
