"""A training by several workers is that of one, whoever is lost on the way."""

import os
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import Tensor, nn

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.data.maps import write_labels
from auxseg.losses import round_losses
from auxseg.params import LossWeights
from auxseg.scoring.curves import read_curves
from auxseg.system.interrupt import Interrupted, catch_signals
from auxseg.training.samples import EpochBatches, Labels, TrainingSet
from auxseg.training.sharing import Share, share_layers, shared
from auxseg.training.trainer import seed_everything
from auxseg.work.scratch import Scratch
from auxseg.work.trainings import fit
from helpers import LIVELY, NODES, Beside, make_index, noise, schedule, wait_until, write_grey
from networks_of_tests import new_auxsegnet

ray = pytest.importorskip("ray")
# Five images a batch, so that three workers have 2, 2 and 1.
EPOCHS, STEPS, BATCH = 30, 2, 5
PLAN = schedule(EPOCHS, BATCH, 0.01).model_copy(update={"momentum": 0.9})
LOSSES = partial(
    round_losses,
    weights=LossWeights(
        classification=1.0,
        segmentation=1.0,
        segmentation_refined=1.0,
        saliency=1.0,
        saliency_refined=1.0,
    ),
)
# Between one worker and several, which add up in another order. With 32 bits the rounding grows to
# a hundredth in these steps, as values jump over the kinks of ReLU, so all is computed with 64.
TOLERANCE = 1e-5


@pytest.fixture(autouse=True, scope="module")
def sent() -> None:
    """The hosts have not the tests' files: what a worker needs of them is sent."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(autouse=True)
def on_one_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUXSEG_DEVICE", "cpu")
    monkeypatch.setenv("AUXSEG_LOADERS", "0")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    """Images with more and less that is labelled, some with nothing."""
    root, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    number = STEPS * BATCH
    index = make_index(
        root, [noise(40, 36, n) for n in range(number)], [(n % 2,) for n in range(10)]
    )
    for folder in ("labels", "saliency"):
        (root / folder).mkdir()
    for n in range(number):
        labels = rng.choice([0, 1 + n % 2, 255], (40, 36), p=[0.1 * n / 2, 0.05 * n, 1 - 0.1 * n])
        write_labels(root / "labels" / f"{n}.png", labels.astype(np.uint8))
        write_grey(root / "saliency" / f"{n}.png", np.where(labels == 0, 0, 255).astype(np.uint8))
    labels = Labels(root / "labels", root / "saliency")
    return TrainingSet(index, LIVELY, 0, labels)


def train(images: TrainingSet, folder: Path) -> AuxSegNet:
    """Train a round as its stage does, with ``folder`` as its scratch."""
    seed_everything(0, 1)
    network = new_auxsegnet("tiny", 2, False, "dual", True, [1, 1, 1]).double()
    network.register_forward_pre_hook(in_double)
    fit(network, images, LOSSES, PLAN, folder / "curves", "test", Scratch(folder))
    return network


def in_double(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    return (inputs[0].double(),)


@pytest.fixture(scope="module")
def alone(
    images: TrainingSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[AuxSegNet, list[float]]:
    """The network that one process trains, and all its curves."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUXSEG_DEVICE", "cpu")
        patch.setenv("AUXSEG_LOADERS", "0")
        return train(images, folder), curves(folder)


def curves(folder: Path) -> list[float]:
    table = read_curves(folder, 1)
    values: list[float] = table.sort_values(["curve", "epoch"])["value"].tolist()
    assert len(values) == 7 * EPOCHS
    return values


def assert_same(network: AuxSegNet, folder: Path, alone: tuple[AuxSegNet, list[float]]) -> None:
    np.testing.assert_allclose(curves(folder), alone[1], atol=TOLERANCE)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(
            value, alone[0].state_dict()[key], atol=TOLERANCE, rtol=TOLERANCE
        )


def step(folder: Path) -> int:
    """The last one that is kept."""
    return max((int(n.removeprefix("step-")) for n in Scratch(folder).names("step-*")), default=0)


def training_workers() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if "RayTrainWorker" in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_from_one_worker_to_three_with_losses_and_back_the_training_is_the_same(
    images: TrainingSet,
    alone: tuple[AuxSegNet, list[float]],
    tmp_path: Path,
    cluster: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    # Ray waits so long for a lost host, before it goes on without.
    monkeypatch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "5")
    stops = [0]

    def stop(losses: bool) -> None:
        wait_until(lambda: step(tmp_path) > stops[-1], 240)
        if losses:
            workers = training_workers()
            seen.append(len(workers))
            workers[0].kill()
            cluster.remove_node(next(iter(cluster.worker_nodes)))
            before = step(tmp_path)
            wait_until(lambda: step(tmp_path) > before, 240)
        os.kill(os.getpid(), signal.SIGTERM)

    seen: list[int] = []
    for number in (1, NODES):
        monkeypatch.setenv("AUXSEG_WORKERS", str(number))
        with pytest.raises(Interrupted), catch_signals(), Beside(partial(stop, number > 1)):
            train(images, tmp_path)
        stops.append(step(tmp_path))
    cluster.add_node(num_cpus=1)
    assert seen == [NODES]
    assert 0 < stops[1] < stops[2] < STEPS * EPOCHS
    monkeypatch.setenv("AUXSEG_WORKERS", "1")
    assert_same(train(images, tmp_path), tmp_path, alone)


def test_what_is_wrong_with_an_image_is_said_as_by_one_worker(
    images: TrainingSet, tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    monkeypatch.setenv("AUXSEG_WORKERS", "2")
    damaged = TrainingSet(images.index, LIVELY, 0, Labels(tmp_path / "none", tmp_path / "none"))
    with pytest.raises(ValueError, match=r"none/\d.png: no such file"):
        train(damaged, tmp_path)


# What makes them the same


def test_the_shares_of_all_workers_are_the_batches() -> None:
    whole = list(EpochBatches(12, 5, 2, 0))
    shares = []
    for rank in range(NODES):
        batches = EpochBatches(12, 5, 2, 0)
        batches.share = Share(rank, NODES, 5)
        shares.append(list(batches))
    for batch, *parts in zip(whole, *shares, strict=True):
        assert [len(part) for part in parts] == [2, 2, 1]
        assert sorted(key for part in parts for key in part) == sorted(batch)


@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout2d])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_workers_drop_what_one_would(
    kind: type[nn.Module], memory_format: torch.memory_format
) -> None:
    x = torch.randn(5, 8, 6, 7).contiguous(memory_format=memory_format)
    layer = nn.Sequential(kind(0.4)).train()

    def drawn(images: Tensor) -> Tensor:
        torch.manual_seed(3)
        result: Tensor = layer(images)
        return result

    expected = drawn(x)
    share_layers(layer)
    for rank in range(NODES):
        with shared(Share(rank, NODES, len(x))) as share:
            own = x[share.rank :: share.workers].contiguous(memory_format=memory_format)
            assert torch.equal(drawn(own), expected[rank::NODES])
