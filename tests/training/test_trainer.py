"""Training is repeatable, learns what is easy, says what it did, and stops when it goes wrong."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from auxseg.data.maps import write_labels
from auxseg.losses import round_losses
from auxseg.networks.classification import Classification
from auxseg.networks.classifier import Classifier
from auxseg.params import LossWeights, Schedule
from auxseg.scoring.curves import read_curves
from auxseg.training.classification import classifier_losses
from auxseg.training.samples import Batch, Labels, TrainingSet
from auxseg.training.trainer import seed_everything
from auxseg.work.scratch import Scratch
from auxseg.work.trainings import fit
from helpers import LIVELY, PLAIN, make_index, noise, schedule, write_grey
from networks_of_tests import new_auxsegnet, new_classifier

WEIGHTS = LossWeights(
    classification=1.0,
    segmentation=1.0,
    segmentation_refined=1.0,
    saliency=1.0,
    saliency_refined=1.0,
)


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUXSEG_DEVICE", "cpu")
    monkeypatch.setenv("AUXSEG_LOADERS", "0")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    """Dark cats and bright dogs."""
    photos = [noise(40, 36, n) // 4 + 190 * (n % 2) for n in range(8)]
    root = tmp_path_factory.mktemp("images")
    index = make_index(root, [p.astype(np.uint8) for p in photos], [(n % 2,) for n in range(8)])
    return TrainingSet(index, LIVELY, 0)


def trained(
    images: TrainingSet, folder: Path, plan: Schedule, seed: int = 0, round_: int = 0
) -> Classifier:
    """Train a classifier as its stage does."""
    folder.mkdir(exist_ok=True)
    derived = seed_everything(seed, round_)
    network = new_classifier("tiny", 2, False)
    dataset = TrainingSet(images.index, images.augment, derived)
    fit(network, dataset, classifier_losses, plan, folder / "curves", "test", Scratch(folder))
    return network


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([value.detach().flatten() for value in network.parameters()])


def curve(folder: Path, name: str) -> list[float]:
    table = read_curves(folder, 0)
    values: list[float] = table[table["curve"] == name].sort_values("epoch")["value"].tolist()
    return values


def test_the_same_seed_gives_the_same_weights_whatever_the_number_of_loaders(
    images: TrainingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for run, loaders in enumerate(("0", "0", "2")):
        monkeypatch.setenv("AUXSEG_LOADERS", loaders)
        results.append(trained(images, tmp_path / str(run), schedule(epochs=2)).state_dict())
    for key, value in results[0].items():
        assert torch.equal(value, results[1][key])
        assert torch.equal(value, results[2][key])


def test_another_seed_or_round_gives_other_weights(images: TrainingSet, tmp_path: Path) -> None:
    plan = schedule(epochs=1)
    results = [
        weights(trained(images, tmp_path / str(run), plan, seed, round_))
        for run, (seed, round_) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)])
    ]
    for number, one in enumerate(results):
        assert not any(torch.equal(one, other) for other in results[:number])


def test_the_data_order_has_a_seed_of_its_own_in_every_round() -> None:
    seeds = {seed_everything(seed, round_) for seed in range(4) for round_ in range(4)}
    assert len(seeds) == 16


def test_dark_and_bright_are_learnt(images: TrainingSet, tmp_path: Path) -> None:
    network = trained(images, tmp_path, schedule(epochs=8, learning_rate=0.05)).eval()
    losses = curve(tmp_path, "loss/total")
    assert losses[-1] < losses[0] / 2
    plain = TrainingSet(images.index, PLAIN, 0)
    batch = [plain[0, number] for number in range(len(plain))]
    with torch.inference_mode():
        logits = network(torch.stack([sample["image"] for sample in batch])).logits
    assert logits.argmax(1).tolist() == [0, 1] * 4


def test_all_five_losses_of_a_round_fall(images: TrainingSet, tmp_path: Path) -> None:
    """The object is the bright lower half of every photograph."""
    photo = np.full((33, 33, 3), 60, np.uint8)
    photo[16:] = 200
    index = make_index(tmp_path, [photo] * 4, [(0,)] * 4)
    for folder, value in (("labels", 1), ("saliency", 255)):
        (tmp_path / folder).mkdir()
        for number in range(4):
            write = write_labels if folder == "labels" else write_grey
            object_map = np.where(photo[:, :, 0] > 100, value, 0).astype(np.uint8)
            write(tmp_path / folder / f"{number}.png", object_map)
    labels = Labels(tmp_path / "labels", tmp_path / "saliency")
    dataset = TrainingSet(index, PLAIN, seed_everything(0, 1), labels)
    network = new_auxsegnet("tiny", 2, False, "dual", True, [1, 1, 1])
    losses = partial(round_losses, weights=WEIGHTS)
    plan = schedule(20, 4, 0.003).model_copy(update={"momentum": 0.9})
    fit(network, dataset, losses, plan, tmp_path / "curves", "test", Scratch(tmp_path))
    for name in WEIGHTS.model_dump():
        values = curve(tmp_path, f"loss/{name}")
        assert len(values) == 20
        assert values[-1] < 0.6 * values[0]
    terms = sum(np.array(curve(tmp_path, f"loss/{name}")) for name in WEIGHTS.model_dump())
    np.testing.assert_allclose(curve(tmp_path, "loss/total"), terms, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_a_training_that_runs_away_stops_with_one_line(images: TrainingSet, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="lower the learning rate") as error:
        trained(images, tmp_path, schedule(epochs=3, learning_rate=1e30))
    assert "\n" not in str(error.value)


def test_the_curves_have_a_value_for_every_epoch(images: TrainingSet, tmp_path: Path) -> None:
    trained(images, tmp_path, schedule(epochs=3))
    table = read_curves(tmp_path, 5)
    assert list(table.columns) == ["round", "epoch", "curve", "value"]
    assert set(table["round"]) == {5}
    names = {"learning_rate", "loss/classification", "loss/total"}
    assert set(table["curve"]) == names
    for name in names:
        assert table[table["curve"] == name]["epoch"].tolist() == [1, 2, 3]
    assert np.isfinite(table["value"]).all()


def test_a_curve_shows_the_mean_over_the_steps_of_an_epoch(
    images: TrainingSet, tmp_path: Path
) -> None:
    def losses(outputs: Classification, _: Batch) -> dict[str, torch.Tensor]:
        steps.append(len(steps))
        nothing = 0 * outputs.logits.sum()
        return {"step": nothing + steps[-1], "two": nothing + 2}

    steps: list[int] = []
    network = new_classifier("tiny", 2, False)
    fit(network, images, losses, schedule(2, 2), tmp_path / "curves", "test", Scratch(tmp_path))
    assert curve(tmp_path, "loss/step") == pytest.approx([1.5, 5.5])
    assert curve(tmp_path, "loss/two") == pytest.approx([2, 2])
    assert curve(tmp_path, "loss/total") == pytest.approx([3.5, 7.5])


def test_a_model_without_curves_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no training curves"):
        read_curves(tmp_path, 0)


def test_the_learning_rate_falls_polynomially_to_zero(images: TrainingSet, tmp_path: Path) -> None:
    trained(images, tmp_path, schedule(epochs=4, learning_rate=0.01))
    expected = [0.01 * (1 - epoch / 4) ** 0.9 for epoch in range(1, 5)]
    assert curve(tmp_path, "learning_rate") == pytest.approx(expected, abs=1e-8)


def test_the_heads_learn_faster_than_the_backbone_by_the_factor(
    images: TrainingSet, tmp_path: Path
) -> None:
    """After one step of plain SGD the change of a weight is proportional to its rate."""
    changes = {}
    for factor in (1.0, 10.0):
        plan = schedule(epochs=1, batch_size=8, learning_rate=1e-3)
        plan = plan.model_copy(update={"head_factor": factor})
        seed_everything(0, 0)
        before = new_classifier("tiny", 2, False)
        after = trained(images, tmp_path / str(factor), plan)
        changes[factor] = (
            weights(after.backbone) - weights(before.backbone),
            weights(after.classification) - weights(before.classification),
        )
    assert changes[1.0][0].abs().max() > 0
    torch.testing.assert_close(changes[10.0][0], changes[1.0][0])
    torch.testing.assert_close(changes[10.0][1], 10 * changes[1.0][1], rtol=1e-2, atol=1e-7)


def test_weight_decay_and_momentum_change_the_result(images: TrainingSet, tmp_path: Path) -> None:
    plan = schedule(epochs=1)
    results = [
        weights(trained(images, tmp_path / str(run), plan.model_copy(update=update)))
        for run, update in enumerate([{}, {"momentum": 0.9}, {"weight_decay": 0.1}])
    ]
    assert not torch.equal(results[0], results[1])
    assert results[2].norm() < results[0].norm()


def test_no_step_is_longer_than_the_clipped_gradient_allows(
    images: TrainingSet, tmp_path: Path
) -> None:
    """One batch an epoch: the step is the learning rate times a gradient of at most this norm."""
    seed_everything(0, 0)
    before = weights(new_classifier("tiny", 2, False))
    steps = {}
    for clip in (0.0, 1e-2, 1e-3, 1e9):
        plan = schedule(epochs=1, batch_size=8).model_copy(update={"gradient_clip": clip})
        steps[clip] = weights(trained(images, tmp_path / str(clip), plan)) - before
    assert steps[0.0].norm() > 1e-2 * 0.01
    torch.testing.assert_close(steps[1e-2].norm(), torch.tensor(1e-2 * 0.01), rtol=1e-2, atol=0)
    torch.testing.assert_close(steps[1e-3].norm(), torch.tensor(1e-3 * 0.01), rtol=1e-2, atol=0)
    torch.testing.assert_close(steps[1e9], steps[0.0])


def test_frozen_weights_stay_as_they_are(images: TrainingSet, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = new_classifier("tiny", 2, True)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    plan = schedule(epochs=1).model_copy(update={"weight_decay": 0.1})
    fit(network, images, classifier_losses, plan, tmp_path / "curves", "test", Scratch(tmp_path))
    norms = {
        f"{name}.{key}"
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d)
        for key in module.state_dict()
    }
    assert norms
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]) == (key in norms)


def test_a_compiled_backbone_learns_the_same(
    images: TrainingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = schedule(epochs=2)
    trained(images, tmp_path / "plain", plan)
    # The compiler's front end only: what follows takes a minute.
    compiled = []
    compile_ = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda run: compiled.append(run) or compile_(run, backend="eager")
    )
    monkeypatch.setenv("AUXSEG_COMPILE", "1")
    trained(images, tmp_path / "compiled", plan)
    assert len(compiled) == 1
    for name in ("plain", "compiled"):
        assert len(curve(tmp_path / name, "loss/total")) == 2
    assert curve(tmp_path / "compiled", "loss/total") == pytest.approx(
        curve(tmp_path / "plain", "loss/total"), rel=1e-4
    )


def test_bfloat16_learns_nearly_the_same(images: TrainingSet, tmp_path: Path) -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        derived = seed_everything(0, 0)
        network = new_classifier("tiny", 2, False, precision=precision)
        dataset = TrainingSet(images.index, images.augment, derived)
        folder, plan = tmp_path / precision, schedule(epochs=3)
        fit(network, dataset, classifier_losses, plan, folder / "curves", "test", Scratch(folder))
        assert {p.dtype for p in network.parameters()} == {torch.float32}
        losses[precision] = curve(folder, "loss/total")
    assert losses["bfloat16"] != losses["float32"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)
