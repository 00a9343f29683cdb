"""Links to folders, behind which DVC sees nothing, are refused; all other links are fine."""

import os
from pathlib import Path

import pytest

from auxseg.datasets.problems import DatasetError, Report
from auxseg.datasets.tree import check_tree


def problems(root: Path) -> list[str]:
    report = Report()
    check_tree(root, report)
    if not report.has_problems:
        return []
    with pytest.raises(DatasetError) as error:
        report.refuse()
    return str(error.value).split("\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root/images/more").mkdir(parents=True)
    (tmp_path / "root/images/a.jpg").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b.jpg").touch()
    return tmp_path / "root"


def test_a_link_to_a_folder_is_refused_at_any_depth(root: Path) -> None:
    assert problems(root) == []
    links = [root / "masks", root / "images/more/deep"]
    for link in links:
        link.symlink_to(root.parent / "elsewhere")
    found = problems(root)
    assert len(found) == 2
    for link in links:
        assert any(line.startswith(f"{link}: a link to a folder, and DVC does") for line in found)
    assert f"let {root} itself be the link, or set dataset.root to" in found[0]


def test_links_to_files_and_a_root_that_is_a_link_are_fine(root: Path, tmp_path: Path) -> None:
    (root / "images/b.jpg").symlink_to(tmp_path / "elsewhere/b.jpg")
    (root / "images/gone.jpg").symlink_to(tmp_path / "gone")
    (tmp_path / "link").symlink_to(root)
    assert problems(root) == []
    assert problems(tmp_path / "link") == []


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path / "x") == [f"dataset.root: {tmp_path / 'x'}: no such folder"]


def test_a_name_that_is_not_utf_8_is_named(root: Path) -> None:
    try:
        (Path(os.fsdecode(b"%s/caf\xe9.jpg" % os.fsencode(root)))).touch()
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    (line,) = problems(root)
    assert line.endswith("caf\\udce9.jpg': the name is not UTF-8, and DVC refuses it: rename it")


def test_pipes_and_devices_are_refused_wherever_they_are(root: Path) -> None:
    """Reading one would wait for ever, or never end."""
    os.mkfifo(root / "labels.csv")
    (root / "images/more/b.jpg").symlink_to("/dev/zero")
    end = "neither a file nor a folder, but a pipe or device: remove it"
    assert sorted(problems(root)) == [
        f"{root / 'images/more/b.jpg'}: {end}",
        f"{root / 'labels.csv'}: {end}",
    ]
