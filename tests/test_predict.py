"""Predictions are means over scales and mirror images, without a shift and without labels."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from auxseg.auxsegnet.network import Outputs
from auxseg.data.arrays import Arrays
from auxseg.networks.classification import Classification
from auxseg.networks.inputs import grid_size, network_input, photos_of, resize_maps
from auxseg.networks.network import Network
from auxseg.params import OutputStride, Predict
from auxseg.predict import predict
from helpers import noise
from networks_of_tests import new_auxsegnet, new_classifier

IMAGE = noise(42, 57)
PHOTOS = photos_of([IMAGE])
GRID = grid_size(42, 57, 8)


class Lopsided(nn.Module):
    """Stand in for a network: every output differs, varies from place to place, and in a mirror."""

    stride = 8

    def forward(self, images: Tensor) -> Outputs:
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(13, 3, 9, 9, generator=generator) / 10
        maps = F.conv2d(images, weight, stride=8, padding=4)
        cam, segmentation, refined, saliency, saliency_refined = maps.split([3, 4, 4, 1, 1], 1)
        classification = Classification(cam.mean((2, 3)), cam)
        return Outputs(classification, segmentation, refined, saliency, saliency_refined, None)


lopsided = Lopsided()


def predicted(
    network: Any, scales: list[float], mirror: bool, image: npt.NDArray[np.uint8] = IMAGE
) -> Arrays:
    params = Predict(scales=scales, mirror=mirror)
    found = predict(cast(Network, network), photos_of([image]), params)
    return {name: values[0].numpy() for name, values in found.items()}


def test_one_scale_without_mirror_is_the_refined_output() -> None:
    out = lopsided(network_input(PHOTOS, 8, 1, mirror=False))
    result = predicted(lopsided, [1.0], False)
    assert result["classification"].dtype == np.float32
    assert result["segmentation"].dtype == result["saliency"].dtype == np.float16
    assert result["segmentation"].shape == (4, *GRID)
    assert result["saliency"].shape == GRID
    np.testing.assert_array_equal(result["classification"], out.classification.logits[0])
    np.testing.assert_array_equal(result["segmentation"], out.segmentation_refined[0].half())
    np.testing.assert_array_equal(result["saliency"], out.saliency_refined[0, 0].sigmoid().half())


def test_several_scales_and_mirror_images_are_averaged_on_the_grid_of_scale_one() -> None:
    logits, segmentation, saliency = [], [], []
    for scale in (0.5, 1.0, 1.5):
        images = network_input(PHOTOS, 8, scale, mirror=True)
        for mirrored in (False, True):
            out = lopsided(images[[int(mirrored)]])
            maps, grey = out.segmentation_refined[0], out.saliency_refined[0].sigmoid()
            logits.append(out.classification.logits[0])
            segmentation.append(resize_maps(maps.flip(2) if mirrored else maps, GRID))
            saliency.append(resize_maps(grey.flip(2) if mirrored else grey, GRID)[0])
    result = predicted(lopsided, [0.5, 1.0, 1.5], True)
    for name, parts in (
        ("classification", logits),
        ("segmentation", segmentation),
        ("saliency", saliency),
    ):
        expected = torch.stack(parts).mean(0)
        np.testing.assert_allclose(result[name], expected, rtol=2e-3, atol=2e-3)


def test_a_mirror_image_is_predicted_as_the_mirrored_prediction() -> None:
    image = np.ascontiguousarray(IMAGE[:, ::-1])
    for mirror in (True, False):
        result, other = (predicted(lopsided, [1.0], mirror, i) for i in (IMAGE, image))
        for name in ("segmentation", "saliency"):
            alike = np.allclose(other[name][..., ::-1], result[name], atol=0.05)
            assert alike == mirror
            assert not np.allclose(result[name][..., ::-1], result[name], atol=0.1)


@pytest.mark.parametrize(("backbone", "stride"), [("tiny", 8), ("resnet18", 16)])
def test_a_network_predicts_all_classes_and_saliency_on_the_grid_of_its_stride(
    backbone: str, stride: OutputStride
) -> None:
    torch.manual_seed(0)
    network = new_auxsegnet(backbone, 3, False, "dual", True, output_stride=stride).eval()
    result = predicted(network, [1.0], True)
    grid = grid_size(42, 57, stride)
    assert {name: values.shape for name, values in result.items()} == {
        "classification": (3,),
        "segmentation": (4, *grid),
        "saliency": grid,
    }


def test_a_classifier_predicts_classes_only() -> None:
    torch.manual_seed(0)
    classifier = new_classifier("tiny", 3, False).eval()
    result = predicted(classifier, [1.0], False)
    assert result.keys() == {"classification"}
    with torch.inference_mode():
        expected = classifier(network_input(PHOTOS, 8, 1, mirror=False)).logits[0]
    np.testing.assert_array_equal(result["classification"], expected)
