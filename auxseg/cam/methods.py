"""Methods of class activation maps. A new one is a module with a function, and a line here.

A module is imported only when its method is used, because checking the parameters needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from auxseg.networks.network import Network

METHODS = {
    "cam": "auxseg.cam.linear",
    "layercam": "auxseg.cam.layercam",
}


class Method(Protocol):
    """The interface of a method's module."""

    def activation(self, network: Network, features: Tensor) -> Tensor:
        """Features (B, D, h, w) of ``network`` → maps (B, K, h, w), signed."""


def method(name: str) -> Method:
    """Return the module of the method ``name`` in ``METHODS``."""
    found: Method = import_module(METHODS[name])
    return found
