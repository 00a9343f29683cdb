"""Backbones lie on their grid, affinities follow their formulas, and weights travel unharmed."""

import math
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.fx import symbolic_trace

from auxseg.auxsegnet.affinity import Affinity, CrossTaskAffinity, PairwiseMap, TaskAffinity
from auxseg.auxsegnet.network import AuxSegNet, Outputs
from auxseg.networks import resnet38d
from auxseg.networks.backbone import Backbone, build_backbone
from auxseg.networks.backbones import BACKBONES
from auxseg.networks.classification import ClassificationHead
from auxseg.networks.classifier import Classifier
from auxseg.networks.network import Network
from auxseg.networks.stored import FILE, load_network, save_network, start_from, stored_network
from auxseg.params import AffinityMode, OutputStride, Precision
from auxseg.weights.pretrained import load_pretrained, read_state
from auxseg.weights.torchvision import fetch
from networks_of_tests import new_auxsegnet, new_classifier
from project import ROOT

SMALL: list[str] = ["tiny", "resnet18", "resnet50", "resnet101", "mobilenet_v2"]
EVERY_SMALL = pytest.mark.parametrize(
    ("name", "stride"),
    [(name, stride) for name in SMALL for stride in BACKBONES[name].output_strides],
)
MODES = pytest.mark.parametrize("mode", ["none", "pairwise", "dual"])
IMAGENET = ROOT.parent / "shared/weights/mobilenet_v2_imagenet.safetensors"

Array = npt.NDArray[np.float64]


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def same(first: nn.Module, second: nn.Module) -> bool:
    pair = first.state_dict(), second.state_dict()
    return pair[0].keys() == pair[1].keys() and all(
        torch.equal(value, pair[1][key]) for key, value in pair[0].items()
    )


# Backbones


@EVERY_SMALL
def test_features_cover_the_image_at_the_output_stride(name: str, stride: OutputStride) -> None:
    backbone = build_backbone(name, freeze_batchnorm=False, output_stride=stride).eval()
    with torch.inference_mode():
        for height, width in ((65, 49), (50, 71), (64, 40)):
            features = backbone(torch.randn(1, 3, height, width))
            grid = math.ceil(height / stride), math.ceil(width / stride)
            assert features.shape == (1, backbone.channels, *grid)


@pytest.mark.parametrize("name", ["tiny", "resnet38d"])
def test_a_stride_that_a_backbone_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} has no output stride 16"):
        build_backbone(name, freeze_batchnorm=False, output_stride=16)


def mirror_symmetric(backbone: Backbone) -> Backbone:
    """Make every kernel its own mirror image, up and down and left and right."""
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            kernel = module.weight.detach()
            kernel = (kernel + kernel.flip(2)) / 2
            module.weight.data = (kernel + kernel.flip(3)) / 2
    return backbone.eval()


