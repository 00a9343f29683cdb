"""A frozen BatchNorm becomes a part of the convolution before it, and nothing else changes."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import nn

from auxseg.networks.backbone import Backbone, build_backbone
from auxseg.training.classification import classifier_losses
from auxseg.training.merging import merge_frozen_norms
from auxseg.training.samples import TrainingSet
from auxseg.training.trainer import Training
from helpers import PLAIN, make_index, noise, schedule
from networks_of_tests import new_classifier


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def with_statistics(backbone: Backbone) -> Backbone:
    """In training mode, with random statistics and affine weights in place of zeros and ones."""
    for norm in norms(backbone):
        assert norm.running_mean is not None
        assert norm.running_var is not None
        nn.init.normal_(norm.running_mean, std=0.1)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.1)
    return backbone.double().train()


def norms(backbone: Backbone) -> list[nn.BatchNorm2d]:
    return [layer for layer in backbone.modules() if isinstance(layer, nn.BatchNorm2d)]


def trained_on(backbone: Backbone, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the features and the gradients of all weights that learn."""
    features = backbone(images)
    torch.autograd.backward(features.square().mean())
    learning = {k: p.grad for k, p in backbone.named_parameters() if p.requires_grad}
    return {"features": features} | {k: g for k, g in learning.items() if g is not None}


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "tiny"])
def test_features_and_gradients_stay_as_they_were(name: str) -> None:
    backbone = with_statistics(build_backbone(name, freeze_batchnorm=True))
    merged, images = deepcopy(backbone), torch.randn(2, 3, 33, 41, dtype=torch.float64)
    merge_frozen_norms(merged.body)

    before, after = trained_on(backbone, images), trained_on(merged, images)

    assert before.keys() == after.keys()
    assert len(before) > len(norms(backbone))
    for key, values in before.items():
        assert values.abs().max() > 0
        torch.testing.assert_close(after[key], values)


def test_the_weights_keep_their_names_and_values() -> None:
    backbone = build_backbone("mobilenet_v2", freeze_batchnorm=True).train()
    before = deepcopy(backbone.state_dict())

    merge_frozen_norms(backbone.body)

    after = backbone.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_every_batchnorm_of_mobilenet_is_merged() -> None:
    backbone = build_backbone("mobilenet_v2", freeze_batchnorm=True).train()
    merge_frozen_norms(backbone.body)
    for norm in norms(backbone):
        x = torch.randn(1, norm.num_features, 3, 3)
        assert norm(x) is x


def test_a_network_in_training_has_its_frozen_norms_merged(tmp_path: Path) -> None:
    network = new_classifier("tiny", 1, freeze_batchnorm=True)
    images = TrainingSet(make_index(tmp_path, [noise(33, 33)], [(0,)]), PLAIN, 0)
    Training(network, images, classifier_losses, schedule(epochs=1))
    for norm in norms(network.backbone):
        x = torch.randn(1, norm.num_features, 3, 3)
        assert norm(x) is x


def test_a_batchnorm_that_learns_is_left_alone() -> None:
    backbone = build_backbone("tiny", freeze_batchnorm=False).train()
    kinds = [type(layer) for layer in backbone.modules()]
    merge_frozen_norms(backbone.body)
    assert [type(layer) for layer in backbone.modules()] == kinds


class Twice(nn.Module):
    """A convolution whose output goes around its BatchNorm, too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4).requires_grad_(False).eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, h, w) → (B, 4, h, w)."""
        x = self.conv(x)
        normalised: torch.Tensor = self.norm(x)
        return x + normalised


def test_a_convolution_that_something_else_uses_is_left_alone() -> None:
    body, images = Twice(), torch.randn(1, 3, 5, 5)
    nn.init.constant_(body.norm.weight, 3)
    before = body(images)
    merge_frozen_norms(body)
    assert torch.equal(body(images), before)
