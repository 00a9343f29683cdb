"""All kinds of faults, and one attempt of `dvc repro` under one of them."""

import json
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psutil

from project import Project
from torture import damage
from torture.attempt import FEW_SECONDS, POLL, SHELLS, Attempt, units

PRELOAD = ("/usr/lib/fiu/fiu_posix_preload.so", "/usr/lib/libfiu.so.0")
OTHER_DISK = Path("/dev/shm")
AFTER = 4.0  # seconds that an attempt goes on after its moment, if nothing was killed
MENDABLE = r"auxseg mend|RWLock-file|dvc\.lock|join\(\) argument"
# The line of a stage or of a library, and DVC's for a lock file that was cut off.
CLEAR = r"^(\w* ?error: |'\S+dvc\.lock' (is invalid|validation failed))"
UNLOGGED = r"--- Logging error ---$.*?^Arguments: .*?$"

ERRORS = ("EIO", "ENOSPC", "EINTR", "short")
DAMAGES: dict[str, damage.Damage] = {
    "bit of an artifact": damage.flip_in_artifact,
    "bit of unfinished work": damage.flip_in_scratch,
    "bit of the only copy": damage.flip_in_cache,
    "half of the only copy": damage.half_in_cache,
    "empty rwlock": damage.empty_list_of_files,
    "cut dvc.lock": damage.cut_lock,
}
RAY = "kill Ray process"
ONLY_COPY = ("bit of the only copy", "half of the only copy")
TRAININGS = ("classifier", "train")
BY_IMAGES = ("cam", "predict", "refine", "pseudo_labels", "doubt", "compute_saliency")
CRF = ("crf", "update_saliency")
# What to kill, and the stages in which it exists.
KILLS: dict[str, tuple[str, ...] | None] = {
    "kill group": None,
    "kill dvc": None,
    "kill stage": None,
    "kill worker": BY_IMAGES,
    "kill CRF process": CRF,
    "kill loader": TRAININGS,
    RAY: BY_IMAGES,
}
OTHERS = (
    *("memory limit", "descriptor limit", "read-only scratch", "scratch on another disk"),
    *("clock jumps", "two at once"),
)
KINDS = (*KILLS, *ERRORS, *OTHERS, *DAMAGES)


@dataclass(frozen=True)
class Machine:
    """Kinds of faults that this machine cannot have, with what they need; a read-only folder."""

    missing: Mapping[str, str]
    read_only: Path

    @property
    def kinds(self) -> list[str]:
        """The kinds of faults that it can have."""
        return [kind for kind in KINDS if kind not in self.missing]


@contextmanager
def this_machine(folder: Path) -> Iterator[Machine]:
    """Find out what can be had here; ``folder`` holds the read-only folder for as long."""
    missing = {}
    if not all(Path(library).exists() for library in PRELOAD):
        missing |= dict.fromkeys(ERRORS, "needs libfiu: apt install fiu-utils")
    if find_spec("ray") is None:
        missing[RAY] = "needs Ray: .venv/bin/pip install 'ray[train]'"
    read_only = folder / "read-only"
    read_only.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(read_only)]
    if subprocess.run(mount, capture_output=True).returncode:
        missing["read-only scratch"] = "needs the right to mount a file system"
    try:
        yield Machine(missing, read_only)
    finally:
        subprocess.run(["umount", str(read_only)], capture_output=True)


@dataclass
class Outcome:
    """What happened in one attempt.

    Attributes:
        kind: The fault that really came; empty if none did.
        stage: The stage that DVC began last, `-` before the first one.
        detail: What was damaged, or which calls failed first.
        calls: How many calls were let fail.
        finished: Whether DVC came to its end.
        damaged: Whether DVC ended with an error that `auxseg mend` may mend.
        seconds: From the start to the fault, or to the end.
        end: Seconds from the fault until no process was left.
        unclear: The output, if it is not one clear line.
    """

    kind: str
    stage: str = "-"
    detail: str = ""
    calls: int = 0
    finished: bool = False
    damaged: bool = False
    seconds: float = 0.0
    end: float = 0.0
    unclear: str = ""


@dataclass
class Plan:
    """How an attempt goes under a fault."""

    environment: dict[str, str] = field(default_factory=dict)
    kill: str = ""  # the kind, if a process is killed
    meanwhile: Callable[[Project], str] | None = (
        None  # at the chosen moment; returns what is unclear
    )
    by_itself: bool = False  # whether the fault comes when the work asks for it
    detail: str = ""


