"""CUDA without CUDA: everything forward on fake tensors, which have a device and no values.

An operation fails on them if its tensors are on different devices, and if its shape depends on
values, for which the host of a real GPU would have to wait.
"""

import warnings
from collections.abc import Iterator
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from auxseg.auxsegnet.network import Outputs
from auxseg.cam import multi_scale
from auxseg.losses import round_losses
from auxseg.networks.backbones import BACKBONES
from auxseg.networks.inputs import resize_maps
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


@pytest.mark.parametrize("name", BACKBONES)
def test_the_classifier_of_every_backbone_stays_on_its_device(name: str) -> None:
    with CUDA:
        network = new_classifier(name, 3, True).train()
    check(classifier_losses(network(batch()["image"]), batch()), 1)


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


def test_cam_and_refinement_stay_on_their_device() -> None:
    with CUDA:
        network = new_auxsegnet("tiny", 3, True, "dual", True).eval()
    photos = torch.ones(2, 3, 40, 50, dtype=torch.uint8, device=CUDA)
    for maps in (multi_scale.cam(network, photos, CAM), *refine(network, photos, CAM)):
        assert (maps.device.type, maps.dtype) == ("cuda", torch.float32)


def test_a_shape_that_depends_on_values_would_be_noticed() -> None:
    labels = batch()["segmentation"]
    with pytest.raises(RuntimeError, match="nonzero"):
        labels[labels > 0]


def test_tensors_on_two_devices_would_be_noticed() -> None:
    with pytest.raises(RuntimeError, match="device"):
        batch()["image"] + torch.ones(3, 65, 65)


def test_deterministic_training_resizes_without_the_gradient_that_cuda_lacks() -> None:
    maps = torch.ones(2, 3, 5, 9, device=CUDA, requires_grad=True)
    usual = resize_maps(maps, (65, 33))
    torch.use_deterministic_algorithms(True)
    try:
        resized = resize_maps(maps, (65, 33))
    finally:
        torch.use_deterministic_algorithms(False)
    assert (resized.device.type, resized.shape) == ("cuda", usual.shape)
    assert "Upsample" in type(usual.grad_fn).__name__
    assert "Upsample" not in type(resized.grad_fn).__name__
