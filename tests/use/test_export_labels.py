"""Label maps for annotation tools: the format is chosen, and the most doubtful images."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from auxseg.annotations.reading import read_corrections
from auxseg.data.files import CHECKSUMS
from auxseg.data.index import Index, write_index
from auxseg.data.maps import write_labels
from auxseg.datasets.problems import Report
from auxseg.use.commands import app
from auxseg.use.export_labels import FORMATS, export_labels, most_doubtful
from helpers import make_index, noise


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """Three images with label maps, written to ``dataset`` and ``labels``."""
    for folder in ("photos", "dataset", "labels"):
        (tmp_path / folder).mkdir()
    index = make_index(tmp_path / "photos", [noise(6, 8, n) for n in range(3)], [[0]] * 3)
    write_index(tmp_path / "dataset", index)
    for number in range(3):
        labels = np.zeros((6, 8), np.uint8)
        labels[number:4, 2:5], labels[:, 6:] = 1 + number % 2, 255
        write_labels(tmp_path / "labels" / f"{number}.png", labels)
    return index


@pytest.fixture
def doubt(tmp_path: Path) -> Path:
    path = tmp_path / "doubt.csv"
    path.write_text("id,other,doubt\n0,a,0.5\n1,b,0.25\n2,c,0.75\n", "utf-8")
    return path


def export(folder: Path, format_: str, ids: list[str] | None = None) -> Path:
    export_labels(folder / "dataset", folder / "labels", folder / "out", format_, ids)
    return folder / "out"


def test_each_format_is_one_folder(index: Index, tmp_path: Path) -> None:
    files = {
        "voc": {"JPEGImages", "SegmentationClass", "ImageSets", "classes.txt"},
        "coco": {"images", "annotations.json"},
        "labelme": {"0.jpg", "0.json", "1.jpg", "1.json", "2.jpg", "2.json", "labels.txt"},
        "label-studio": {"images", "tasks.json", "config.xml"},
    }
    assert files.keys() == FORMATS.keys()
    for format_, names in files.items():
        out = tmp_path / format_ / "out"
        export_labels(tmp_path / "dataset", tmp_path / "labels", out, format_, None)
        assert {path.name for path in out.iterdir()} == names


@pytest.mark.parametrize(("format_", "place"), [("voc", "SegmentationClass"), ("labelme", ".")])
def test_what_was_exported_reads_as_the_same_labels(
    format_: str, place: str, index: Index, tmp_path: Path
) -> None:
    report = Report()
    read = read_corrections(export(tmp_path, format_) / place, index, report)
    expected = read_corrections(tmp_path / "labels", index, report)
    for (id_, labels), (expected_id, pseudo_labels) in zip(read, expected, strict=True):
        assert id_ == expected_id
        np.testing.assert_array_equal(labels, pseudo_labels)
    report.refuse()


def test_images_are_written_in_the_order_of_the_ids(index: Index, tmp_path: Path) -> None:
    out = export(tmp_path, "label-studio", ["2", "0"])
    tasks = json.loads((out / "tasks.json").read_text("utf-8"))
    assert [task["data"]["id"] for task in tasks] == ["2", "0"]
    assert {path.name for path in (out / "images").iterdir()} == {"0.jpg", "2.jpg"}


def test_the_command_writes_the_most_doubtful_images(
    index: Index, doubt: Path, tmp_path: Path
) -> None:
    paths = [str(tmp_path / name) for name in ("dataset", "labels", "out")]
    options = ["--format", "coco", "--doubtful", "2", "--doubt", str(doubt)]
    result = CliRunner().invoke(app, ["export-labels", *paths, *options])
    assert result.exit_code == 0, result.output
    data = json.loads((tmp_path / "out" / "annotations.json").read_text("utf-8"))
    assert [image["file_name"] for image in data["images"]] == ["2.jpg", "0.jpg"]


@pytest.mark.parametrize("options", [["--doubtful", "2"], ["--doubt", "doubt.csv"]])
def test_one_option_about_doubt_needs_the_other(options: list[str]) -> None:
    result = CliRunner().invoke(app, ["export-labels", "a", "b", "c", *options])
    assert "are of use together only" in str(result.exception)


def test_doubt_is_sorted_from_large_to_small(doubt: Path) -> None:
    assert most_doubtful(doubt, 1) == ["2"]
    assert most_doubtful(doubt, 9) == ["2", "0", "1"]
    doubt.write_text("doubt,id\n1,007\n,none\n1,NA\n2,1e3\n", "utf-8")
    assert most_doubtful(doubt, 9) == ["1e3", "007", "NA"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("id,score\n0,1\n", "has no column 'doubt'"),
        ("name,doubt\n0,1\n", "has no column 'id'"),
        ("id,doubt\n0,1\n1,x\n", "the doubt of '1' is no number"),
        ("id,doubt\n0,1\n1,nan\n", "the doubt of '1' is no number"),
        ("id,doubt\n0,1\n0,2\n", "has '0' twice"),
        ("", "cannot be read as a CSV table"),
        ("id,doubt\n0,1\n0,2,3,4\n", "cannot be read as a CSV table"),
    ],
)
def test_a_table_of_something_else_is_refused(text: str, line: str, doubt: Path) -> None:
    doubt.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=line):
        most_doubtful(doubt, 1)


def test_unknown_formats_images_and_labels_are_refused(index: Index, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no format is named 'cvat'; known are voc, coco"):
        export(tmp_path, "cvat")
    with pytest.raises(ValueError, match=r"dataset: has no image '9'"):
        export(tmp_path, "coco", ["9"])
    write_labels(tmp_path / "labels" / "1.png", np.full((6, 8), 3, np.uint8))
    with pytest.raises(ValueError, match=r"1: label 3, but the number of classes is 2"):
        export(tmp_path, "coco")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format_", FORMATS)
def test_neither_a_folder_of_the_pipeline_nor_one_that_exists_is_written(
    format_: str, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ValueError, match="exists already; remove it or name another folder"):
        export(tmp_path, format_)
    (tmp_path / CHECKSUMS).write_text("")
    with pytest.raises(ValueError, match="is the pipeline's own: name another folder"):
        export(tmp_path, format_)