@EVERY_SMALL
def test_feature_i_j_is_centred_on_pixel_i_j_times_the_stride(
    name: str, stride: OutputStride
) -> None:
    """Where kernels are mirror images of themselves, only an off-centre grid breaks the symmetry.

    On sn+1 pixels the mirror image of pixel sj is pixel s(n-j), so feature j must become n-j.
    """
    backbone = build_backbone(name, freeze_batchnorm=False, output_stride=stride)
    mirror_symmetric(backbone)
    image = torch.randn(1, 3, 5 * stride + 1, 7 * stride + 1)
    with torch.inference_mode():
        features = backbone(image)
        for axis in (2, 3):
            error = backbone(image.flip(axis)).flip(axis) - features
            variation = features.flip(axis) - features
            assert error.norm() < 1e-3 * variation.norm()


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
def test_bottleneck_resnets_are_dilated_as_torchvision_dilates_them(name: str) -> None:
    theirs: Any = torchvision.models.get_model(
        name, weights=None, replace_stride_with_dilation=[False, True, True]
    )
    expected = nn.Sequential(*list(theirs.children())[:-2]).eval()
    ours = build_backbone(name, freeze_batchnorm=False).eval()
    ours.body.load_state_dict(
        {k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")}
    )
    image = torch.randn(1, 3, 50, 65)
    with torch.inference_mode():
        torch.testing.assert_close(ours(image), expected(image))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
@pytest.mark.parametrize("stride", [8, 16])
def test_every_so_many_features_there_is_one_of_the_network_at_stride_32(
    name: str, stride: OutputStride
) -> None:
    """Dilation in place of stride computes the same features (those ImageNet trained), denser."""
    theirs: Any = torchvision.models.get_model(name, weights=None).eval()
    strided = (
        theirs.features if name == "mobilenet_v2" else nn.Sequential(*list(theirs.children())[:-2])
    )
    ours = build_backbone(name, freeze_batchnorm=False, output_stride=stride).eval()
    body = ours.body.state_dict()
    ours.body.load_state_dict(dict(zip(body, strided.state_dict().values(), strict=True)))
    image = torch.randn(1, 3, 65, 97)
    with torch.inference_mode():
        expected = strided(image)
        torch.testing.assert_close(
            ours(image)[:, :, :: 32 // stride, :: 32 // stride],
            expected,
            rtol=0,
            atol=1e-4 * float(expected.abs().max()),
        )


def norm_statistics(backbone: Backbone) -> list[Tensor]:
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    return [value.clone() for norm in norms for value in norm.buffers()]


def test_a_frozen_batchnorm_neither_counts_nor_learns_even_in_training_mode() -> None:
    network = new_classifier("tiny", 3, True).train()
    before = norm_statistics(network.backbone)
    network(torch.randn(2, 3, 33, 33)).logits.sum().backward()
    assert all(map(torch.equal, before, norm_statistics(network.backbone)))
    for module in network.backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert not module.training
            assert module.weight.grad is None
            assert module.bias.grad is None
    gradients = [m.weight.grad for m in network.backbone.modules() if isinstance(m, nn.Conv2d)]
    assert all(gradient is not None for gradient in gradients)


def test_a_batchnorm_that_is_not_frozen_counts_and_learns() -> None:
    network = new_classifier("tiny", 3, False).train()
    before = norm_statistics(network.backbone)
    network(torch.randn(2, 3, 33, 33)).logits.sum().backward()
    assert not any(map(torch.equal, before, norm_statistics(network.backbone)))
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("name", BACKBONES)
def test_no_layer_that_is_merged_is_called_twice(name: str) -> None:
    """Its other call would be normalised as well, or not be normalised any more."""
    with torch.device("meta"):
        body = build_backbone(name, freeze_batchnorm=False).body
    calls = [n.target for n in symbolic_trace(body).graph.nodes if n.op == "call_module"]
    layers = [body.get_submodule(str(target)) for target in calls]
    merged = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    assert len(merged) == len(set(merged)) > 0


def test_resnet38d_freezes_its_first_convolution_and_nothing_else() -> None:
    with torch.device("meta"):
        backbone = build_backbone("resnet38d", freeze_batchnorm=False)
    frozen = [name for name, p in backbone.body.named_parameters() if not p.requires_grad]
    assert frozen == ["conv1a.weight"]


def test_resnet38d_has_stride_8_and_a_feature_on_every_eighth_pixel() -> None:
    with torch.device("meta"):
        backbone = build_backbone("resnet38d", freeze_batchnorm=True)
        assert backbone(torch.empty(1, 3, 50, 71)).shape == (1, 4096, 7, 9)


def test_resnet38d_drops_channels_of_its_last_two_blocks_only() -> None:
    with torch.device("meta"):
        body = resnet38d.build("resnet38d", 8).module
    drops = {n: m.p for n, m in body.named_modules() if isinstance(m, nn.Dropout2d)}
    assert drops == {"b6.dropout": 0.3, "b7.dropout": 0.5}


# Classification head


def test_the_logits_are_the_mean_of_the_maps() -> None:
    """Linear after pooling is pooling after linear: that is why the weights give a map."""
    head = ClassificationHead(5, 3).eval()
    out = head(torch.randn(2, 5, 4, 6))
    assert out.cam.shape == (2, 3, 4, 6)
    torch.testing.assert_close(out.cam.mean((2, 3)), out.logits)


def test_the_maps_pass_no_gradient() -> None:
    features = torch.randn(1, 5, 4, 6, requires_grad=True)
    assert not ClassificationHead(5, 3)(features).cam.requires_grad


# Affinity


def known(pairwise: Tensor) -> PairwiseMap:
    return PairwiseMap(lambda start, stop: pairwise[:, start:stop], len(pairwise), len(pairwise[0]))


def whole(part: PairwiseMap | Tensor) -> Tensor:
    return part.rows(0, part.positions) if isinstance(part, PairwiseMap) else part


def softmax(values: Array) -> Array:
    shifted = np.exp(values - values.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True))


def project(conv: nn.Conv2d, features: Array) -> Array:
    """A 1×1 convolution of (D, N)."""
    assert conv.bias is not None
    weight = conv.weight.detach().numpy()[:, :, 0, 0]
    return np.asarray(weight @ features + conv.bias.detach().numpy()[:, None])


@pytest.mark.parametrize("dual", [False, True])
@pytest.mark.parametrize("whitening", [False, True])
def test_task_affinity_follows_its_formulas(dual: bool, whitening: bool) -> None:
    module = TaskAffinity(3, dual=dual, whitening=whitening).double()
    torch.nn.init.normal_(module.key.weight)  # else the keys would be the queries
    features = torch.randn(1, 3, 2, 2, dtype=torch.float64)
    refined, affinity = module(features)

    f = features[0].flatten(1).numpy()
    q, k, v = (project(conv, f) for conv in (module.query, module.key, module.value))
    if whitening:
        q, k = q - q.mean(1, keepdims=True), k - k.mean(1, keepdims=True)
    a = np.zeros((4, 4))
    for i in range(4):
        a[i] = softmax(np.array([q[:, i] @ k[:, j] for j in range(4)]))
    u = np.zeros(4) if module.unary is None else softmax(project(module.unary, f)[0])
    mixed = np.zeros_like(v)
    for i in range(4):
        for j in range(4):
            mixed[:, i] += (a[i, j] + u[j]) * v[:, j]
    expected = f + project(module.output, mixed)

    np.testing.assert_allclose(whole(affinity.pairwise)[0].detach(), a)
    assert (affinity.unary is not None) == dual
    if affinity.unary is not None:
        np.testing.assert_allclose(affinity.unary[0].detach(), u)
    np.testing.assert_allclose(refined[0].flatten(1).detach(), expected)


@pytest.mark.parametrize("whitening", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_before_any_training_a_position_takes_most_from_its_like(
    seed: int, whitening: bool
) -> None:
    torch.manual_seed(seed)
    one, other = torch.rand(2, 128, 1, 1) * 2
    kinds = torch.arange(30).view(1, 1, 5, 6) % 2
    features = torch.where(kinds == 0, one, other)
    _, affinity = TaskAffinity(128, dual=True, whitening=whitening)(features)
    same = kinds.flatten()[:, None] == kinds.flatten()[None]
    assert ((whole(affinity.pairwise)[0] * same).sum(1) > 0.5).all()


def test_what_a_position_takes_from_all_others_sums_to_one() -> None:
    _, affinity = TaskAffinity(8, dual=True, whitening=True)(torch.randn(2, 8, 3, 5) * 3)
    assert whole(affinity.pairwise).shape == (2, 15, 15)
    torch.testing.assert_close(whole(affinity.pairwise).sum(2), torch.ones(2, 15))
    assert affinity.unary is not None
    assert affinity.unary.shape == (2, 15)
    torch.testing.assert_close(affinity.unary.sum(1), torch.ones(2))


@pytest.mark.parametrize("whitening", [False, True])
def test_whitening_removes_what_all_queries_or_all_keys_share(whitening: bool) -> None:
    module = TaskAffinity(4, dual=False, whitening=whitening)
    features = torch.randn(1, 4, 3, 3)
    before = whole(module(features)[1].pairwise)
    assert module.query.bias is not None and module.key.bias is not None
    module.query.bias.data += torch.randn(4)
    module.key.bias.data += torch.randn(4)
    after = whole(module(features)[1].pairwise)
    assert torch.allclose(before, after, atol=1e-5) == whitening


@pytest.mark.parametrize("dual", [False, True])
def test_an_affinity_mixes_the_values_of_all_positions(dual: bool) -> None:
    pairwise, unary = torch.rand(2, 6, 6), torch.rand(2, 6)
    values = torch.randn(2, 3, 2, 3)
    mixed = Affinity(known(pairwise), unary if dual else None) @ values
    flat, expected = values.flatten(2), torch.zeros(2, 3, 6)
    for i in range(6):
        for j in range(6):
            weight = pairwise[:, i, j] + (unary[:, j] if dual else 0)
            expected[:, :, i] += weight[:, None] * flat[:, :, j]
    assert mixed.shape == values.shape
    torch.testing.assert_close(mixed.flatten(2), expected)


def random_affinity(dual: bool) -> Affinity:
    return Affinity(known(torch.rand(2, 6, 6)), torch.rand(2, 6) if dual else None)


@pytest.mark.parametrize("dual", [False, True])
def test_the_cross_task_affinity_lies_between_those_of_the_tasks(dual: bool) -> None:
    first, second = random_affinity(dual), random_affinity(dual)
    fused = CrossTaskAffinity(dual=dual)(first, second, torch.Size((2, 3)))
    assert (fused.unary is not None) == dual
    for part in ("pairwise", "unary") if dual else ("pairwise",):
        *maps, result = (whole(getattr(a, part)) for a in (first, second, fused))
        assert result.shape == maps[0].shape
        assert (result >= torch.minimum(*maps) - 1e-6).all()
        assert (result <= torch.maximum(*maps) + 1e-6).all()
        assert not torch.allclose(result, maps[0])


def test_without_learned_weights_the_tasks_have_equal_say() -> None:
    module = CrossTaskAffinity(dual=True)
    for parameter in module.parameters():
        parameter.data.zero_()
    first, second = random_affinity(True), random_affinity(True)
    fused = module(first, second, torch.Size((2, 3)))
    mean = (whole(first.pairwise) + whole(second.pairwise)) / 2
    torch.testing.assert_close(whole(fused.pairwise), mean)
    assert first.unary is not None and second.unary is not None
    torch.testing.assert_close(fused.unary, (first.unary + second.unary) / 2)


# AuxSegNet


@MODES
def test_the_network_gives_every_documented_output(mode: AffinityMode) -> None:
    network = new_auxsegnet("tiny", 4, False, mode, mode == "dual").eval()
    with torch.inference_mode():
        out: Outputs = network(torch.randn(2, 3, 41, 33))
    assert out.classification.logits.shape == (2, 4)
    assert out.classification.cam.shape == (2, 4, 6, 5)
    assert out.segmentation.shape == out.segmentation_refined.shape == (2, 5, 6, 5)
    assert out.saliency.shape == out.saliency_refined.shape == (2, 1, 6, 5)
    if mode == "none":
        assert out.affinity is None
        assert torch.equal(out.segmentation_refined, out.segmentation)
        assert torch.equal(out.saliency_refined, out.saliency)
        return
    assert out.affinity is not None
    assert whole(out.affinity.pairwise).shape == (2, 30, 30)
    assert (out.affinity.unary is not None) == (mode == "dual")
    torch.testing.assert_close(out.segmentation_refined, out.affinity @ out.segmentation)
    torch.testing.assert_close(out.saliency_refined, out.affinity @ out.saliency)
    assert not torch.allclose(out.segmentation_refined, out.segmentation)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_each_dilation_spreads_one_convolution_of_both_tasks(position: int) -> None:
    dilations = [1, 1, 1]
    dilations[position] = 3
    network = new_auxsegnet("tiny", 4, False, "none", False, dilations)
    for branch in (network.segmentation, network.saliency):
        for number, conv in enumerate((branch.conv1, branch.conv2, branch.conv3)):
            assert conv.dilation == ((3, 3) if number == position else (1, 1))
            assert conv(torch.zeros(1, conv.in_channels, 5, 7)).shape[2:] == (5, 7)


@pytest.mark.parametrize(
    ("precision", "training", "inference"),
    [
        ("float32", False, False),
        ("bfloat16-inference", False, True),
        ("bfloat16", True, True),
    ],
)
def test_a_network_computes_in_bfloat16_when_its_precision_says_so(
    precision: Precision, training: bool, inference: bool
) -> None:
    image = torch.randn(2, 3, 33, 33)
    exact = new_auxsegnet("tiny", 3, True, "dual", True)
    network = new_auxsegnet("tiny", 3, True, "dual", True, precision=precision)
    network.load_state_dict(exact.state_dict())
    for mode, expected in ((True, training), (False, inference)):
        found, other = network.train(mode)(image), exact.train(mode)(image)
        for name in ("segmentation", "saliency_refined"):
            maps, those = getattr(found, name), getattr(other, name)
            assert maps.dtype == torch.float32
            assert torch.equal(maps, those) == (not expected)
            torch.testing.assert_close(maps, those, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("precision", "cpu", "said"),
    [("float32", "AVX2", False), ("bfloat16", "AVX2", True), ("bfloat16", "AVX512", False)],
)
def test_a_cpu_that_lacks_bfloat16_is_said_in_one_line(
    precision: Precision,
    cpu: str,
    said: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: cpu)
    new_classifier("tiny", 3, True, precision=precision).say_if_slow()
    expected = (
        "network.precision = 'bfloat16': this CPU (AVX2) has no instructions for bfloat16, so "
        "float32 is many times as fast\n"
    )
    assert capsys.readouterr().err == expected * said


# Storage


def networks() -> list[Network]:
    return [
        new_classifier("tiny", 3, True),
        new_auxsegnet("tiny", 3, False, "dual", True, [1, 2, 3]),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_a_stored_network_comes_back_as_it_was(which: int, tmp_path: Path) -> None:
    network = networks()[which]
    network.train()(torch.randn(2, 3, 33, 33))  # leaves running statistics of its own
    save_network(tmp_path, network)
    loaded = load_network(tmp_path, Classifier, AuxSegNet)
    assert type(loaded) is type(network)
    assert loaded.config == network.config
    assert not loaded.training
    assert same(loaded, network)
    image = torch.randn(1, 3, 41, 33)
    network.eval()
    with torch.inference_mode():
        assert torch.equal(loaded.features(image), network.features(image))
        if isinstance(loaded, AuxSegNet):
            assert torch.equal(
                loaded(image).segmentation_refined, network(image).segmentation_refined
            )


@pytest.mark.parametrize(
    ("backbone", "left"), [("tiny", 0), ("mobilenet_v2", 0), ("resnet18", 0), ("resnet38d", 17)]
)
def test_a_network_is_run_with_batchnorm_inside_the_convolutions(
    backbone: str, left: int, tmp_path: Path
) -> None:
    network = new_classifier(backbone, 3, False).eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        for values, least in ((norm.weight, 0.5), (norm.bias, -0.2), (norm.running_var, 0.5)):
            nn.init.uniform_(values, least, least + 1)  # type: ignore[arg-type]
        nn.init.normal_(norm.running_mean, std=0.1)  # type: ignore[arg-type]
    save_network(tmp_path, network)
    stored = stored_network(tmp_path, Classifier)
    run = stored.network
    # Those of pre-activation blocks come before a convolution, not after it.
    assert sum(isinstance(module, nn.BatchNorm2d) for module in run.modules()) == left < len(norms)
    assert pickle.dumps(stored) == pickle.dumps(stored_network(tmp_path, Classifier))
    image = torch.randn(2, 3, 41, 33)
    with torch.inference_mode():
        maps = network(image).cam
        error = (run(image).cam - maps).abs().max() / maps.abs().max()
    assert error < 1e-5


def test_a_network_is_stored_as_the_same_bytes_every_time(tmp_path: Path) -> None:
    network = networks()[1]
    stored = []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        save_network(folder, network)
        stored.append((folder / FILE).read_bytes())
        network = load_network(folder, AuxSegNet)
    assert stored[0] == stored[1] == stored[2]
    assert [p.name for p in folder.iterdir()] == [FILE]


def test_a_network_of_another_kind_is_refused_by_name(tmp_path: Path) -> None:
    save_network(tmp_path, new_classifier("tiny", 3, False))
    with pytest.raises(ValueError, match="cannot be loaded as AuxSegNet") as error:
        load_network(tmp_path, AuxSegNet)
    assert str(tmp_path / FILE) in str(error.value)
    assert "\n" not in str(error.value)


def damaged(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "text":
        path.write_text("version https://git-lfs.github.com/spec/v1")
    elif how == "no description":
        save_file({"a": torch.zeros(1)}, path)
    elif how == "no weights":
        save_file({"a": torch.zeros(1)}, path, {"network": _description(data)})


def _description(data: bytes) -> str:
    start = data.index(b'{\\"')
    return data[start : data.index(b'}"', start) + 1].decode().replace('\\"', '"')


@pytest.mark.parametrize(
    "how", ["missing", "empty", "truncated", "text", "no description", "no weights"]
)
def test_a_damaged_network_is_one_line_that_names_the_file(how: str, tmp_path: Path) -> None:
    save_network(tmp_path, new_classifier("tiny", 3, False))
    damaged(tmp_path / FILE, how)
    problem = "no such file" if how == "missing" else "cannot be loaded as Classifier"
    with pytest.raises(ValueError, match=problem) as error:
        load_network(tmp_path, Classifier)
    assert str(error.value).startswith(str(tmp_path / FILE))
    assert "\n" not in str(error.value)


@MODES
def test_the_first_round_starts_from_the_classifier(mode: AffinityMode, tmp_path: Path) -> None:
    classifier = new_classifier("tiny", 3, False)
    save_network(tmp_path, classifier)
    network = new_auxsegnet("tiny", 3, False, mode, False)
    fresh = {key: value.clone() for key, value in network.state_dict().items()}
    start_from(network, tmp_path)
    assert same(network.backbone, classifier.backbone)
    assert same(network.classification, classifier.classification)
    assert not torch.equal(
        fresh["classification.linear.weight"], network.classification.linear.weight
    )
    branches = [k for k in fresh if not k.startswith(("backbone.", "classification."))]
    assert branches
    assert all(torch.equal(fresh[key], network.state_dict()[key]) for key in branches)


def test_a_later_round_starts_from_everything_of_the_round_before(tmp_path: Path) -> None:
    previous, network = (new_auxsegnet("tiny", 3, False, "dual", True) for _ in range(2))
    assert not same(network, previous)
    save_network(tmp_path, previous)
    start_from(network, tmp_path)
    assert same(network, previous)


@pytest.mark.parametrize("how", ["missing", "truncated"])
def test_a_damaged_round_before_is_named(how: str, tmp_path: Path) -> None:
    save_network(tmp_path, new_classifier("tiny", 3, False))
    damaged(tmp_path / FILE, how)
    with pytest.raises((ValueError, OSError), match=FILE) as error:
        start_from(new_classifier("tiny", 3, False), tmp_path)
    assert "\n" not in str(error.value)


def test_a_round_before_with_other_classes_does_not_fit(tmp_path: Path) -> None:
    save_network(tmp_path, new_classifier("tiny", 3, False))
    with pytest.raises(ValueError, match="does not fit") as error:
        start_from(new_classifier("tiny", 4, False), tmp_path)
    assert FILE in str(error.value)
    assert "\n" not in str(error.value)


def test_a_round_before_with_other_affinity_does_not_fit(tmp_path: Path) -> None:
    save_network(tmp_path, new_auxsegnet("tiny", 3, False, "dual", True))
    with pytest.raises(ValueError, match="does not fit") as error:
        start_from(new_auxsegnet("tiny", 3, False, "none", False), tmp_path)
    assert FILE in str(error.value)


# Pretrained weights


def pretrained_state(name: str) -> dict[str, Tensor]:
    """Weights as torchvision publishes them: with the ImageNet classifier."""
    state: dict[str, Tensor] = torchvision.models.get_model(name, weights=None).state_dict()
    return state


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_weights_in_torchvision_s_names_are_loaded(name: str, suffix: str, tmp_path: Path) -> None:
    state, path = pretrained_state(name), tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    backbone = build_backbone(name, freeze_batchnorm=False)
    load_pretrained(backbone, path)
    prefix = "features." if name == "mobilenet_v2" else ""
    for key, value in backbone.body.state_dict().items():
        assert torch.equal(value, state[prefix + key])


def test_old_weights_without_step_counters_are_loaded(tmp_path: Path) -> None:
    state = {k: v for k, v in pretrained_state("resnet18").items() if "num_batches" not in k}
    save_file(state, tmp_path / "old.safetensors")
    backbone = build_backbone("resnet18", freeze_batchnorm=False)
    load_pretrained(backbone, tmp_path / "old.safetensors")
    assert torch.equal(backbone.body.get_parameter("conv1.weight"), state["conv1.weight"])


def test_a_path_named_none_leaves_random_weights() -> None:
    backbone = build_backbone("tiny", freeze_batchnorm=False)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    load_pretrained(backbone, Path("none"))
    assert all(torch.equal(before[key], value) for key, value in backbone.state_dict().items())


def test_weights_of_another_backbone_are_refused_and_the_first_tensor_is_named(
    tmp_path: Path,
) -> None:
    save_file(pretrained_state("resnet50"), tmp_path / "resnet50.safetensors")
    with pytest.raises(ValueError, match=r": layer1\.0\.conv1\.weight is ") as error:
        load_pretrained(
            build_backbone("resnet18", freeze_batchnorm=False), tmp_path / "resnet50.safetensors"
        )
    assert "resnet50.safetensors" in str(error.value)


def test_one_missing_tensor_is_enough_to_refuse_and_nothing_is_loaded(tmp_path: Path) -> None:
    state = pretrained_state("resnet18")
    del state["layer4.1.bn2.running_var"]
    save_file(state, tmp_path / "weights.safetensors")
    backbone = build_backbone("resnet18", freeze_batchnorm=False)
    before = backbone.body.get_parameter("conv1.weight").clone()
    with pytest.raises(ValueError, match=r"network: layer4\.1\.bn2\.running_var is missing$"):
        load_pretrained(backbone, tmp_path / "weights.safetensors")
    assert torch.equal(backbone.body.get_parameter("conv1.weight"), before)


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_the_state_dict_of_a_checkpoint_of_a_data_parallel_network_is_found(
    wrapper: str, tmp_path: Path
) -> None:
    network = nn.DataParallel(nn.Linear(2, 3))
    torch.save({"epoch": 3, wrapper: network.state_dict()}, tmp_path / "checkpoint.pth")
    state = read_state(tmp_path / "checkpoint.pth")
    assert state.keys() == {"weight", "bias"}
    assert torch.equal(state["weight"], network.module.weight)


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (self.folder,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("container", ["torch", "pickle"])
def test_code_in_a_weights_file_is_not_executed(container: str, tmp_path: Path) -> None:
    path, folder = tmp_path / "weights.pth", tmp_path / "sprung"
    if container == "torch":
        torch.save({"conv1.weight": Trap(folder)}, path)
    else:
        path.write_bytes(pickle.dumps({"conv1.weight": Trap(folder)}))
    with pytest.raises(
        ValueError, match=r"weights\.pth: .* more than tensors.* could execute code"
    ) as error:
        read_state(path)
    assert not folder.exists()
    # torch's message says how to execute it.
    assert "\n" not in str(error.value) and "weights_only" not in str(error.value)


def test_the_trap_would_spring(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "sprung")))
    assert (tmp_path / "sprung").is_dir()


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
def test_a_pth_file_that_holds_no_state_dict_is_refused(tmp_path: Path) -> None:
    sparse, meta = torch.eye(2).to_sparse(), torch.zeros(1, device="meta")
    for content in ([torch.zeros(1)], {"epoch": 3}, {"a": sparse}, {"a": meta}, {1: sparse}):
        torch.save(content, tmp_path / "weights.pth")
        with pytest.raises(ValueError, match="not a state dict of tensors"):
            read_state(tmp_path / "weights.pth")


def test_a_weights_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.pth: no such weights file"):
        read_state(tmp_path / "none.pth")


def test_a_damaged_weights_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"not tensors")
    with pytest.raises(ValueError, match=r"weights\.safetensors: cannot be read as weights"):
        read_state(tmp_path / "weights.safetensors")


def test_every_damage_to_a_pth_file_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"weight": torch.zeros(5)}, path)
    whole = path.read_bytes()
    for content in (b"", b"hello", whole[: len(whole) // 2], whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"weights\.pth: cannot be read as weights") as error:
            read_state(path)
        assert "\n" not in str(error.value)


def test_a_pth_file_that_unpacks_to_more_than_its_size_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1_000_000)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name))
    with pytest.raises(ValueError, match=r"bomb\.pth: .* compressed archive"):
        read_state(tmp_path / "bomb.pth")


