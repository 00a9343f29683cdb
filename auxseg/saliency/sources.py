"""Saliency that is computed from the photographs. A new source is a function, and a line here.

The name is also that of its section in ``params.yaml`` and of its item in ``sources/dvc.yaml``.
"""

from collections.abc import Callable
from pathlib import Path

from auxseg.data.arrays import Bytes
from auxseg.params import Params
from auxseg.saliency.geodesic import Geodesic
from auxseg.saliency.onnx import OnnxSaliency

# A photograph (H, W, 3) RGB → its map (H, W), 255 = salient. To be sent to other processes.
Source = Callable[[Bytes], Bytes]

SOURCES: dict[str, Callable[[Params, Path], Source]] = {
    "geodesic": lambda params, _: Geodesic(params.geodesic),
    "onnx": lambda params, model: OnnxSaliency(model, params.onnx),
}
