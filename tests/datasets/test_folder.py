"""Images of one's own: tables as people write them, and errors that say how to mend them."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from auxseg.data.index import read_index
from auxseg.params import Dataset
from helpers import dataset_params, import_dataset, import_problems, noise
from project import ROOT
from stages import dataset as stage

SHIPPED = ROOT / "params.yaml"


def params(**changed: Any) -> Dataset:
    own = {"format": "folder"}
    return dataset_params(**own | changed)


def folder(root: Path, table: str, *names: str) -> Path:
    """Images, by default `a.jpg`, `b.PNG` and `c.jpeg`, and the table."""
    (root / "images").mkdir(exist_ok=True, parents=True)
    for name in names or ("a.jpg", "b.PNG", "c.jpeg"):
        Image.fromarray(noise(10, 20)).save(root / "images" / name)
    (root / "labels.csv").write_bytes(table.encode())
    return root


def labels(root: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    index, _ = import_dataset("folder", root, params())
    return {e.id: (e.split, e.labels) for e in index.entries}


def problems(root: Path) -> list[str]:
    lines = import_problems("folder", root, params())
    return [line.removeprefix(f"{root}/") for line in lines]


EXPECTED = {"a": ("train", (0, 1)), "b": ("train", ()), "c": ("val", (1,))}


@pytest.mark.parametrize(
    "table",
    [
        "id,cat,dog,split\na,1,1,train\nb,0,0,train\nc,0,1,val\n",
        "split,dog,id,cat\ntrain,1,a.jpg,1\ntrain,0,b.PNG,0\nval,1,c.jpeg,0",
        "id,labels,split\na,cat;dog,train\nb,,train\nc,dog,val\n",
        'id,labels,split\na,"dog, cat",train\nb,"",train\nc, dog ,val\n',
        # As Excel writes it.
        "\ufeffid;labels;split\r\na;cat,dog;train\r\nb;;train\r\n;;\r\nc;dog;val\r\n\r\n",
        "id;cat;dog;split\nc;0;1;val\nb;0;0;train\na;1;1;train\n",
    ],
)
def test_tables_may_be_written_in_many_ways(table: str, tmp_path: Path) -> None:
    assert labels(folder(tmp_path, table)) == EXPECTED


def test_entries_are_sorted_and_point_to_their_files(tmp_path: Path) -> None:
    table = "id,labels,split\nc,dog,val\nb.PNG,,train\na,dog;cat,train\n"
    index, _ = import_dataset("folder", folder(tmp_path, table), params())
    assert [e.path for e in index.entries] == ["images/a.jpg", "images/b.PNG", "images/c.jpeg"]


def test_without_a_split_every_fifth_image_is_for_validation(tmp_path: Path) -> None:
    names = [f"{number:02d}.jpg" for number in range(12)]
    table = "id,labels\n" + "".join(f"{name},cat;dog\n" for name in names[::-1])
    index, warnings = import_dataset("folder", folder(tmp_path, table, *names), params())
    assert [e.id for e in index.split("val")] == ["04", "09"]
    assert warnings == [
        "image for validation (every fifth, as labels.csv has no column 'split'): 2, such as 04.jpg"
    ]


def test_what_has_no_row_is_left_out_with_a_warning(tmp_path: Path) -> None:
    root = folder(tmp_path, "id,labels,split\na,cat;dog,train\nc,,val\n")
    (root / "images/notes.txt").write_text("none")
    (root / "images/.hidden.jpg").write_text("none")
    index, warnings = import_dataset("folder", root, params())
    assert [e.id for e in index.entries] == ["a", "c"]
    assert warnings == [
        "file in images/ left out, as it is no .jpg or .png: 1, such as notes.txt",
        "image left out, as labels.csv has no row for it: 1, such as b.PNG",
        "image without any class: 1, such as c",
    ]


def test_a_png_that_is_called_jpg_is_read_and_a_text_is_not(tmp_path: Path) -> None:
    root = folder(tmp_path, "id,labels,split\na,cat;dog,train\nc,,val\n")
    Image.fromarray(noise(10, 20)).save(root / "images/a.jpg", "PNG")
    assert set(labels(root)) == {"a", "c"}
    (root / "images/a.jpg").write_text("a cat")
    assert problems(root) == ["images/a.jpg: not a JPEG or PNG image"]


def test_names_in_another_unicode_form_are_found(tmp_path: Path) -> None:
    """macOS may store "é" as two characters."""
    on_disk, written = (unicodedata.normalize(form, "café 猫") for form in ("NFD", "NFC"))
    table = f"id,labels,split\n{written},cat;dog,train\na,,val\n"
    assert on_disk != written
    assert on_disk in labels(folder(tmp_path, table, f"{on_disk}.jpg", "a.jpg"))


def test_stems_may_hold_dots(tmp_path: Path) -> None:
    table = "id,labels,split\na.1,cat;dog,train\nb.1.jpg,,val\n"
    assert set(labels(folder(tmp_path, table, "a.1.jpg", "b.1.jpg"))) == {"a.1", "b.1"}


def test_masks_must_have_the_size_of_their_photographs(tmp_path: Path) -> None:
    root = folder(tmp_path, "id,labels,split\na,cat;dog,train\nc,,val\n")
    (root / "masks").mkdir()
    Image.new("L", (20, 10)).save(root / "masks/a.png")
    assert set(labels(root)) == {"a", "c"}
    Image.new("L", (10, 20)).save(root / "masks/c.png")
    (line,) = problems(root)
    assert line.startswith("images/c.jpeg: 20×10 pixels (upright), but its mask")


@pytest.mark.parametrize("name", ["Masks", "MASKS", "masks"])
def test_masks_that_would_not_be_found_are_refused(name: str, tmp_path: Path) -> None:
    folder(tmp_path, "id,labels,split\na,cat,train\nb,,train\nc,dog,val\n")
    if name == "masks":
        (tmp_path / name).write_bytes(b"")
    else:
        (tmp_path / name).mkdir()
    line = f"{name}: masks are read from the folder {tmp_path / 'masks'}; rename this"
    assert problems(tmp_path) == [line]


def test_all_that_is_wrong_with_rows_is_listed_with_line_and_column(tmp_path: Path) -> None:
    table = """id,labels,split
