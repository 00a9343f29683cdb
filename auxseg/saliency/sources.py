"""Saliency computed from the photographs, by source. A new one is a function, and a line here.

Its name is also that of its section in ``params.yaml`` and of its item in ``sources/dvc.yaml``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from auxseg.data.arrays import Bytes
from auxseg.saliency.geodesic import Geodesic
from auxseg.saliency.onnx import OnnxSaliency

# A photograph (H, W, 3) RGB → its map (H, W), 255 = salient. It must pickle.
Source = Callable[[Bytes], Bytes]

# From its section of the parameters, and a file of its own.
SOURCES: dict[str, Callable[[Any, Path], Source]] = {
    "geodesic": lambda params, _: Geodesic(params),
    "onnx": lambda params, model: OnnxSaliency(model, params),
}
