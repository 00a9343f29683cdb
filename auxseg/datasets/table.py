"""``labels.csv``, the table that says what each image of a folder shows."""

import csv
import io
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from auxseg.data.names import composed
from auxseg.datasets.classes import labels_of, unlisted
from auxseg.datasets.listing import Split
from auxseg.datasets.problems import Report, nearest
from auxseg.params import Dataset

_COLUMNS = ("id", "labels", "split")
_NEAR = 0.7  # how much of two names is the same, from 0 to 1: not "test2014" and "train2014"
_SEPARATORS = ",;\t"
_EXCEL = re.compile(r"sep=([,;\t])[,;\t]*\r?\n", re.IGNORECASE)
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Row:
    """A row of the table: its place, for messages, and its cells by column."""

    place: str
    cells: dict[str, str]


@dataclass(frozen=True)
class _Record:
    first: int
    last: int
    cells: list[str]

    def place(self, path: Path) -> str:
        if self.first == self.last:
            return f"{path}, line {self.first}"
        return f"{path}, lines {self.first} to {self.last}"


def read_table(path: Path, params: Dataset, report: Report) -> list[Row] | None:
    """Read the rows of a table that is separated by commas, semicolons or tabs.

    Rows and columns without any content are passed over.

    Args:
        path: The table.
        params: The section ``dataset``.
        report: Gets problems.

    Returns:
        All rows that have a cell for each column; None if the table cannot be used at all.
    """
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        report.problem("missing table", f"{path}: {error.strerror}")
        return None
    except UnicodeDecodeError:
        kind = "an Excel workbook, not" if content.startswith(_ZIP) else "not UTF-8"
        line = f"{path}: {kind} text; in Excel, save it as 'CSV UTF-8'"
        report.problem("unreadable table", line)
        return None
    header = text.lstrip("\r\n").partition("\n")[0]
    excel = _EXCEL.match(text)  # the first line may name the separator, and the second the columns
    separator = excel[1] if excel else max(_SEPARATORS, key=header.count)
    try:
        records = _records(text, separator)
        first, *records = records[bool(excel) :] or [_Record(1, 1, [])]
    except ValueError as error:
        report.problem("unreadable table", f"{path}, {error}")
        return None
    columns = _columns(path, first, records, params, report)
    if columns is None:
        return None
    rows = []
    for record in records:
        cells = record.cells
        if record.first < record.last:
            line = (
                f"{record.place(path)}: a cell goes on over the end of a line; is a quote missing?"
            )
            report.problem("cell of several lines", line)
        elif len(cells) >= len(first.cells) and not any(cells[len(first.cells) :]):
            row = {name: cells[number] for number, name in columns.items()}
            rows.append(Row(record.place(path), row))
        else:
            line = f"{record.place(path)}: {len(cells)} cells, but the first line names "
            line += f"{len(first.cells)} columns (separated by {separator!r})"
            report.problem("wrong number of cells", line)
    return rows


def row_labels(row: Row, params: Dataset, report: Report) -> tuple[int, ...]:
    """Return the classes 0..K-1 that a row names."""
    if "labels" in row.cells:
        names = {name.strip() for name in re.split("[;,]", row.cells["labels"])} - {""}
        for name in unlisted(names, params):
            line = f"{row.place}, column 'labels': no class is named {name!r}; "
            report.problem("unknown class", line + nearest(name, params.classes))
    else:
        cells = {name: row.cells[composed(name)] for name in params.classes}
        names = {name for name, cell in cells.items() if cell == "1"}
        for name, cell in cells.items():
            if cell not in ("0", "1"):
                line = f"{row.place}, column {name!r}: {cell!r}, but 0 or 1 is needed"
                report.problem("neither 0 nor 1", line)
    return labels_of(names, params)


def row_split(row: Row, params: Dataset, report: Report) -> Split | None:
    """Return the split of a row; None if it is another one than those of ``params``."""
    name, known = row.cells["split"], (params.train, params.val)
    if name in known:
        return "train" if name == params.train else "val"
    close = get_close_matches(name.casefold(), known, n=1, cutoff=_NEAR)
    close += [split for split in known if name.startswith(split)]
    if close or not name:
        line = f"{row.place}, column 'split': {name!r}, but it must be"
        hint = f"; did you mean {close[0]!r}?" if close else ""
        report.problem("unknown split", f"{line} {params.train!r} or {params.val!r}{hint}")
    else:
        kind = f"row of another split than {params.train!r} and {params.val!r} left out"
        report.warning(kind, f"{name!r} in {row.place}")
    return None


def _records(text: str, separator: str) -> list[_Record]:
    """Return the records that have any content. ValueError names the first line of a bad one."""
    lines = [*io.StringIO(text, newline=""), separator]  # the last is a record of two empty cells
    reader = csv.reader(lines, delimiter=separator)
    records: list[_Record] = []
    first = 1
    try:
        for cells in reader:
            records.append(_Record(first, reader.line_num, [cell.strip() for cell in cells]))
            first = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"line {first}: {error}; is a quote missing?") from error
    if records[-1].cells != ["", ""]:  # but for a quote that is still open
        raise ValueError(f"line {records[-1].first}: a quote begins a cell, and none ends it")
    return [record for record in records if any(record.cells)]


def _columns(
    path: Path, first: _Record, records: list[_Record], params: Dataset, report: Report
) -> dict[int, str] | None:
    """Return the named columns by number; None if they are not those that are needed."""
    names = {number: composed(name) for number, name in enumerate(first.cells) if name}
    classes = [composed(name) for name in params.classes]
    problems = [
        f"column {number + 1} has no name, but {record.cells[number]!r} in {record.place(path)}"
        for number, name in enumerate(first.cells)
        if not name
        for record in [r for r in records if any(r.cells[number : number + 1])][:1]
    ]
    columns = list(names.values())
    known = (*_COLUMNS, *classes)
    problems += [
        f"column {name!r} occurs twice" for name in sorted({*columns}) if columns.count(name) > 1
    ]
    if "id" not in columns:
        problems.append(f"no column 'id'; the first line is {', '.join(columns)!r}")
    problems += [
        f"column {name!r} is neither id, labels, split nor a class; {nearest(name, known)}"
        for name in columns
        if name not in known
    ]
    named = [name for name in classes if name in columns]
    if "labels" in columns and named:
        problems.append(f"either a column 'labels' or one for each class, not both: {named[0]!r}")
    elif "labels" not in columns:
        problems += [f"no column for the class {name!r}" for name in classes if name not in named]
    for problem in problems:
        report.problem("unusable column", f"{path}, line {first.first}: {problem}")
    return None if problems else names
