"""The common base of the classifier and AuxSegNet+."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from auxseg import params
from auxseg.networks.backbone import build_backbone
from auxseg.networks.classification import ClassificationHead
from auxseg.params import OutputStride, Precision
from auxseg.system.runtime import device


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """All that a network is built from; it is stored with the weights.

    Attributes:
        backbone: A name in ``BACKBONES``.
        classes: K, without the background.
    """

    backbone: str
    classes: int
    freeze_batchnorm: bool
    output_stride: OutputStride = 8
    precision: Precision = "float32"

    @classmethod
    def of(cls, params: params.Network, classes: int, **more: Any) -> Self:
        """Combine the section ``network`` of the parameters with the fields a subclass adds."""
        return cls(
            backbone=params.backbone,
            classes=classes,
            freeze_batchnorm=params.freeze_batchnorm,
            output_stride=params.output_stride,
            precision=params.precision,
            **more,
        )


class Network(nn.Module):
    """A backbone and a classification head; subclasses add more."""

    Config: ClassVar[type[NetworkConfig]] = NetworkConfig

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.stride = config.output_stride
        self.precision = config.precision
        self.backbone = build_backbone(
            config.backbone,
            freeze_batchnorm=config.freeze_batchnorm,
            output_stride=config.output_stride,
        )
        self.classification = ClassificationHead(self.backbone.channels, config.classes)

    def features(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) → features (B, D, h, w) of the same dtype."""
        return computed(self.backbone, images, self.in_bfloat16)

    @property
    def in_bfloat16(self) -> bool:
        """Whether convolutions compute in bfloat16, in the mode that the network is in."""
        return self.precision == "bfloat16" or (
            self.precision == "bfloat16-inference" and not self.training
        )

    def say_if_slow(self) -> None:
        """Print a line if the CPU to compute on has no instructions for bfloat16."""
        kind = torch.backends.cpu.get_cpu_capability()
        if self.in_bfloat16 and device().type == "cpu" and kind == "AVX2":
            print(
                f"network.precision = {self.precision!r}: this CPU ({kind}) has no instructions "
                "for bfloat16, so float32 is many times as fast",
                file=sys.stderr,
            )


def computed(layers: Callable[[Tensor], Tensor], inputs: Tensor, bfloat16: bool) -> Tensor:
    """Apply ``layers``, whose convolutions may compute in bfloat16; weights stay float32.

    Returns:
        The output of ``layers``, in the dtype of ``inputs``.
    """
    if not bfloat16:
        return layers(inputs)
    with torch.autocast(inputs.device.type, torch.bfloat16):
        return layers(inputs).to(inputs.dtype)
