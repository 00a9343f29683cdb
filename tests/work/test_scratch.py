"""Unfinished work is kept whole or not at all, and found by whoever does the very same work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auxseg.data.files import CHECKSUMS, new_folder
from auxseg.use.commands import scratch as list_and_clean
from auxseg.work.scratch import FINISHED, LOCK, Scratch, forget_finished, leftovers, unfinished
from project import ROOT

DAY = 86400
per_example_files = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all scratch; the working directory is a workspace beside it."""
    root, workspace = tmp_path / "scratch", tmp_path / "workspace"
    workspace.mkdir()
    monkeypatch.chdir(workspace)
    monkeypatch.setenv("AUXSEG_SCRATCH", str(root))
    monkeypatch.setattr(sys, "argv", ["stage", "data/in", "data/out"])
    return root


# Records


@given(data=st.binary(max_size=100))
@per_example_files
def test_a_record_comes_back_as_it_was(data: bytes, tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.write("record", data)
    assert scratch.read("record") == data


@given(data=st.binary(max_size=100), bit=st.integers(min_value=0), cut=st.booleans())
@per_example_files
def test_a_damaged_record_is_none(data: bytes, bit: int, cut: bool, tmp_path: Path) -> None:
    scratch, path = Scratch(tmp_path), tmp_path / "record"
    scratch.write("record", data)
    stored = bytearray(path.read_bytes())
    place = bit % (8 * len(stored))
    if cut:
        del stored[place // 8 :]
    else:
        stored[place // 8] ^= 1 << place % 8
    path.write_bytes(stored)
    assert scratch.read("record") is None


def test_what_was_never_written_or_was_removed_is_none(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "folder")
    assert scratch.read("record") is None
    scratch.write("record", b"data")
    assert scratch.names("*") == ["record"]
    scratch.remove("record")
    scratch.remove("record")
    assert scratch.read("record") is None
    assert scratch.names("*") == []


def test_a_writer_killed_at_any_moment_leaves_the_old_record_or_the_new_one(
    tmp_path: Path,
) -> None:
    script = (
        "import sys, itertools; from pathlib import Path; from auxseg.work.scratch import Scratch\n"
        "scratch = Scratch(Path(sys.argv[1]))\n"
        "for n in itertools.count():\n"
        "    scratch.write('record', bytes([n % 256]) * 2_000_000)\n"
        "    print(n, flush=True)\n"
    )
    for delay in (0.001, 0.004, 0.009):
        command = [sys.executable, "-c", script, str(tmp_path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            process.kill()
        data = Scratch(tmp_path).read("record")
        assert data is not None
        assert data == data[:1] * 2_000_000
        assert Scratch(tmp_path).names("r*") == ["record"]


# The fingerprint


def place(*inputs: Path, params: object = None, threads: int = 1) -> str:
    """The name of the folder in which this work is kept."""
    with unfinished(*inputs, params=params, threads=threads) as scratch:
        return scratch.folder.name


def test_the_folder_is_called_after_the_stage_and_holds_what_it_depends_on(root: Path) -> None:
    Path("in").write_text("input")
    name = place(Path("in"), params={"a": 1})
    about = (root / name / "about.json").read_text()
    for part in ("data/out", "{'a': 1}", '"in"', '"auxseg.work.scratch"', '"torch"'):
        assert part in about


def changed_params(_: Path, __: pytest.MonkeyPatch) -> object:
    return {"a": 2}


def changed_input(path: Path, _: pytest.MonkeyPatch) -> None:
    path.write_text("inpuT")


def changed_arguments(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stage", "data/in", "data/other"])


def changed_code(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_module(monkeypatch, "auxseg.extra", "x = 2\n")


def changed_library(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auxseg.work.scratch.version", lambda name: f"99 of {name}")


def changed_chunks(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUXSEG_AFFINITY_MB", "7")


def load_module(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    path = Path.cwd().parent / f"{name}.py"
    path.write_text(text)
    module = ModuleType(name)
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize(
    "change",
    [
        changed_params,
        changed_input,
        changed_arguments,
        changed_code,
        changed_library,
        changed_chunks,
    ],
)
def test_whatever_can_change_the_result_changes_the_folder(
    change: Callable[[Path, pytest.MonkeyPatch], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    load_module(monkeypatch, "auxseg.extra", "x = 1\n")
    path = Path("in")
    path.write_text("input")
    before = place(path, params={"a": 1})
    params = change(path, monkeypatch) or {"a": 1}
    assert place(path, params=params) != before


def test_the_threads_of_a_training_change_the_folder() -> None:
    assert place(threads=1) != place(threads=2)


def test_an_input_is_known_by_its_content_and_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    load_module(monkeypatch, "numpy.extra", "x = 1\n")
    path = Path("in")
    path.write_text("input")
    before = place(path)
    os.utime(path, (1, 1))
    for variable in ("AUXSEG_LOADERS", "AUXSEG_PROCESSES", "AUXSEG_WORKERS"):
        monkeypatch.setenv(variable, "3")
    load_module(monkeypatch, "numpy.extra", "x = 2\n")
    elsewhere = path.absolute().parent.with_name("elsewhere")
    elsewhere.mkdir()
    (elsewhere / "in").write_text("input")
    monkeypatch.chdir(elsewhere)  # another workspace
    assert place(path) == before


@pytest.mark.parametrize("change", ["content", "name", "one more", "one less"])
def test_a_folder_is_known_by_all_of_its_files(change: str) -> None:
    folder = Path("in")
    (folder / "deep").mkdir(parents=True)
    for name in ("a", "deep/b"):
        (folder / name).write_text(name)
    before = place(folder)
    assert place(folder) == before
    deep = folder / "deep" / "b"
    if change == "content":
        deep.write_text("deep/B")
    elif change == "name":
        deep.rename(folder / "deep" / "c")
    elif change == "one more":
        (folder / "c").touch()
    else:
        deep.unlink()
    assert place(folder) != before


def test_the_checksums_of_an_artifact_stand_for_its_files() -> None:
    for text in ("one", "two"):
        with new_folder(Path(text)) as folder:
            (folder / "a").write_text(text)
    places = []
    for text in ("one", "two"):
        Path(text).rename("in")
        places.append(place(Path("in")))
        assert (Path("in") / CHECKSUMS).exists()
        Path("in").rename(text)
    assert places[0] != places[1]


# Whose it is


def test_what_an_interrupted_run_kept_is_there_for_the_next() -> None:
    with pytest.raises(KeyboardInterrupt), unfinished(params=1) as scratch:
        scratch.write("record", b"data")
        raise KeyboardInterrupt
    with unfinished(params=1) as scratch:
        assert scratch.read("record") == b"data"
    with unfinished(params=2) as scratch:
        assert scratch.read("record") is None


def test_what_a_killed_process_kept_is_there_for_the_next(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import sys, time; from auxseg.work.scratch import unfinished\n"
        "with unfinished(params=1) as scratch:\n"
        "    print(scratch.read('record'), flush=True)\n"
        "    scratch.write('record', b'data')\n"
        "    print(scratch.folder.name, flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    names = []
    for before in ("None\n", "b'data'\n"):
        command = [sys.executable, str(tmp_path / "script.py")]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == before
            names.append(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
    assert names[0] == names[1]


def test_two_that_do_the_same_at_once_have_a_folder_each() -> None:
    with ExitStack() as stack:
        folders = [stack.enter_context(unfinished(params=1)).folder for _ in range(3)]
    first = folders[0].name
    assert [folder.name for folder in folders] == [first, f"{first}.2", f"{first}.3"]
    assert place(params=1) == first


def test_finished_work_stays_until_the_next_stage_of_the_workspace_has_finished(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = place(params=1)
    assert kept(root) == {one}
    monkeypatch.chdir(root)  # a stage of another workspace
    other = place(params=2)
    monkeypatch.chdir(root.parent / "workspace")
    assert kept(root) == {one, other}
    with pytest.raises(ValueError), unfinished(params=3):
        raise ValueError
    assert kept(root) > {one, other}
    two = place(params=3)
    assert kept(root) == {two, other}
    forget_finished()
    assert kept(root) == {other}


def test_finished_work_that_another_process_has_taken_up_is_left_to_it(root: Path) -> None:
    one = place(params=1)
    with unfinished(params=1) as scratch:
        forget_finished()
        assert scratch.folder == root / one
        scratch.write("record", b"data")
    assert kept(root) == {one}


def kept(root: Path) -> set[str]:
    return {path.name for path in root.iterdir()}


# auxseg scratch


@pytest.fixture
def works(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Folders of scratch by what they are; the one in use is held."""
    monkeypatch.setenv("COLUMNS", "120")
    names = {}
    for kind, megabytes, age in (("new", 3, 0), ("old", 1, 5), ("old large", 4, 5), ("used", 9, 9)):
        with pytest.raises(KeyboardInterrupt), unfinished(params=kind) as scratch:
            scratch.write("record", bytes(megabytes * 10**6))
            then = time.time() - age * DAY
            os.utime(scratch.folder / "record", (then, then))
            names[kind] = scratch.folder.name
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), unfinished(params="used"):
        yield names
        raise KeyboardInterrupt


def test_unfinished_work_is_listed_the_oldest_first(
    works: dict[str, str], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    list_and_clean()
    output = capsys.readouterr().out
    assert str(root) in output
    lines = [line for line in output.splitlines() if ".0" in line and "ago" in line]
    assert [works["used"] in lines[0], works["new"] in lines[3]] == [True, True]
    assert "9 days, 0:00:0" in lines[0] and "9.0" in lines[0] and "in use" in lines[0]
    assert "in use" not in "".join(lines[1:])
    assert kept(root) == set(works.values())


@pytest.mark.parametrize(
    ("older", "larger", "gone"),
    [
        (4.0, None, {"old", "old large"}),
        (None, 2.0, {"new", "old large"}),
        (4.0, 2.0, {"old large"}),
        (0.0, None, {"new", "old", "old large"}),
        (6.0, None, set()),
    ],
)
def test_it_is_removed_by_age_and_size_but_never_what_is_in_use(
    older: float | None,
    larger: float | None,
    gone: set[str],
    works: dict[str, str],
    root: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    list_and_clean(older, larger)
    assert kept(root) == {name for kind, name in works.items() if kind not in gone}
    lines = capsys.readouterr().out.splitlines()
    for kind, name in works.items():
        (line,) = [line for line in lines if f" {name} " in line]
        assert ("removed" in line) == (kind in gone)


def test_finished_work_is_marked(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = place(params=1)
    assert (root / name / FINISHED).exists()
    list_and_clean()
    assert "finished" in capsys.readouterr().out


def test_without_any_there_is_nothing_to_list(capsys: pytest.CaptureFixture[str]) -> None:
    list_and_clean()
    assert "nothing unfinished" in capsys.readouterr().out


def test_other_folders_are_neither_listed_nor_removed(root: Path) -> None:
    (root / "photos").mkdir(parents=True)
    (root / "photos" / LOCK).touch()
    assert leftovers(root) == []
    list_and_clean(0.0, 0.0)
    assert (root / "photos" / LOCK).exists()
