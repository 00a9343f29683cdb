"""Published weights become ours, and what was used, ignored and missing is said."""

from auxseg.system.stage import run

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet, AuxSegNetConfig
from auxseg.networks.backbone import Backbone, build_backbone
from auxseg.networks.stored import load_network, save_network
from auxseg.use.commands import convert_weights as main
from auxseg.use.published import published_network
from auxseg.weights.pretrained import load_pretrained, match_backbone, read_state
from mxnet_files import listed, stored
from networks_of_tests import new_auxsegnet
from project import ROOT

REFERENCE = ROOT / "tests" / "reference"
SHAPES: dict[str, list[int]] = json.loads((REFERENCE / "auxsegnet_state.json").read_text("utf-8"))


def mxnet_name(name: str) -> str:
    """The name in the ImageNet weights of a tensor of the published AuxSegNet's backbone."""
    layer, _, kind = name.rpartition(".")
    block = re.fullmatch(r"b(\d)(?:_(\d))?\.(bn|conv)_(\w+)", layer)
    if block:
        stage, unit, sort, branch = block.groups()
        prefix = "res" if sort == "conv" else "bn"
        layer = f"{prefix}{stage}{f'b{unit}' if unit else 'a'}_{branch}"
    kinds = {"bias": "beta", "running_mean": "moving_mean", "running_var": "moving_var"}
    if "bn" in layer:
        kinds["weight"] = "gamma"
    return f"{'aux' if 'running' in kind else 'arg'}:{layer}_{kinds.get(kind, kind)}"


def imagenet_shapes() -> dict[str, list[int]]:
    backbone = re.compile(r"(b\d|bn7|conv1a).*(?<!num_batches_tracked)$")
    found = {mxnet_name(name): SHAPES[name] for name in SHAPES if backbone.match(name)}
    return found | {"arg:linear1000_weight": [1000, 4096], "arg:linear1000_bias": [1000]}


def test_the_names_are_those_that_mxnet_wrote() -> None:
    sample = read_state(REFERENCE / "mxnet_sample.params")
    assert sample.keys() <= imagenet_shapes().keys()


def test_imagenet_s_resnet_38_has_all_weights_of_our_backbone() -> None:
    with torch.device("meta"):
        backbone = build_backbone("resnet38d", freeze_batchnorm=True)
        state = {name: torch.empty(shape) for name, shape in imagenet_shapes().items()}
    found = match_backbone(backbone, state)
    assert found.problems == []
    assert found.ignored == ["arg:linear1000_weight", "arg:linear1000_bias"]
    ours = backbone.body.state_dict()
    assert found.fitting.keys() == {name for name in ours if "num_batches" not in name}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("arg:conv1a_weight", "conv1a.weight"),
        ("arg:res2a_branch1_weight", "b2.shortcut.weight"),
        ("arg:bn4b5_branch2a_gamma", "b4_5.norm1.weight"),
        ("arg:bn4b5_branch2b1_beta", "b4_5.norm2.bias"),
        ("arg:res6a_branch2b2_weight", "b6.conv3.weight"),
        ("aux:bn7a_branch2b2_moving_var", "b7.norm3.running_var"),
        ("aux:bn7_moving_mean", "bn7.running_mean"),
    ],
)
def test_a_name_of_mxnet_stands_for_the_same_layer(theirs: str, ours: str) -> None:
    with torch.device("meta"):
        backbone = build_backbone("resnet38d", freeze_batchnorm=True)
        shape = backbone.body.state_dict()[ours].shape
        assert match_backbone(backbone, {theirs: torch.empty(shape)}).fitting.keys() == {ours}


def random_backbone() -> Backbone:
    backbone = build_backbone("tiny", freeze_batchnorm=False)
    for value in backbone.state_dict().values():
        value.copy_(torch.randn(value.shape) + 5)
    return backbone


def write(path: Path, state: dict[str, Tensor]) -> None:
    arrays = [stored(value.numpy()) for value in state.values()]
    path.write_bytes(listed(arrays, [f"arg:{name}".encode() for name in state]))


