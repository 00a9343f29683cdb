"""Output files replace files of an earlier run, and no others."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from auxseg.data.files import CHECKSUMS
from auxseg.use.convert import convert_weights
from auxseg.use.export import export_network
from auxseg.use.export_labels import export_labels
from auxseg.use.outputs import MANIFEST, Outputs


def write(folder: Path, name: str, text: str) -> None:
    outputs = Outputs(folder)
    outputs.prepare([folder / name])
    with outputs.new(folder / name) as partial:
        partial.write_text(text)


def test_a_later_run_replaces_what_an_earlier_one_wrote(tmp_path: Path) -> None:
    for text in ("first", "second", "first", "third"):
        write(tmp_path, "labels/a.png", text)
        assert (tmp_path / "labels" / "a.png").read_text() == text
    lines = (tmp_path / MANIFEST).read_text().splitlines()
    digest = hashlib.sha256(b"third").hexdigest()
    assert lines[-1] == f"{digest}  labels/a.png"
    assert len(lines) == 3


@pytest.mark.parametrize("name", ["a\nb.png", "caf\udce9.png", "ä b\\.png"])
def test_any_name_of_a_file_will_do(name: str, tmp_path: Path) -> None:
    write(tmp_path, name, "first")
    assert (tmp_path / name).read_text() == "first"
    if "\n" not in name:
        write(tmp_path, name, "second")
        assert (tmp_path / name).read_text() == "second"


def test_a_file_that_was_changed_or_copied_since_is_not_replaced(tmp_path: Path) -> None:
    write(tmp_path, "a.png", "ours")
    (tmp_path / "b.png").write_text("ours")
    (tmp_path / "a.png").write_text("corrected by hand")
    for name in ("a.png", "b.png"):
        with pytest.raises(ValueError, match=f"1 of the files .* such as .*{name}"):
            write(tmp_path, name, "new")
    assert (tmp_path / "a.png").read_text() == "corrected by hand"
    assert (tmp_path / "b.png").read_text() == "ours"


def test_a_link_or_a_folder_in_the_way_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to("nowhere")
    (tmp_path / "folder.png").mkdir()
    for name in ("link.png", "folder.png"):
        with pytest.raises(ValueError, match=name):
            write(tmp_path, name, "new")


def test_a_file_that_comes_while_the_work_is_done_is_not_replaced(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    outputs.prepare([tmp_path / "a.png"])
    (tmp_path / "a.png").write_text("just put there")
    with pytest.raises(ValueError, match="is there already"), outputs.new(tmp_path / "a.png"):
        pass
    assert (tmp_path / "a.png").read_text() == "just put there"


def test_a_failed_block_leaves_nothing(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    with pytest.raises(OSError), outputs.new(tmp_path / "a.png") as partial:
        partial.write_text("half")
        raise OSError
    assert list(tmp_path.iterdir()) == []


def test_the_pipeline_s_own_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / CHECKSUMS).write_text("")
    with pytest.raises(ValueError, match="is the pipeline's own: name another folder"):
        write(tmp_path / "below", "a.png", "new")
    assert not (tmp_path / "below").exists()


@pytest.mark.parametrize(
    "tool",
    [
        lambda out: export_network(Path("model"), out),
        lambda out: export_labels(Path("dataset"), Path("labels"), out, "voc", None),
        lambda out: convert_weights(Path("a.pth"), out, None),
    ],
)
def test_no_tool_writes_into_the_pipeline_s_own_folders(
    tool: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / CHECKSUMS).write_text("")
    with pytest.raises(ValueError, match="is the pipeline's own: name another folder"):
        tool(tmp_path / "below")


def test_a_file_in_the_place_of_a_folder_is_named_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "labels").touch()
    for place in (tmp_path, tmp_path / "labels"):
        with pytest.raises(ValueError, match="labels: a file is in the place of a folder"):
            Outputs(place).prepare([place / "labels" / "a.png"])


def test_a_name_too_long_for_a_file_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too long for a file: rename the photograph"):
        Outputs(tmp_path / "out").prepare([tmp_path / "out" / ("ä" * 125 + ".png")])
    assert not (tmp_path / "out").exists()
    write(tmp_path, "ä" * 118 + ".png", "fits")
