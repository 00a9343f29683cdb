"""The cross-task pairwise affinity, and nothing else, refines a network's own CAM: M ← A M."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auxseg.auxsegnet.affinity import Affinity, PairwiseMap
from auxseg.auxsegnet.network import AuxSegNet
from auxseg.cam.multi_scale import multi_scale_cam
from auxseg.networks.inputs import grid_size, network_input, photos_of
from auxseg.params import AffinityMode, CamParams
from auxseg.refine import among, refine
from helpers import noise
from networks_of_tests import new_auxsegnet

PARAMS = CamParams(root="data/none", method="cam", scales=[1.0, 0.5], mirror=True)
PHOTOS = photos_of([noise(40, 50)])
ROWS, COLUMNS = grid_size(40, 50, 8)
POSITIONS = ROWS * COLUMNS


class Known(nn.Module):
    """A cross-task affinity that is known beforehand."""

    def __init__(self, pairwise: Tensor, unary: Tensor | None = None) -> None:
        super().__init__()
        rows = PairwiseMap(lambda start, stop: pairwise[:, start:stop], 1, POSITIONS)
        self.affinity = Affinity(rows, unary)

    def forward(self, *_: object) -> Affinity:
        return self.affinity


def network(mode: AffinityMode = "pairwise") -> AuxSegNet:
    torch.manual_seed(0)
    return new_auxsegnet("tiny", 3, False, mode, False).eval()


def own_cam(model: AuxSegNet) -> Tensor:
    def activation(images: Tensor) -> Tensor:
        return model.classification(model.features(images)).cam

    return multi_scale_cam(activation, PHOTOS, 8, PARAMS.scales, PARAMS.mirror)


def test_every_position_takes_from_others_what_its_row_of_the_affinity_says() -> None:
    model = network()
    pairwise = torch.rand(1, POSITIONS, POSITIONS, generator=torch.Generator().manual_seed(1))
    model.cross_task = Known(pairwise)
    refined = refine(model, PHOTOS, PARAMS).cam
    cam = own_cam(model)[0].flatten(1)
    expected = torch.zeros_like(cam)
    for k in range(3):
        for i in range(POSITIONS):
            expected[k, i] = sum(pairwise[0, i, j] * cam[k, j] for j in range(POSITIONS))
    assert refined.shape == (1, 3, ROWS, COLUMNS)
    torch.testing.assert_close(refined[0].flatten(1), expected)


def test_an_affinity_that_points_one_row_down_moves_the_maps_one_row_up() -> None:
    model = network()
    pairwise = torch.zeros(1, POSITIONS, POSITIONS)
    for i in range(POSITIONS - COLUMNS):
        pairwise[0, i, i + COLUMNS] = 1
    model.cross_task = Known(pairwise)
    refined = refine(model, PHOTOS, PARAMS).cam
    cam = own_cam(model)
    torch.testing.assert_close(refined[:, :, :-1], cam[:, :, 1:])
    assert not refined[:, :, -1].any()


def test_the_maps_are_not_normalised_again() -> None:
    model = network()
    model.cross_task = Known(torch.eye(POSITIONS)[None] / 4)
    torch.testing.assert_close(refine(model, PHOTOS, PARAMS).cam, own_cam(model) / 4)


def test_the_unary_map_does_not_refine_the_cam() -> None:
    model = network("dual")
    model.cross_task = Known(torch.eye(POSITIONS)[None], torch.full((1, POSITIONS), 9.0))
    torch.testing.assert_close(refine(model, PHOTOS, PARAMS).cam, own_cam(model))


def test_without_affinity_the_cam_stays_as_it_is() -> None:
    model = network("none")
    assert torch.equal(refine(model, PHOTOS, PARAMS).cam, own_cam(model))


@pytest.mark.parametrize(("scales", "images"), [([1.0, 0.5], 4), ([0.5], 4)])
def test_no_scale_is_computed_twice(scales: list[float], images: int) -> None:
    """Each scale with its mirror image, and scale 1 once, whether it is one of them or not."""
    model, seen = network(), []
    model.backbone.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    refine(model, PHOTOS, PARAMS.model_copy(update={"scales": scales}))
    assert sum(seen) == images


@pytest.mark.parametrize("mode", ["none", "pairwise", "dual"])
def test_the_saliency_is_the_refined_probability_at_scale_one(mode: AffinityMode) -> None:
    model = network(mode)
    saliency = refine(model, PHOTOS, PARAMS).saliency
    with torch.inference_mode():
        logits = model(network_input(PHOTOS, 8, 1, mirror=False)).saliency_refined[:, 0]
    assert saliency.shape == (1, ROWS, COLUMNS)
    np.testing.assert_allclose(saliency, 1 / (1 + np.exp(-logits.numpy())), rtol=1e-5)


@pytest.mark.parametrize("mode", ["none", "pairwise", "dual"])
def test_the_segmentation_is_the_mean_over_the_photograph_and_its_mirror_image(
    mode: AffinityMode,
) -> None:
    model = network(mode)
    with torch.inference_mode():
        images = network_input(PHOTOS, 8, 1, mirror=False)
        plain, mirrored = (model(i).segmentation_refined for i in (images, images.flip(3)))
    both = (plain + mirrored.flip(3)) / 2
    torch.testing.assert_close(refine(model, PHOTOS, PARAMS).segmentation, both)
    alone = PARAMS.model_copy(update={"mirror": False, "scales": [0.5]})
    torch.testing.assert_close(refine(model, PHOTOS, alone).segmentation, plain)


def test_only_background_and_the_present_classes_share_the_probability() -> None:
    logits = torch.randn(6, 4, 5, generator=torch.Generator().manual_seed(2))
    powers = logits.double().exp()
    total = powers[0] + powers[3] + powers[5]
    expected = torch.stack([powers[k] / total for k in (3, 5)])
    expected /= expected.amax((1, 2), keepdim=True)
    torch.testing.assert_close(among(logits, [2, 4]), expected.float())
    assert among(logits, []).shape == (0, 4, 5)


def test_a_class_that_the_network_hardly_knows_keeps_its_map() -> None:
    logits = torch.zeros(2, 1, 3)
    logits[1] = torch.tensor([-200.0, -201.0, -300.0])
    torch.testing.assert_close(among(logits, [0])[0, 0], torch.tensor([1, np.exp(-1), 0.0]).float())