def floats(backbone: Backbone) -> dict[str, Tensor]:
    return {k: v for k, v in backbone.body.state_dict().items() if v.is_floating_point()}


def test_an_mxnet_file_is_converted_and_both_load_the_same_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "tiny.params", tmp_path / "tiny.safetensors"
    weights = floats(random_backbone())
    write(source, {**weights, "linear1000_bias": torch.zeros(3)})
    main(source, out, "tiny")
    for path in (source, out):
        backbone = build_backbone("tiny", freeze_batchnorm=False)
        load_pretrained(backbone, path)
        assert all(torch.equal(value, weights[name]) for name, value in floats(backbone).items())
    assert capsys.readouterr().out.splitlines() == [
        f"{len(weights)} tensors match",
        "1 are ignored",
        "  'arg:linear1000_bias'",
        "0 do not fit",
    ]
    main(source, tmp_path / "again.safetensors", "tiny")
    assert (tmp_path / "again.safetensors").read_bytes() == out.read_bytes()


def test_missing_weights_are_listed_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "tiny.params", tmp_path / "out.safetensors"
    weights = floats(random_backbone())
    absent, cut = next(iter(weights)), next(reversed(weights))
    weights[cut] = weights[cut][:1]
    del weights[absent]
    write(source, weights)
    monkeypatch.setattr(sys, "argv", ["convert", str(source), str(out), "--backbone", "tiny"])
    with pytest.raises(SystemExit, match=r"^error: .*tiny\.params: not the weights"):
        run(main)
    problems = capsys.readouterr().out.split("2 do not fit\n")[1].splitlines()
    assert problems[0] == f"  {absent} is missing"
    assert problems[1].startswith(f"  {cut} is [1] instead of [")
    assert list(tmp_path.iterdir()) == [source]


def test_a_whole_published_checkpoint_becomes_a_network_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # One number for a whole tensor: 115 million would take long to write.
    state = {name: torch.tensor(0.5).expand(shape) for name, shape in SHAPES.items()}
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "a.pth")
    main(tmp_path / "a.pth", tmp_path / "model")
    network = load_network(tmp_path / "model", AuxSegNet)
    assert network.config == AuxSegNetConfig(
        backbone="resnet38d",
        classes=20,
        freeze_batchnorm=True,
        output_stride=8,
        precision="float32",
        affinity="pairwise",
        whitening=False,
        dilations=[6, 12, 18],
    )
    assert all(bool((parameter == 0.5).all()) for parameter in network.parameters())
    assert capsys.readouterr().out.splitlines()[-1] == "0 do not fit"
    (tmp_path / "model" / "network.safetensors").unlink()  # 460 MB


def test_a_backbone_can_be_taken_from_our_own_network(tmp_path: Path) -> None:
    network = new_auxsegnet("tiny", 3, False, "dual", True)
    save_network(tmp_path, network)
    main(tmp_path / "network.safetensors", tmp_path / "tiny.safetensors", "tiny")
    backbone = build_backbone("tiny", freeze_batchnorm=False)
    load_pretrained(backbone, tmp_path / "tiny.safetensors")
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, network.backbone.state_dict()[name])


def test_without_a_backbone_the_source_must_be_a_whole_network(tmp_path: Path) -> None:
    write(tmp_path / "tiny.params", floats(random_backbone()))
    with pytest.raises(ValueError, match=r"tiny\.params: .* no fc8\.weight; name a backbone"):
        main(tmp_path / "tiny.params", tmp_path / "model")


@pytest.mark.parametrize("shape", [(), (0, 1), (255, 1), (10**12, 4096, 1, 1)])
def test_a_number_of_classes_that_no_label_map_can_hold_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"a\.pth: fc8\.weight has \d+ classes, not 1 to 254"):
        published_network({"fc8.weight": torch.zeros(()).expand(shape)}, Path("a.pth"))


def test_what_exists_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="exists already"):
        main(tmp_path / "a.params", tmp_path)


def test_a_weights_file_must_be_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"out: the name of a weights file ends in \.safetensors"):
        main(tmp_path / "a.params", tmp_path / "out", "tiny")
