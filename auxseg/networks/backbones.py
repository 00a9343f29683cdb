"""The backbones by name. A new one is a module with a function ``build``, and a line here.

A module is imported only when its backbone is built, because torchvision takes seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from auxseg.params import OutputStride

if TYPE_CHECKING:
    from auxseg.networks.backbone import Body


@dataclass(frozen=True)
class Choice:
    """A backbone: the module that builds it, and the output strides that it can have."""

    module: str
    output_strides: tuple[OutputStride, ...]


BACKBONES = {
    "resnet38d": Choice("auxseg.networks.resnet38d", (8,)),
    "resnet18": Choice("auxseg.networks.torchvision", (8, 16)),
    "resnet50": Choice("auxseg.networks.torchvision", (8, 16)),
    "resnet101": Choice("auxseg.networks.torchvision", (8, 16)),
    "mobilenet_v2": Choice("auxseg.networks.torchvision", (8, 16)),
    "tiny": Choice("auxseg.networks.tiny", (8,)),
}


class Builder(Protocol):
    """The interface of a backbone's module."""

    def build(self, name: str, output_stride: OutputStride) -> Body:
        """Build the backbone ``name`` with random weights."""


def body_of(name: str, output_stride: OutputStride) -> Body:
    """Build the backbone ``name`` with random weights.

    Raises:
        ValueError: If the name is unknown, or the backbone cannot have this output stride.
    """
    if name not in BACKBONES:
        raise ValueError(f"no backbone is named {name!r}; known are {', '.join(BACKBONES)}")
    if output_stride not in BACKBONES[name].output_strides:
        raise ValueError(f"{name} has no output stride {output_stride}")
    builder: Builder = import_module(BACKBONES[name].module)
    return builder.build(name, output_stride)
