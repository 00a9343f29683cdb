"""Power losses at any moment: what looks finished is finished, or is noticed by its checksum.

What processes write is recorded and replayed in part (``torture.disk``).
"""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from auxseg.data.files import CHECKSUMS, new_folder, verify, write_json
from auxseg.work.checkpoints import Checkpoints
from auxseg.work.scratch import Scratch
from torture.disk import Files, Recording, write
from torture.losses import Lost, check, recordings, run_again, state_folder
from torture.recording import NoStraceError, recorded

pytestmark = pytest.mark.one_machine("what this process writes is recorded")

STATES = 25  # crash states of a recording


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> list[Lost]:
    try:
        return list(recordings(tmp_path_factory.mktemp("losses")))
    except NoStraceError as error:
        pytest.skip(str(error))


def record(folder: Path, work: Callable[[], None]) -> Recording:
    """What ``work`` writes in ``folder``."""
    try:
        with recorded(folder) as found:
            work()
    except NoStraceError as error:
        pytest.skip(str(error))
    return found[0]


# Stages


def test_a_power_loss_at_any_moment_of_a_stage_leaves_nothing_damaged_that_is_believed(
    losses: list[Lost],
) -> None:
    chance, seen = random.Random(0), Counter[str]()
    for lost in losses:
        for _ in range(STATES):
            with state_folder() as folder:
                seen += check(lost, lost.state(lost.moment(chance), chance, folder), folder)
    assert seen.keys() == {"absent", "whole", "records kept", "records lost"}


def test_what_is_written_without_waiting_for_the_disk_is_told_by_its_checksums(
    losses: list[Lost],
) -> None:
    chance, seen = random.Random(0), Counter[str]()
    for lost in losses:
        fast = replace(lost, recording=lost.recording.without_syncs())
        for _ in range(2 * STATES):
            with state_folder() as folder:
                left = fast.state(len(fast.recording.steps), chance, folder)
                if all(left.get(name) == lost.files[name] for name in lists(lost)):
                    seen += check(fast, left, folder)
    assert seen["noticed"] > STATES


def lists(lost: Lost) -> list[str]:
    """The lists of checksums of a stage's outputs; itself, if one has none."""
    return [out if f"{out}/" not in lost.files else f"{out}/{CHECKSUMS}" for out in lost.outs]


def test_what_a_stage_has_written_stays_once_it_has_ended(losses: list[Lost]) -> None:
    chance, fast_lost = random.Random(0), 0
    for lost in losses:
        for _ in range(STATES):
            assert has_outputs(lost, lost.recording, chance)
            fast_lost += not has_outputs(lost, lost.recording.without_syncs(), chance)
    assert fast_lost > STATES  # the syncs are what it takes


def has_outputs(lost: Lost, recording: Recording, chance: random.Random) -> bool:
    left = recording.after_power_loss(len(recording.steps), chance)
    outputs = [lost.output(out) for out in lost.outs]
    return all(left.get(name) == data for files in outputs for name, data in files.items())


def test_after_a_power_loss_a_stage_ends_with_the_same_bytes(losses: list[Lost]) -> None:
    chance = random.Random(0)
    for lost in losses:
        with state_folder() as folder:
            run_again(lost, lost.state(lost.moment(chance), chance, folder))


# Checkpoints, replaced folders and files


@pytest.mark.parametrize(("sync", "survives"), [(0.0, -2), (30.0, 0)])
def test_the_last_checkpoint_that_waited_for_the_disk_survives(
    sync: float, survives: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auxseg.work.checkpoints.SYNC", sync)

    def train() -> None:
        checkpoints = Checkpoints(Scratch(tmp_path))
        for step in range(1, 6):
            checkpoints.save(step, {"step": step, "weights": torch.rand(5000)})

    recording, chance = record(tmp_path, train), random.Random(0)
    for count in range(len(recording.steps) + 1):
        steps = sorted(name for name in recording.at(count) if name.startswith("step-"))
        older = int(steps[survives][-9:]) if len(steps) > 1 else 0
        for _ in range(4):
            with state_folder() as folder:
                write(recording.after_power_loss(count, chance), folder)
                state = Checkpoints(Scratch(folder)).latest()
            assert (0 if state is None else state["step"]) >= older


def test_a_folder_that_replaces_another_one_leaves_either_as_a_whole(tmp_path: Path) -> None:
    def make(text: str) -> None:
        with new_folder(tmp_path / "out") as folder:
            for name in ("a", "b"):
                (folder / name).write_text(text * 3000)

    make("old")
    old, chance, seen = content(tmp_path), random.Random(0), Counter[str]()
    recording = record(tmp_path, lambda: make("new"))
    for count in range(len(recording.steps) + 1):
        for _ in range(10):
            with state_folder() as folder:
                write(recording.after_power_loss(count, chance), folder)
                verify(folder / "out")
                left = content(folder)
            seen["none" if not left else "old" if left == old else "new"] += 1
            assert left in ({}, old, content(tmp_path))
    assert seen["old"] and seen["new"]


def content(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in (folder / "out").glob("*")}


def test_a_file_that_replaces_another_one_leaves_either_as_a_whole(tmp_path: Path) -> None:
    path, chance = tmp_path / "metrics.json", random.Random(0)
    write_json(path, ["old"] * 900)
    recording = record(tmp_path, lambda: write_json(path, ["new"] * 900))
    seen = Counter[str]()
    for count in range(len(recording.steps) + 1):
        for _ in range(10):
            values = json.loads(recording.after_power_loss(count, chance)["metrics.json"])
            assert values in (["old"] * 900, ["new"] * 900)
            seen[values[0]] += 1
    assert seen["old"] and seen["new"]
