"""Kill `dvc repro` at random moments until it is finished, and compare with an undisturbed run."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from project import LOCKS, Project
from torture.attempt import PATIENCE, SHELLS, Attempt, units

KINDS = ("group", "dvc", "stage")
FEW_SECONDS = 10.0  # in which a stage whose DVC was killed ends by itself
MOST_TWICE = 0.15
# DVC truncates this file before it writes it, and refuses an empty one; docs/resuming.md says so.
DVC_LOCK = Path(".dvc/tmp/rwlock")


@dataclass(frozen=True)
class Undisturbed:
    """What a run without kills began and left."""

    locks: dict[str, bytes]
    units: Counter[str]


@dataclass
class Report:
    """What happened in a torture run."""

    kinds: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    needed: Counter[str] = field(default_factory=Counter)
    begun: Counter[str] = field(default_factory=Counter)
    slowest_end: float = 0.0
    cut_off: int = 0  # times that DVC's own lock file had to be removed
    finished: int = 0
    seconds: float = 0.0

    @property
    def kills(self) -> int:
        return self.kinds.total()

    @property
    def twice(self) -> float:
        """Steps and images begun more than once, as a fraction of those that are needed."""
        return self.begun.total() / self.needed.total() - 1

    def compare(self, project: Project, whole: Undisturbed) -> None:
        """Count what a finished project began; AssertionError if its locks are not the same."""
        locks = project.files(*LOCKS)
        assert locks.keys() == whole.locks.keys()
        assert [name for name in locks if locks[name] != whole.locks[name]] == []
        self.finished += 1
        self.needed += whole.units
        self.begun += units(project.environment)

    def lines(self) -> list[str]:
        """Say it in a few lines."""
        hits = ", ".join(f"{name} {count}" for name, count in self.stages.most_common())
        repeated = self.begun - self.needed
        extra = ", ".join(f"{name} {count}" for name, count in repeated.most_common())
        return [
            f"{self.kills} kills ("
            + ", ".join(f"{kind} {self.kinds[kind]}" for kind in KINDS)
            + f") in {self.finished} runs to the end, {self.seconds:.0f} s",
            f"hit: {hits}",
            f"DVC's own lock file was cut off, and removed, {self.cut_off} times",
            f"the last process was gone {self.slowest_end:.1f} s after the kill at most",
            f"steps and images: {self.needed.total()} needed, {self.begun.total()} begun, "
            f"{self.twice:.1%} twice",
            f"repeated: {extra or 'nothing'}",
        ]


def torture(
    project: Project,
    *targets: str,
    kills: int,
    longest: float,
    chance: random.Random,
    report: Report,
    say: Callable[[str], None],
) -> None:
    """Kill runs after 0 to ``longest`` seconds, until one came to its end or ``kills`` are done.

    In the latter case the last run is left alone. AssertionError if a process outlives its run, or
    if a run fails for another reason.
    """
    for _ in range(kills):
        with Attempt(project, *targets, shell=chance.choice(SHELLS)) as attempt:
            moment = chance.uniform(0, longest)
            if attempt.wait_for(moment):
                assert attempt.dvc.returncode == 0, attempt.output
                return
            hit = attempt.kill(chance.choice(KINDS))
            stage, end = attempt.stage_name, attempt.seconds_to_end()
            if attempt.dvc.returncode == 0:  # it came to its end just before
                return
            assert end < FEW_SECONDS, f"{end:.1f} s after {hit} was killed:\n{attempt.output}"
        report.cut_off += remove_if_cut_off(project.folder / DVC_LOCK)
        report.kinds[hit] += 1
        report.stages[stage] += 1
        report.slowest_end = max(report.slowest_end, end)
        say(f"kill {report.kills}: {hit} after {moment:.1f} s in {stage}, all gone in {end:.1f} s")
    finish(project, *targets)


def remove_if_cut_off(lock: Path) -> bool:
    """Whether DVC was killed between truncating and writing its own lock file."""
    cut_off = lock.exists() and not lock.read_bytes()
    if cut_off:
        lock.unlink()
    return cut_off


def finish(project: Project, *targets: str) -> str:
    """Leave a run alone and return its output; AssertionError if it fails."""
    with Attempt(project, *targets) as attempt:
        assert attempt.wait_for(20 * PATIENCE)
        assert attempt.dvc.returncode == 0, attempt.output
        assert attempt.seconds_to_end() < FEW_SECONDS
        return attempt.output
