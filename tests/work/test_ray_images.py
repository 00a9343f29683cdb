"""Images over a Ray cluster: the same bytes, whatever is lost on the way, and nothing stays."""

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import test_images
from test_images import EXPECTED, IMAGES, Image, done, fail, itself, note

from auxseg.system.interrupt import Interrupted, catch_signals
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.network_job import NetworkJob
from auxseg.work.scratch import Scratch
from helpers import NODES, Beside, wait_until
from project import Project, stages_run

ray = pytest.importorskip("ray")


@pytest.fixture(autouse=True, scope="module")
def sent() -> None:
    """The hosts have not the tests' files: what a worker needs of them is sent."""
    ray.cloudpickle.register_pickle_by_value(test_images)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


def work(task: Callable[[Path, Image], bytes], folder: Path) -> list[tuple[str, bytes]]:
    job = Job(itself, partial(task, folder))
    return list(each(IMAGES, job, Scratch(folder / "kept"), "test"))


def note_slowly(folder: Path, image: Image) -> bytes:
    time.sleep(0.2)
    return note(folder, image)


def note_node(folder: Path, image: Image) -> bytes:
    (folder / ray.get_runtime_context().get_node_id()).touch()
    return note_slowly(folder, image)


@pytest.mark.usefixtures("three_workers")
def test_the_hosts_share_the_images_and_give_the_same(tmp_path: Path) -> None:
    assert work(note_node, tmp_path) == EXPECTED
    assert sorted(done(tmp_path)) == sorted(image.id for image in IMAGES)
    assert len(list(tmp_path.glob("?" * 56))) == NODES


@pytest.mark.usefixtures("three_workers")
def test_an_error_is_raised_as_it_is_and_what_came_before_it_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^image_20: damaged$"):
        work(fail, tmp_path)
    kept = len(list((tmp_path / "kept").iterdir()))
    assert 10 < kept < len(IMAGES)
    (tmp_path / "done").unlink()
    assert work(note, tmp_path) == EXPECTED
    assert len(done(tmp_path)) == len(IMAGES) - kept


@pytest.mark.usefixtures("three_workers")
def test_a_signal_ends_the_work_between_two_images(tmp_path: Path) -> None:
    def stop() -> None:
        wait_until(lambda: (tmp_path / "done").exists())
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted), catch_signals(), Beside(stop):
        work(note_slowly, tmp_path)
    assert 0 < len(list((tmp_path / "kept").iterdir())) < len(IMAGES)
    assert not ray.is_initialized()


@pytest.mark.usefixtures("three_workers")
def test_a_killed_worker_and_a_lost_host_change_nothing(tmp_path: Path, cluster: Any) -> None:
    def lose() -> None:
        wait_until(lambda: (tmp_path / "done").exists() and len(done(tmp_path)) > 4)
        owner = (tmp_path / "done").read_text().split()[1]
        os.kill(int(owner), signal.SIGKILL)
        wait_until(lambda: len(done(tmp_path)) > 8)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)

    with Beside(lose):
        assert work(note_slowly, tmp_path) == EXPECTED
    cluster.add_node(num_cpus=1)
    assert len(done(tmp_path)) < len(IMAGES) + 2 * NODES


@pytest.mark.usefixtures("three_workers")
def test_gpus_that_the_cluster_has_not_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUXSEG_WORKER_GPUS", "1")
    work = NetworkJob(itself, lambda photos, read: [])
    with pytest.raises(ValueError, match=r"^AUXSEG_WORKERS = 3 with 1 GPUs each, .* has 0: lower"):
        list(each(IMAGES, work, Scratch(tmp_path / "kept"), "test"))


def test_without_ray_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUXSEG_WORKERS", "2")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        ValueError, match=r"^AUXSEG_WORKERS = 2 needs Ray: .venv/bin/pip install 'ray\[train\]'$"
    ):
        work(note, tmp_path)


def test_stages_on_a_cluster_of_their_own_leave_the_same_bytes_and_no_process(
    project: Project, finished: tuple[Project, str]
) -> None:
    environment = project.environment | {"AUXSEG_WORKERS": "2"}
    stages = ["cam", "pseudo_labels"]  # with a network and without
    again = Project(project.folder, environment)
    output = again.run("dvc", "repro", "--force", "--single-item", *stages)
    assert stages_run(output) == stages
    assert again.files("dvc.lock") == finished[0].files("dvc.lock")
    wait_until(lambda: not ray_processes())


def ray_processes() -> list[psutil.Process]:
    """Those of clusters that stages started; they have the environment of the stage."""
    found = []
    for process in psutil.process_iter():
        try:
            if "raylet" in " ".join(process.cmdline()) and "DVC_STAGE" in process.environ():
                found.append(process)
        except psutil.Error:
            continue  # ended, or not ours
    return found
