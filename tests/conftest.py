import fcntl
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import NODES
from project import Project, new_environment, new_project

LONG = {"torture": 0, "work": 1, "pipeline": 2}  # folders


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cluster", action="store_true", help="have all stages work on a simulated cluster of Ray"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # The longest first, so that two processes end at about the same time.
    items.sort(key=lambda item: LONG.get(item.path.parent.name, len(LONG)))
    for item in items if config.getoption("--cluster") else []:
        if mark := item.get_closest_marker("one_machine"):
            item.add_marker(pytest.mark.skip(reason=f"one machine only: {mark.args[0]}"))


@pytest.fixture(scope="session")
def environment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment of DVC, in which ``python`` answers without importing torch first.

    So does DVC, for commands whose end is awaited: see ``Project.call``.
    """
    folder = tmp_path_factory.mktemp("environment")
    script, place = Path(__file__).with_name("fork_server.py"), folder / "socket"
    command = shlex.join([sys.executable, "-IS", str(script), str(place)])
    stand_ins = {folder / "bin" / "python": command, folder / "dvc": f"{command} -m dvc"}
    for path, starts in stand_ins.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec {starts} "$@"\n')
        path.chmod(0o755)
    environment = new_environment(folder, folder / "bin") | {"DVC": str(folder / "dvc")}
    if request.config.getoption("--cluster"):
        environment |= workers_on(request.getfixturevalue("cluster"))
    with subprocess.Popen([sys.executable, script, place], env=environment) as server:
        try:
            while not place.exists():
                assert server.poll() is None, "the fork server did not start"
                time.sleep(0.05)
            yield environment
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def finished(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> tuple[Project, str]:
    """A project after its first `dvc repro`, committed, and what DVC printed. Not to be changed.

    Processes that share the tests share it, too: the first one that needs it makes it.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "finished"
    folder.mkdir(exist_ok=True)
    project, output = Project(folder / "project", environment), folder / "output"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():
            new_project(project.folder, environment)
            printed = project.run("dvc", "repro")
            project.commit()
            output.write_text(printed)
    return project, output.read_text()


@pytest.fixture
def project(finished: tuple[Project, str], tmp_path: Path) -> Project:
    """A copy of the finished project, free to be changed."""
    return finished[0].copy(tmp_path / "project")


@pytest.fixture
def fresh(finished: tuple[Project, str], tmp_path: Path) -> Project:
    """The project before anything has been run, free to be changed."""
    return finished[0].copy_fresh(tmp_path / "fresh")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Three hosts, as Ray sees it, of one processor each. Who removes one adds another."""
    hosts = pytest.importorskip("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    for _ in range(NODES - 1):
        hosts.add_node(num_cpus=1)
    yield hosts
    hosts.shutdown()


@pytest.fixture
def three_workers(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work goes to a worker on each host."""
    for name, value in workers_on(cluster).items():
        monkeypatch.setenv(name, value)


def workers_on(cluster: Any) -> dict[str, str]:
    """The environment in which stages use a worker on each host."""
    return {"RAY_ADDRESS": cluster.address, "AUXSEG_WORKERS": str(NODES)}
