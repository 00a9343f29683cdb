"""Feature maps as pixels."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from auxseg.data.pixels import to_pixels, to_probabilities

CELLS = st.integers(1, 12)
PIXELS = st.integers(1, 90)


@given(CELLS, CELLS, PIXELS, PIXELS, st.integers(0, 9))
def test_resizing_is_that_of_torch(h: int, w: int, height: int, width: int, seed: int) -> None:
    maps = np.random.default_rng(seed).normal(size=(2, h, w)).astype(np.float32)
    expected = F.interpolate(
        torch.from_numpy(maps)[None], (height, width), mode="bilinear", align_corners=True
    )[0]
    np.testing.assert_allclose(to_pixels(maps, (height, width)), expected, atol=1e-5)


def test_half_precision_maps_become_float32_pixels() -> None:
    maps = np.random.default_rng(0).random((3, 4, 5)).astype(np.float16)
    pixels = to_pixels(maps, (25, 33))
    assert pixels.dtype == np.float32
    assert pixels.shape == (3, 25, 33)
    np.testing.assert_array_equal(pixels[:, ::8, ::8], maps.astype(np.float32))


def test_no_map_becomes_no_map_of_that_size() -> None:
    pixels = to_pixels(np.zeros((0, 4, 5), np.float16), (25, 33))
    assert pixels.shape == (0, 25, 33)
    assert pixels.dtype == np.float32


def test_logits_become_probabilities() -> None:
    logits = np.log(np.array([0.2, 0.8], np.float32)).reshape(2, 1, 1).repeat(2, 1).repeat(2, 2)
    probabilities = to_probabilities(logits, (9, 9))
    assert probabilities.shape == (2, 9, 9)
    np.testing.assert_allclose(probabilities[0], 0.2, rtol=1e-5)
    np.testing.assert_allclose(probabilities.sum(0), 1, rtol=1e-6)


@pytest.mark.parametrize(
    "stage",
    [
        "params",
        "demo",
        "compute_saliency",
        "dataset",
        "corrections",
        "saliency",
        "pseudo_labels",
        "doubt",
        "update_saliency",
        "crf",
        "score",
        "evaluate",
    ],
)
def test_steps_without_a_network_do_not_import_torch(stage: str) -> None:
    """Its import would take longer than their work."""
    code = f"import sys, stages.{stage}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
