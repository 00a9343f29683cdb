"""Backbones at output stride 8 or 16, by name."""

from collections import OrderedDict
from typing import Any, Self

from torch import Tensor, nn

from auxseg.networks import resnet38d, tiny
from auxseg.params import BackboneName, OutputStride, output_strides


class Backbone(nn.Module):
    """Images (B, 3, H, W) → features (B, channels, ⌈H/s⌉, ⌈W/s⌉) at output stride s.

    Feature (i, j) is centred on pixel (s·i, s·j): every stride of these networks sits in a
    symmetrically padded, odd convolution. Sizes of the form s·n+1 therefore put the corner
    features exactly onto the corner pixels.
    """

    def __init__(
        self,
        body: nn.Module,
        channels: int,
        frozen: tuple[str, ...],
        freeze_batchnorm: bool,
    ) -> None:
        super().__init__()
        self.body = body
        self.channels = channels
        self.freeze_batchnorm = freeze_batchnorm
        for name in frozen:
            body.get_submodule(name).requires_grad_(False)
        if freeze_batchnorm:
            for norm in self._norms():
                norm.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Run the body."""
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
    name: BackboneName, *, freeze_batchnorm: bool, output_stride: OutputStride = 8
) -> Backbone:
    """Build a backbone with random weights; stride 16 is for those of torchvision only."""
    if output_stride not in output_strides(name):
        raise ValueError(f"{name} has no output stride {output_stride}")
    if name == "tiny":
        return Backbone(tiny.tiny(), tiny.CHANNELS, (), freeze_batchnorm)
    if name == "resnet38d":
        return Backbone(resnet38d.resnet38d(), 4096, resnet38d.FROZEN, freeze_batchnorm)
    # Imported only where it is used: it takes seconds, which `tiny` need not wait for.
    import torchvision

    # torchvision's own networks are not typed beyond nn.Module.
    network: Any = torchvision.models.get_model(name, weights=None)
    if name == "mobilenet_v2":
        body = network.features
        _dilate(output_stride, body[7:14], body[14:])
        return Backbone(body, network.last_channel, (), freeze_batchnorm)
    _dilate(output_stride, network.layer3, network.layer4)
    # Sequential keeps torchvision's parameter names and leaves the pooling and `fc` out.
    layers = [item for item in network.named_children() if item[0] not in ("avgpool", "fc")]
    return Backbone(
        nn.Sequential(OrderedDict(layers)), network.fc.in_features, (), freeze_batchnorm
    )


def _dilate(output_stride: OutputStride, second_last: nn.Module, last: nn.Module) -> None:
    """Bring a network of output stride 32 down to ``output_stride``."""
    if output_stride == 16:
        _replace_stride(last, 1, 2)
    else:
        _replace_stride(second_last, 1, 2)
        _replace_stride(last, 2, 4)


def _replace_stride(stage: nn.Module, before: int, after: int) -> None:
    """Replace a stage's stride of 2 by dilation, as torchvision does for its bottleneck ResNets.

    A convolution that loses its stride still reads at the resolution ``before`` it; all wider
    ones after it are spread by ``after``.
    """
    for conv in stage.modules():
        if not isinstance(conv, nn.Conv2d):
            continue
        strided = conv.stride == (2, 2)
        conv.stride = (1, 1)
        if conv.kernel_size == (3, 3):
            dilation = before if strided else after
            conv.dilation = conv.padding = (dilation, dilation)
