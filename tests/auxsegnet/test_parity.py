"""The network and the label update agree with the published AuxSegNet, number by number.

``reference/`` holds what the published code computed (float32, CPU) on made-up inputs.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet, Outputs
from auxseg.crf import saliency_crf, segmentation_crf
from auxseg.pseudo_labels import fuse
from auxseg.use.published import match_published
from helpers import SALIENCY_CRF, SEGMENTATION_CRF
from networks_of_tests import new_auxsegnet
from project import ROOT

REFERENCE = ROOT / "tests" / "reference"
SHAPES: dict[str, list[int]] = json.loads((REFERENCE / "auxsegnet_state.json").read_text("utf-8"))
Floats = npt.NDArray[np.float32]


def load(name: str) -> Mapping[str, Floats]:
    with np.load(REFERENCE / f"{name}.npz") as file:
        return dict(file)


def filled(name: str, shape: list[int]) -> Tensor:
    """The rule by which the published network was filled with weights."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    z = generator.standard_normal(shape).astype(np.float32)
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    if name.endswith("running_var"):
        return torch.as_tensor(0.5 + np.abs(z))
    if name.endswith("running_mean"):
        return torch.as_tensor(0.1 * z)
    if len(shape) == 1:
        return torch.as_tensor(1 + 0.1 * z if name.endswith("weight") else 0.1 * z)
    gain = 8 if "theta" in name or "phi" in name else 1
    return torch.as_tensor((z * gain * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32))


def published_network() -> AuxSegNet:
    return new_auxsegnet("resnet38d", 20, True, "pairwise", False)


@pytest.fixture(scope="module")
def outputs() -> Outputs:
    network = published_network().eval()
    state = {name: filled(name, shape) for name, shape in SHAPES.items()}
    match_published(network, state).load(Path("published.pth"))
    image = np.random.default_rng(2021).standard_normal((1, 3, 65, 97)).astype(np.float32)
    with torch.inference_mode():
        result: Outputs = network(torch.from_numpy(image))
    return result


@pytest.mark.parametrize(
    "name",
    [
        "classification_logits",
        "cam",
        "saliency_initial",
        "saliency_refined",
        "segmentation_initial",
        "segmentation_refined",
        "cross_task_pairwise_affinity",
    ],
)
def test_the_network_computes_what_the_published_one_does(name: str, outputs: Outputs) -> None:
    assert outputs.affinity is not None
    ours = {
        "classification_logits": outputs.classification.logits,
        "cam": outputs.classification.cam,
        "saliency_initial": outputs.saliency,
        "saliency_refined": outputs.saliency_refined,
        "segmentation_initial": outputs.segmentation,
        "segmentation_refined": outputs.segmentation_refined,
        "cross_task_pairwise_affinity": outputs.affinity.pairwise.rows(0, 9 * 13),
    }[name].numpy()
    published = load("auxsegnet_outputs")[name]
    assert ours.shape == published.shape
    np.testing.assert_allclose(ours, published, rtol=0, atol=1e-4 * np.abs(published).max())


def empty_state() -> dict[str, Tensor]:
    """A published checkpoint's names and shapes, without memory for its values."""
    counter = "num_batches_tracked"
    return {
        name: torch.empty(shape, dtype=int if name.endswith(counter) else None, device="meta")
        for name, shape in SHAPES.items()
    }


@pytest.fixture(scope="module")
def skeleton() -> AuxSegNet:
    with torch.device("meta"):
        return published_network()


def test_the_network_has_115_million_parameters(skeleton: AuxSegNet) -> None:
    assert sum(p.numel() for p in skeleton.parameters()) == pytest.approx(115e6, rel=0.01)


def test_a_checkpoint_with_the_published_names_and_shapes_is_accepted(skeleton: AuxSegNet) -> None:
    found = match_published(skeleton, empty_state())
    assert found.problems == []
    assert found.fitting.keys() == skeleton.state_dict().keys()
    assert {name.split(".")[1] for name in found.ignored} == {"g", "W_z"}


def test_a_missing_tensor_is_named(skeleton: AuxSegNet) -> None:
    state = empty_state()
    del state["b4_3.conv_branch2a.weight"]
    assert match_published(skeleton, state).problems == [
        "backbone.body.b4_3.conv1.weight is missing"
    ]


def test_an_unknown_tensor_is_named(skeleton: AuxSegNet) -> None:
    state = empty_state() | {"extra.weight": torch.empty(1, device="meta")}
    assert match_published(skeleton, state).problems == ["'extra.weight' is unknown"]


def test_a_tensor_of_another_shape_is_named_with_both_shapes(skeleton: AuxSegNet) -> None:
    state = empty_state() | {"fc8.weight": torch.empty(80, 4096, 1, 1, device="meta")}
    assert match_published(skeleton, state).problems == [
        "classification.linear.weight is [80, 4096] instead of [20, 4096]"
    ]


def test_a_checkpoint_of_something_else_names_only_the_first_problems(skeleton: AuxSegNet) -> None:
    with pytest.raises(ValueError, match=r"^other\.pth: not the weights of this network") as error:
        match_published(skeleton, {}).load(Path("other.pth"))
    assert str(error.value).count("is missing") == 3


def test_fusion_is_the_published_one() -> None:
    published = load("label_update")
    present = np.flatnonzero(published["image_labels"]).tolist()
    fused = fuse(published["cam"][present], present, published["saliency"], 0.2, 0.06)
    np.testing.assert_array_equal(fused, published["fused_labels"])


def test_the_saliency_crf_is_the_published_one() -> None:
    published = load("label_update")
    image = published["image"].astype(np.uint8)
    refined = saliency_crf(image, published["saliency"], SALIENCY_CRF)
    np.testing.assert_allclose(refined, published["saliency_crf"], rtol=0, atol=1e-4)


def test_the_segmentation_crf_is_the_published_one() -> None:
    published = load("label_update")
    image = published["image"].astype(np.uint8)
    refined = segmentation_crf(image, published["probabilities"], SEGMENTATION_CRF)
    np.testing.assert_allclose(refined, published["segmentation_crf"], rtol=0, atol=1e-4)
