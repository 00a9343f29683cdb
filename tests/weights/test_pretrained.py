"""Weights are found in the checkpoints of others, and those of another network are refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from auxseg.networks.backbone import Backbone, build_backbone
from auxseg.weights.pretrained import load_pretrained, match_backbone
from auxseg.weights.states import AVERAGES, USUAL, read_states

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def resnet18() -> State:
    torch.manual_seed(0)
    state: State = torchvision.models.resnet18(weights=None).state_dict()
    return state


def shaped(name: str) -> State:
    """Tensors of torchvision's names and shapes: one number stands for all of a tensor."""
    with torch.device("meta"):
        state = torchvision.models.get_model(name, weights=None).state_dict()
    return {key: torch.zeros((), dtype=t.dtype).expand(t.shape) for key, t in state.items()}


def below(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def load(content: Any, folder: Path, name: str = "resnet18") -> Backbone:
    torch.save(content, folder / "w.pth")
    backbone = build_backbone(name, freeze_batchnorm=False)
    load_pretrained(backbone, folder / "w.pth")
    return backbone


def holds(backbone: Backbone, state: State) -> bool:
    own = backbone.body.state_dict()
    return all(torch.equal(tensor, state[name]) for name, tensor in own.items())


def refusal(content: Any, folder: Path, name: str = "resnet18") -> str:
    with pytest.raises(ValueError) as error:
        load(content, folder, name)
    message = str(error.value)
    assert message.startswith(f"{folder / 'w.pth'}: ") and "\n" not in message
    return message.removeprefix(f"{folder / 'w.pth'}: ")


# What is found


@pytest.mark.parametrize(
    "prefix",
    ["module.", "backbone.", "model.", "encoder.", "module.encoder_q.", "a.student.backbone."],
)
def test_a_prefix_is_left_out_and_named(
    prefix: str, resnet18: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = {"classifier.4.weight": torch.zeros(3), "aux_classifier.4.bias": torch.zeros(3)}
    assert holds(load(below(prefix, resnet18) | head, tmp_path), resnet18)
    assert capsys.readouterr().err == f"weights: taken without the prefix {prefix!r}\n"


@pytest.mark.parametrize("key", [*USUAL, *AVERAGES, "anything"])
def test_a_state_dict_below_a_key_is_found_and_named(
    key: str, resnet18: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {"epoch": 3, "best": torch.tensor(0.7), key: below("backbone.", resnet18)}
    assert holds(load(content, tmp_path), resnet18)
    expected = f"weights: taken from {key!r}, without the prefix 'backbone.'\n"
    assert capsys.readouterr().err == expected


def test_weights_as_they_are_need_no_word(
    resnet18: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(resnet18, tmp_path)
    mobilenet = torchvision.models.mobilenet_v2(weights=None).state_dict()  # below `features.`
    assert holds(
        load(mobilenet, tmp_path, "mobilenet_v2"),
        {name.removeprefix("features."): tensor for name, tensor in mobilenet.items()},
    )
    assert capsys.readouterr().err == ""


def test_the_first_of_several_is_taken_and_the_others_are_named(
    resnet18: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {name: tensor + 1 for name, tensor in resnet18.items()}
    content = {"ema": other, "mine": dict(other), "net": dict(other), "state_dict": resnet18}
    assert holds(load(content, tmp_path), resnet18)
    assert capsys.readouterr().err == (
        "weights: taken from 'state_dict'; also there from 'net'; also there from 'mine'; "
        "also there from 'ema'\n"
    )
    content = {"model": below("online.", resnet18) | below("target.", other)}
    assert holds(load(content, tmp_path), resnet18)
    assert "also there from 'model', without the prefix 'target.'" in capsys.readouterr().err


def test_the_same_tensors_below_two_names_are_no_choice(
    resnet18: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # As IRN's networks name their layers twice.
    counterless = {key: t for key, t in resnet18.items() if "num_batches" not in key}
    load(below("resnet50.", resnet18) | below("backbone.", counterless), tmp_path)
    assert capsys.readouterr().err == "weights: taken without the prefix 'resnet50.'\n"


def test_averages_beside_plain_weights_are_told(
    resnet18: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    averages = {name: tensor + 1 for name, tensor in resnet18.items()}
    assert holds(load({**resnet18, "model_ema": averages}, tmp_path), resnet18)
    expected = "weights: taken as they are; also there from 'model_ema'\n"
    assert capsys.readouterr().err == expected


def test_a_dict_that_does_not_fit_hides_no_other(resnet18: State, tmp_path: Path) -> None:
    content = {"model": nn.Linear(2, 3).state_dict(), "backbone": resnet18}
    assert holds(load(content, tmp_path), resnet18)


def test_the_dicts_of_a_checkpoint_are_tried_in_the_order_of_the_list(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(1)}
    keys = (*reversed(AVERAGES), "other", *reversed(USUAL))
    content: dict[str, Any] = {key: dict(tensors) for key in keys}
    torch.save(content | tensors, tmp_path / "w.pth")
    found = [state.keys for state in read_states(tmp_path / "w.pth")]
    assert found == [*((key,) for key in USUAL), (), ("other",), *((key,) for key in AVERAGES)]


# What is refused


def test_weights_of_a_deeper_network_that_is_known_are_refused_with_its_name(
    tmp_path: Path,
) -> None:
    content = {"state_dict": below("module.", shaped("resnet101"))}
    message = refusal(content, tmp_path, "resnet50")
    assert message == (
        "not the weights of a resnet50 network: it also holds module.layer3.6.conv1.weight and 254 "
        "more; these look like resnet101's: network.backbone in params.yaml"
    )


def test_weights_of_a_deeper_network_that_is_not_known_are_refused(tmp_path: Path) -> None:
    assert refusal(shaped("resnet34"), tmp_path) == (
        "not the weights of a resnet18 network: it also holds layer1.2.conv1.weight and 79 more"
    )


def test_weights_of_another_network_are_refused_with_its_name(tmp_path: Path) -> None:
    message = refusal(shaped("resnet18"), tmp_path, "resnet50")
    assert message.startswith("not the weights of a resnet50 network: layer1.0.conv1.weight is [")
    assert message.endswith("more; these look like resnet18's: network.backbone in params.yaml")


def test_heads_and_counters_may_be_left_over(resnet18: State) -> None:
    backbone = build_backbone("resnet18", freeze_batchnorm=False)
    heads = {f"{name}.weight": torch.zeros(1) for name in ("fc", "classifier.0", "head", "queue")}
    found = match_backbone(backbone, resnet18 | heads)
    assert found.fits
    assert set(found.ignored) == {"fc.bias", *heads}
    found = match_backbone(backbone, resnet18 | {"layer2.2.bn1.bias": torch.zeros(1)})
    assert found.surplus == ["layer2.2.bn1.bias"] and not found.fits


def test_the_names_that_are_there_are_listed_if_none_is_known(tmp_path: Path) -> None:
    content = {f"stem.{number}.weight": torch.zeros(1) for number in range(20)}
    message = refusal({"state_dict": content}, tmp_path, "tiny")
    assert "is missing; and" in message
    assert message.endswith(
        "; it holds 'stem.0.weight', 'stem.1.weight', 'stem.2.weight', "
        "'stem.3.weight', 'stem.4.weight', 'stem.5.weight', 'stem.6.weight', 'stem.7.weight', "
        "'stem.8.weight', 'stem.9.weight', …"
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"epoch": 3, "config": {"lr": 0.1}}, "it holds the keys 'epoch', 'config'"),
        ([torch.zeros(1)], "it holds list"),
        ({}, "it holds dict"),
        (torch.zeros(1), "it holds Tensor"),
    ],
)
def test_a_file_without_a_state_dict_is_refused_with_its_keys(
    content: Any, what: str, tmp_path: Path
) -> None:
    assert refusal(content, tmp_path) == f"not a state dict of tensors: {what}"


def test_a_file_may_hold_a_hundred_state_dicts_and_one_of_them_many_times(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({f"k{n}": {"a": torch.ones(n + 1)} for n in range(100)}, path)
    assert len(read_states(path)) == 100
    torch.save({f"k{n}": {"a": torch.ones(n + 1)} for n in range(101)}, path)
    with pytest.raises(
        ValueError, match=r"weights\.pth: holds more than 100 state dicts: save one"
    ):
        read_states(path)
    nested: dict[str, Any] = {"a": torch.ones(1)}
    for _ in range(3):
        nested = {f"k{n}": nested for n in range(300)}
    torch.save(nested, path)
    assert [state.keys for state in read_states(path)] == [("k0", "k0", "k0")]
