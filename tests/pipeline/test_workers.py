import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from ruamel.yaml import YAML

from auxseg.work.scratch import forget_finished, leftovers, unfinished
from project import LOCKS, ROOT, Project, stages_run

# As docs/resuming.md has it, but for the length of the pause.
WORK = """
while sleep 1; do dvc --wait-for-lock push --run-cache && echo pushed; done &
dvc --wait-for-lock repro --pull
kill $!
dvc --wait-for-lock push --run-cache
"""
# Epochs enough for a worker to be stopped between two of them.
PARAMS = {"train.stages": 1, "train.schedule.epochs": 15}

EXPERIMENTS: dict[str, dict[str, Any]] = {
    "training": {"train.stages": 1, "train.schedule.momentum": 0.5},
    "same-training": {"train.stages": 1, "train.schedule.momentum": 0.5, "crf.iterations": 2},
}
RESULTS = (*LOCKS, "metrics/evaluation.json")
WAIT = 500  # s, for queued experiments


@pytest.fixture(scope="module")
def undisturbed(finished: tuple[Project, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The results of a worker that nobody stops. Not to be changed."""
    project = finished[0].copy(tmp_path_factory.mktemp("undisturbed") / "project")
    for lock in LOCKS:
        (project.folder / lock).unlink()
    project.set_params(PARAMS)
    project.repro()
    return project


@pytest.fixture
def origin(fresh: Project) -> Project:
    """The repository that workers clone: code and parameters, nothing has been run."""
    fresh.set_params(PARAMS)
    return fresh


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    """The folder of an SFTP server: the files that it serves, its port and the key for it."""
    folder = tmp_path / "server"
    folder.mkdir()
    script = ROOT / "tests" / "sftp_server.py"
    with subprocess.Popen([sys.executable, script, folder]) as process:
        try:
            while not (folder / "port").exists():
                assert process.poll() is None, "the SFTP server did not start"
                time.sleep(0.05)
            yield folder
        finally:
            process.terminate()


def new_worker(origin: Project, folder: Path, scratch: Path) -> Project:
    """A clone of ``origin``, with the scratch folder of its machine."""
    origin.run("git", "clone", "--quiet", ".", str(folder))
    return Project(folder, origin.environment | {"AUXSEG_SCRATCH": str(scratch)})


def die_in_round_1(worker: Project) -> set[str]:
    """Kill a worker while it trains and all before that is pushed; return what it finished."""
    with subprocess.Popen(
        ["sh", "-c", WORK],
        cwd=worker.folder,
        env=worker.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as work:
        try:
            assert work.stdout
            output = read_until("round 1: ", work.stdout)
            # The training is halted in the middle, for the pushes to come before its end.
            for process in worker.processes():
                with suppress(psutil.NoSuchProcess):  # one of a push, which has just ended
                    if any("fork_server.py" in argument for argument in process.cmdline()):
                        process.send_signal(signal.SIGSTOP)
            # Twice: the first one may have begun before the last stage ended.
            output += read_until("pushed\n", work.stdout)
            output += read_until("pushed\n", work.stdout)
        finally:
            worker.kill()  # it would not end by itself
    return set(stages_run(output)) - {"train@1"}


def read_until(text: str, lines: Iterable[str]) -> str:
    """All up to the line that holds ``text``."""
    output = ""
    for line in lines:
        output += line
        if text in line:
            return output
    raise AssertionError(output)


def all_stages_of(project: Project) -> set[str]:
    """The stages that its dvc.lock files record."""
    locks = [YAML(typ="safe").load(project.folder / lock) for lock in LOCKS]
    return {name for lock in locks for name in lock["stages"]}


@pytest.mark.one_machine("a training that several workers resume ends with other last digits")
def test_on_a_shared_disk_a_worker_goes_on_within_the_stage_of_a_killed_one(
    origin: Project, undisturbed: Project, tmp_path: Path
) -> None:
    origin.run("dvc", "remote", "add", "--default", "disk", str(tmp_path / "disk" / "remote"))
    origin.commit()
    scratch = tmp_path / "disk" / "scratch"
    finished = die_in_round_1(new_worker(origin, tmp_path / "first", scratch))
    second = new_worker(origin, tmp_path / "second", scratch)
    output = second.run("dvc", "repro", "--pull")
    assert set(stages_run(output)) == all_stages_of(undisturbed) - finished
    assert "steps were done before" in output
    assert second.files(*LOCKS) == undisturbed.files(*LOCKS)


def test_over_sftp_a_worker_goes_on_after_the_last_stage_that_was_pushed_whole(
    origin: Project, undisturbed: Project, server: Path, tmp_path: Path
) -> None:
    port = (server / "port").read_text()
    origin.run("dvc", "remote", "add", "--default", "server", f"ssh://user@127.0.0.1:{port}/store")
    origin.run("dvc", "remote", "modify", "server", "keyfile", str(server / "key"))
    origin.run("dvc", "remote", "modify", "server", "verify", "true")
    origin.commit()
    finished = die_in_round_1(new_worker(origin, tmp_path / "first", tmp_path / "scratch 1"))
    # What is left of a file if its upload is cut off: the biggest one is the classifier.
    biggest = max((server / "files").rglob("*"), key=lambda path: path.stat().st_size)
    biggest.write_bytes(biggest.read_bytes()[:1000])
    second = new_worker(origin, tmp_path / "second", tmp_path / "scratch 2")
    output = second.run("dvc", "repro", "--pull")
    assert set(stages_run(output)) == all_stages_of(undisturbed) - finished | {"classifier"}
    assert second.files(*LOCKS) == undisturbed.files(*LOCKS)


@pytest.fixture
def queue(project: Project, tmp_path: Path) -> Iterator[Project]:
    """A finished project with its own scratch folder, whose queue workers end with the test."""
    yield Project(project.folder, project.environment | {"AUXSEG_SCRATCH": str(tmp_path / "own")})
    project.call("dvc", "queue", "stop", "--kill")
    project.kill()


@pytest.mark.one_machine("how many workers a training gets beside another is chance")
def test_experiments_side_by_side_give_what_they_give_one_after_the_other(
    finished: tuple[Project, str], queue: Project, tmp_path: Path
) -> None:
    for name, changes in EXPERIMENTS.items():
        options = [f"--set-param={key}={value}" for key, value in changes.items()]
        queue.run("dvc", "exp", "run", "--queue", "--name", name, *options)
    start_workers(queue, len(EXPERIMENTS), tmp_path / "started")
    end = time.monotonic() + WAIT
    while re.search(r"Queued|Running", status := queue.run("dvc", "queue", "status")):
        assert time.monotonic() < end, status
        time.sleep(5)
    assert len(re.findall("Success", status)) == len(EXPERIMENTS), status
    assert leftovers(Path(queue.environment["AUXSEG_SCRATCH"])) == []
    assert queue.run("git", "status", "--porcelain") == ""

    alone = finished[0].copy(tmp_path / "alone")
    for name, changes in EXPERIMENTS.items():
        alone.run("git", "checkout", "--quiet", ".")
        alone.set_params(changes)
        alone.repro()
        found = queue.run("git", "for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}")
        shown = {
            path: queue.run("git", "show", f"{found.strip()}:{path}").encode() for path in RESULTS
        }
        assert shown == alone.files(*RESULTS)


def start_workers(queue: Project, number: int, log: Path) -> None:
    """Start those of DVC's queue.

    They keep the output of ``dvc queue start`` open, and one was seen that did not end with the
    queue. So nothing may wait for the end of a pipe.
    """
    command = ["dvc", "queue", "start", "--jobs", str(number)]
    with log.open("w") as output:
        subprocess.run(
            command,
            cwd=queue.folder,
            env=queue.environment,
            check=True,
            stdout=output,
            stderr=output,
        )


def test_finished_work_is_kept_for_its_workspace_as_long_as_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUXSEG_SCRATCH", str(tmp_path / "scratch"))
    for name in ("temporary", "lasting", "own"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        with unfinished(params=name) as scratch:
            scratch.write("record", name.encode())
    assert kept_for(tmp_path) == {"temporary", "lasting", "own"}
    (tmp_path / "temporary").rmdir()
    forget_finished()
    assert kept_for(tmp_path) == {"lasting"}


def kept_for(folder: Path) -> set[str]:
    return {Path(path.read_text()).name for path in folder.glob("scratch/*/finished")}
