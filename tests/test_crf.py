"""The dense CRF gives probabilities that follow the edges of the photograph."""

import numpy as np
import numpy.typing as npt
import pytest
from pydensecrf.utils import unary_from_softmax

from auxseg import crf
from auxseg.crf import saliency_crf, segmentation_crf
from helpers import SALIENCY_CRF, SEGMENTATION_CRF, noise

Floats = npt.NDArray[np.float32]


def halves(edge: int, height: int = 40, width: int = 60) -> npt.NDArray[np.uint8]:
    """Dark to the left of column ``edge``, bright from there on."""
    image = np.full((height, width, 3), 40, np.uint8)
    image[:, edge:] = 210
    return image


def probabilities(edge: int, sure: float = 0.7, height: int = 40, width: int = 60) -> Floats:
    """Background to the left of column ``edge``, class 1 from there on, a little of class 2."""
    p = np.empty((3, height, width), np.float32)
    p[:, :, :edge] = np.array([sure, 0.9 - sure, 0.1], np.float32)[:, None, None]
    p[:, :, edge:] = np.array([0.9 - sure, sure, 0.1], np.float32)[:, None, None]
    return p


def test_the_result_is_a_probability_at_every_pixel() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(4), (30, 37)).transpose(2, 0, 1)
    refined = segmentation_crf(noise(30, 37), p.astype(np.float32), SEGMENTATION_CRF)
    assert refined.shape == (4, 30, 37)
    assert refined.dtype == np.float32
    assert (refined >= 0).all()
    np.testing.assert_allclose(refined.sum(0), 1, atol=1e-5)


def test_classes_that_cannot_win_are_left_out_and_change_hardly_a_pixel() -> None:
    rng = np.random.default_rng(0)
    p = np.full((21, 40, 60), 0.001, np.float32)
    p[:3] = probabilities(33) * (1 - 18 * 0.001)
    p[5, :20, :20] += 0.3
    p /= p.sum(0)
    image = np.clip(halves(30) + rng.normal(0, 20, (40, 60, 3)), 0, 255).astype(np.uint8)
    refined = segmentation_crf(image, p, SEGMENTATION_CRF)
    assert [number for number in range(21) if refined[number].any()] == [0, 1, 2, 5]
    every = crf.dense_crf(image, unary_from_softmax(p), SEGMENTATION_CRF)
    assert (refined.argmax(0) == every.argmax(0)).mean() > 0.999
    np.testing.assert_allclose(refined, every, atol=0.01)


@pytest.mark.parametrize("offset", [-5, 5])
def test_a_boundary_snaps_to_the_edge_of_the_image(offset: int) -> None:
    refined = segmentation_crf(halves(30), probabilities(30 + offset), SEGMENTATION_CRF)
    expected = np.zeros((40, 60))
    expected[:, 30:] = 1
    np.testing.assert_array_equal(refined.argmax(0), expected)


def test_rows_and_columns_are_not_confused() -> None:
    image = np.ascontiguousarray(halves(30).transpose(1, 0, 2))
    p = np.ascontiguousarray(probabilities(35).transpose(0, 2, 1))
    refined = segmentation_crf(image, p, SEGMENTATION_CRF).argmax(0)
    assert refined.shape == (60, 40)
    assert (refined[:30] == 0).all()
    assert (refined[30:] == 1).all()


def test_an_image_without_edges_keeps_the_strongest_class() -> None:
    image = np.full((40, 60, 3), 128, np.uint8)
    p = probabilities(30, sure=0.8)
    np.testing.assert_array_equal(
        segmentation_crf(image, p, SEGMENTATION_CRF).argmax(0), p.argmax(0)
    )


def test_photographs_and_inputs_are_left_as_they_are() -> None:
    image, p = halves(30), probabilities(35)
    before = image.copy(), p.copy()
    image.flags.writeable = p.flags.writeable = False
    segmentation_crf(image, p, SEGMENTATION_CRF)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(p, before[1])


def test_certain_probabilities_stay_finite() -> None:
    p = np.zeros((2, 20, 20), np.float32)
    p[0] = 1
    refined = segmentation_crf(halves(10, 20, 20), p, SEGMENTATION_CRF)
    assert np.isfinite(refined).all()
    assert (refined.argmax(0) == 0).all()
    saliency = saliency_crf(halves(10, 20, 20), p[0], SALIENCY_CRF)
    assert np.isfinite(saliency).all()
    assert (saliency > 0.9).all()


def test_salient_means_high_values() -> None:
    image, saliency = halves(30), np.full((40, 60), 0.2, np.float32)
    saliency[:, 35:] = 0.9
    refined = saliency_crf(image, saliency, SALIENCY_CRF)
    assert refined.shape == (40, 60)
    assert ((refined >= 0) & (refined <= 1)).all()
    assert (refined[:, :25] < 0.5).all()
    assert (refined[:, 35:] > 0.5).all()
    # Between the edge of the image and that of the map, it moves towards the object's colour.
    assert (refined[:, 31:35] > saliency[:, 31:35]).all()


def test_a_higher_tau_makes_the_saliency_less_certain() -> None:
    image, saliency = halves(30), np.full((40, 60), 0.3, np.float32)
    flat = SALIENCY_CRF.model_copy(update={"gaussian_weight": 0.0, "bilateral_weight": 0.0})
    sharp = saliency_crf(image, saliency, flat)
    soft = saliency_crf(image, saliency, flat.model_copy(update={"tau": 5.0}))
    assert (sharp < soft).all()
    assert (soft < 0.5).all()


def test_without_kernels_the_saliency_unary_is_the_published_formula() -> None:
    saliency = np.linspace(0.05, 0.95, 12, dtype=np.float32).reshape(3, 4)
    flat = SALIENCY_CRF.model_copy(update={"gaussian_weight": 0.0, "bilateral_weight": 0.0})
    refined = saliency_crf(noise(3, 4), saliency, flat)

    def energy(p: Floats) -> Floats:
        return np.asarray(-np.log(p + 1e-8) / (1.05 / (1 + np.exp(-p))), np.float32)

    odds = np.exp(energy(1 - saliency) - energy(saliency))
    np.testing.assert_allclose(refined, odds / (1 + odds), rtol=1e-3)
