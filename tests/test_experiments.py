import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from project import Project, stages_run

WAIT = 300  # s, for queued experiments


@pytest.fixture
def queue(project: Project) -> Iterator[Project]:
    """A finished project whose queue workers end with the test."""
    yield project
    project.call("dvc", "queue", "stop", "--kill")
    left = [process for process in psutil.process_iter() if _works_in(process, project.folder)]
    for process in left:
        process.kill()
    psutil.wait_procs(left)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(folder)
    except psutil.Error:
        return False


def experiments(project: Project) -> dict[str, dict[str, Any]]:
    """Parameters and metrics of every experiment since HEAD, by name."""
    _, head = json.loads(project.run("dvc", "exp", "show", "--json"))
    return {
        (revision := experiment["revs"][-1])["name"]: revision["data"]
        for experiment in head["experiments"] or []
    }


def val_miou(data: dict[str, Any]) -> float:
    (metrics,) = data["metrics"].values()
    value: float = metrics["data"]["val"]["miou"]
    return value


def test_an_experiment_adds_a_round_and_can_be_left_and_taken_up_again(project: Project) -> None:
    output = project.run("dvc", "exp", "run", "--name", "three", "--set-param", "train.stages=3")
    round_3 = [f"{name}@3" for name in ("crf", "predict", "pseudo_labels", "refine", "score")]
    assert stages_run(output) == sorted(["params", "train@3", *round_3, "crf", "evaluate"])
    data = experiments(project)["three"]
    assert data["params"]["params.yaml"]["data"]["train"]["stages"] == 3
    compared = json.loads(project.run("dvc", "metrics", "diff", "--all", "--json", "HEAD"))
    assert compared["metrics/evaluation.json"]["val.miou"]["new"] == val_miou(data)

    project.run("git", "checkout", "--quiet", ".")
    assert project.repro() == []
    assert project.run("git", "status", "--porcelain") == ""

    # DVC 3.67 takes the rounds that were never asked for as missing; all others are there.
    project.call("dvc", "exp", "apply", "three")
    assert project.repro() == []
    assert (project.folder / "data" / "rounds" / "3" / "model").is_dir()


def test_queued_experiments_run_side_by_side(queue: Project) -> None:
    for seed in (1, 2):
        changes = [f"--set-param=seed={seed}", "--set-param=train.stages=1"]
        queue.run("dvc", "exp", "run", "--queue", "--name", f"seed-{seed}", *changes)
    queue.run("dvc", "queue", "start", "--jobs", "2")
    end = time.monotonic() + WAIT
    while re.search(r"Queued|Running", status := queue.run("dvc", "queue", "status")):
        assert time.monotonic() < end, status
        time.sleep(3)
    assert len(re.findall("Success", status)) == 2, status
    found = experiments(queue)
    assert found.keys() == {"seed-1", "seed-2"}
    for seed in (1, 2):
        data = found[f"seed-{seed}"]
        assert data["params"]["params.yaml"]["data"]["seed"] == seed
        assert 0 <= val_miou(data) <= 1
    assert queue.run("git", "status", "--porcelain") == ""
