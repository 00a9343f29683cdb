"""Ways to make class activation maps. A new one is a module with a function, and a line here.

Nothing of them is imported until it is asked for: the check of the parameters needs no torch.
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
    """What a method's module has."""

    def activation(self, network: Network, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) → maps (B, K, h, w), signed, at the output stride."""


def method(name: str) -> Method:
    """The method of a name in ``METHODS``."""
    found: Method = import_module(METHODS[name])
    return found
