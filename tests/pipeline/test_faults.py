"""Each fault of the machine ends in one clear line, and after it the same command goes on."""

from auxseg.system.stage import run

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from auxseg.data.files import new_folder
from auxseg.networks.backbone import Backbone
from auxseg.params import load_params
from auxseg.work.scratch import ABOUT
from onnx_models import model as onnx_model
from project import TINY, Project, Stage, all_stages, new_project

SCHEMA = "data/params.schema.json"
DEMO = "data/sources/demo"
PAGE = 4096  # bytes: what a file on a tmpfs takes at least
# In an order in which each finds what it needs; `train.stages` is 1.
ORDER = (
    *(
        "params",
        "demo",
        "dataset",
        "compute_saliency@geodesic",
        "compute_saliency@onnx",
        "corrections",
        "saliency",
        "classifier",
        "cam",
    ),
    *(
        "pseudo_labels",
        "doubt",
        "predict",
        "score",
        "train@1",
        "refine@1",
        "update_saliency@1",
        "pseudo_labels@1",
    ),
    *("doubt@1", "predict@1", "score@1", "crf", "evaluate"),
)
NOT_RESUMABLE = {"params", "demo", "dataset", "corrections", "score", "score@1", "evaluate"}


def one_round(stage: Stage) -> Stage:
    """A stage as it is with a single round."""

    def changed(path: str) -> str:
        return path.replace("rounds/2", "rounds/1")

    cmd, deps = tuple(map(changed, stage.cmd)), frozenset(map(changed, stage.deps))
    return replace(stage, cmd=cmd, deps=deps)


STAGES = {name: one_round(all_stages()[name]) for name in ORDER}


