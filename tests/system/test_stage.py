"""An error that the user can mend is one plain line; anything else keeps its traceback."""

from auxseg.system.stage import GOES_ON, LONGEST, run, run_app

import errno
import io
import sqlite3
from collections.abc import Callable
from pathlib import Path

import matplotlib
import pytest
from matplotlib.ft2font import FT2Font


def raising(error: BaseException) -> Callable[[], None]:
    def app() -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("a.jpg: damaged\nb.jpg: damaged"), "error: a.jpg: damaged\nb.jpg: damaged"),
        (FloatingPointError("the loss is nan"), "error: the loss is nan"),
        (OSError(errno.EACCES, "Permission denied", "out"), "error: out: Permission denied"),
        (OSError("no number"), "error: no number"),
        (
            OSError(errno.ENOSPC, "No space left on device", "out"),
            f"error: no space left on the disk at out: make room, {GOES_ON}",
        ),
        (
            OSError(errno.EIO, "Input/output error"),
            f"error: Input/output error (the system names no file): once that is mended, {GOES_ON}",
        ),
        (
            sqlite3.OperationalError("disk I/O error"),
            f"error: a database of DVC: disk I/O error; {GOES_ON}",
        ),
        (MemoryError(), "error: out of memory"),
        (MemoryError("Unable to allocate 8 GiB"), "error: out of memory: Unable to allocate 8 GiB"),
    ],
)
def test_what_the_user_can_mend_is_plain_lines(error: Exception, line: str) -> None:
    with pytest.raises(SystemExit) as end:
        run_app(raising(error), GOES_ON)
    assert end.value.code == line


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate"),
        RuntimeError("could not create a primitive"),
        RuntimeError("could not execute a primitive"),
        RuntimeError("can't start new thread"),
        ImportError("a.so: failed to map segment from shared object"),
    ],
)
def test_a_lack_of_memory_is_one_line_whoever_reports_it(error: Exception) -> None:
    with pytest.raises(SystemExit) as end:
        run_app(raising(error), GOES_ON)
    line = str(end.value.code)
    assert line.startswith("error: out of memory: let less run on this machine, ")
    assert line.endswith(f"; {GOES_ON} ({error})")


def test_a_font_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    font = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf").read_bytes()
    (tmp_path / "cut.ttf").write_bytes(font[:1000])
    with pytest.raises(SystemExit) as end:
        run_app(lambda: FT2Font(str(tmp_path / "cut.ttf")), GOES_ON)
    assert str(end.value.code).startswith("error: matplotlib cannot read its font: ")


def test_a_font_on_a_failing_disk_is_a_warning_and_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its bytes are read by a callback from C, which cannot raise."""
    font = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf").read_bytes()

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1000:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    with pytest.raises(SystemExit) as end:
        run_app(lambda: FT2Font(Failing(font)).set_text("a"))
    assert str(end.value.code).startswith("error: matplotlib cannot read its font: ")
    warning = "warning: read_from_file_callback: [Errno 5] Input/output error"
    assert set(capsys.readouterr().err.splitlines()) == {warning}


def test_of_a_loader_that_died_nothing_is_said_where_nothing_can_be_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The handler of SIGCHLD raises it, perhaps in a destructor; the training notices by itself."""
    unraised: list[str] = []
    monkeypatch.setattr("sys.unraisablehook", lambda error: unraised.append(str(error.exc_value)))

    class Closed:
        def __init__(self, message: str) -> None:
            self.message = message

        def __del__(self) -> None:
            raise RuntimeError(self.message)

    def app() -> None:
        Closed("DataLoader worker (pid 1) is killed by signal: Killed. ")
        Closed("a mistake of ours")

    run_app(app)
    assert unraised == ["a mistake of ours"]


def test_a_line_of_any_length_is_cut() -> None:
    with pytest.raises(SystemExit) as end:
        run_app(raising(ValueError(f"short\n{'x' * 10**6}\nshort")))
    first, second, third = str(end.value.code).split("\n")
    assert (first, second, third) == ("error: short", "x" * LONGEST + "…", "short")


def test_only_a_stage_is_gone_on_with_by_dvc() -> None:
    with pytest.raises(SystemExit) as end:
        run_app(raising(OSError(errno.ENOSPC, "No space left on device")))
    assert end.value.code == "error: no space left on the disk: make room, run the command again"


def test_a_file_that_is_not_there_is_named_without_numbers(tmp_path: Path) -> None:
    path = tmp_path / "missing"
    with pytest.raises(SystemExit) as end:
        run_app(path.read_bytes)
    assert end.value.code == f"error: {path}: No such file or directory"


@pytest.mark.parametrize(
    "error", [KeyError("x"), TypeError("x"), RuntimeError("x"), ImportError("x")]
)
def test_a_fault_of_the_program_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)):
        run_app(raising(error))


def test_a_file_that_is_cut_off_is_not_taken_for_an_abort(monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        raise EOFError("Ran out of input")

    monkeypatch.setattr("sys.argv", ["stage"])
    with pytest.raises(SystemExit) as end:
        run(command)
    assert end.value.code == "error: a file is cut off: Ran out of input"
