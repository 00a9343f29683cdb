"""Images of your own: the folder ``images/``, and ``labels.csv`` with the classes of each image."""

import csv
import io
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.datasets import masks
from auxseg.datasets.listing import Listed, Split
from auxseg.datasets.problems import Report, nearest
from auxseg.params import Dataset

SUFFIXES = (".jpg", ".jpeg", ".png")
VAL_EVERY = 5


@dataclass(frozen=True)
class Row:
    """A line of the table: its place, for messages, and its cells by column."""

    place: str
    cells: dict[str, str]


def list_images(root: Path, params: Dataset, report: Report) -> list[Listed]:
    """List the images that have a row in ``labels.csv``, sorted by id (the stem of the file name).

    Columns: ``id`` (a file name in ``images/``, or its stem); either one column of 0 and 1 for each
    class, or ``labels`` with names separated by ``;`` or ``,``; ``split``. Without ``split``, every
    fifth image is for validation.
    """
    photos = _photos(root / "images", report)
    rows: dict[str, Row] = {}
    for row in _table(root / "labels.csv", params, report):
        key = _find(row.cells["id"], photos)
        if key is None:
            line = f"{row.place}: no image {row.cells['id']!r} in {root / 'images'}"
            report.problem("row without an image", line)
        elif key in rows:
            line = f"{row.place}: {photos[key].name} has a row already: {rows[key].place}"
            report.problem("duplicate id", line)
        else:
            rows[key] = row
    for key in sorted(photos.keys() - rows.keys()):
        report.warning("image left out, as labels.csv has no row for it", photos[key].name)
    return [
        Listed(
            photos[key].stem,
            _split(row, number, params, report),
            photos[key],
            _labels(row, params, report),
        )
        for number, (key, row) in enumerate(sorted(rows.items()))
    ]


def find_mask(root: Path, id_: str) -> Path | None:
    """Return the mask file of an image; None if there is none."""
    return masks.find_mask((root / "masks",), id_)


def read_mask(index: Index, entry: Entry) -> Bytes | None:
    """Read the mask (H, W) uint8 of an image; None if there is none."""
    path = find_mask(index.root, entry.id)
    return None if path is None else masks.read_mask(index, path)


def _photos(folder: Path, report: Report) -> dict[str, Path]:
    """Return the image files by stem."""
    photos: dict[str, Path] = {}
    if not folder.is_dir():
        report.problem("missing folder", f"{folder}: no such folder; put the photographs there")
        return photos
    for path in sorted(folder.iterdir()):
        key = _composed(path.stem)
        if path.name.startswith("."):
            continue  # what operating systems leave behind
        if path.suffix.lower() not in SUFFIXES:
            report.warning("file in images/ left out, as it is no .jpg or .png", path.name)
        elif key in photos:
            line = f"{path}: the same stem as {photos[key].name}; rename one of them"
            report.problem("two images of one stem", line)
        else:
            photos[key] = path
    return photos


def _composed(name: str) -> str:
    """Return one spelling of what macOS and others encode differently, such as "é"."""
    return unicodedata.normalize("NFC", name)


def _find(cell: str, photos: dict[str, Path]) -> str | None:
    """Return the stem that an id stands for; None if there is no such image."""
    name = _composed(cell)
    stem = Path(name).stem if name.lower().endswith(SUFFIXES) else name
    return next((key for key in (name, stem) if key in photos), None)


def _table(path: Path, params: Dataset, report: Report) -> list[Row]:
    """Read the rows of the table; none if its columns are not those that are needed."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        report.problem("missing table", f"{path}: {error.strerror}")
        return []
    except UnicodeDecodeError:
        line = f"{path}: not UTF-8 text; in Excel, save it as 'CSV UTF-8'"
        report.problem("unreadable table", line)
        return []
    header = text.partition("\n")[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        columns = [cell.strip() for cell in next(lines, [])]
        records = [(lines.line_num, [cell.strip() for cell in cells]) for cells in lines]
    except csv.Error as error:
        report.problem("unreadable table", f"{path}, line {lines.line_num}: {error}")
        return []
    if not _check_columns(path, columns, params, report):
        return []
    rows = []
    for number, cells in records:
        place = f"{path}, line {number}"
        if len(cells) == len(columns) and any(cells):
            rows.append(Row(place, dict(zip(columns, cells, strict=True))))
        elif any(cells):
            line = f"{place}: {len(cells)} cells, but the first line names {len(columns)} columns"
            report.problem("wrong number of cells", f"{line} (separated by {delimiter!r})")
    return rows


def _check_columns(path: Path, columns: list[str], params: Dataset, report: Report) -> bool:
    problems = [f"column {name!r} occurs twice" for name in _repeated(columns)]
    if "id" not in columns:
        problems.append(f"no column 'id'; the first line is {', '.join(columns)!r}")
    named = [name for name in params.classes if name in columns]
    for name in columns:
        if name not in ("id", "labels", "split", *params.classes):
            hint = nearest(name, ("id", "labels", "split", *params.classes))
            problems.append(f"column {name!r} is neither id, labels, split nor a class; {hint}")
    if "labels" in columns and named:
        problems.append(f"either a column 'labels' or one for each class, not both: {named[0]!r}")
    elif "labels" not in columns:
        problems += [
            f"no column for the class {name!r}" for name in params.classes if name not in named
        ]
    for problem in problems:
        report.problem("unusable column", f"{path}, line 1: {problem}")
    return not problems


def _repeated(names: list[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _labels(row: Row, params: Dataset, report: Report) -> tuple[int, ...]:
    if "labels" in row.cells:
        names = {name.strip() for name in re.split("[;,]", row.cells["labels"])} - {""}
        for name in sorted(names - set(params.classes)):
            line = f"{row.place}, column 'labels': no class is named {name!r}; "
            report.problem("unknown class", line + nearest(name, params.classes))
    else:
        names = {name for name in params.classes if row.cells[name] == "1"}
        for name in params.classes:
            if row.cells[name] not in ("0", "1"):
                line = f"{row.place}, column {name!r}: {row.cells[name]!r}, but 0 or 1 is needed"
                report.problem("neither 0 nor 1", line)
    return tuple(number for number, name in enumerate(params.classes) if name in names)


def _split(row: Row, number: int, params: Dataset, report: Report) -> Split:
    if "split" not in row.cells:
        if (number + 1) % VAL_EVERY:
            return "train"
        kind = "image for validation (every fifth, as labels.csv has no column 'split')"
        report.warning(kind, row.cells["id"])
        return "val"
    name = row.cells["split"]
    if name not in (params.train, params.val):
        line = f"{row.place}, column 'split': {name!r}, but it must be"
        report.problem("unknown split", f"{line} {params.train!r} or {params.val!r}")
    return "val" if name == params.val else "train"
