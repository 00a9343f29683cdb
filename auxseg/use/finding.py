"""Photographs of a folder and of all folders in it, and what their outputs are called."""

import os
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from auxseg.data.names import composed
from auxseg.use.outputs import MANIFEST

SUFFIXES = (".jpg", ".jpeg", ".png")
# Photographs that cannot be read, and are to be named.
OTHER_SUFFIXES = (".avif", ".bmp", ".gif", ".heic", ".heif", ".jp2", ".tif", ".tiff", ".webp")
BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # of JPEG and PNG files
# What we and systems leave behind in folders; Synology's @eaDir holds photographs made smaller.
PASSED_OVER = (
    MANIFEST,
    "$recycle.bin",
    "@eadir",
    "__macosx",
    "desktop.ini",
    "ehthumbs.db",
    "system volume information",
    "thumbs.db",
)


@dataclass
class Found:
    """The files of a folder.

    Attributes:
        photographs: By the name of their outputs, which is a path without suffix.
        side_files: Other files.
        problems: A line for each folder or photograph that is not there to be read.
    """

    photographs: dict[PurePath, Path] = field(default_factory=dict)
    side_files: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def find_photographs(root: Path, without: Container[Path] = ()) -> Found:
    """Find the photographs in a folder and in those below it, links included.

    What is hidden or a system's own is passed over. A file is a photograph by its suffix or by its
    content. The outputs of ``more/a.jpg`` are called ``more/a``, and ``more/a.jpg`` if those of
    another photograph were called so, too, by the rules of any file system.

    Args:
        root: A folder, or a photograph.
        without: Folders to pass over, resolved.

    Raises:
        ValueError: If there is no such folder, or no photograph in it.
    """
    found = Found()
    if root.is_file():
        return Found({PurePath(root.stem): root})
    if not root.is_dir():
        raise ValueError(f"{root}: no such image or folder")
    paths = list(_walk(root, frozenset(), without, found))
    if not paths:
        other = f"; {len(found.side_files)} files are none" if found.side_files else ""
        lines = [*found.problems, f"{root}: holds no JPEG or PNG image{other}"]
        raise ValueError("\n".join(lines))
    names = output_names([path.relative_to(root) for path in paths])
    found.photographs = dict(zip(names, paths, strict=True))
    return found


def _walk(
    folder: Path, above: frozenset[Path], without: Container[Path], found: Found
) -> Iterable[Path]:
    place = folder.resolve()
    if place in above or place in without:  # a link may lead to a folder that it lies in
        return
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        found.problems.append(f"{folder}: {error.strerror}")
        return
    for path in paths:
        if path.name.startswith(".") or path.name.lower() in PASSED_OVER:
            continue
        if path.is_dir():
            yield from _walk(path, above | {place}, without, found)
        elif not _is_photograph(path):
            found.side_files.append(path)
        elif path.is_file():
            yield path
        else:
            found.problems.append(f"{path}: a link to nothing, or no regular file")


def _is_photograph(path: Path) -> bool:
    if path.suffix.lower() in SUFFIXES + OTHER_SUFFIXES:
        return True
    if not path.is_file():  # a named pipe would be waited for
        return False
    try:
        with path.open("rb") as file:
            return file.read(8).startswith(BEGINNINGS)
    except OSError:
        return False


def output_names(paths: Sequence[PurePath]) -> list[PurePath]:
    """Drop the suffixes of paths, as far as they are then told apart by any file system."""
    names: list[PurePath] = [path.with_suffix("") for path in paths]
    while True:
        count = Counter(map(_spelling, names))
        again: list[PurePath] = [
            path if count[_spelling(name)] > 1 else name
            for path, name in zip(paths, names, strict=True)
        ]
        if again == names:
            return names
        names = again


def _spelling(name: PurePath) -> str:
    """One spelling for names that some file system takes for the same."""
    return composed(os.fspath(name)).casefold()
