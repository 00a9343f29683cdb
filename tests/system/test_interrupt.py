"""The first signal ends the work between two units of it, the second one at once."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from auxseg.system import interrupt
from auxseg.system.interrupt import Interrupted, catch_signals, stop_if_asked
from auxseg.system.progress import track
from project import ROOT

UNIT = 0.05
STAGE = """
import sys, time
import auxseg.system.interrupt
from auxseg.system.progress import track
from auxseg.system.stage import run

def main(unit: float, limit: int) -> None:
    auxseg.system.interrupt.LIMIT = limit
    for n in track(range(10_000), "work", 10_000):
        print(n, flush=True)
        time.sleep(unit)

run(main)
"""


@contextmanager
def stage(
    tmp_path: Path, unit: float, limit: int = interrupt.LIMIT
) -> Iterator[subprocess.Popen[str]]:
    """A stage at work, in units of so many seconds."""
    (tmp_path / "stage.py").write_text(STAGE)
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "stage.py"), str(unit), str(limit)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_stage_with_one_line_that_says_how_to_go_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    with stage(tmp_path, UNIT) as process:
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert errors == (
        f"{number.name}: stopping; what is done is kept, `dvc repro` goes on from there\n"
    )


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with stage(tmp_path, unit=60) as process:
        assert process.stderr is not None
        process.terminate()
        process.stderr.readline()
        process.terminate()
        assert process.wait(timeout=2) == -signal.SIGTERM


def test_a_unit_that_does_not_end_is_cut_off_after_the_limit(tmp_path: Path) -> None:
    with stage(tmp_path, unit=60, limit=1) as process:
        process.terminate()
        assert process.wait(timeout=5) == -signal.SIGALRM


def test_before_the_work_begins_ctrl_c_needs_no_words() -> None:
    script = "import auxseg.system.stage, time; print(flush=True); time.sleep(60)"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_STAGE": "stage"}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (-signal.SIGINT, b"")


# `true` keeps a shell from becoming its command. DVC's may wait for the stage or become it.
@pytest.mark.parametrize("shell", ["{}; true", "sh -c '{}; true'; true"])
def test_a_stage_ends_when_the_dvc_that_started_it_is_gone(shell: str, tmp_path: Path) -> None:
    (tmp_path / "stage.py").write_text(STAGE)
    command = ["sh", "-c", shell.format(f"{sys.executable} {tmp_path / 'stage.py'} {UNIT} 9")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DVC_STAGE": "stage"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as dvc:
        assert dvc.stdout is not None
        assert dvc.stdout.readline() == b"0\n"
        dvc.kill()
        dvc.stdout.read()  # until the stage has closed its end, too
    assert dvc.returncode == -signal.SIGKILL


def test_the_unit_at_hand_is_finished_before_the_work_ends() -> None:
    done = []
    with pytest.raises(Interrupted) as stopped, catch_signals():
        for n in track(range(5), "work", 5):
            if n == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            done.append(n)
    assert done == [0, 1, 2]
    assert stopped.value.exit_code == 128 + signal.SIGTERM


def test_signals_mean_what_they_meant_before_once_the_work_is_over() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with catch_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)
        with pytest.raises(Interrupted):
            stop_if_asked()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    assert signal.alarm(0) == 0
    stop_if_asked()


def test_without_descriptors_a_stage_still_follows_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_files(_: int) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    parents = [os.getppid()]
    assert interrupt._live(parents)
    monkeypatch.setattr("psutil.Process", out_of_files)
    assert interrupt._live(parents)  # nobody knows, so it goes on watching
