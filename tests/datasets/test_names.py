"""Files are found by name, however it is spelt on the disk; two that may be meant are refused."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxseg.datasets.names import PHOTOGRAPHS, Spellings, find_file, without_suffix

NFC, NFD = (unicodedata.normalize(form, "Café") for form in ("NFC", "NFD"))


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a", "a.jpg"),
        ("A", "a.jpg"),
        ("b.c", "b.c.JPEG"),
        ("B.C", "b.c.JPEG"),
        (NFC, f"{NFD}.png"),
        (NFD.upper(), f"{NFD}.png"),
        ("more/d", "More/d.jpg"),
        ("x", None),
        ("a.jpg", None),
        ("b", None),
        ("text", None),
        ("less/d", None),
        ("../a", None),
        (".", None),
        ("", None),
        ("a\0", None),
        ("a" * 5000, None),
    ],
)
def test_a_photograph_is_found_by_its_stem(name: str, found: str | None, tmp_path: Path) -> None:
    names = ("a.jpg", "b.c.JPEG", f"{NFD}.png", "text.txt", "a.txt", ".hidden.jpg", "More/d.jpg")
    folder = files(tmp_path, *names)
    expected = None if found is None else folder / found
    assert find_file(folder, name, PHOTOGRAPHS) == expected


def test_a_file_is_found_by_its_whole_name(tmp_path: Path) -> None:
    folder = files(tmp_path, "a.jpg", "a.png", "IMG.JPG", f"{NFD}/x.jpg")
    assert find_file(folder, "a.png") == folder / "a.png"
    assert find_file(folder, "img.jpg") == folder / "IMG.JPG"
    assert find_file(folder, f"{NFC}/X.jpg") == folder / NFD / "x.jpg"
    assert find_file(folder, "a") is None
    assert find_file(folder, "img.png") is None


def test_a_name_is_first_taken_as_it_is_written(tmp_path: Path) -> None:
    folder = files(tmp_path, "img.jpg", "IMG.jpg", f"{NFC}.jpg", f"{NFD}.jpg", f"{NFC.upper()}.jpg")
    for name in ("img", "IMG", NFC, NFD, NFC.upper()):
        assert find_file(folder, name, PHOTOGRAPHS) == folder / f"{name}.jpg"
    assert find_file(folder, NFD.upper(), PHOTOGRAPHS) == folder / f"{NFC.upper()}.jpg"


@pytest.mark.parametrize("names", [("a.jpg", "a.JPG"), ("a.jpg", "a.png"), ("A.jpg", "A.png")])
def test_two_files_that_may_be_meant_are_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    one, two = sorted(names)
    with pytest.raises(ValueError, match=f"both '{one}' and '{two}' may be meant by 'a': rename"):
        find_file(files(tmp_path, *names), "a", PHOTOGRAPHS)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert find_file(tmp_path / "x", "a", PHOTOGRAPHS) is None
    assert find_file(files(tmp_path, "file") / "file", "a") is None


def test_files_that_come_later_are_found(tmp_path: Path) -> None:
    for number in range(20):
        assert find_file(tmp_path, str(number), PHOTOGRAPHS) is None
        files(tmp_path, f"{number}.jpg")
        assert find_file(tmp_path, str(number), PHOTOGRAPHS)


@given(st.lists(st.text(min_size=1), unique=True), st.integers(min_value=0))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_every_name_is_found_as_it_is_and_folded(names: list[str], number: int) -> None:
    spellings = Spellings(names)
    for name in names:
        assert spellings.find(name) == [name]
        assert name in Spellings([name]).find(unicodedata.normalize("NFD", name))


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.jpg", "a"), ("a.b.PNG", "a.b"), ("a.b", "a.b"), ("a.jpg.txt", "a.jpg.txt")],
)
def test_only_the_suffix_of_a_photograph_is_taken_off(name: str, stem: str) -> None:
    assert without_suffix(name) == stem
