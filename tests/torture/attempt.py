"""`dvc repro` of a project as a process that can be watched and killed, and the work it began."""

import os
import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import psutil

from project import Project

COUNTING = Path(__file__).with_name("counting")
# A loader beside the training, and the pool of processes where there are images enough for two.
PROCESSES = {"AUXSEG_LOADERS": "1", "AUXSEG_PROCESSES": "2"}
# DVC lists stages that do not depend on each other in an order that Python's hashing decides.
SAME_ORDER = {"PYTHONHASHSEED": "0"}
# By these DVC runs a stage: one waits for it, one becomes it.
SHELLS = ("/bin/sh", "/bin/bash")
POLL = 0.02
PATIENCE = 300.0  # seconds after which something hangs


def counting_copy(project: Project, folder: Path) -> Project:
    """A copy with scratch folder and caches of its own that counts the units of work it begins."""
    environment = project.environment | {
        "PYTHONPATH": str(COUNTING),
        "TORTURE_UNITS": str(folder / "units"),
        "AUXSEG_SCRATCH": str(folder / "scratch"),
        "DVC_SITE_CACHE_DIR": str(folder / "site"),
        **SAME_ORDER,
    }
    return Project(project.copy(folder / "project").folder, environment)


def units(environment: dict[str, str]) -> Counter[str]:
    """Steps and images begun until now by DVC stage and kind, such as ``train@1 step``."""
    path = Path(environment["TORTURE_UNITS"])
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter(line.rpartition(":")[2] for line in lines)


class Hold:
    """Has ``unit`` wait in the middle when it was begun ``count`` times, until it is released."""

    def __init__(self, environment: dict[str, str], unit: str, count: int) -> None:
        self._environment = environment
        self._file = Path(f"{environment['TORTURE_UNITS']}.hold")
        self._unit, self._count = unit, count
        self._file.write_text(f"{unit} {count}")

    @property
    def reached(self) -> bool:
        return units(self._environment)[self._unit] == self._count

    def release(self) -> None:
        self._file.unlink()


class Attempt:
    """One `dvc repro` in a session of its own; its output is in a file."""

    def __init__(self, project: Project, *arguments: str, shell: str = SHELLS[0]) -> None:
        self._environment = project.environment
        self._log = project.folder.with_name(f"{project.folder.name}.log")
        with self._log.open("w") as log:
            self.dvc = subprocess.Popen(
                ["dvc", "repro", *arguments],
                cwd=project.folder,
                env=project.environment | {"SHELL": shell},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> "Attempt":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes():
            process.kill()
        self.dvc.wait(PATIENCE)

    @property
    def output(self) -> str:
        """All that DVC and the stages printed until now."""
        return self._log.read_text(errors="replace")

    @property
    def stage_name(self) -> str:
        """The stage that DVC began last, `-` before the first one."""
        found = re.findall(r"^Running stage '(?:\w+/dvc\.yaml:)?(.+)':", self.output, re.MULTILINE)
        return found[-1] if found else "-"

    def processes(self) -> list[psutil.Process]:
        """All living processes of this attempt, known by their environment."""
        mark = self._environment["TORTURE_UNITS"]
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("TORTURE_UNITS") == mark:
                    found.append(process)
            except psutil.Error:
                continue  # ended, or not ours
        return found

    def stage(self) -> psutil.Process | None:
        """The process of a stage, not the shell it may be run by, if there is one now."""
        try:
            below = psutil.Process(self.dvc.pid).children(recursive=True)
            running = [
                process
                for process in below
                if any(argument.startswith("stages.") for argument in process.cmdline())
            ]
        except psutil.Error:
            return None
        return running[0] if running else None

    def wait_for(self, seconds: float) -> bool:
        """Wait for the end of DVC; returns whether it came."""
        try:
            self.dvc.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self, kind: str) -> str:
        """SIGKILL to ``group``, ``dvc`` or ``stage``; returns who was really hit."""
        stage = self.stage()
        if kind == "stage" and stage is not None:
            stage.kill()
            return "stage"
        if kind == "group":
            os.killpg(self.dvc.pid, signal.SIGKILL)
            return "group"
        self.dvc.kill()
        return "dvc"

    def seconds_to_end(self) -> float:
        """Wait until no process of the attempt is left; returns how long that took."""
        start = time.monotonic()
        while left := self.processes():
            if time.monotonic() - start > PATIENCE:
                lines = [" ".join(process.cmdline()) for process in left]
                raise AssertionError(f"still there {PATIENCE} s after the kill: {lines}")
            time.sleep(POLL)
            self.dvc.poll()
        self.dvc.wait()
        return time.monotonic() - start