def test_a_network_describes_as_many_classes_as_label_maps_can_hold(tmp_path: Path) -> None:
    """Memory for all of them would be taken before the weights are compared."""
    network = new_classifier("tiny", 254, freeze_batchnorm=False)
    save_network(tmp_path, network)
    assert load_network(tmp_path, Classifier).config.classes == 254
    network.config = replace(network.config, classes=255)
    save_network(tmp_path, network)
    with pytest.raises(ValueError, match="it describes 255 classes, not 1 to 254"):
        load_network(tmp_path, Classifier)


def test_a_safetensors_header_larger_than_its_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "huge.safetensors").write_bytes((1 << 40).to_bytes(8, "little") + b"{}")
    with pytest.raises(ValueError, match=r"huge\.safetensors: cannot be read as weights") as error:
        read_state(tmp_path / "huge.safetensors")
    assert "\n" not in str(error.value)


def test_integers_are_no_weights(tmp_path: Path) -> None:
    state = pretrained_state("resnet18")
    state["bn1.weight"] = state["bn1.weight"].to(torch.int8)
    save_file(state, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match=r"bn1\.weight is of type torch\.int8"):
        load_pretrained(
            build_backbone("resnet18", freeze_batchnorm=False), tmp_path / "weights.safetensors"
        )


@pytest.mark.skipif(not IMAGENET.is_file(), reason=f"{IMAGENET} is not there")
def test_imagenet_weights_are_those_of_mobilenet_v2() -> None:
    backbone = build_backbone("mobilenet_v2", freeze_batchnorm=True)
    load_pretrained(backbone, IMAGENET)
    state = read_state(IMAGENET)
    for key, value in backbone.body.state_dict().items():
        assert torch.equal(value, state[f"features.{key}"])


def test_weights_in_torch_s_hub_cache_need_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    cache = tmp_path / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    url = torchvision.models.get_model_weights("resnet18").DEFAULT.url
    state = pretrained_state("resnet18")
    torch.save(state, cache / url.rsplit("/", 1)[1])

    fetched = fetch("resnet18")
    assert all(torch.equal(fetched[key], value) for key, value in state.items())
    save_file(fetched, tmp_path / "weights.safetensors")
    backbone = build_backbone("resnet18", freeze_batchnorm=False)
    load_pretrained(backbone, tmp_path / "weights.safetensors")
    assert torch.equal(backbone.body.get_parameter("conv1.weight"), state["conv1.weight"])
