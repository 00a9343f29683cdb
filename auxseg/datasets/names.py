"""Files found by name, also where the name is spelt in another way on the disk.

macOS stores "é" as two characters, and Windows takes ``IMG_1.JPG`` and ``img_1.jpg`` for the same
file: the names in lists, tables and folders that came from there differ in that.
"""

import os
import time
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path

from auxseg.data.names import composed

PHOTOGRAPHS = (".jpg", ".jpeg", ".png")

_SETTLED = 10**9  # ns after which no further change of a folder can have the same time


def without_suffix(name: str) -> str:
    """Return a name without the suffix of a photograph, if it has one."""
    suffix = next((s for s in PHOTOGRAPHS if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)]


class Spellings:
    """Names that may be spelt in another way where they are asked for."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take the names."""
        self._alike: dict[str, list[str]] = {}
        for name in names:
            self._alike.setdefault(_folded(name), []).append(name)

    def find(self, name: str) -> list[str]:
        """Return the names that are most like ``name``.

        These are the same names, else those that differ in their Unicode form, else those that
        differ in case too.
        """
        return _best(name, self._alike.get(_folded(name), []))


def find_file(folder: Path, name: str, suffixes: Collection[str] = ()) -> Path | None:
    """Find a file or folder by its name, which may be spelt in another way on the disk.

    Args:
        folder: Where to look.
        name: A relative path with ``/``, without the suffix if ``suffixes`` are given.
        suffixes: The suffixes that the file may have, in lower case; on the disk in any case.

    Returns:
        The path as it is on the disk; None if there is none.

    Raises:
        ValueError: If two match equally well.
    """
    *parents, last = name.split("/")
    for parent in parents:
        found = _find(folder, parent, ())
        if found is None:
            return None
        folder = found
    return _find(folder, last, suffixes)


def _find(folder: Path, name: str, suffixes: Collection[str]) -> Path | None:
    stem = name if suffixes else _stem(name)
    spelt = {
        file: _stem(file) if suffixes else file
        for file in _names(folder).get(_folded(stem), ())
        if (file[len(_stem(file)) :].lower() in suffixes)
        or (not suffixes and _folded(file) == _folded(name))
    }
    best = _best(name, spelt.values())
    found = [file for file, spelling in spelt.items() if spelling in best]
    if len(found) > 1:
        raise ValueError(
            f"{folder}: both {found[0]!r} and {found[1]!r} may be meant by {name!r}: rename one"
        )
    return folder / found[0] if found else None


def _best(name: str, alike: Collection[str]) -> list[str]:
    """Return those most like ``name`` of names that differ in Unicode form and case only."""
    same = [other for other in alike if other == name]
    return same or [other for other in alike if composed(other) == composed(name)] or [*alike]


def _names(folder: Path) -> dict[str, list[str]]:
    """Return the names in a folder by their folded stem; none if it is no folder."""
    try:
        modified = folder.stat().st_mtime_ns
        if 0 <= time.time_ns() - modified < _SETTLED:
            return _read_names(folder)
        return _read_names_once(folder, modified)
    except OSError:
        return {}


def _read_names(folder: Path) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    with os.scandir(folder) as entries:
        for name in sorted(entry.name for entry in entries):
            if not name.startswith("."):  # what operating systems leave behind
                names.setdefault(_folded(_stem(name)), []).append(name)
    return names


@lru_cache(maxsize=8)
def _read_names_once(folder: Path, _modified: int) -> dict[str, list[str]]:
    return _read_names(folder)


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _folded(name: str) -> str:
    return composed(composed(name).casefold())
