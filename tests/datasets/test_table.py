"""``labels.csv`` as Excel and people write it; what is wrong with it is said with its line."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from auxseg.datasets.problems import DatasetError, Report
from auxseg.datasets.table import read_table
from helpers import dataset_params, import_dataset, import_problems, noise

PARAMS = dataset_params(format="folder")


def folder(root: Path, table: str, *names: str) -> Path:
    """Images, by default `a.jpg`, `b.PNG` and `c.jpeg`, and the table."""
    (root / "images").mkdir(exist_ok=True)
    for name in names or ("a.jpg", "b.PNG", "c.jpeg"):
        (root / "images" / name).parent.mkdir(exist_ok=True)
        Image.fromarray(noise(10, 20)).save(root / "images" / name)
    (root / "labels.csv").write_bytes(table.encode())
    return root


def labels(root: Path) -> dict[str, Any]:
    index, _ = import_dataset("folder", root, PARAMS)
    return {e.id: (e.split, e.labels) for e in index.entries}


def warnings(root: Path) -> list[str]:
    return [line.replace(f"{root}/", "") for line in import_dataset("folder", root, PARAMS)[1]]


def problems(root: Path) -> list[str]:
    lines = import_problems("folder", root, PARAMS)
    return [line.replace(f"{root}/", "") for line in lines]


EXPECTED = {"a": ("train", (0, 1)), "b": ("train", ()), "c": ("val", (1,))}


@pytest.mark.parametrize(
    "table",
    [
        # Empty columns and rows at the end, as Excel leaves them.
        "id,labels,split,,\na,cat;dog,train,,\nb,,train,,\nc,dog,val,,\n,,,,\n,,,,\n",
        "id,cat,dog,split,\na,1,1,train,\nb,0,0,train,,,,\nc,0,1,val,\n",
        ",id,labels,split\n,a,cat;dog,train\n,b,,train\n,c,dog,val\n",
        "\n\n;;;\nid;labels;split\n\na;cat,dog;train\nb;;train\n\nc;dog;val",
        # Separated by tabs.
        "id\tlabels\tsplit\na\tcat;dog\ttrain\nb\t\ttrain\nc\tdog\tval\n",
        "\ufeffid\tcat\tdog\tsplit\t\r\na\t1\t1\ttrain\t\r\nb\t0\t0\ttrain\t\r\nc\t0\t1\tval\t\r\n",
        # Excel's own first line, which names the separator.
        "sep=;\r\nid;labels;split\r\na;cat,dog;train\r\nb;;train\r\nc;dog;val\r\n",
        "\ufeffsep=,\nid,labels,split\na,cat;dog,train\nb,,train\nc,dog,val\n",
        # The line ends of old Macs.
        "id,labels,split\ra,cat;dog,train\rb,,train\rc,dog,val\r",
    ],
)
def test_empty_columns_and_rows_and_tabs_are_read(table: str, tmp_path: Path) -> None:
    assert labels(folder(tmp_path, table)) == EXPECTED


def test_a_column_without_a_name_must_be_empty(tmp_path: Path) -> None:
    table = "id,labels,split,,\na,cat;dog,train,,\nb,,train,,note\nc,,val,,\n"
    assert problems(folder(tmp_path, table)) == [
        "labels.csv, line 1: column 5 has no name, but 'note' in labels.csv, line 3"
    ]


def test_cells_beyond_the_columns_must_be_empty(tmp_path: Path) -> None:
    table = "id,labels,split\na,cat;dog,train,,\nb,,train,,note\nc,,val\n"
    assert problems(folder(tmp_path, table)) == [
        "labels.csv, line 3: 5 cells, but the first line names 3 columns (separated by ',')"
    ]


def test_an_excel_workbook_under_the_name_of_a_table_is_told(tmp_path: Path) -> None:
    folder(tmp_path, "").joinpath("labels.csv").write_bytes(b"PK\x03\x04\x14\0\x06\0\xff\xfe")
    line = "labels.csv: an Excel workbook, not text; in Excel, save it as 'CSV UTF-8'"
    assert problems(tmp_path) == [line]


def test_rows_of_other_splits_are_left_out_and_counted(tmp_path: Path) -> None:
    table = "id,labels,split\na,cat;dog,train\nb,cow,test\nc,dog,val\n"
    root = folder(tmp_path, table)
    assert labels(root) == {"a": ("train", (0, 1)), "c": ("val", (1,))}
    assert warnings(root) == [
        "row of another split than 'train' and 'val' left out: 1, such as 'test' in "
        "labels.csv, line 3"
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("trian", "train"),
        ("Val", "val"),
        ("valid", "val"),
        ("validation", "val"),
        ("train ing", "train"),
    ],
)
def test_misspelt_splits_are_refused(name: str, meant: str, tmp_path: Path) -> None:
    table = f"id,labels,split\na,cat;dog,train\nb,,{name}\nc,dog,val\n"
    assert problems(folder(tmp_path, table)) == [
        f"labels.csv, line 3, column 'split': {name!r}, but it must be 'train' or 'val'; "
        f"did you mean {meant!r}?"
    ]


def test_a_row_without_a_split_is_refused(tmp_path: Path) -> None:
    table = "id,labels,split\na,cat;dog,train\nb,,\nc,dog,val\n"
    assert problems(folder(tmp_path, table)) == [
        "labels.csv, line 3, column 'split': '', but it must be 'train' or 'val'"
    ]


def test_a_quote_that_is_never_closed_is_named_where_it_is(tmp_path: Path) -> None:
    table = 'id,labels,split\na,cat;dog,train\nb,"cat,train\nc,dog,val\n'
    assert problems(folder(tmp_path, table)) == [
        "labels.csv, line 3: a quote begins a cell, and none ends it"
    ]


@pytest.mark.parametrize("end", ['c,"dog",val', 'c,,"test",x', '"c",dog,val', 'c,dog,val"'])
def test_a_quote_that_ends_in_another_row_is_named_with_its_lines(end: str, tmp_path: Path) -> None:
    table = f'id,labels,split\na,"cat;dog,train\nb,,train\n{end}\n'
    assert problems(folder(tmp_path, table)) == [
        "labels.csv, lines 2 to 4: a cell goes on over the end of a line; is a quote missing?"
    ]


def test_a_quote_that_swallows_a_large_table_is_named_where_it_is(tmp_path: Path) -> None:
    table = 'id,labels,split\na,cat;dog,train\nb,"cat,train\n' + "c,dog,val\n" * 20_000
    (line,) = problems(folder(tmp_path, table))
    assert line.startswith("labels.csv, line 3: field larger than field limit")
    assert line.endswith("; is a quote missing?")


def test_a_cell_may_have_131072_characters(tmp_path: Path) -> None:
    for length, is_read in ((131_072, True), (131_073, False)):
        (tmp_path / "labels.csv").write_text(f"id,labels\na,{'c' * length}\n")
        report = Report()
        rows = read_table(tmp_path / "labels.csv", PARAMS, report)
        assert (rows is not None, report.has_problems) == (is_read, not is_read)


def test_nothing_more_is_said_of_a_table_that_cannot_be_read(tmp_path: Path) -> None:
    assert problems(folder(tmp_path, "id,labels,labels\na,cat,cat\n")) == [
        "labels.csv, line 1: column 'labels' occurs twice"
    ]
    report = Report()
    assert read_table(tmp_path / "x.csv", PARAMS, report) is None
    assert report.has_problems


def test_folders_in_images_are_said_to_be_left_out(tmp_path: Path) -> None:
    table = "id,labels,split\na,cat;dog,train\nb,,val\n"
    root = folder(tmp_path, table, "a.jpg", "b.jpg", "more/b.jpg")
    assert warnings(root)[0] == (
        "folder in images/ left out, as labels.csv is for the images in images/ itself: "
        "1, such as more"
    )


def test_ids_may_differ_in_case(tmp_path: Path) -> None:
    table = "id,labels,split\nA.JPG,cat;dog,train\nB,,train\nc.JPEG,dog,val\n"
    assert labels(folder(tmp_path, table)) == EXPECTED


def test_an_id_that_two_images_differ_from_in_case_is_refused(tmp_path: Path) -> None:
    table = "id,labels,split\nImg,cat;dog,train\nb,,val\n"
    root = folder(tmp_path, table, "img.jpg", "IMG.jpg", "b.jpg")
    assert problems(root) == [
        "labels.csv, line 2: both 'IMG' and 'img' may be meant by 'Img'",
    ]


@given(st.text(max_size=60) | st.text('id,labels;split\t\n"\r', max_size=60))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_text_is_read_or_refused_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(f"id,labels,split\n{text}", "utf-8", newline="")
    report = Report()
    read_table(path, PARAMS, report)
    try:
        report.refuse()
    except DatasetError as error:
        assert all(line.startswith(f"{path}, line") for line in str(error).split("\n"))
