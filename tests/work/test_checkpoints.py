"""A training ends with the same bytes however often it was interrupted, and whatever went wrong."""

import errno
import io
import math
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from auxseg.data.maps import write_labels
from auxseg.losses import round_losses
from auxseg.networks.classification import Classification
from auxseg.networks.stored import save_network
from auxseg.params import LossWeights
from auxseg.system.interrupt import Interrupted, catch_signals
from auxseg.training.classification import classifier_losses
from auxseg.training.samples import Batch, Labels, Sample, TrainingSet
from auxseg.training.trainer import seed_everything
from auxseg.work.checkpoints import KEPT, Checkpoints
from auxseg.work.faults import faults_by_name
from auxseg.work.scratch import Scratch
from auxseg.work.trainings import fit
from helpers import LIVELY, make_index, noise, schedule, write_grey
from networks_of_tests import new_auxsegnet, new_classifier

EPOCHS, STEPS = 2, 4  # of an epoch
TOTAL = EPOCHS * STEPS
PLAN = schedule(EPOCHS, batch_size=2).model_copy(update={"momentum": 0.9})

Losses = Callable[[Classification, Batch], dict[str, Tensor]]
Files = dict[str, bytes]


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUXSEG_DEVICE", "cpu")
    monkeypatch.setenv("AUXSEG_LOADERS", "0")


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after each step."""
    monkeypatch.setattr("auxseg.work.checkpoints.INTERVAL", 0)
    monkeypatch.setattr("auxseg.work.checkpoints.FIRST", 0)


@pytest.fixture
def no_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the one that a signal or the end asks for, and the first."""
    monkeypatch.setattr("auxseg.work.checkpoints.INTERVAL", math.inf)
    monkeypatch.setattr("auxseg.work.checkpoints.FIRST", math.inf)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    photos = [noise(40, 36, n) for n in range(2 * STEPS)]
    index = make_index(tmp_path_factory.mktemp("images"), photos, [(n % 2,) for n in range(8)])
    return TrainingSet(index, LIVELY, 0)


