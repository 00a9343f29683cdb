"""Every way to make CAMs: maps at the output stride, and LayerCAM as its paper defines it."""

import pytest
import torch

from auxseg.cam.methods import METHODS, method
from auxseg.networks.classifier import Classifier
from networks_of_tests import new_classifier


@pytest.fixture
def network() -> Classifier:
    torch.manual_seed(0)
    return new_classifier("tiny", 3, False).eval()


@pytest.mark.parametrize("name", METHODS)
def test_there_is_a_map_of_every_class_at_the_output_stride(name: str, network: Classifier) -> None:
    with torch.inference_mode():
        maps = method(name).activation(network, network.features(torch.randn(2, 3, 33, 49)))
    assert maps.shape == (2, 3, 5, 7)
    assert not torch.equal(maps[0], maps[1])


def test_cam_is_what_the_classifier_s_logits_are_the_mean_of(network: Classifier) -> None:
    images = torch.randn(2, 3, 33, 49)
    with torch.inference_mode():
        maps = method("cam").activation(network, network.features(images))
        torch.testing.assert_close(maps.mean((2, 3)), network(images).logits)


def test_layercam_weights_each_feature_by_the_positive_part_of_its_gradient(
    network: Classifier,
) -> None:
    images = torch.randn(1, 3, 33, 49)
    features = network.features(images).detach().requires_grad_()
    logits = network.classification(features).logits[0]
    expected = []
    for logit in logits:
        (gradient,) = torch.autograd.grad(logit, features, retain_graph=True)
        expected.append((gradient.relu() * features).sum(1)[0] * features[0, 0].numel())
    with torch.no_grad():
        maps = method("layercam").activation(network, features.detach())
    torch.testing.assert_close(maps[0], torch.stack(expected), rtol=1e-4, atol=1e-5)
