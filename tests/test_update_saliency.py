"""What becomes of an imported saliency map after a round."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.data.index import Photograph
from helpers import SALIENCY_CRF, make_index, noise
from stages.update_saliency import updated

HALF = np.repeat(np.uint8([[255, 255, 0, 0]]), 24, 0).repeat(6, 1)  # (24, 24), left is salient


@pytest.fixture
def photo(tmp_path: Path) -> Photograph:
    index = make_index(tmp_path, [noise(24, 24)], [(0,)])
    return index.photograph(index.entries[0])


def result(
    updating: bool, photo: Photograph, predicted: np.ndarray, correction: np.ndarray | None = None
) -> np.ndarray:
    maps = {"saliency": predicted.astype(np.float16)}
    data = updated(updating, SALIENCY_CRF, (photo, maps, HALF, correction))
    return np.asarray(Image.open(io.BytesIO(data)))


def test_without_an_update_the_map_stays_as_it_was_imported(photo: Photograph) -> None:
    np.testing.assert_array_equal(result(False, photo, np.zeros((4, 4))), HALF)


def test_what_the_network_does_not_see_fades(photo: Photograph) -> None:
    assert result(True, photo, np.zeros((4, 4)))[:, :12].mean() < 250


def test_a_correction_stays_as_it_is_and_leaves_255_to_the_update(photo: Photograph) -> None:
    correction = np.full((24, 24), 255, np.uint8)
    correction[:8], correction[-8:] = 0, 1
    updating = result(True, photo, np.ones((4, 4)))
    corrected = result(True, photo, np.ones((4, 4)), correction)
    assert (corrected[:8] == 0).all()
    assert (corrected[-8:] == 255).all()
    np.testing.assert_array_equal(corrected[8:-8], updating[8:-8])
