"""A thousand faults while `dvc repro` works: nothing is lost, the result is the same.

PYTHONPATH=tests python -m torture.run --faults 1000, which is `make torture FAULTS=1000`. Started
again, it goes on: what it did is in the folder `.torture`. The end is metrics/torture.json.
"""

import json
import random
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from auxseg.data.files import write_json
from project import LOCKS, ROOT, Project, new_environment, new_project
from torture.attempt import (
    PATIENCE,
    Attempt,
    counting_copy,
    counting_environment,
    finish,
    units,
)
from torture.faults import (
    ERRORS,
    KILLS,
    Machine,
    Outcome,
    attempt,
    clear,
    failed_calls,
    failing_calls,
    leave,
    possible,
    this_machine,
)
from torture.report import MOST_TWICE, report, stages_by_output

# Work for every stage, but little of it: most of the time goes into faults.
WORK = {
    "demo.train_images": 40,
    "demo.val_images": 10,
    "dataset.examples": 2,
    "classifier.schedule.epochs": 40,
    "train.stages": 1,
    "train.schedule.epochs": 40,
    "train.schedule.learning_rate": 0.002,
    "cam.scales": [0.75, 1.0],
}
MADE = (*LOCKS, "data", "metrics")
LONGEST = 10.0  # seconds from the start of an attempt to a fault that does not wait for work
LEAST = 0.03  # of all faults: each kind of kill that only some stages can have
IN_VAIN = 20  # attempts in a row to kill what is not there, after which something must be wrong
ROW, RATE = 50, 1 / 2000  # attempts one after the other, and the part of their calls that fails
COUNTED = ("failed_calls", "to_the_end", "unclear", "files_that_differ")
LOG = Path("metrics/torture.json")


