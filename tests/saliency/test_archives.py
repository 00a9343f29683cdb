"""Archives are read in place, and what is hostile or damaged in them is refused."""

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from auxseg.saliency import archives
from auxseg.saliency.archives import open_members

KINDS = ["folder", "maps.zip", "maps.tar", "maps.tar.gz", "maps.tgz", "MAPS.ZIP", "MAPS.TGZ"]
ARCHIVES = KINDS[1:5]
FILES = {"b.txt": b"", "deep/er/a.png": bytes(5000), "ä ö/c.png": b"text"}


def pack(root: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    """Write a folder or an archive, whatever its name says."""
    if root.suffix.lower() == ".zip":
        with zipfile.ZipFile(root, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.mkdir("deep")
            for name, data in files:
                zipped.writestr(name, data)
    elif root.suffix:
        with tarfile.open(root, "w" if root.suffix == ".tar" else "w:gz") as tar:
            tar.addfile(entry("deep", 0, tarfile.DIRTYPE))
            for name, data in files:
                tar.addfile(entry(name, len(data)), io.BytesIO(data))
    else:
        for name, data in files:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data)
    return root


def entry(name: str, size: int, type_: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, type_
    return info


def problems_of(root: Path) -> list[str]:
    problems: list[str] = []
    with open_members(root, problems) as members:
        assert all(".." not in member.path.parts for member in members)
    return problems


@pytest.mark.parametrize("kind", KINDS)
def test_all_files_are_read_and_nothing_is_written(kind: str, tmp_path: Path) -> None:
    root = pack(tmp_path / kind, FILES.items())
    before = sorted(tmp_path.rglob("*"))
    problems: list[str] = []
    with open_members(root, problems) as members:
        found = {"/".join(member.path.parts[-3:]): member.read() for member in members}
    assert problems == []
    assert len(found) == len(FILES)
    assert all(found[key] == data for name, data in FILES.items() for key in found if name in key)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize(
    "name", ["/etc/a.png", "../a.png", "x/../../a.png", "..\\a.png", "C:\\a.png", "\\\\host\\a.png"]
)
def test_a_path_that_leads_out_of_the_archive_is_refused(
    kind: str, name: str, tmp_path: Path
) -> None:
    root = pack(tmp_path / kind, [(name, b""), ("good.png", b"")])
    (problem,) = problems_of(root)
    assert problem.startswith(f"{root}: {name!r} is not a path inside the archive")


@pytest.mark.parametrize("type_", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_a_tar_archive_are_refused(type_: bytes, tmp_path: Path) -> None:
    link = entry("a.png", 0, type_)
    link.linkname = "/etc/passwd"
    with tarfile.open(tmp_path / "maps.tar", "w") as tar:
        tar.addfile(link)
    (problem,) = problems_of(tmp_path / "maps.tar")
    assert "'a.png' is a link" in problem


def test_links_in_a_zip_archive_are_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "maps.zip", "w") as zipped:
        zipped.writestr(info, "/etc/passwd")
    (problem,) = problems_of(tmp_path / "maps.zip")
    assert "'a.png' is a link" in problem


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_file_larger_than_the_limit_is_refused_and_the_limit_named(
    kind: str, tmp_path: Path
) -> None:
    root = pack(tmp_path / kind, [("bomb.png", bytes(archives.MAX_BYTES + 1))])
    if root.is_file() and kind != "maps.tar":
        assert root.stat().st_size < 10**6
    with (
        open_members(root, []) as members,
        pytest.raises(ValueError, match=r"larger than the limit of 64 MiB"),
    ):
        members[0].read()


@pytest.mark.parametrize("kind", KINDS[:5])
def test_a_file_of_exactly_the_limit_is_read(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 2**20)
    root = pack(tmp_path / kind, [("a.png", bytes(2**20))])
    with open_members(root, []) as members:
        assert len(members[0].read()) == 2**20


def test_a_zip_that_lies_about_a_size_gives_no_more_than_it_says(tmp_path: Path) -> None:
    root = pack(tmp_path / "maps.zip", [("bomb.png", bytes(10**6))])
    data = root.read_bytes().replace(struct.pack("<L", 10**6), struct.pack("<L", 10))
    root.write_bytes(data)
    with open_members(root, []) as members, pytest.raises(ValueError, match="cannot be read"):
        members[0].read()


def test_tar_headers_cannot_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_HEADERS", 2**20)
    size = 2**21
    info = entry("long name", size, tarfile.GNUTYPE_LONGNAME)
    with gzip.open(tmp_path / "maps.tgz", "wb") as file:
        file.write(info.tobuf() + bytes(size))
    with pytest.raises(ValueError, match=r"maps\.tgz: .*headers exceed the limit of 1 MiB"):
        problems_of(tmp_path / "maps.tgz")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_limit_are_refused(method: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "maps.zip", "w", method) as zipped:
        zipped.writestr("a.png", bytes(1000))
    with (
        open_members(tmp_path / "maps.zip", []) as members,
        pytest.raises(ValueError, match="another method than deflate"),
    ):
        members[0].read()


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_damaged_archive_is_one_line_that_names_it(
    kind: str, content: bytes | None, tmp_path: Path
) -> None:
    root = pack(tmp_path / kind, [("a.png", os.urandom(9000))])
    root.write_bytes(root.read_bytes()[:4000] if content is None else content)
    with pytest.raises(ValueError) as error:
        problems_of(root)
    assert str(error.value).startswith(f"{root}: cannot be read: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["missing", "maps.zip", "maps.tgz"])
def test_what_is_not_there_is_said_to_be_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"{name}: no such file or folder$"):
        problems_of(tmp_path / name)


def test_a_link_to_a_folder_below_the_root_is_named(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "maps", tmp_path / "elsewhere"
    pack(root, [("a.png", b"")])
    pack(elsewhere, [("b.png", b"")])
    (root / "more").symlink_to(elsewhere)
    (problem,) = problems_of(root)
    assert problem.startswith(f"{root / 'more'}: a link to a folder")
    (tmp_path / "link").symlink_to(elsewhere)
    assert problems_of(tmp_path / "link") == []


@pytest.mark.parametrize("name", ["maps.rar", "none"])
def test_what_is_neither_a_folder_nor_an_archive_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("text")
    with pytest.raises(ValueError, match=rf"{name}: .*neither a folder nor a \.zip, \.tar"):
        problems_of(tmp_path / name)


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with open_members(tmp_path, []) as members, pytest.raises(ValueError, match="regular file"):
        members[0].read()
