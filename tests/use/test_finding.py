"""Photographs are found wherever they lie, and each has outputs of its own."""

import os
from pathlib import Path, PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxseg.use.finding import BEGINNINGS, find_photographs, output_names


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def found(root: Path) -> dict[str, str]:
    photographs = find_photographs(root).photographs
    return {
        name.as_posix(): path.relative_to(root).as_posix() for name, path in photographs.items()
    }


def test_photographs_of_all_folders_are_found_in_order(tmp_path: Path) -> None:
    make(tmp_path, "b/c/2.PNG", "b/1.jpeg", "a.jpg/x.JPG", "0.png")
    assert list(found(tmp_path).items()) == [
        ("0", "0.png"),
        ("a.jpg/x", "a.jpg/x.JPG"),
        ("b/1", "b/1.jpeg"),
        ("b/c/2", "b/c/2.PNG"),
    ]


def test_only_images_clash_and_those_are_told_apart_by_their_suffix(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "a.png", "b.jpg", "b.json", "c/a.jpg")
    assert found(tmp_path) == {
        "a.jpg": "a.jpg",
        "a.png": "a.png",
        "b": "b.jpg",
        "c/a": "c/a.jpg",
    }


@pytest.mark.parametrize(
    "names", [("A.jpg", "a.png"), ("é.jpg", "e\u0301.png"), ("a.jpg", "a.png", "a.jpg.png")]
)
def test_what_a_file_system_may_take_for_one_name_clashes(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    assert sorted(found(make(tmp_path, *names))) == sorted(names)


@given(st.lists(st.from_regex(r"[aAb](\.jpg|\.png|\.PNG){0,3}", fullmatch=True), unique=True))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_no_two_photographs_have_one_name(names: list[str]) -> None:
    given = list(map(str, output_names(list(map(PurePath, names)))))
    assert len(set(given)) == len(names)
    plain = [name.casefold() for name in given]
    # Those that differ by case alone have no shorter name.
    assert {name for name in given if plain.count(name.casefold()) > 1} <= set(names)


def test_what_is_hidden_or_the_system_s_is_passed_over(tmp_path: Path) -> None:
    make(tmp_path, ".hidden.jpg", ".git/x.jpg", "Thumbs.db", "desktop.ini", "@eaDir/a.jpg")
    make(tmp_path, "__MACOSX/._a.jpg", "a.jpg")
    result = find_photographs(tmp_path)
    assert list(result.photographs) == [PurePath("a")]
    assert result.side_files == []


def test_a_photograph_is_known_by_its_content_and_side_files_are_counted(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "a.cr2", "c.webp")
    (tmp_path / "photo").write_bytes(BEGINNINGS[0])
    (tmp_path / "photo.orig").write_bytes(BEGINNINGS[1])
    assert found(tmp_path) == {"c": "c.webp", "photo": "photo", "photo.orig": "photo.orig"}
    assert [path.name for path in find_photographs(tmp_path).side_files] == ["a.cr2", "a.txt"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    make(tmp_path / "elsewhere", "a.jpg")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(root)
    assert list(found(root)) == ["again/a", "link/a"]


@pytest.mark.timeout(10)
def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone.png").symlink_to("nowhere")
    result = find_photographs(tmp_path)
    assert list(result.photographs) == [PurePath("a")]
    assert result.problems == [
        f"{tmp_path / name}: a link to nothing, or no regular file"
        for name in ("gone.png", "pipe.jpg")
    ]


def test_a_folder_of_other_files_is_refused_with_their_number(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "b/c.json")
    with pytest.raises(ValueError, match=r"holds no JPEG or PNG image; 2 files are none"):
        find_photographs(tmp_path)