def possible(kind: str, stage: str, machine: Machine) -> bool:
    """Whether a fault of this kind can come in an attempt that begins with ``stage``."""
    where = KILLS.get(kind)
    return kind not in machine.missing and (where is None or stage.split("@")[0] in where)


def attempt(
    project: Project,
    *targets: str,
    kind: str,
    longest: float,
    chance: random.Random,
    machine: Machine,
) -> Outcome:
    """One `dvc repro` under a fault, after up to ``longest`` seconds or in the middle of its work.

    Whatever still runs then is killed. An outcome without a kind is one whose fault never came.
    """
    plan = _plan(project, kind, chance, machine)
    if plan is None:
        return Outcome("")
    failed_calls(project)
    start = time.monotonic()
    with Attempt(
        project, *targets, environment=plan.environment, shell=chance.choice(SHELLS)
    ) as run:
        out = Outcome("" if plan.kill else kind, detail=plan.detail)
        if plan.by_itself:
            ended = run.wait_for(chance.uniform(longest, 2 * longest))
        else:
            ended = _wait(run, project, longest, chance)
        if not ended and plan.meanwhile is not None:
            out.unclear = plan.meanwhile(project)
        if not ended and plan.kill:
            out.kind, ended = _kill(run, plan.kill, chance)
        elif not ended and not plan.by_itself:
            ended = run.wait_for(AFTER)
        out.seconds = time.monotonic() - start
        out.stage = run.stage_name
        if out.kind in ("kill worker", "kill CRF process", "kill loader", RAY):
            # The stage says so, or goes on without it.
            ended = ended or run.wait_for(FEW_SECONDS)
        if not ended and out.kind not in ("kill dvc", "kill stage"):  # whose rest ends by itself
            run.kill("group")
        out.end = run.seconds_to_end()
        output = run.output
        out.finished, failed = run.dvc.returncode == 0, run.dvc.returncode > 0
        happened = failed_calls(project)
        mute = any("/rw/write" in line for line in happened)  # of the line, perhaps
        if failed and not clear(output, mute):
            out.unclear = output
        out.damaged = failed and (mute or re.search(MENDABLE, output) is not None)
    if kind in ERRORS:
        out.detail, out.calls = ", ".join(happened[:5]), len(happened)
        if not happened:
            out.kind = ""
    elif kind in ("memory limit", "descriptor limit", "read-only scratch"):
        if not ended or out.finished:  # it was never reached
            out.kind = ""
    elif plan.kill and out.finished:
        out.kind = ""
    if out.end >= FEW_SECONDS:
        out.unclear = f"a process was left for {out.end:.1f} s\n{output}"
    return out


def _plan(project: Project, kind: str, chance: random.Random, machine: Machine) -> Plan | None:
    if kind in KILLS:
        environment = {}
        if kind in ("kill worker", "kill CRF process"):
            environment = {"AUXSEG_PROCESSES": "2", "TORTURE_WORTH": "0 0"}
            if kind == "kill CRF process":  # the work of a second, which is done before it starts
                environment |= {"TORTURE_PAUSE": "0.3"}
        elif kind == "kill loader":
            environment = {"AUXSEG_LOADERS": "1"}
        elif kind == RAY:
            environment = {"AUXSEG_WORKERS": "2"}
        return Plan(environment, kill=kind)
    if kind in ERRORS:
        # DVC reads and writes far more often than a stage.
        rate = chance.choice([1 / 2000, 1 / 200, 1 / 20, 1 / 20])
        faults = failing_calls(kind, rate, chance, dvc=rate == 1 / 2000)
        return Plan(faults, by_itself=True)
    if kind == "memory limit":
        fault = {"kind": "memory", "room": int(2 ** chance.uniform(23, 26))}
        return Plan(_inside(fault, chance), by_itself=True)
    if kind == "descriptor limit":
        fault = {"kind": "descriptors", "room": chance.randrange(6), "dvc": chance.random() < 0.5}
        return Plan(_inside(fault, chance), by_itself=True)
    if kind == "read-only scratch":
        return Plan({"AUXSEG_SCRATCH": str(machine.read_only)}, by_itself=True)
    if kind == "scratch on another disk":
        _move_scratch(project)
        return Plan()
    if kind == "clock jumps":
        fault = {"kind": "clock", "days": chance.randint(-400, 400), "dvc": True}
        return Plan(_inside(fault | {"seconds": chance.uniform(0, 5)}, chance))
    if kind == "two at once":
        return Plan(meanwhile=_second)
    detail = DAMAGES[kind](project, chance)
    return None if detail is None else Plan(detail=detail)