a,cat;dgo,train
b,cat,train,more
x,dog,train
../images/c,dog,train
c,dog;dog,Val

a.jpg,cat,val
"""
    assert problems(folder(tmp_path, table)) == [
        "labels.csv, line 3: 4 cells, but the first line names 3 columns (separated by ',')",
        f"labels.csv, line 4: no image 'x' in {tmp_path / 'images'}",
        f"labels.csv, line 5: no image '../images/c' in {tmp_path / 'images'}",
        f"labels.csv, line 8: a.jpg has a row already: {tmp_path / 'labels.csv'}, line 2",
        "labels.csv, line 2, column 'labels': no class is named 'dgo'; did you mean 'dog'?",
        "labels.csv, line 6, column 'split': 'Val', but it must be 'train' or 'val'; "
        "did you mean 'val'?",
    ]


def test_cells_of_class_columns_are_0_or_1(tmp_path: Path) -> None:
    table = "id,cat,dog,split\na,1,yes,train\nb,1,1,train\nc,0,,val\n"
    assert problems(folder(tmp_path, table)) == [
        "labels.csv, line 2, column 'dog': 'yes', but 0 or 1 is needed",
        "labels.csv, line 4, column 'dog': '', but 0 or 1 is needed",
    ]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("name,labels", "no column 'id'"),
        ("id,cat,dgo", "column 'dgo' is neither id, labels, split nor a class; did you mean 'dog'"),
        ("id,cat", "no column for the class 'dog'"),
        ("id,cat,dog,labels", "not both: 'cat'"),
        ("id,labels,labels", "column 'labels' occurs twice"),
        ("id", "no column for the class 'cat'"),
        ("", "no column 'id'"),
    ],
)
def test_unusable_columns_are_named(header: str, expected: str, tmp_path: Path) -> None:
    lines = problems(folder(tmp_path, f"{header}\n"))
    assert any(line.startswith("labels.csv, line 1: ") and expected in line for line in lines)


def test_two_images_of_one_stem_are_refused(tmp_path: Path) -> None:
    table = "id,labels,split\na,cat;dog,train\nb,,val\n"
    root = folder(tmp_path, table, "a.jpg", "a.png", "b.jpg")
    assert problems(root) == ["images/a.png: the same stem as a.jpg; rename one of them"]


def test_a_table_or_folder_that_is_missing_or_unreadable_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path, "")
    (root / "labels.csv").write_bytes("id,labels\ncafé,cat\n".encode("latin-1"))
    assert problems(root)[0] == "labels.csv: not UTF-8 text; in Excel, save it as 'CSV UTF-8'"
    (root / "labels.csv").unlink()
    assert problems(root)[0] == "labels.csv: No such file or directory"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert import_problems("folder", empty, params())[0] == (
        f"{empty}/images: no such folder; put the photographs there"
    )


def test_links_to_folders_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    root = folder(tmp_path / "own", "id,labels,split\na,cat;dog,train\nc,,val\n")
    (tmp_path / "masks").mkdir()
    (root / "masks").symlink_to(tmp_path / "masks")
    (line,) = problems(root)
    assert line.startswith("masks: a link to a folder, and DVC does not see what changes behind it")
    (root / "masks").unlink()
    (tmp_path / "link").symlink_to(root)
    assert labels(tmp_path / "link") == labels(root)


def test_mask_values_that_do_not_fit_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    root = folder(tmp_path, "id,labels,split\na,cow,train\n")
    assert import_problems("folder", root, params(mask_values={"cat": 1, "dog": 1})) == [
        "dataset.mask_values: 'cat' and 'dog' have the same value 1"
    ]


def test_16_bit_photographs_that_are_nearly_black_are_counted(tmp_path: Path) -> None:
    root = folder(tmp_path, "id,labels,split\na,cat;dog,train\nb,dog,train\nc,dog,val\n")
    Image.fromarray(noise(10, 20)[..., 0].astype(np.uint16)).save(root / "images/b.PNG")
    _, warnings = import_dataset("folder", root, params())
    assert warnings == [
        "16-bit photograph without a value above an eighth of the range, so nearly black: "
        f"1, such as {root / 'images/b.PNG'}"
    ]


def test_one_class_and_one_tiny_image_of_each_split_are_enough(tmp_path: Path) -> None:
    root = folder(tmp_path, "id,cat,split\na,1,train\nc,1,val\n", "a.png", "c.png")
    for name in ("a", "c"):
        Image.fromarray(noise(1, 7)).save(root / f"images/{name}.png")
    index, warnings = import_dataset("folder", root, params(classes=["cat"]))
    assert [(e.width, e.height, e.labels) for e in index.entries] == [(7, 1, (0,))] * 2
    assert not warnings


def test_the_stage_prints_progress_and_warnings_and_writes_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = folder(tmp_path, "id,labels,split\na,cat;dog,train\nc,,val\n")
    shipped = YAML(typ="safe").load(SHIPPED.read_text("utf-8"))
    shipped["dataset"] = params(root=str(root)).model_dump()
    with (tmp_path / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(shipped, file)
    monkeypatch.chdir(tmp_path)
    stage.main(root, tmp_path / "train", tmp_path / "val")
    indexes = [read_index(tmp_path / part) for part in ("train", "val")]
    assert [[entry.id for entry in index.entries] for index in indexes] == [["a"], ["c", "a"]]
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2:] == [
        "warning: image left out, as labels.csv has no row for it: 1, such as b.PNG",
        "warning: image without any class: 1, such as c",
    ]
    assert lines[-3].startswith("dataset: 2/2 images")
