"""`dvc repro` of a project as a process that can be watched and killed, and the work it began."""

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from project import Project

INSIDE = Path(__file__).with_name("inside")
# A loader beside the training, and the pool of processes where there are images enough for two.
PROCESSES = {"AUXSEG_LOADERS": "1", "AUXSEG_PROCESSES": "2"}
# DVC lists stages that do not depend on each other in an order that Python's hashing decides.
SAME_ORDER = {"PYTHONHASHSEED": "0"}
# By these DVC runs a stage: one waits for it, one becomes it.
SHELLS = ("/bin/sh", "/bin/bash")
POLL = 0.02
FEW_SECONDS = 10.0  # in which all processes of an attempt have ended
PATIENCE = 300.0  # seconds after which something hangs


def counting_copy(project: Project, folder: Path) -> Project:
    """A copy with scratch folder and caches of its own that counts the units of work it begins."""
    copied = project.copy(folder / "project")
    return Project(copied.folder, counting_environment(project, folder))


def counting_environment(project: Project, folder: Path) -> dict[str, str]:
    """The environment of a copy in ``folder``."""
    return project.environment | {
        "PYTHONPATH": str(INSIDE),
        "TORTURE_UNITS": str(folder / "units"),
        "AUXSEG_SCRATCH": str(folder / "scratch"),
        "DVC_SITE_CACHE_DIR": str(folder / "site"),
        **SAME_ORDER,
    }


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
    """One `dvc repro` in a session of its own; its output is in a file.

    Args:
        project: Where it runs.
        *arguments: Of `dvc repro`.
        environment: Beside that of the project.
        shell: Runs the stages.
    """

    def __init__(
        self,
        project: Project,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        shell: str = SHELLS[0],
    ) -> None:
        self._project = project
        self._log = project.folder.with_name(f"attempt-{time.monotonic_ns()}.log")
        with self._log.open("w") as log:
            self.dvc = subprocess.Popen(
                ["dvc", "repro", *arguments],
                cwd=project.folder,
                env=project.environment | {"SHELL": shell} | dict(environment or {}),
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
        self._log.unlink()

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
        """All living processes of this attempt, known by their environment, or their folder.

        Those of Ray overwrite their environment.
        """
        mark = self._project.environment["TORTURE_UNITS"]
        found = {process.pid: process for process in self._project.processes()}
        for process in psutil.process_iter():
            try:
                if process.environ().get("TORTURE_UNITS") == mark:
                    found[process.pid] = process
            except psutil.Error:
                continue  # ended, or not ours
        return list(found.values())

    def stage(self) -> psutil.Process | None:
        """The process of a stage, not the shell it may be run by, if there is one now."""
        return next(iter(self._below(lambda line: "-m stages." in line)), None)

    def loaders(self) -> list[psutil.Process]:
        """The processes that load images for a training: forks of the stage."""
        stage = self.stage()
        return [
            p
            for p in self._below(lambda line: "-m stages." in line)
            if stage and p.ppid() == stage.pid
        ]

    def pool(self) -> list[psutil.Process]:
        """The processes that work image by image beside each other."""
        return self._below(lambda line: "multiprocessing.spawn" in line)

    def ray(self) -> list[psutil.Process]:
        """The processes of Ray."""
        return self._below(lambda line: "ray::" in line or "/ray/" in line)

    def _below(self, wanted: Callable[[str], bool]) -> list[psutil.Process]:
        """Processes below DVC that run Python, by their command line; parents first."""
        found = []
        with suppress(psutil.Error):
            for process in psutil.Process(self.dvc.pid).children(recursive=True):
                with suppress(psutil.Error):
                    line = process.cmdline()
                    if line and "sh" not in Path(line[0]).name and wanted(" ".join(line)):
                        found.append(process)
        return found

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


def finish(project: Project, *targets: str) -> str:
    """Leave a run alone and return its output; AssertionError if it fails."""
    with Attempt(project, *targets) as run:
        assert run.wait_for(20 * PATIENCE)
        assert run.dvc.returncode == 0, run.output
        assert run.seconds_to_end() < FEW_SECONDS
        return run.output