@dataclass(frozen=True)
class Made:
    """A project in which every stage was run once without DVC, and what each kept unfinished."""

    project: Project
    abouts: dict[str, dict[str, Any]]

    def refused(self, *command: str, **environment: str) -> str:
        """The one line with which a command ends."""
        project = Project(self.project.folder, self.project.environment | environment)
        code, output = project.call(*command)
        assert code == 1, output
        assert "Traceback" not in output
        (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
        assert output.endswith(f"{line}\n")
        assert [str(path) for path in project.folder.rglob(".*.partial")] == []
        return line


@pytest.fixture(scope="module")
def made(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    scratch = folder / "scratch"
    project = new_project(folder / "project", environment | {"AUXSEG_SCRATCH": str(scratch)})
    project.set_params({"train.stages": 1})
    (project.folder / "models").mkdir()
    onnx_model(project.folder / "models", size=320).rename(project.folder / str(TINY["onnx.model"]))
    abouts = {}
    for name, stage in STAGES.items():
        project.run(*stage.cmd)
        for path in scratch.glob(f"*/{ABOUT}"):
            about = json.loads(path.read_text())
            if about["arguments"] == list(stage.cmd[3:]):
                abouts[name] = about
    return Made(project, abouts)


# What the fingerprint holds


def test_every_stage_that_takes_long_is_resumable(made: Made) -> None:
    assert set(made.abouts) == set(STAGES) - NOT_RESUMABLE


@pytest.mark.parametrize("name", [name for name in ORDER if name not in NOT_RESUMABLE])
def test_the_fingerprint_of_a_stage_holds_all_of_its_inputs_and_parameters(
    name: str, made: Made
) -> None:
    stage, about = STAGES[name], made.abouts[name]
    assert about["inputs"].keys() == stage.data - {SCHEMA}
    # The parameters' text is that of the declared ones, in some order, and nothing else.
    rest = about["params"]
    for text in sorted(declared(made.project, stage), key=len, reverse=True):
        assert text in rest
        rest = rest.replace(text, "", 1)
    assert set(rest.replace("None", "")) <= set("(), ")


def declared(project: Project, stage: Stage) -> list[str]:
    """The declared parameters' values as text."""
    params = load_params(project.folder / "params.yaml")
    texts = []
    for key in stage.params:
        value: Any = params
        for part in key.split("."):
            value = getattr(value, part)
        texts.append(repr(value))
    return texts


# A damaged artifact


def damage(path: Path, place: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 4
    path.write_bytes(data)


READERS = [
    ("data/dataset/train/index.csv", "cam"),
    ("data/dataset/train/dataset.json", "cam"),
    ("data/dataset/train/auxseg.sha256", "cam"),
    ("data/rounds/0/model/network.safetensors", "cam"),
    ("data/rounds/0/model/network.safetensors", "train@1"),
    ("data/rounds/1/model/network.safetensors", "predict@1"),
    ("data/rounds/0/model/curves/plots/metrics/loss/total.tsv", "score"),
    ("data/rounds/0/cam/00000.safetensors", "pseudo_labels"),
    ("data/rounds/0/cam/auxseg.sha256", "pseudo_labels"),
    ("data/rounds/0/pseudo_labels/demo_00003.png", "train@1"),
    ("data/rounds/0/saliency/demo_00003.png", "pseudo_labels"),
    ("data/rounds/0/saliency/demo_00003.png", "update_saliency@1"),
    ("data/rounds/1/refined/00000.safetensors", "update_saliency@1"),
    ("data/rounds/1/prediction/00000.safetensors", "crf"),
    ("data/rounds/0/pseudo_labels/demo_00003.png", "doubt"),
    ("data/rounds/0/doubt/rounds/0/00000.safetensors", "doubt@1"),
    ("data/rounds/1/doubt/images.csv", "evaluate"),
    ("data/segmentation/demo_00008.png", "evaluate"),
    ("data/rounds/0/scores/rounds.csv", "score@1"),
    (f"{DEMO}/JPEGImages/demo_00003.jpg", "dataset"),
    (f"{DEMO}/JPEGImages/demo_00003.jpg", "compute_saliency@geodesic"),
    (f"{DEMO}/Annotations/demo_00003.xml", "dataset"),
    (f"{DEMO}/SegmentationClass/demo_00008.png", "score@1"),
    ("data/sources/saliency/geodesic/demo_00003.png", "saliency"),
]


@pytest.mark.parametrize(("path", "reader"), READERS)
def test_a_flipped_bit_is_noticed_and_named_by_whoever_reads_it(
    path: str, reader: str, made: Made
) -> None:
    stage, file = STAGES[reader], made.project.folder / path
    data, before = file.read_bytes(), made.project.files(*stage.outs)
    assert before
    # Safetensors begin with a description, checksums with those of a file that is always read.
    places = (0.001, 0.6) if file.suffix == ".safetensors" else (0.6,)
    if file.name == "auxseg.sha256":
        places = (0.0,)
    # Else the stage might have nothing left to read.
    shutil.rmtree(made.project.environment["AUXSEG_SCRATCH"], ignore_errors=True)
    try:
        for place in places:
            damage(file, place)
            assert path in made.refused(*stage.cmd)
            assert made.project.files(*stage.outs) == before
            file.write_bytes(data)
    finally:
        file.write_bytes(data)


def test_a_photograph_that_is_gone_is_named_by_whoever_reads_it(made: Made) -> None:
    path = f"{DEMO}/JPEGImages/demo_00003.jpg"
    photo = made.project.folder / path
    aside = photo.rename(made.project.folder / "aside.jpg")
    try:
        for name in ("cam", "dataset", "classifier"):
            assert f"{path}: " in made.refused(*STAGES[name].cmd)
    finally:
        aside.rename(photo)


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a file system")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, left: int) -> Path:
    """A file that leaves only so many bytes of a disk."""
    free = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - left))
    return ballast


@pytest.mark.parametrize("name", ["classifier", "cam", "pseudo_labels", "dataset", "evaluate"])
def test_a_full_disk_is_one_line_and_once_there_is_room_the_bytes_are_the_same(
    name: str, made: Made, small_disk: Path
) -> None:
    stage, out = STAGES[name], small_disk / "out"
    place = "metrics" if name == "evaluate" else next(iter(stage.outs))
    command = [str(out) if word == place else word for word in stage.cmd]
    for left in (0, 3 * PAGE):
        ballast = fill(small_disk, left)
        line = made.refused(*command)
        assert line.startswith(f"error: no space left on the disk at {out}")
        assert line.endswith("make room, `dvc repro` goes on from there")
        ballast.unlink()
    made.project.run(*command)
    expected = made.project.files(place)
    assert expected
    for path, data in expected.items():
        if not path.endswith(".gitignore"):
            assert (out / Path(path).relative_to(place)).read_bytes() == data


@pytest.mark.parametrize("name", ["classifier", "cam"])
def test_no_room_for_unfinished_work_is_one_line_too(
    name: str, made: Made, small_disk: Path
) -> None:
    stage, scratch = STAGES[name], str(small_disk / "scratch")
    before = made.project.files(*stage.outs)
    ballast = fill(small_disk, 6 * PAGE)
    line = made.refused(*stage.cmd, AUXSEG_SCRATCH=scratch)
    assert line.startswith(f"error: no space left on the disk at {scratch}/{name}-")
    assert made.project.files(*stage.outs) == before
    ballast.unlink()
    roomy = Project(made.project.folder, made.project.environment | {"AUXSEG_SCRATCH": scratch})
    assert "were done before" in roomy.run(*stage.cmd) or name == "classifier"
    assert made.project.files(*stage.outs) == before


# A full GPU


@pytest.mark.one_machine("only this process is patched")
@pytest.mark.parametrize("name", ["cam", "predict@1", "refine@1"])
def test_a_full_gpu_is_one_line(name: str, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB.")

    monkeypatch.setattr(Backbone, "forward", forward)
    message = in_process(STAGES[name], made, monkeypatch)
    assert re.fullmatch(
        r"error: out of memory: the GPU's memory is full: .* 2\.00 GiB\.\)", message
    )


def in_process(stage: Stage, made: Made, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a stage here, where it can be patched; its error."""
    monkeypatch.chdir(made.project.folder)
    for variable, value in made.project.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys, "argv", list(stage.cmd[2:]))
    with pytest.raises(SystemExit) as end:
        run(import_module(stage.cmd[2]).main)
    return str(end.value.code)


# Two at once


def test_a_stage_that_is_at_work_already_is_left_alone(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = STAGES["cam"]
    (out,) = stage.outs
    before = made.project.files(out)
    monkeypatch.setattr("auxseg.system.locks.WAIT", 0.0)
    with pytest.raises(KeyboardInterrupt), new_folder(made.project.folder / out):
        message = in_process(stage, made, monkeypatch)
        raise KeyboardInterrupt
    assert re.fullmatch(rf"error: {out} is at work in another process \(process \d+\): .*", message)
    assert made.project.files(out) == before


@pytest.mark.one_machine("with the start of Ray the first takes longer than the second waits")
def test_the_same_stage_twice_at_once_makes_the_same_bytes_one_after_the_other(made: Made) -> None:
    stage = STAGES["cam"]
    before = made.project.files(*stage.outs)
    both = [
        subprocess.Popen(stage.cmd, cwd=made.project.folder, env=made.project.environment)
        for _ in range(2)
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    assert made.project.files(*stage.outs) == before


# Signals


@pytest.mark.one_machine("its loaders are those of other processes")
def test_a_training_with_loaders_ends_in_time_and_so_do_they(made: Made) -> None:
    params = made.project.folder / "params.yaml"
    text = params.read_bytes()
    made.project.set_params({"classifier.schedule.epochs": 5000})
    # The interpreter itself: a signal would end its stand-in only.
    command = [sys.executable, *STAGES["classifier"].cmd[1:-1], "data/long"]
    environment = made.project.environment | {"AUXSEG_LOADERS": "4"}
    try:
        with subprocess.Popen(
            command, cwd=made.project.folder, env=environment, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            while len(loaders := children.read_text().split()) < 4:
                assert process.poll() is None
                time.sleep(0.05)
            time.sleep(1)
            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 128 + signal.SIGTERM
            assert time.monotonic() - start < 10
        assert not any(Path(f"/proc/{pid}").exists() for pid in loaders)
    finally:
        params.write_bytes(text)
    assert not list(made.project.folder.glob("data/*long*"))