class Torture:
    """Runs of one project that are disturbed until they come to their end, one after the other.

    Attributes:
        folder: Holds all that is kept between two starts.
    """

    def __init__(self, folder: Path, kinds: Sequence[str], machine: Machine) -> None:
        self.folder = folder
        self.kinds = kinds
        self.machine = machine
        self.start = time.monotonic()
        self._lock = threading.Lock()
        self._broken = False  # whether a job ended by an error: then the others end soon
        self._events = folder / "events.jsonl"
        self.base, self.calm = self._undisturbed()
        self.events = [json.loads(line) for line in self._lines()]

    def _lines(self) -> list[str]:
        lines = self._events.read_text().splitlines() if self._events.exists() else []
        return [line for line in lines if line.endswith("}")]  # the last one may be cut off

    def _undisturbed(self) -> tuple[Project, dict[str, Any]]:
        """The project before its first run, and what a run leaves that nothing disturbs."""
        base, calm = self.folder / "base", self.folder / "calm"
        if not (self.folder / "calm.json").exists():
            for path in (base, calm):
                shutil.rmtree(path, ignore_errors=True)
            base.mkdir(parents=True)
            project = new_project(base, new_environment(self.folder))
            project.set_params(WORK)
            project.commit()
            whole = counting_copy(project, calm)
            start = time.monotonic()
            finish(whole)
            seconds = time.monotonic() - start
            about = {
                "commit": git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain") else ""),
                "units": units(whole.environment),
                "stages": stages_by_output(whole),
            }
            (self.folder / "calm.json").write_text(json.dumps(about))
            self.say(f"undisturbed: {seconds:.0f} s, {sum(about['units'].values())} units")
        environment = new_environment(self.folder)
        return Project(base, environment), json.loads((self.folder / "calm.json").read_text())

    def say(self, line: str) -> None:
        """One line of the log on the terminal."""
        print(f"{time.monotonic() - self.start:6.0f} s  {line}", flush=True)

    def note(self, event: dict[str, Any]) -> None:
        """Keep an event for the next start and for the report."""
        with self._lock:
            self.events.append(event)
            with self._events.open("a") as file:
                file.write(json.dumps(event) + "\n")

    @property
    def counts(self) -> Counter[str]:
        """Faults until now, by kind."""
        return Counter(event["kind"] for event in self.events if event.get("kind"))

    def work(self, job: int, faults: int) -> None:
        """Disturb one run after the other until there were enough faults, all jobs together."""
        try:
            self._runs(job, faults)
        except BaseException:
            self._broken = True
            raise

    def _goes_on(self, faults: int) -> bool:
        return not self._broken and self.counts.total() < faults

    def _runs(self, job: int, faults: int) -> None:
        while not self._broken:
            done = [e for e in self.events if e.get("job") == job and "different" in e]
            folder = self.folder / f"job-{job}" / f"run-{len(done) + 1}"
            # One that was begun is compared, even if there were faults enough before this start.
            if not self._goes_on(faults) and not (folder / "ready").exists():
                break
            self._one_run(job, len(done) + 1, folder, faults)
            if not self._broken:
                leave(Project(folder / "project", {}))
                shutil.rmtree(folder)

    def _one_run(self, job: int, run: int, folder: Path, faults: int) -> None:
        ready = folder / "ready"
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            counting_copy(self.base, folder)
            ready.touch()
        project = Project(folder / "project", counting_environment(self.base, folder))
        project.kill()  # what an earlier start of this torture left
        chance = random.Random(f"{job} {run} {len(self.events)}")
        stage = "-"
        while self._goes_on(faults):
            kind = self._next(stage, chance)
            out = self._disturb(project, kind, chance, {"job": job, "run": run})
            stage = out.stage if out.stage != "-" else stage
            if out.finished:
                break
        if not self._broken:
            self._compare(project, job, run)

    def _disturb(
        self, project: Project, kind: str, chance: random.Random, event: dict[str, Any], *what: str
    ) -> Outcome:
        """One attempt under a fault of the kind, noted and, if need be, mended."""
        out = attempt(
            project, *what, kind=kind, longest=LONGEST, chance=chance, machine=self.machine
        )
        self.note(event | {"tried": kind, **asdict(out)})
        if out.unclear:
            self._keep(out)
        said = f" ({out.detail})" if out.detail else ""
        if out.kind:
            self.say(
                f"fault {self.counts.total()}: {out.kind}{said} after {out.seconds:.1f} s in "
                f"{out.stage}, {'UNCLEAR, ' * bool(out.unclear)}all gone in {out.end:.1f} s"
            )
        if out.damaged and not out.finished:
            mend(project)
        return out

    def rare(self, faults: int) -> None:
        """Disturb single stages of a finished project until no kill has come too seldom.

        A run has few moments in which there is a process to kill that few stages have.
        """
        folder, chance = self.folder / "rare", random.Random("rare")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        calm = Project(self.folder / "calm" / "project", self.base.environment)
        project = counting_copy(calm, folder)
        for kind, stages in KILLS.items():
            in_vain = 0
            while kind in self.kinds and stages and self.counts[kind] < LEAST * faults:
                again = ("--force", "--single-item", stages[0])
                # What is kept of the last attempt would leave nothing to do.
                shutil.rmtree(project.environment["AUXSEG_SCRATCH"], ignore_errors=True)
                out = self._disturb(project, kind, chance, {"job": "rare", "run": 1}, *again)
                if out.damaged:  # mended; a new dvc.lock would begin with this stage
                    finish(project)
                in_vain = 0 if out.kind == kind else in_vain + 1
                assert in_vain < IN_VAIN, f"{kind}: never in {IN_VAIN} attempts"
        different = self._different(project)
        self.note({"job": "rare", "run": 1, "different": different, "units": {}})
        self.say(f"single stages are finished, {len(different)} files differ")
        if different:
            shutil.copytree(project.folder, self.folder / "different-rare", symlinks=True)
        shutil.rmtree(folder)

    def in_a_row(self, jobs: int) -> None:
        """Attempts one after the other while one call in 2,000 fails, then compare the project.

        One that came to its end is compared and begun again.
        """
        with ThreadPoolExecutor(jobs) as pool:
            numbers = [range(ROW)[job::jobs] for job in range(jobs)]
            rows = sum(pool.map(self._row, range(jobs), numbers), Counter())
        self.note({"row": {"attempts": ROW, "rate": RATE} | {name: rows[name] for name in COUNTED}})

    def _row(self, job: int, numbers: range) -> Counter[str]:
        """The attempts with these numbers; returns COUNTED."""
        folder, chance, counts = self.folder / f"row-{job}", random.Random(job), Counter[str]()
        project = None
        for number in numbers:
            if project is None:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                project = counting_copy(self.base, folder)
            kind = chance.choice(ERRORS)
            with Attempt(project, environment=failing_calls(kind, RATE, chance)) as run:
                assert run.wait_for(PATIENCE), run.output
                failed = failed_calls(project)
                finished, stage = run.dvc.returncode == 0, run.stage_name
                mute = any("/rw/write" in line for line in failed)
                vague = not finished and not clear(run.output, mute)
                if vague:
                    self._keep(Outcome(kind, unclear=run.output))
            self.say(
                f"attempt {number + 1}: {len(failed)} calls failed ({kind}), "
                f"{'it came to its end' if finished else f'it ended in {stage}'}"
                f"{', UNCLEAR' * vague}"
            )
            counts.update(failed_calls=len(failed), to_the_end=finished, unclear=vague)
            if not finished:
                mend(project)
            if finished or number == numbers[-1]:
                different = self._different(project)
                counts.update(files_that_differ=len(different))
                self.say(f"compared, {len(different)} files differ")
                project = None
        shutil.rmtree(folder)
        return counts

    def _next(self, stage: str, chance: random.Random) -> str:
        """The kind that came least, of those that can come now; often in vain counts, too."""
        counts = self.counts
        vain = Counter(e["tried"] for e in self.events if "tried" in e and not e["kind"])
        kinds = [kind for kind in self.kinds if possible(kind, stage, self.machine)]
        return min(kinds, key=lambda kind: counts[kind] + vain[kind] / 5 + chance.uniform(0, 3))

    def _keep(self, out: Outcome) -> None:
        folder = self.folder / "unclear"
        folder.mkdir(exist_ok=True)
        number = len(list(folder.iterdir()))
        (folder / f"{number:03d}-{out.kind}.log").write_text(f"{out.detail}\n{out.unclear}")

    def _compare(self, project: Project, job: int, run: int) -> None:
        """Finish a run undisturbed; note what differs from a run that nothing disturbed."""
        different = self._different(project)
        begun = units(project.environment)
        self.note({"job": job, "run": run, "different": different, "units": begun})
        self.say(f"run {job}.{run} is finished, {len(different)} files differ")
        if different:
            shutil.copytree(project.folder, self.folder / f"different-{job}-{run}", symlinks=True)

    def _different(self, project: Project) -> list[str]:
        mend(project)
        finish(project)
        if mend(project):  # outputs that no stage had to read again
            finish(project)
        expected = Project(self.folder / "calm" / "project", {}).files(*MADE)
        found = project.files(*MADE)
        names = sorted(expected.keys() | found.keys())
        # Beside an output may be what a killed stage had begun; it is removed with the next one.
        names = [name for name in names if not re.search(r"/\.\w+\.(partial|old|lock)\b", name)]
        return [name for name in names if expected.get(name) != found.get(name)]


