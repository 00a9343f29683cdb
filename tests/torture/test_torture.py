"""Killed or stopped at any moment, `dvc repro` goes on where the work stopped; same bytes.

The short form of ``torture.run``.
"""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from auxseg.system.interrupt import SIGNALS
from project import LOCKS, Project, new_environment, new_project
from torture.attempt import (
    FEW_SECONDS,
    PATIENCE,
    PROCESSES,
    SAME_ORDER,
    SHELLS,
    Attempt,
    Hold,
    counting_copy,
    finish,
    units,
)
from torture.faults import DAMAGES, RAY, attempt, leave, possible, this_machine
from torture.report import MOST_TWICE

pytestmark = pytest.mark.one_machine("the work is counted in the stages' own processes")

EPOCHS = 30
WORK = {
    "demo.train_images": 32,
    "classifier.schedule.epochs": EPOCHS,
    "cam.scales": [0.75, 1.0],
}
STEPS = EPOCHS * 32 // 4
# All kinds of resumable work: a training, images by a network, images in several processes.
LAST = "pseudo_labels"
NEEDED = {
    "compute_saliency@geodesic image": 32,
    "saliency image": 32,
    "classifier step": STEPS,
    "cam image": 32,
}
NEEDED |= {"pseudo_labels image": 32}
GOES_ON = "stopping; what is done is kept, `dvc repro` goes on from there"


@pytest.fixture(scope="module")
def begun(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project in which the dataset is there, but nothing is learnt yet."""
    project = new_project(tmp_path_factory.mktemp("begun"), environment)
    project.set_params(WORK)
    project.commit()
    project.run("dvc", "repro", "dataset")
    return project


@pytest.fixture(scope="module")
def whole(begun: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same after a run that nobody disturbed. Not to be changed."""
    folder = tmp_path_factory.mktemp("whole")
    environment = begun.environment | SAME_ORDER | {"AUXSEG_SCRATCH": str(folder / "scratch")}
    project = Project(begun.copy(folder / "project").folder, environment)
    project.run("dvc", "repro", LAST)
    return project


@pytest.fixture
def tortured(begun: Project, tmp_path: Path) -> Project:
    """A copy whose stages are processes of their own and count their work."""
    environment = new_environment(tmp_path) | PROCESSES
    return counting_copy(Project(begun.folder, environment), tmp_path / "tortured")


def test_whatever_a_run_meets_it_ends_with_the_same_bytes_and_hardly_any_work_twice(
    tortured: Project, whole: Project, tmp_path: Path
) -> None:
    # Damage: test_mend.py, test_make.py, test_scratch.py. Ray: test_ray_images.py. A full disk, and
    # two at once: test_faults.py. A dead worker, no memory: test_images.py, test_stage.py.
    elsewhere = {*DAMAGES, RAY, "kill CRF process", "ENOSPC", "EINTR", "two at once"}
    elsewhere |= {"scratch on another disk", "kill worker", "memory limit"}
    chance, stage, ends = random.Random(0), "-", []
    with this_machine(tmp_path) as machine:
        left = ["kill group", "kill dvc", "kill stage"]
        left += [kind for kind in machine.kinds if kind not in elsewhere]
        while left:
            kind = next((kind for kind in left if possible(kind, stage, machine)), left[0])
            left.remove(kind)
            end = attempt(tortured, LAST, kind=kind, longest=4, chance=chance, machine=machine)
            assert not end.unclear, end.unclear
            stage = end.stage
            ends.append(end)
    finish(tortured, LAST)
    leave(tortured)
    kinds = [end.kind for end in ends]
    assert sum(kind.startswith("kill") for kind in kinds) > 5, kinds
    assert max(end.end for end in ends) < FEW_SECONDS
    begun = units(tortured.environment)
    assert begun.total() < (1 + MOST_TWICE) * Counter(NEEDED).total(), begun
    assert tortured.files(*LOCKS, "data") == whole.files(*LOCKS, "data")


def test_a_signal_ends_a_stage_soon_and_the_next_run_goes_on(
    tortured: Project, whole: Project
) -> None:
    for part, (number, shell) in enumerate(zip(SIGNALS, SHELLS, strict=True), 1):
        hold = Hold(tortured.environment, "classifier step", part * STEPS // 3)
        with Attempt(tortured, "classifier", shell=shell) as attempt:
            stage = stage_at(hold, attempt)
            stage.send_signal(number)
            wait_for_line(attempt, f"{number.name}: {GOES_ON}")
            hold.release()
            stage.wait(10)
            attempt.seconds_to_end()
            assert attempt.dvc.returncode != 0
            assert attempt.output.count(f"{number.name}: {GOES_ON}") == 1
            assert "Traceback" not in attempt.output
    finish(tortured, "classifier")
    assert locked(tortured, "classifier") == locked(whole, "classifier")
    # What was begun when the signal came was finished and kept.
    assert units(tortured.environment)["classifier step"] == STEPS


def test_a_second_signal_ends_a_stage_at_once_and_the_next_run_goes_on(
    tortured: Project, begun: Project
) -> None:
    tortured.set_params({"classifier.schedule.epochs": 1})
    Project(tortured.folder, begun.environment).run("dvc", "repro", "classifier")
    hold = Hold(tortured.environment, "cam image", 2)
    # Nothing is read ahead, so the first image is done.
    with Attempt(tortured, "cam", environment={"AUXSEG_LOADERS": "0"}) as attempt:
        stage = stage_at(hold, attempt)
        stage.send_signal(signal.SIGTERM)
        wait_for_line(attempt, f"SIGTERM: {GOES_ON}")
        stage.send_signal(signal.SIGTERM)
        stage.wait(5)  # after 7 s it would have ended anyway
        hold.release()
        attempt.seconds_to_end()
        assert attempt.dvc.returncode != 0
    output = finish(tortured, "cam")
    assert "CAM: 1 of 32 images were done before" in output
    assert units(tortured.environment)["cam image"] == 33


def locked(project: Project, stage: str) -> dict[str, Any]:
    """What dvc.lock says of a stage."""
    entry: dict[str, Any] = YAML(typ="safe").load(project.folder / "dvc.lock")["stages"][stage]
    return entry


def stage_at(hold: Hold, attempt: Attempt) -> psutil.Process:
    """The stage that waits in the middle of a unit."""
    wait_until(lambda: hold.reached)
    stage = attempt.stage()
    assert stage is not None
    return stage


def wait_for_line(attempt: Attempt, line: str) -> None:
    wait_until(lambda: f"{line}\n" in attempt.output)


def wait_until(come: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not come():
        assert time.monotonic() < end
        time.sleep(0.02)
