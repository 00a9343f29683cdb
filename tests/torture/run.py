"""Kill `dvc repro` of a small demo again and again: nothing is lost, the result is the same.

PYTHONPATH=tests python -m torture.run --kills 100, which is `make torture`.
"""

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from project import LOCKS, new_environment, new_project, stages_run
from torture.attempt import PROCESSES, counting_copy, units
from torture.killing import MOST_TWICE, Report, Undisturbed, finish, torture

# Work for every stage: hundreds of steps a training, enough images for two processes.
WORK = {
    "demo.train_images": 64,
    "demo.val_images": 30,
    "dataset.examples": 2,
    "classifier.schedule.epochs": 40,
    "train.schedule.epochs": 25,
    "train.schedule.learning_rate": 0.002,
    "cam.scales": [0.75, 1.0],
}

# Kills come after up to this part of an undisturbed run: often enough in the middle of something,
# and late enough for a run to get through all of its stages.
PARTS = 5


def main(
    kills: Annotated[int, typer.Option(min=1, help="How often to kill, all runs together.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the moments and kinds of the kills.")] = 0,
) -> None:
    """Kill at random moments, finish, compare; repeat until there were enough kills."""
    start = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - start:6.0f} s  {line}", flush=True)

    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        report = killed_until_enough(Path(name), kills, random.Random(seed), say)
    report.seconds = time.monotonic() - start
    print("\n".join(report.lines()))
    assert report.twice < MOST_TWICE


def killed_until_enough(
    folder: Path, kills: int, chance: random.Random, say: Callable[[str], None]
) -> Report:
    """Torture one clone after the other, each until it is finished."""
    environment = new_environment(folder) | PROCESSES
    (folder / "base").mkdir()
    base = new_project(folder / "base", environment)
    base.set_params(WORK)
    base.commit()
    calm = counting_copy(base, folder / "calm")
    start = time.monotonic()
    stages = len(stages_run(finish(calm)))
    seconds = time.monotonic() - start
    whole = Undisturbed(calm.files(*LOCKS), units(calm.environment))
    steps = sum(count for unit, count in whole.units.items() if unit.endswith(" step"))
    images = whole.units.total() - steps
    say(f"undisturbed: {stages} stages in {seconds:.0f} s, {steps} steps, {images} images")
    report = Report()
    while report.kills < kills:
        torture(
            tortured := counting_copy(base, folder / f"run-{report.finished + 1}"),
            kills=kills - report.kills,
            longest=seconds / PARTS,
            chance=chance,
            report=report,
            say=say,
        )
        report.compare(tortured, whole)
        say(f"run {report.finished} is finished, its locks are those of the undisturbed run")
    return report


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
