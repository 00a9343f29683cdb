"""Output files in a folder of the user's, in which nothing is replaced that is not ours."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from auxseg.data.files import CHECKSUMS, new_file

# Not `auxseg.sha256`, which says that a folder is whole and all its files are ours.
MANIFEST = "segment.sha256"
LONGEST = 240  # bytes of a name; that of a partial file is a little longer


def refuse_pipeline_folder(out: Path) -> None:
    """Raise ValueError if a stage of the pipeline wrote ``out`` or a folder above it."""
    for folder in (out.absolute(), *out.absolute().parents):
        if (folder / CHECKSUMS).is_file():
            raise ValueError(f"{out}: {folder} is the pipeline's own: name another folder")


class Outputs:
    """The output files in ``folder``, and a list of their checksums.

    A file that this class wrote, now or in an earlier run, may be replaced, as long as it still is
    as it was written. The list gets the checksum before the file gets its name, so that an
    interrupted run can be repeated. It never loses a line, and ``sha256sum --check`` reads it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._list = folder / MANIFEST
        self._written: set[str] = set()
        if self._list.is_file():
            text = self._list.read_text("utf-8", errors="surrogateescape")
            self._written.update(text.splitlines())

    def prepare(self, paths: Iterable[Path]) -> None:
        """Make the folders, once it is certain that all of ``paths`` can be written.

        Raises:
            ValueError: If files are in the way, a name is too long, or the folder is the
                pipeline's.
            OSError: If the folder cannot be written to.
        """
        refuse_pipeline_folder(self._folder)
        paths, others = list(paths), []
        for path in paths:
            if len(os.fsencode(path.name)) > LONGEST:
                raise ValueError(f"{path}: a name too long for a file: rename the photograph")
            if not self._may_be_replaced(path):
                others.append(path)
        if others:
            raise ValueError(
                f"{self._folder}: {len(others)} of the files to write are there already, and were "
                f"not written by `auxseg segment` or changed since, such as {others[0]}: remove "
                "them, or name another folder"
            )
        for folder in sorted({self._folder, *(path.parent for path in paths)}):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise ValueError(f"{folder}: a file is in the place of a folder") from None
        self._list.open("a").close()

    @contextmanager
    def new(self, path: Path) -> Iterator[Path]:
        """Give a file name beside ``path`` that becomes ``path`` if the block succeeds.

        Raises:
            ValueError: If ``path`` is there already and not ours.
        """
        if not self._may_be_replaced(path):
            raise ValueError(f"{path}: is there already, and was not written by `auxseg segment`")
        with new_file(path, durable=False) as partial:
            yield partial
            line = self._line(path, partial)
            if line not in self._written:
                self._written.add(line)
                with self._list.open("a", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(f"{line}\n")

    def _may_be_replaced(self, path: Path) -> bool:
        if not os.path.lexists(path):
            return True
        return path.is_file() and self._line(path, path) in self._written

    def _line(self, path: Path, file: Path) -> str:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return f"{digest}  {os.path.relpath(path, self._folder)}"
