"""A salient-object model of one's own in ONNX."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

FLOAT = 1  # onnx.TensorProto.FLOAT
SIZE = 64


def value(name: str, shape: list[Any], type_: int = FLOAT) -> Any:
    return import_module("onnx").helper.make_tensor_value_info(name, type_, shape)


def model(
    folder: Path,
    channels: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3),
    size: int | str = SIZE,
    input_type: int = FLOAT,
    axis: int = 1,
) -> Path:
    """A model with two outputs: ``main``, a weighted sum of the channels, and ``other``, its −1."""
    onnx = import_module("onnx")
    helper = onnx.helper
    weights = np.array(channels, np.float32).reshape(1, 3, 1, 1)
    constants = {"weights": weights, "axes": np.array([axis])}
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=FLOAT),
        helper.make_node("Mul", ["floats", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axes"], ["main"]),
        helper.make_node("Neg", ["main"], ["other"]),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [value("image", [1, 3, size, size], input_type)],
        [value("main", [None] * 4), value("other", [None] * 4)],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, folder / "model.onnx")
    return folder / "model.onnx"


def keep_elsewhere(path: Path, name: str) -> None:
    """Move the weights of a model into another file."""
    onnx = import_module("onnx")
    whole = onnx.load(path)
    onnx.save(whole, path, save_as_external_data=True, location=name, size_threshold=0)