def failing_calls(
    kind: str, rate: float, chance: random.Random, *, dvc: bool = True
) -> dict[str, str]:
    """The environment in which that part of the calls fails, in stages and, or not, in DVC."""
    fault = {"kind": kind, "chance": rate, "dvc": dvc}
    return _inside(fault, chance) | {"LD_PRELOAD": ":".join(PRELOAD)}


def failed_calls(project: Project) -> list[str]:
    """The calls that were let fail since this was asked for the last time."""
    path = Path(f"{project.environment['TORTURE_UNITS']}.errors")
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def _inside(fault: dict[str, object], chance: random.Random) -> dict[str, str]:
    return {"TORTURE_FAULT": json.dumps(fault | {"seed": chance.randrange(10**9)})}


def _wait(run: Attempt, project: Project, longest: float, chance: random.Random) -> bool:
    """Wait for the moment of the fault: at any time, or, as often, when a stage works.

    Returns whether the attempt ended before.
    """
    if chance.random() < 0.5:
        return run.wait_for(chance.uniform(0, longest))
    before, end = units(project.environment), time.monotonic() + 2 * longest
    while units(project.environment) == before and time.monotonic() < end:
        if run.wait_for(5 * POLL):
            return True
    return run.wait_for(chance.uniform(0, longest / 2))


def _kill(run: Attempt, kind: str, chance: random.Random) -> tuple[str, bool]:
    """Kill, if need be once there is something to kill.

    If nothing of the kind comes, the whole group is killed.

    Returns:
        What was hit, empty if the attempt ended before; whether it ended.
    """
    found: dict[str, Callable[[], list[psutil.Process]]] = {
        "kill worker": run.pool,
        "kill CRF process": run.pool,
        "kill loader": run.loaders,
        RAY: run.ray,
    }
    if kind not in found:
        return f"kill {run.kill(kind.removeprefix('kill '))}", False
    end = time.monotonic() + FEW_SECONDS
    while not (there := found[kind]()) and time.monotonic() < end:
        if run.wait_for(POLL):
            return "", True
    if not there:
        return f"kill {run.kill('group')}", False
    time.sleep(chance.uniform(0, 2))
    if there := found[kind]():
        try:
            chance.choice(there).kill()
        except psutil.Error:
            return f"kill {run.kill('group')}", False
        return kind, False
    return f"kill {run.kill('group')}", False


def clear(output: str, mute: bool = False) -> bool:
    """Whether a failed attempt says why in a line, and nothing that only a programmer reads.

    If it is ``mute``, its output may be lost; then DVC's logging says so by a traceback of its own.
    """
    if mute:
        output = re.sub(UNLOGGED, "", output, flags=re.DOTALL | re.MULTILINE)
    said = mute or re.search(CLEAR, output, re.MULTILINE | re.IGNORECASE)
    return bool(said) and "Traceback (most recent call last)" not in output


def leave(project: Project) -> None:
    """Remove what faults left outside of the folder of the project."""
    shutil.rmtree(_elsewhere(project), ignore_errors=True)


def _elsewhere(project: Project) -> Path:
    """The place of the scratch folder on another disk."""
    parent = project.folder.parent
    return OTHER_DISK / f"auxseg-{parent.parent.name}-{parent.name}"


def _move_scratch(project: Project) -> None:
    """From the disk of the project to another one, or back."""
    here, there = Path(project.environment["AUXSEG_SCRATCH"]), _elsewhere(project)
    if here.is_symlink():
        here.unlink()
        shutil.move(there, here)
    else:
        here.mkdir(exist_ok=True)
        shutil.rmtree(there, ignore_errors=True)
        shutil.move(here, there)
        here.symlink_to(there)


def _second(project: Project) -> str:
    """Begin a second run beside the first one, and kill both if they go on.

    Returns the output of the second one if it ended without a clear line.
    """
    with Attempt(project) as second:
        second.wait_for(FEW_SECONDS)
        return "" if (second.dvc.poll() or 0) <= 0 or clear(second.output) else second.output
