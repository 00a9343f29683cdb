"""The common form of all backbones: features at a known output stride."""

from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from auxseg.networks.backbones import body_of
from auxseg.params import OutputStride


@dataclass(frozen=True)
class Body:
    """The layers of a backbone, its output channels, and its submodules that are never trained."""

    module: nn.Module
    channels: int
    frozen: tuple[str, ...] = ()


class Backbone(nn.Module):
    """Images (B, 3, H, W) → features (B, channels, ⌈H/s⌉, ⌈W/s⌉) at output stride s.

    Feature (i, j) is centred on pixel (s·i, s·j), because all strided layers of these networks have
    odd kernels and symmetric padding. With sides of the form s·n+1, the corner features therefore
    lie exactly on the corner pixels.
    """

    def __init__(self, body: Body, *, freeze_batchnorm: bool) -> None:
        super().__init__()
        self.body = body.module
        self.channels = body.channels
        self.freeze_batchnorm = freeze_batchnorm
        for name in body.frozen:
            self.body.get_submodule(name).requires_grad_(False)
        if freeze_batchnorm:
            for norm in self._norms():
                norm.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) → features (B, channels, ⌈H/s⌉, ⌈W/s⌉)."""
        features: Tensor = self.body(images)
        return features

    def train(self, mode: bool = True) -> Self:
        """Set the training mode; frozen BatchNorm layers keep their running statistics."""
        super().train(mode)
        if self.freeze_batchnorm:
            for norm in self._norms():
                norm.eval()
        return self

    def _norms(self) -> list[nn.BatchNorm2d]:
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]


def build_backbone(
    name: str, *, freeze_batchnorm: bool, output_stride: OutputStride = 8
) -> Backbone:
    """Build the backbone ``name`` of ``BACKBONES`` with random weights.

    Raises:
        ValueError: If the name is unknown, or the backbone cannot have this output stride.
    """
    return Backbone(body_of(name, output_stride), freeze_batchnorm=freeze_batchnorm)
