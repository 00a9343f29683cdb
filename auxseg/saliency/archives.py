"""Files of a folder, a zip or a tar archive, read in place: nothing is ever extracted."""

import io
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from gzip import GzipFile
from pathlib import Path, PurePath, PureWindowsPath
from stat import S_ISLNK
from typing import IO

from auxseg.data.zipped import open_zipped

MIB = 2**20
MAX_BYTES = 64 * MIB  # of one file
MAX_HEADERS = 512 * MIB  # of all headers of a tar archive

# Errors of Python's readers for damaged files; an encrypted zip archive is a RuntimeError.
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Member:
    """A file of a folder or archive.

    Attributes:
        name: For messages.
        path: Of the file, or inside the archive.
        open: Opens the file; returns None if it is not a regular one.
    """

    name: str
    path: PurePath
    open: Callable[[], IO[bytes] | None]

    def read(self) -> bytes:
        """Read the whole file.

        Raises:
            ValueError: If it is damaged, not a regular file, or larger than ``MAX_BYTES``.
        """
        try:
            file = self.open()
            if file is None:
                raise ValueError("not a regular file")
            with file:
                # The size in a header may be wrong.
                data = file.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise ValueError(f"larger than the limit of {MAX_BYTES // MIB} MiB a file")
        except DAMAGED as error:
            raise ValueError(f"cannot be read: {str(error) or 'it is cut off'}") from error
        return data


@contextmanager
def open_members(root: Path, problems: list[str]) -> Iterator[list[Member]]:
    """Yield the files below ``root``, in the order in which they are read fastest.

    Args:
        root: A folder, or a .zip, .tar, .tar.gz or .tgz archive.
        problems: Gets a line for everything that is refused: links, absolute paths and ``..`` in an
            archive; links to folders and folders that cannot be listed.

    Raises:
        ValueError: If ``root`` is none of these, missing or damaged.
    """
    if not root.exists():
        raise ValueError(f"{root}: no such file or folder")
    name = root.name.lower()
    with ExitStack() as stack:
        try:
            if root.is_dir():
                members = _in_folder(root, problems)
            elif name.endswith(".zip"):
                members = _in_zip(root, stack.enter_context(zipfile.ZipFile(root)), problems)
            elif name.endswith((".tar", ".tar.gz", ".tgz")):
                raw = root.open("rb", buffering=0) if name.endswith(".tar") else GzipFile(root)
                stream = stack.enter_context(_Metered(raw))
                archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r:"))
                members = _in_tar(root, archive, stream, problems)
            else:
                raise ValueError("neither a folder nor a .zip, .tar, .tar.gz or .tgz archive")
        except DAMAGED as error:
            raise ValueError(f"{root}: cannot be read: {error}") from error
        yield members


def _in_folder(root: Path, problems: list[str]) -> list[Member]:
    def note(error: OSError) -> None:
        problems.append(f"{error.filename}: {error.strerror}")

    members = []
    for folder, subfolders, names in os.walk(root, onerror=note):
        subfolders.sort()
        problems += [
            f"{path}: a link to a folder, whose files DVC does not see: put the folder in its place"
            for path in (Path(folder, name) for name in subfolders)
            if path.is_symlink()
        ]
        for path in (Path(folder, name) for name in sorted(names)):
            members.append(Member(str(path), path, partial(_open_file, path)))
    return members


def _open_file(path: Path) -> IO[bytes] | None:
    # Opening a named pipe would wait for ever.
    return path.open("rb") if path.is_file() else None


def _in_zip(root: Path, archive: zipfile.ZipFile, problems: list[str]) -> list[Member]:
    return [
        Member(f"{root}: {info.filename!r}", path, partial(open_zipped, archive, info))
        for info in archive.infolist()
        if (path := _safe(root, info.filename, S_ISLNK(info.external_attr >> 16), problems))
        and not info.filename.endswith("/")
    ]


def _in_tar(
    root: Path, archive: tarfile.TarFile, stream: "_Metered", problems: list[str]
) -> list[Member]:
    return [
        Member(f"{root}: {info.name!r}", path, partial(_open_tarred, archive, stream, info))
        for info in archive
        if (path := _safe(root, info.name, info.issym() or info.islnk(), problems))
        and not info.isdir()
    ]


def _open_tarred(
    archive: tarfile.TarFile, stream: "_Metered", info: tarfile.TarInfo
) -> IO[bytes] | None:
    stream.left = 2 * MAX_BYTES
    return archive.extractfile(info)


class _Metered(io.BufferedReader):
    """A stream of ``left`` bytes at most, because tarfile holds headers of any size in memory."""

    def __init__(self, raw: io.RawIOBase | GzipFile) -> None:
        super().__init__(raw)
        self.left = MAX_HEADERS

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= self.left:
            raise ValueError(f"its headers exceed the limit of {MAX_HEADERS // MIB} MiB")
        self.left -= size
        return super().read(size)


def _safe(root: Path, name: str, link: bool, problems: list[str]) -> PurePath | None:
    """Return the path of an archive's member; None if it could lead elsewhere."""
    path = PureWindowsPath(name)  # handles both kinds of separator, and drives
    if not link and not path.anchor and ".." not in path.parts:
        return path
    kind = "a link" if link else "not a path inside the archive"
    problems.append(f"{root}: {name!r} is {kind}; such archives are refused")
    return None
