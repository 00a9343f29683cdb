"""Any salient-object model in ONNX gives maps that lie where its photographs do."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from auxseg.params import Onnx
from auxseg.saliency.onnx import OnnxSaliency
from helpers import noise
from onnx_models import SIZE, keep_elsewhere, model

onnx = pytest.importorskip("onnx", reason="needs the package onnx")
pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")

U2NET = {
    "model": "model.onnx",
    "size": SIZE,
    "divide_by": "maximum",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "output": 0,
    "values": "minmax",
}
PLAIN = {"divide_by": 255, "mean": [0.0] * 3, "std": [1.0] * 3, "values": "probability"}


def compute(path: Path, photo: npt.NDArray[np.uint8], **changes: Any) -> npt.NDArray[np.uint8]:
    return OnnxSaliency(path, Onnx(**(U2NET | changes)))(photo)


def corner(height: int = 100, width: int = 160) -> npt.NDArray[np.uint8]:
    """A dark photograph with a bright upper right quarter."""
    photo = np.full((height, width, 3), 40, np.uint8)
    photo[: height // 2, width // 2 :] = 200
    return photo


def test_the_map_is_neither_shifted_nor_mirrored_and_has_the_size_of_the_photograph(
    tmp_path: Path,
) -> None:
    photo = corner()
    map_ = compute(model(tmp_path), photo)
    assert map_.shape == photo.shape[:2]
    assert map_.dtype == np.uint8
    expected = np.where(photo[:, :, 0] == 200, 255, 0)
    away = np.ones(map_.shape, bool)
    away[46:54], away[:, 76:84] = False, False  # from the edges, which two resizings blur
    np.testing.assert_array_equal(map_[away], expected[away])
    # Half-way exactly at the edges.
    assert abs(int(map_[10, 79]) + int(map_[10, 80]) - 255) <= 2
    assert abs(int(map_[49, 120]) + int(map_[50, 120]) - 255) <= 2


@pytest.mark.parametrize("size", [(1, 1), (20, 300), (64, 64)])
def test_photographs_of_any_size_have_a_map(size: tuple[int, int], tmp_path: Path) -> None:
    assert compute(model(tmp_path), noise(*size)).shape == size


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_the_channels_are_red_green_and_blue(channel: int, tmp_path: Path) -> None:
    channels = [0.0, 0.0, 0.0]
    channels[channel] = 1.0
    photo = np.empty((SIZE, SIZE, 3), np.uint8)
    photo[:] = (50, 100, 150)
    map_ = compute(model(tmp_path, (*channels,)), photo, **PLAIN)
    assert (map_ == photo[0, 0, channel]).all()


def test_the_input_is_normalised_as_asked(tmp_path: Path) -> None:
    path, photo = model(tmp_path, (1.0, 0.0, 0.0)), noise(SIZE, SIZE) // 2
    for divide_by, divisor in (("maximum", photo.max()), (255, 255)):
        changes = PLAIN | {"divide_by": divide_by, "mean": [-0.1] * 3, "std": [2.0] * 3}
        expected = 255 * (photo[:, :, 0] / divisor + 0.1) / 2
        np.testing.assert_allclose(compute(path, photo, **changes), expected, atol=0.51)


def test_what_the_output_holds_is_a_parameter(tmp_path: Path) -> None:
    path, photo = model(tmp_path), corner(SIZE, SIZE)
    shares = photo[:, :, 0] / 255
    for values, expected in (
        ("probability", shares),
        ("logits", 1 / (1 + np.exp(-shares))),
        ("minmax", (shares - shares.min()) / np.ptp(shares)),
    ):
        map_ = compute(path, photo, **(PLAIN | {"values": values}))
        np.testing.assert_allclose(map_, 255 * expected, atol=0.51)


@pytest.mark.parametrize(("output", "bright"), [(0, 255), (1, 0)])
def test_the_output_is_chosen_by_its_number(output: int, bright: int, tmp_path: Path) -> None:
    assert compute(model(tmp_path), corner(), output=output)[5, -5] == bright


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("grey", [0, 77])
def test_a_map_of_one_value_is_dark(grey: int, tmp_path: Path) -> None:
    photo = np.full((30, 40, 3), grey, np.uint8)
    assert not compute(model(tmp_path, (1.0, 0.0, 0.0)), photo).any()


def test_a_model_with_open_sizes_takes_the_size_asked_for(tmp_path: Path) -> None:
    path, photo = model(tmp_path, size="n"), noise(32, 32)
    map_ = compute(path, photo, **(PLAIN | {"size": 32}))
    np.testing.assert_allclose(map_, photo.mean(2), atol=0.51)


# What is refused


def refusal(path: Path, **changes: Any) -> str:
    with pytest.raises(ValueError) as error:
        compute(path, corner(), **changes)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_an_input_of_another_size_is_refused(tmp_path: Path) -> None:
    assert "Got: 64 Expected: 48" in refusal(model(tmp_path, size=48))


def test_an_input_of_another_type_is_refused(tmp_path: Path) -> None:
    assert "expected: (tensor(float16))" in refusal(model(tmp_path, input_type=10))


def test_an_output_that_is_not_there_is_refused(tmp_path: Path) -> None:
    message = refusal(model(tmp_path), output=2)
    assert message.endswith("onnx.output = 2, but there are: 0 main, 1 other")


def test_an_output_that_is_no_single_map_is_refused(tmp_path: Path) -> None:
    assert "(1, 3, 1, 64), not that of a single map" in refusal(model(tmp_path, axis=2))


def test_values_that_are_no_probabilities_are_refused(tmp_path: Path) -> None:
    message = refusal(model(tmp_path, (9.0, 0.0, 0.0)), values="probability")
    assert "no probabilities: set onnx.values" in message


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    assert "not finite" in refusal(model(tmp_path, (float("nan"), 0.0, 0.0)))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none").write_text("No file.\n")
    assert "cannot be read as an ONNX model (onnx.model in params.yaml)" in refusal(
        tmp_path / "none"
    )


def test_a_model_that_is_not_there_is_named_with_its_parameter(tmp_path: Path) -> None:
    assert refusal(tmp_path / "m.onnx").endswith("no such file (onnx.model in params.yaml)")


@pytest.mark.parametrize("everywhere", [True, False])
def test_a_model_cannot_read_other_files(
    everywhere: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model(tmp_path)
    whole = compute(path, corner())
    keep_elsewhere(path, "weights.bin")
    assert (tmp_path / "weights.bin").is_file()
    monkeypatch.chdir(tmp_path if everywhere else "/")
    assert refusal(path) == (
        f"{path}: keeps weights in another file, 'weights.bin': save it as one file, by "
        "onnx.save(onnx.load(f), f2) or torch.onnx.export(…, external_data=False)"
    )
    onnx.save(onnx.load(path), tmp_path / "whole.onnx")
    np.testing.assert_array_equal(compute(tmp_path / "whole.onnx", corner()), whole)


def test_a_missing_runtime_is_one_line_that_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"^onnxruntime is missing: \.venv/bin/pip install"):
        compute(model(tmp_path), corner())
