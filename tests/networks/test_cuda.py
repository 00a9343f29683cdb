"""CUDA without CUDA: everything forward on fake tensors, which have a device and no values.

An operation fails on them if its tensors are on different devices, and if its shape depends on
values, for which the host of a real GPU would have to wait.
"""

import re
import warnings
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from auxseg.auxsegnet.network import Outputs
from auxseg.cam import multi_scale
from auxseg.losses import round_losses
from auxseg.networks.backbones import BACKBONES
from auxseg.params import AffinityMode, CamParams, LossWeights, Precision
from auxseg.refine import refine
from auxseg.training.classification import classifier_losses
from networks_of_tests import new_auxsegnet, new_classifier

CUDA = torch.device("cuda")
WEIGHTS = LossWeights(**dict.fromkeys(LossWeights.model_fields, 1.0))
CAM = CamParams(root="data/none", method="cam", scales=[0.5, 1.0], mirror=True)


@pytest.fixture(autouse=True)
def fake() -> Iterator[None]:
    with FakeTensorMode(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "CUDA is not available")  # so autocast is left out
        yield


def batch() -> dict[str, Tensor]:
    labels = torch.ones(2, 65, 65, dtype=torch.int64, device=CUDA)
    return {
        "image": torch.ones(2, 3, 65, 65, device=CUDA),
        "classes": torch.ones(2, 3, device=CUDA),
        "segmentation": labels,
        "saliency": labels,
    }


def check(losses: dict[str, Tensor], count: int) -> None:
    assert len(losses) == count
    for loss in losses.values():
        assert (loss.device.type, loss.dtype, loss.shape) == ("cuda", torch.float32, ())


@pytest.mark.parametrize("precision", get_args(Precision))
@pytest.mark.parametrize("mode", get_args(AffinityMode))
def test_the_network_and_losses_of_a_round_stay_on_their_device(
    mode: AffinityMode, precision: Precision
) -> None:
    with CUDA:
        network = new_auxsegnet("tiny", 3, True, mode, True, precision=precision).train()
    outputs: Outputs = network(batch()["image"])
    for maps in (outputs.segmentation_refined, outputs.saliency_refined):
        assert (maps.device.type, maps.dtype) == ("cuda", torch.float32)
    check(round_losses(outputs, batch(), WEIGHTS), 3 if mode == "none" else 5)


class Operations(TorchDispatchMode):
    """Records the names of all operations, and of the gradients that training asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.gradients: set[str] = set()

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        self.names.add(function.overloadpacket.__name__)
        return function(*arguments, **options or {})

    def differentiate(self, losses: dict[str, Tensor]) -> None:
        """Record what the gradients of losses need; fake tensors cannot compute them."""
        found, todo = set(), [loss.grad_fn for loss in losses.values()]
        while todo:
            node = todo.pop()
            if node is not None and node not in found:
                found.add(node)
                todo += [following for following, _ in node.next_functions]
        self.gradients |= {type(node).__name__ for node in found}

    def refused(self) -> set[str]:
        """What torch refuses on CUDA where it must be deterministic, by its documentation."""
        text = torch.use_deterministic_algorithms.__doc__ or ""
        items = text.partition("operations will throw a")[2].partition("In addition")[0]
        found, listed = set[str](), set[str]()
        for item in items.split("* :")[1:]:
            if "CUDA" in item or "MPS" not in item:
                name = re.findall(r"[.](\w+)`", item)[0].lower().replace("_", "")
                listed.add(name)
                name = "upsample" if name == "interpolate" else name  # as its operations are called
                those = self.gradients if "differentiate" in item else self.names
                found |= {one for one in those if one.lower().replace("_", "").startswith(name)}
        assert {"nllloss", "interpolate", "adaptiveavgpool2d"} <= listed
        return found


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("deterministic")
@pytest.mark.parametrize("name", BACKBONES)
def test_the_classifier_of_every_backbone_stays_on_its_device_and_is_deterministic(
    name: str,
) -> None:
    with Operations() as operations:
        with CUDA:
            network = new_classifier(name, 3, False).train()
        losses = classifier_losses(network(batch()["image"]), batch())
    check(losses, 1)
    operations.differentiate(losses)
    assert {"convolution", "ConvolutionBackward0"} <= operations.names | operations.gradients
    assert operations.refused() == set()


@pytest.mark.usefixtures("deterministic")
def test_a_round_asks_for_nothing_that_is_not_deterministic() -> None:
    with Operations() as operations:
        with CUDA:
            network = new_auxsegnet("tiny", 3, False, "dual", True).train()
        operations.differentiate(round_losses(network(batch()["image"]), batch(), WEIGHTS))
    assert {"gather", "BmmBackward0"} <= operations.names | operations.gradients
    assert operations.refused() == set()


def test_what_torch_refuses_would_be_noticed() -> None:
    images = batch()["image"].requires_grad_()
    with Operations() as operations:
        resized = functional.interpolate(images, (9, 9), mode="bilinear")
        pooled = functional.adaptive_avg_pool2d(resized, 3)
        losses = {"loss": functional.cross_entropy(pooled, batch()["segmentation"][:, :3, :3])}
        operations.differentiate(losses)
    assert operations.refused() == {
        "UpsampleBilinear2DBackward0",
        "AdaptiveAvgPool2DBackward0",
        "nll_loss2d_forward",
    }


def test_cam_and_refinement_stay_on_their_device() -> None:
    with CUDA:
        network = new_auxsegnet("tiny", 3, True, "dual", True).eval()
    photos = torch.ones(2, 3, 40, 50, dtype=torch.uint8, device=CUDA)
    refined = vars(refine(network, photos, CAM))
    for maps in (multi_scale.cam(network, photos, CAM), *refined.values()):
        assert (maps.device.type, maps.dtype) == ("cuda", torch.float32)


def test_a_shape_that_depends_on_values_would_be_noticed() -> None:
    labels = batch()["segmentation"]
    with pytest.raises(RuntimeError, match="nonzero"):
        labels[labels > 0]


def test_tensors_on_two_devices_would_be_noticed() -> None:
    with pytest.raises(RuntimeError, match="device"):
        batch()["image"] + torch.ones(3, 65, 65)
