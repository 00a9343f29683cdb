"""Writing artifacts safely, and noticing damaged ones.

Every artifact is written beside its final place, and renamed into it when the disk has it, so
whatever has its final name is complete, even after a power loss. A folder also holds the checksums
of its files and their format, and ``read_file`` compares them: a damaged artifact, or one that
another version wrote and that means something else, is an error instead of a different result.
"""

import errno
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from auxseg.system.disk import sync, sync_all
from auxseg.system.locks import lock

NO_FILE = "none"  # name of data/none, which means "no file" where a parameter needs a path
CHECKSUMS = "auxseg.sha256"  # in the format of `sha256sum --check`, for which # begins a comment
# Of the content of artifacts. To be raised when a file comes to mean something else: then older
# artifacts are refused, except by readers that say that they still understand them.
FORMAT = 2
FIRST = 1  # of version 0.1.0, whose artifacts do not name it
HEADER = "# auxseg artifact, format {}"
REMEDY = "run `auxseg mend`, then `dvc repro`"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def new_folder(path: Path, *, checksums: bool = True) -> Iterator[Path]:
    """Yield an empty folder beside ``path`` that becomes ``path`` if the block succeeds.

    Args:
        path: The final folder, which is replaced if it exists.
        checksums: Whether to add the checksums of all files.

    Yields:
        The folder to write into; it is removed if the block raises.

    Raises:
        BlockingIOError: If another process is writing ``path``.
    """
    partial, old = (path.with_name(f".{path.name}.{end}") for end in ("partial", "old"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock(path.with_name(f".{path.name}.lock"), str(path)):
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)
        partial.mkdir()
        try:
            with _naming(path):
                yield partial
                if checksums:
                    _write_checksums(partial)
                sync_all(partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        if path.is_dir():
            path.rename(old)  # removed below, because a removal can be left half done
        partial.rename(path)
        sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def new_file(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a file name beside ``path`` that becomes ``path`` if the block succeeds.

    Args:
        path: The final file, which is replaced if it exists.
        durable: Whether to wait for the disk, which takes some milliseconds: without this, only a
            checksum tells whether the file is complete after a power loss.
    """
    if not path.parent.is_dir():  # one system call; there are files for every photograph
        path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with _naming(path):
            yield partial
            if durable:
                sync(partial)
            partial.replace(path)
            if durable:
                sync(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def read_file(path: Path, since: int = FORMAT) -> bytes:
    """Read a file of an artifact.

    A file in a folder without checksums, which no stage wrote, is not checked.

    Args:
        path: The file.
        since: The oldest format in which such a file means the same.

    Raises:
        ValueError: If the file is missing, not as it was written, or of another format.
    """
    folder = _artifact(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if folder is not None and _name(path, folder) in _listed(folder):
            raise ValueError(_lost(path)) from None
        raise ValueError(f"{path}: no such file; run `dvc repro`") from None
    if folder is not None:
        _refuse_other_format(folder, since)
        if _listed(folder).get(_name(path, folder)) != hashlib.sha256(data).hexdigest():
            raise ValueError(
                f"{path}: damaged, its checksum is not that of {folder / CHECKSUMS}: {REMEDY}"
            )
    return data


def exists(path: Path) -> bool:
    """Return whether a file belongs to an artifact: one that is lost does, too, if it is listed."""
    folder = _artifact(path)
    return _name(path, folder) in _listed(folder) if folder else path.exists()


def find_files(folder: Path, suffix: str) -> list[Path]:
    """Return the files anywhere below ``folder`` that ``exists`` and end in ``suffix``, sorted."""
    artifact = _artifact(folder)
    if artifact is None:
        return sorted(folder.rglob(f"*{suffix}"))
    paths = (artifact / name for name in _listed(artifact) if name.endswith(suffix))
    return sorted(path for path in paths if path.is_relative_to(folder))


def verify(folder: Path) -> None:
    """Compare all files of an artifact, whatever version wrote it, with its checksums.

    A folder without checksums, which no stage wrote, is not checked.

    Raises:
        ValueError: If a file is missing, differs or is not listed; the message names the first one.
    """
    if (folder / CHECKSUMS).is_file():
        there = {_name(path, folder) for path in folder.rglob("*") if path.is_file()} - {CHECKSUMS}
        for name in sorted(there):
            read_file(folder / name, since=FIRST)
        if lost := sorted(_listed(folder).keys() - there):
            raise ValueError(_lost(folder / lost[0]))


def read_checksums(path: Path) -> dict[str, str]:
    """Return the checksums of an artifact's files by their names, from the file that lists them."""
    lines = path.read_text("utf-8", errors="replace").splitlines()
    pairs = (line.partition("  ") for line in lines if not line.startswith("#"))
    return {name: digest for digest, _, name in pairs}


def read_json(path: Path) -> Any:
    """Read a JSON file of an artifact."""
    try:
        return json.loads(read_file(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: cannot be read as JSON: {error}") from None


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, keys in their order, floats rounded to 6 digits, NaN as null."""
    with new_file(path) as partial:
        partial.write_text(json.dumps(_rounded(value), indent=2) + "\n", "utf-8")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Add ``path`` to the error of a full disk, because a failed write does not name its file."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL and error.filename is None:
            error.filename = str(path)
        raise


def _write_checksums(folder: Path) -> None:
    lines = [f"{HEADER.format(FORMAT)}\n"]
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    (folder / CHECKSUMS).write_text("".join(lines), "utf-8")


def _lost(path: Path) -> str:
    return f"{path}: no such file, but {CHECKSUMS} lists it: {REMEDY}"


def _artifact(path: Path) -> Path | None:
    """Return the folder with checksums that ``path`` is or is in; None if there is none."""
    return next((p for p in (path, *path.parents) if (p / CHECKSUMS).is_file()), None)


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _listed(folder: Path) -> dict[str, str]:
    path = folder / CHECKSUMS
    return _read_checksums(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _read_checksums(path: Path, _modified: int) -> dict[str, str]:
    return read_checksums(path)


def _refuse_other_format(folder: Path, since: int) -> None:
    checksums = folder / CHECKSUMS
    written = _read_format(checksums, checksums.stat().st_mtime_ns)
    if not since <= written <= FORMAT:
        reads = str(since) if since == FORMAT else f"{since} to {FORMAT}"
        raise ValueError(
            f"{folder}: written by another version of auxseg (format {written}; this one reads "
            f"{reads}): remove it and run `dvc repro`, with --force if it comes back"
        )


@lru_cache(maxsize=16)
def _read_format(path: Path, _modified: int) -> int:
    with path.open(encoding="utf-8", errors="replace") as file:
        line = file.readline()
    if header := re.fullmatch(HEADER.format("([0-9]{1,9})\n"), line):
        return int(header[1])
    if re.match("[0-9a-f]{64}  |$", line):
        return FIRST
    raise ValueError(f"{path}: damaged: {REMEDY}")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 6)
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
