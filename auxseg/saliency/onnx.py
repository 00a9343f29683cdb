"""Saliency by any salient-object model in ONNX; ``params.yaml`` holds the settings of U²-Net.

Qin et al., "U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection" (Pattern
Recognition 106, 2020).
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.special import expit

from auxseg.data.arrays import Bytes, Floats
from auxseg.params import Onnx
from auxseg.saliency.protobuf import external_file


class OnnxSaliency:
    """A model that turns one photograph into one map; it runs on the CPU.

    Its input is (1, 3, size, size) float32, and one of its outputs (…, h, w) is the map. It can be
    sent to another process, which loads the model again.

    Args:
        model: File of the model.
        params: How to prepare the input, and what the output means.

    Raises:
        ValueError: If onnxruntime is not installed, the file is missing, no model or not a whole
            one, or the model does not fit ``params``; the message is one line.
    """

    def __init__(self, model: Path, params: Onnx) -> None:
        self._model = model
        self._params = params
        if not model.is_file():
            raise ValueError(f"{model}: no such file (onnx.model in params.yaml)")
        self._data = model.read_bytes()
        _refuse_other_files(model, self._data)
        self._load()

    def _load(self) -> None:
        model, params = self._model, self._params
        self._session = _session(model, self._data)
        inputs = [item.name for item in self._session.get_inputs()]
        if len(inputs) != 1:
            raise ValueError(f"{model}: has {len(inputs)} inputs ({', '.join(inputs)}), not one")
        (self._input,) = inputs
        outputs = [item.name for item in self._session.get_outputs()]
        if params.output >= len(outputs):
            listed = ", ".join(f"{number} {name}" for number, name in enumerate(outputs))
            raise ValueError(f"{model}: onnx.output = {params.output}, but there are: {listed}")
        self._output = outputs[params.output]

    def __getstate__(self) -> tuple[Path, Onnx, bytes]:
        return self._model, self._params, self._data

    def __setstate__(self, state: tuple[Path, Onnx, bytes]) -> None:
        self._model, self._params, self._data = state
        self._load()

    def __call__(self, image: Bytes) -> Bytes:
        """Photograph (H, W, 3) RGB → its map (H, W), 255 = salient."""
        size = (self._params.size, self._params.size)
        resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
        pixels = _normalised(np.asarray(resized, np.float32), self._params)
        try:
            (values,) = self._session.run([self._output], {self._input: pixels})
        except Exception as error:  # onnxruntime's errors have no class in common
            raise ValueError(f"{self._model}: does not fit params.onnx: {_line(error)}") from error
        if values.ndim < 2 or values.size != values.shape[-2] * values.shape[-1]:
            raise ValueError(
                f"{self._model}: output {self._output} has shape {values.shape}, "
                "not that of a single map"
            )
        share = self._share(values.reshape(values.shape[-2:]).astype(np.float32))
        map_ = Image.fromarray(share).resize(image.shape[1::-1], Image.Resampling.BILINEAR)
        return (255 * np.asarray(map_)).round().astype(np.uint8)

    def _share(self, values: Floats) -> Floats:
        """Return the output's numbers (h, w) as saliency in [0, 1]."""
        kind, low, high = self._params.values, float(values.min()), float(values.max())
        if not np.isfinite([low, high]).all():
            raise ValueError(f"{self._model}: output {self._output} holds numbers not finite")
        if kind == "logits":
            return np.asarray(expit(values), np.float32)
        if kind == "minmax":
            # A constant map shows nothing: 0 instead of 0/0.
            return (values - low) / ((high - low) or 1.0)
        if low < 0 or high > 1:
            raise ValueError(
                f"{self._model}: output {self._output} holds {low:g} to {high:g}, which are no "
                "probabilities: set onnx.values to logits or minmax"
            )
        return values


def _normalised(pixels: Floats, params: Onnx) -> Floats:
    """Normalise grey levels (H, W, 3) to an input (1, 3, H, W)."""
    divisor = max(float(pixels.max()), 1.0) if params.divide_by == "maximum" else params.divide_by
    mean, std = np.array(params.mean, np.float32), np.array(params.std, np.float32)
    return np.ascontiguousarray(((pixels / divisor - mean) / std).transpose(2, 0, 1)[None])


def _refuse_other_files(model: Path, data: bytes) -> None:
    # No stage declares them, and DVC would not know that they changed.
    try:
        weights = external_file(data)
    except ValueError as error:
        raise ValueError(f"{_unreadable(model)}: {error}") from error
    if weights is not None:
        raise ValueError(
            f"{model}: keeps weights in another file, {weights!r}: save it as one file, by "
            "onnx.save(onnx.load(f), f2) or torch.onnx.export(…, external_data=False)"
        )


def _unreadable(model: Path) -> str:
    return f"{model}: cannot be read as an ONNX model (onnx.model in params.yaml)"


def _session(model: Path, data: bytes) -> Any:
    try:
        runtime = import_module("onnxruntime")
    except ImportError:
        raise ValueError("onnxruntime is missing: .venv/bin/pip install onnxruntime") from None
    options = runtime.SessionOptions()
    options.use_deterministic_compute = True
    options.intra_op_num_threads = 1  # images are computed side by side
    options.log_severity_level = 3  # errors only
    try:
        return runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no class in common
        raise ValueError(f"{_unreadable(model)}: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
