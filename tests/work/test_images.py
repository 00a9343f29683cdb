"""Work image by image: the same bytes by any number of processes, and nothing is done twice."""

import errno
import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from auxseg.networks.classifier import Classifier
from auxseg.networks.stored import save_network, stored_network
from auxseg.params import CamParams
from auxseg.system.interrupt import Interrupted, catch_signals
from auxseg.work.images import WRITING, collect, each
from auxseg.work.job import Job
from auxseg.work.network_job import NetworkJob
from auxseg.work.scratch import Scratch
from helpers import make_index, noise
from networks_of_tests import new_classifier
from project import ROOT
from stages.cam import maps


@dataclass(frozen=True)
class Image:
    """An image without pixels."""

    id: str


IMAGES = [Image(f"image_{n}") for n in range(32)]
EXPECTED = [(image.id, hashlib.sha256(image.id.encode()).digest()) for image in IMAGES]
AT = IMAGES[20]


def note(folder: Path, image: Image) -> bytes:
    """The task: it leaves a trace of each time that it is done, and of who did it."""
    with (folder / "done").open("a") as file:
        file.write(f"{image.id} {os.getpid()}\n")
    return hashlib.sha256(image.id.encode()).digest()


def fail(folder: Path, image: Image) -> bytes:
    if image == AT:
        raise ValueError(f"{image.id}: damaged")
    return note(folder, image)


def stop(folder: Path, image: Image) -> bytes:
    if image == AT:
        os.kill(os.getpid(), signal.SIGTERM)
    return note(folder, image)


def together(folder: Path, image: Image) -> bytes:
    """The task; after the first image, which comes before helpers, one of them has to do some."""
    result = note(folder, image)
    end = time.monotonic() + 60
    while image != IMAGES[0] and len(owners(folder)) == 1:
        assert time.monotonic() < end
        time.sleep(0.01)
    return result


def fail_there(folder: Path, image: Image) -> bytes:
    result = together(folder, image)
    if is_first_of_helper(folder):
        raise ValueError(f"{image.id}: damaged")
    return result


def die_there(folder: Path, image: Image) -> bytes:
    result = together(folder, image)
    if is_first_of_helper(folder):
        os.kill(os.getpid(), signal.SIGKILL)
    return result


def is_first_of_helper(folder: Path) -> bool:
    helps = multiprocessing.parent_process() is not None
    return helps and owners(folder)[str(os.getpid())] == 1


def wait(folder: Path, image: Image) -> bytes:
    """Tell who one is, and take for ever; all but the first image, after which come helpers."""
    if image != IMAGES[0]:
        (folder / f"{os.getpid()}.pid").touch()
        time.sleep(60)
    return b""


def done(folder: Path) -> list[str]:
    return [line.split()[0] for line in (folder / "done").read_text().splitlines()]


