"""The lists of PASCAL VOC: which photograph each line means."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from auxseg.datasets.names import PHOTOGRAPHS, find_file, without_suffix
from auxseg.datasets.problems import Report

_FOLDER = "JPEGImages"


@dataclass(frozen=True)
class Line:
    """A line of a list.

    Attributes:
        place: File and line, for messages.
        name: The photograph below ``JPEGImages``, without its suffix; with folders, if it is in
            some.
        photograph: Its file.
    """

    place: str
    name: str
    photograph: Path

    @property
    def id(self) -> str:
        """The id of the image, which is the name of files of the pipeline."""
        return self.name.replace("/", "_")


def read_list(root: Path, split: str, report: Report) -> Iterator[Line]:
    """Read a list of ``ImageSets/Segmentation``.

    The whole line is the name of the photograph, or else its first word, which may be a path such
    as ``/JPEGImages/2007_000032.jpg`` before that of a mask. Folders other than ``JPEGImages`` are
    part of the name.

    Args:
        root: Folder of the dataset.
        split: Name of the list.
        report: Gets problems.
    """
    path = root / "ImageSets" / "Segmentation" / f"{split}.txt"
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except OSError as error:
        report.problem("missing list", f"{path}: no such list of image ids: {error.strerror}")
        return
    except UnicodeDecodeError:
        report.problem("missing list", f"{path}: not UTF-8 text")
        return
    for number, text in enumerate(lines, 1):
        if text.strip():
            place = f"{path}, line {number}"
            try:
                yield _line(root / _FOLDER, place, text.strip())
            except FileNotFoundError as error:
                report.problem("missing photograph", f"{place}: {error}")
            except ValueError as error:
                report.problem("ambiguous name", f"{place}: {error}")


def _line(folder: Path, place: str, text: str) -> Line:
    for name in (photograph_name(text), photograph_name(text.split()[0])):
        found = find_file(folder, name, PHOTOGRAPHS)
        if found is not None:
            return Line(place, without_suffix(found.relative_to(folder).as_posix()), found)
    raise FileNotFoundError(f"{folder}/{name}.jpg: No such file, nor .jpeg or .png")


def photograph_name(path: str) -> str:
    """Return what follows ``JPEGImages/`` in a path, or all of it, without a suffix."""
    _, _, below = f"/{path.lstrip('/')}".rpartition(f"/{_FOLDER}/")
    return without_suffix(below.lstrip("/"))
