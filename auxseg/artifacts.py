"""How artifacts are stored: label maps, grey maps, soft maps in shards, small JSON.

Everything is written beside its place and renamed into it, so what has its final name is whole. A
folder also holds the checksums of its files, and whoever reads one of them compares: a damaged
artifact is an error instead of a different result.
"""

import errno
import hashlib
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from auxseg.locks import lock
from auxseg.palette import voc_palette

SHARD_SIZE = 64
NO_FILE = "none"  # where a parameter must name a file: a tracked one that stands for no file
CHECKSUMS = "auxseg.sha256"  # as `sha256sum --check` reads it
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Arrays = dict[str, npt.NDArray[Any]]
Bytes = npt.NDArray[np.uint8]


@contextmanager
def new_folder(path: Path, *, checksums: bool = True) -> Iterator[Path]:
    """Give an empty folder beside ``path`` that becomes ``path`` if the block succeeds.

    BlockingIOError if another process is writing ``path``.
    """
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock(path.with_name(f".{path.name}.lock"), str(path)):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            with _naming(path):
                yield partial
                if checksums:
                    _write_checksums(partial)
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
        with _naming(path):
            yield partial
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_file(path: Path) -> bytes:
    """Read a file of an artifact; ValueError if it is not as it was written.

    A file in a folder without checksums, which no stage wrote, is read as it is.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; run `dvc repro`") from None
    folder = next((p for p in path.parents if (p / CHECKSUMS).is_file()), None)
    if folder is not None:
        known = _read_checksums(folder / CHECKSUMS, (folder / CHECKSUMS).stat().st_mtime_ns)
        if known.get(path.relative_to(folder).as_posix()) != hashlib.sha256(data).hexdigest():
            raise ValueError(
                f"{path}: damaged, its checksum is not that of {folder / CHECKSUMS}: "
                f"remove {folder} and run `dvc repro`"
            )
    return data


def verify(folder: Path) -> None:
    """Compare all files of an artifact with its checksums; ValueError names one that differs.

    A folder without checksums, which no stage wrote, is taken as it is.
    """
    checksums = folder / CHECKSUMS
    if checksums.is_file():
        for name in _read_checksums(checksums, checksums.stat().st_mtime_ns):
            read_file(folder / name)


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV file of an artifact."""
    return pd.read_csv(io.BytesIO(read_file(path)))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` with stable key order; floats are rounded to 6 digits."""
    with new_file(path) as partial:
        partial.write_text(json.dumps(_rounded(value), indent=2) + "\n", "utf-8")


def encode_labels(labels: npt.NDArray[np.uint8]) -> bytes:
    """Return a label map (H, W) as 8-bit PNG with the VOC palette (255 = ignore)."""
    image = Image.fromarray(labels)
    image.putpalette(voc_palette().tobytes())
    return _png(image)


def write_labels(path: Path, labels: npt.NDArray[np.uint8]) -> None:
    """Write a label map as ``encode_labels`` gives it."""
    path.write_bytes(encode_labels(labels))


def read_labels(path: Path) -> npt.NDArray[np.uint8]:
    """Read a label map as (H, W) uint8; ValueError if it is not an 8-bit PNG of label numbers."""
    image = _open(path)
    if image.mode not in ("P", "L"):
        raise ValueError(f"{path}: not a label map: mode {image.mode} instead of P or L")
    return np.asarray(image)


def encode_grey(values: npt.NDArray[np.uint8]) -> bytes:
    """Return a grey map (H, W) as 8-bit PNG."""
    return _png(Image.fromarray(values))


def read_grey(path: Path) -> npt.NDArray[np.uint8]:
    """Read a grey map as (H, W) uint8; ValueError if it has more than 8 bits."""
    image = _open(path)
    if image.mode.startswith(("I", "F")):
        # Pillow would cut everything above 255 off.
        raise ValueError(f"{path}: mode {image.mode}; save it as an 8-bit grey image")
    return np.asarray(image.convert("L"))


def has_saliency(folder: Path) -> bool:
    """Whether a folder holds saliency maps; an empty one says that the pipeline runs without."""
    return any(folder.glob("*.png"))


def read_saliency(folder: Path, id_: str) -> npt.NDArray[np.uint8] | None:
    """Read an image's saliency map (H, W), 255 = salient; None where there is no saliency.

    ValueError if the folder holds maps, but none of this image.
    """
    path = folder / f"{id_}.png"
    return read_grey(path) if path.exists() or has_saliency(folder) else None


def encode_arrays(arrays: Arrays) -> bytes:
    """Return the named arrays of one image as safetensors."""
    return save({key: np.ascontiguousarray(array) for key, array in arrays.items()})


def write_files(folder: Path, items: Iterable[tuple[str, bytes]]) -> None:
    """Store encoded maps as ``<id>.png``."""
    for name, data in items:
        (folder / f"{name}.png").write_bytes(data)


def write_shards(folder: Path, items: Iterable[tuple[str, bytes]]) -> None:
    """Store encoded arrays per image, ``SHARD_SIZE`` images a file, in the order given.

    The bytes depend on the items and their order only.
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
    """Arrays that ``write_shards`` stored, read per image; one file is in memory at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[str, dict[str, Path]] = {}
        self._open: tuple[Path, Arrays] | None = None
        for path in sorted(folder.glob("*.safetensors")):
            try:
                with safe_open(path, "numpy") as file:
                    keys = list(file.keys())
            except SafetensorError as error:
                read_file(path)  # which says so if it is damaged
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


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say of a full disk which one it is: a failed write does not tell."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL and error.filename is None:
            error.filename = str(path)
        raise


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _write_checksums(folder: Path) -> None:
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    (folder / CHECKSUMS).write_text("".join(lines), "utf-8")


@lru_cache(maxsize=16)
def _read_checksums(path: Path, _modified: int) -> dict[str, str]:
    lines = path.read_text("utf-8", errors="replace").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _open(path: Path) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(read_file(path)))
        image.load()
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