def mend(project: Project) -> bool:
    """Whether something was damaged; AssertionError if mending fails."""
    code, output = project.call("python", "-m", "auxseg", "mend")
    assert code == 0 or output == "nothing is damaged\n", output
    return code == 0


def git(*arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=ROOT, text=True).strip()


def main(
    faults: Annotated[int, typer.Option(min=1, help="How many, all runs together.")] = 100,
    jobs: Annotated[int, typer.Option(min=1, help="Runs side by side, one core each.")] = 2,
    kind: Annotated[list[str] | None, typer.Option(help="Only these kinds.")] = None,
    folder: Annotated[Path, typer.Option(help="Kept until the end.")] = Path(".torture"),
) -> None:
    """Disturb, finish, compare; repeat until there were enough faults."""
    folder = folder.absolute()
    with this_machine(folder) as machine:
        for name, needs in machine.missing.items():
            print(f"left out: {name}: {needs}")
        torture = Torture(folder, kind or machine.kinds, machine)
        with ThreadPoolExecutor(jobs) as pool:
            for done in [pool.submit(torture.work, job, faults) for job in range(jobs)]:
                done.result()
        if not kind:
            torture.rare(faults)
        if not kind and "EIO" in machine.kinds and not any("row" in e for e in torture.events):
            torture.in_a_row(jobs)
    log = report(torture.events, torture.calm, machine)
    print(json.dumps(log, indent=2))
    if not kind:
        write_json(ROOT / LOG, log)
    assert not log["runs_that_differ"] and not log["unclear_ends"]
    if row := log["in_a_row"]:
        assert not row["files_that_differ"] and not row["unclear"]
    assert log["steps_and_images"]["twice"] < MOST_TWICE


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