@pytest.fixture(scope="module")
def undisturbed(images: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What the training makes, and the state of the random numbers at its end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUXSEG_DEVICE", "cpu")
        patch.setenv("AUXSEG_LOADERS", "0")
        return train(images, tmp_path_factory.mktemp("undisturbed"))


def train(images: TrainingSet, folder: Path, losses: Losses = classifier_losses) -> Files:
    """Train as a stage does, with ``folder`` as its scratch; the files made."""
    out = folder / "out"
    seed_everything(0, 0)
    network = new_classifier("tiny", 2, False)
    fit(network, images, losses, PLAN, out / "curves", "test", Scratch(folder))
    save_network(out, network)
    files = {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    return files | {"random": torch.get_rng_state().numpy().tobytes()}


def at_step(step: int, do: Callable[[], object]) -> Losses:
    """The losses; ``do`` happens in the given one (from 1) of the steps that are still to come."""
    count = 0

    def losses(outputs: Classification, batch: Batch) -> dict[str, Tensor]:
        nonlocal count
        count += 1
        if count == step:
            do()
        return classifier_losses(outputs, batch)

    return losses


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def die() -> None:
    raise KeyboardInterrupt


def interrupt(images: TrainingSet, folder: Path, step: int) -> None:
    """Train until a SIGTERM in the given one of the steps to come; 0 = before all of them."""
    with pytest.raises(Interrupted), catch_signals():
        if step == 0:
            terminate()
        train(images, folder, at_step(step, terminate))


def checkpoints(folder: Path) -> list[int]:
    return [int(name.removeprefix("step-")) for name in Scratch(folder).names("step-*")]


# Interrupted


@pytest.mark.usefixtures("no_checkpoint")
@pytest.mark.parametrize("step", range(TOTAL + 1))
def test_a_training_told_to_stop_at_any_step_ends_with_the_same_bytes(
    step: int, images: TrainingSet, undisturbed: Files, tmp_path: Path
) -> None:
    interrupt(images, tmp_path, step)
    assert checkpoints(tmp_path)[-1] == step
    steps_left = []
    files = train(images, tmp_path, at_step(TOTAL - step, lambda: steps_left.append(1)))
    assert files == undisturbed
    assert steps_left == ([1] if step < TOTAL else [])


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("step", range(1, TOTAL + 1))
def test_a_training_killed_in_any_step_ends_with_the_same_bytes(
    step: int, images: TrainingSet, undisturbed: Files, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(images, tmp_path, at_step(step, die))
    done = list(range(1, step))
    assert checkpoints(tmp_path) == sorted({*done[:1], *done[-KEPT:]})  # the first one was synced
    assert train(images, tmp_path) == undisturbed


@pytest.mark.usefixtures("no_checkpoint")
def test_a_training_stopped_after_every_step_ends_with_the_same_bytes(
    images: TrainingSet, undisturbed: Files, tmp_path: Path
) -> None:
    for _ in range(TOTAL):
        interrupt(images, tmp_path, 1)
    assert train(images, tmp_path) == undisturbed


@pytest.mark.usefixtures("no_checkpoint")
@pytest.mark.parametrize(("before", "after"), [("0", "4"), ("1", "0"), ("4", "1")])
def test_the_number_of_loaders_may_change_on_the_way(
    before: str,
    after: str,
    images: TrainingSet,
    undisturbed: Files,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUXSEG_LOADERS", before)
    interrupt(images, tmp_path, 3)
    monkeypatch.setenv("AUXSEG_LOADERS", after)
    assert train(images, tmp_path) == undisturbed


@pytest.mark.usefixtures("no_checkpoint")
def test_the_network_of_a_round_is_continued_as_well(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    index = make_index(tmp_path, [noise(40, 36, n) for n in range(4)], [(n % 2,) for n in range(4)])
    labels = Labels(tmp_path / "labels", tmp_path / "saliency")
    for folder in (labels.segmentation, labels.saliency):
        folder.mkdir()
    for n in range(4):
        values = rng.integers(0, 3, (40, 36), dtype=np.uint8)
        write_labels(labels.segmentation / f"{n}.png", values)
        write_grey(labels.saliency / f"{n}.png", 127 * values)
    dataset = TrainingSet(index, LIVELY, 0, labels)
    weights = LossWeights(**dict.fromkeys(LossWeights.model_fields, 1.0))
    results = []
    for stop in (False, True):
        seed_everything(0, 1)
        network = new_auxsegnet("tiny", 2, False, "dual", True, [1, 1, 1])
        initial = {key: value.clone() for key, value in network.state_dict().items()}
        folder = tmp_path / str(stop)
        train_round = partial(
            fit, network, dataset, partial(round_losses, weights=weights), PLAN, folder / "curves"
        )
        if stop:
            with suppress(Interrupted), catch_signals():
                terminate()
                train_round("test", Scratch(folder))
            network.load_state_dict(initial)
        train_round("test", Scratch(folder))
        results.append(network.state_dict())
    for key, value in results[0].items():
        assert torch.equal(value, results[1][key])


def test_deterministic_algorithms_are_cuda_s_matter(
    images: TrainingSet, undisturbed: Files, tmp_path: Path
) -> None:
    from auxseg.training.trainer import use_deterministic_algorithms

    use_deterministic_algorithms(True)
    try:
        assert train(images, tmp_path) == undisturbed
    finally:
        use_deterministic_algorithms(False)
    assert not torch.are_deterministic_algorithms_enabled()


# Checkpoints


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize(
    ("sync", "kept"), [(30.0, [1, TOTAL - 1, TOTAL]), (0.0, [TOTAL - 1, TOTAL])]
)
def test_the_last_two_checkpoints_are_kept_and_the_last_one_that_waited_for_the_disk(
    sync: float,
    kept: list[int],
    images: TrainingSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("auxseg.work.checkpoints.SYNC", sync)
    train(images, tmp_path)
    assert checkpoints(tmp_path) == kept


def test_too_little_memory_for_a_checkpoint_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() > 1000:
                raise MemoryError
            return super().write(data)

    monkeypatch.setattr("auxseg.work.checkpoints.io.BytesIO", Full)
    with pytest.raises(MemoryError, match="no room for a checkpoint"):
        Checkpoints(Scratch(tmp_path)).save(1, {"weights": torch.zeros(10_000)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("damaged", [1, 2])
def test_a_damaged_checkpoint_is_not_used_but_the_one_before(
    damaged: int,
    images: TrainingSet,
    undisturbed: Files,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(images, tmp_path, at_step(6, die))
    newest = sorted(tmp_path.glob("step-*"))[-damaged:]
    for path in newest:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    capsys.readouterr()
    assert train(images, tmp_path) == undisturbed
    errors = capsys.readouterr().err.splitlines()
    assert [line for line in errors if "damaged" in line] == [
        f"{path}: damaged, not used" for path in reversed(newest)
    ]
    assert ("test: 4 steps were done before" in errors) == (damaged == 1)


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("step", [2, STEPS, TOTAL])
def test_no_checkpoint_holds_a_loss_that_is_no_number(
    value: float, step: int, images: TrainingSet, undisturbed: Files, tmp_path: Path
) -> None:
    """Nor weights that came of it."""
    factor = [1.0]

    def losses(outputs: Classification, batch: Batch) -> dict[str, Tensor]:
        return {name: loss * factor[0] for name, loss in wrapped(outputs, batch).items()}

    wrapped = at_step(step, lambda: factor.append(factor.pop() * value))
    with pytest.raises(FloatingPointError, match=r"loss is (nan|inf) in epoch") as error:
        train(images, tmp_path, losses)
    assert "\n" not in str(error.value)
    state = Checkpoints(Scratch(tmp_path)).latest()
    assert state is not None
    assert state["step"] == step - 1
    tensors = [*state["network"].values(), *state["sums"].values()]
    assert all(tensor.isfinite().all() for tensor in tensors)
    assert train(images, tmp_path) == undisturbed  # had it been a fault of the machine


@pytest.mark.usefixtures("every_step")
def test_a_full_disk_stops_the_training_and_names_the_checkpoint(
    images: TrainingSet, undisturbed: Files, tmp_path: Path
) -> None:
    path = tmp_path / "step-000000003"
    path.with_name(f".{path.name}.partial").symlink_to("/dev/full")
    with pytest.raises(OSError) as error:
        train(images, tmp_path)
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))
    assert checkpoints(tmp_path) == [1, 2]
    assert train(images, tmp_path) == undisturbed


# Other faults


def test_a_full_gpu_is_one_line(images: TrainingSet, undisturbed: Files, tmp_path: Path) -> None:
    def fill() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with pytest.raises(MemoryError, match=r"lower batch_size or augment\.crop") as error:
        train(images, tmp_path, at_step(3, fill))
    assert "\n" not in str(error.value)
    assert train(images, tmp_path) == undisturbed


class Fatal(TrainingSet):
    """Its processes die of the sixth image."""

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        if key[1] == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(key)


def test_a_killed_loader_is_one_line(
    images: TrainingSet, undisturbed: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUXSEG_LOADERS", "2")
    fatal = Fatal(images.index, images.augment, images.seed)
    with pytest.raises(ChildProcessError, match="a process that loads images died") as error:
        train(fatal, tmp_path)
    assert "\n" not in str(error.value)
    assert train(images, tmp_path) == undisturbed


@pytest.mark.parametrize("error", [EOFError(), ConnectionResetError(104, "reset")])
def test_a_loader_that_dies_while_a_batch_is_fetched_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUXSEG_LOADERS", "2")
    died = pytest.raises(ChildProcessError, match="a process that loads images died")
    with died, faults_by_name():
        raise error
    monkeypatch.setenv("AUXSEG_LOADERS", "0")  # then it is another fault
    with pytest.raises(type(error)), faults_by_name():
        raise error


@pytest.mark.parametrize("loaders", ["0", "2"])
@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_a_photograph_that_was_lost_on_the_way_is_named(
    how: str,
    loaders: str,
    images: TrainingSet,
    undisturbed: Files,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AUXSEG_LOADERS", loaders)
    photo = images.index.root / "5.png"
    data = photo.read_bytes()
    photo.write_bytes(data[:-1])
    if how == "gone":
        photo.unlink()
    try:
        with pytest.raises(ValueError, match=r"5\.png: (gone|changed) since it was") as error:
            train(images, tmp_path)
    finally:
        photo.write_bytes(data)
    assert "\n" not in str(error.value)
    assert train(images, tmp_path) == undisturbed