def owners(folder: Path) -> Counter[str]:
    """Return how many images each process did."""
    return Counter(line.split()[1] for line in (folder / "done").read_text().splitlines())


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helpers are started after the first image."""
    monkeypatch.setattr("auxseg.work.processes.TRIAL", 0.0)
    monkeypatch.setattr("auxseg.work.processes.WORTH_HELPERS", 0.0)
    monkeypatch.setattr("auxseg.work.processes.WORTH_NETWORKS", 0.0)


def itself(image: Image) -> Image:
    return image


def work(
    task: Callable[[Path, Image], bytes],
    folder: Path,
    processes: int = 1,
) -> list[tuple[str, bytes]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUXSEG_PROCESSES", str(processes))
        job = Job(itself, partial(task, folder))
        return list(each(IMAGES, job, Scratch(folder / "kept"), "test"))


@pytest.mark.parametrize("processes", [1, 2])
def test_any_number_of_processes_gives_the_same_in_the_order_of_the_images(
    processes: int, tmp_path: Path
) -> None:
    assert work(note if processes == 1 else together, tmp_path, processes) == EXPECTED
    assert sorted(done(tmp_path)) == sorted(image.id for image in IMAGES)
    assert len(owners(tmp_path)) == processes
    assert owners(tmp_path)[str(os.getpid())] > 1


def test_a_network_gives_the_same_bytes_in_one_process_and_in_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_network(tmp_path, new_classifier("tiny", 3, False))
    photos = [noise(40, 50 + number, number) for number in range(8)]
    index = make_index(tmp_path, photos, [[0, 1]] * len(photos))
    stored = stored_network(tmp_path, Classifier)
    params = CamParams(root="data/none", method="cam", scales=[0.75, 1.0, 1.5], mirror=True)
    work = NetworkJob(index.photograph, partial(maps, stored, params))
    results = []
    for processes in ("1", "2"):
        monkeypatch.setenv("AUXSEG_PROCESSES", processes)
        scratch = Scratch(tmp_path / processes)
        results.append(list(each(index.split("train"), work, scratch, "test")))
    assert results[0] == results[1]


@pytest.mark.parametrize(("trial", "worth"), [(100.0, 0.0), (0.0, 100.0)])
def test_short_work_is_not_worth_processes(
    trial: float, worth: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auxseg.work.processes.TRIAL", trial)
    monkeypatch.setattr("auxseg.work.processes.WORTH_HELPERS", worth)
    assert work(note, tmp_path, processes=8) == EXPECTED
    assert set(owners(tmp_path)) == {str(os.getpid())}


@pytest.mark.parametrize(
    ("task", "error"), [(fail, ValueError), (stop, Interrupted)], ids=["error", "signal"]
)
def test_what_was_done_before_an_end_is_not_done_again(
    task: Callable[[Path, Image], bytes],
    error: type[BaseException],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(error), catch_signals():
        work(task, tmp_path)
    before = done(tmp_path)
    assert len(before) == (20 if task is fail else 21)
    assert len(list((tmp_path / "kept").iterdir())) == len(before)
    capsys.readouterr()
    assert work(note, tmp_path) == EXPECTED
    assert done(tmp_path) == [image.id for image in IMAGES]
    assert f"test: {len(before)} of 32 images were done before" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "error", "message"),
    [
        (fail_there, ValueError, r"^image_\d+: damaged$"),
        (die_there, ChildProcessError, "^one of the processes died"),
    ],
    ids=["error", "death"],
)
def test_an_end_of_a_helper_is_one_line_and_nothing_that_is_done_is_lost(
    task: Callable[[Path, Image], bytes],
    error: type[Exception],
    message: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message) as raised:
        work(task, tmp_path, processes=2)
    assert "\n" not in str(raised.value)
    before = done(tmp_path)
    assert len(list((tmp_path / "kept").iterdir())) == len(before) - 1
    assert work(note, tmp_path) == EXPECTED
    again = [image for image, times in Counter(done(tmp_path)).items() if times > 1]
    assert len(again) == 1
    assert again[0] in before


def test_a_damaged_record_is_computed_again(tmp_path: Path) -> None:
    work(note, tmp_path)
    damaged = sorted((tmp_path / "kept").iterdir())[7]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    assert work(note, tmp_path) == EXPECTED
    assert done(tmp_path)[len(IMAGES) :] == [IMAGES[7].id]


def test_a_record_that_a_full_disk_cut_off_is_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "00000007"
    path.parent.mkdir()
    path.with_name(f".{path.name}.partial").symlink_to("/dev/full")
    with pytest.raises(OSError) as error:
        work(note, tmp_path)
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))
    begun = 8 + WRITING  # results wait for the disk while the next ones are computed
    assert {file.name for file in path.parent.iterdir()} == {
        f"{number:08d}" for number in range(begun) if number != 7
    }
    assert work(note, tmp_path) == EXPECTED
    ids = [image.id for image in IMAGES]
    assert done(tmp_path) == [*ids[:begun], ids[7], *ids[begun:]]


def test_results_in_another_order_are_given_in_that_of_the_images(tmp_path: Path) -> None:
    asked = []

    def rest(done: set[str]) -> Iterator[tuple[str, bytes]]:
        asked.append(done)
        return (item for item in reversed(EXPECTED) if item[0] not in done)

    ids = [image.id for image in IMAGES]
    for _ in range(2):
        assert list(collect(ids, rest, Scratch(tmp_path), "test")) == EXPECTED
    assert asked == [set(), set(ids)]


def test_processes_do_not_outlive_the_one_that_started_them(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:  # a stage, until it is killed
        work(wait, tmp_path, processes=2)
    while len(list(tmp_path.glob("*.pid"))) < 2:
        time.sleep(0.05)
    children = [int(path.stem) for path in tmp_path.glob("*.pid")]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    end = time.monotonic() + 5
    while any(_runs(child) for child in children):
        assert time.monotonic() < end
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_stage_has_torch_ask_for_large_pages_before_it_imports_it() -> None:
    name = "THP_MEM_ALLOC_ENABLE"
    script = (
        f"import os, sys, auxseg.system.stage; print(os.environ['{name}'], 'torch' in sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key != name}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("1 False\n", "")
