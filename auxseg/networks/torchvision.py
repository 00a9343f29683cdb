"""torchvision's networks, dilated to output stride 8 or 16."""

from collections import OrderedDict
from typing import Any

import torchvision
from torch import nn

from auxseg.networks.backbone import Body
from auxseg.params import OutputStride


def build(name: str, output_stride: OutputStride) -> Body:
    """Build the network that torchvision calls ``name``: a ResNet, or mobilenet_v2."""
    # torchvision's own networks are not typed beyond nn.Module.
    network: Any = torchvision.models.get_model(name, weights=None)
    if name == "mobilenet_v2":
        body = network.features
        _dilate(output_stride, body[7:14], body[14:])
        return Body(body, network.last_channel)
    _dilate(output_stride, network.layer3, network.layer4)
    # Sequential keeps torchvision's parameter names; pooling and `fc` are left out.
    layers = [item for item in network.named_children() if item[0] not in ("avgpool", "fc")]
    return Body(nn.Sequential(OrderedDict(layers)), network.fc.in_features)


def _dilate(output_stride: OutputStride, second_last: nn.Module, last: nn.Module) -> None:
    """Reduce the output stride of a network from 32 to ``output_stride``, 8 or 16."""
    if output_stride == 16:
        _replace_stride(last, 1, 2)
    else:
        _replace_stride(second_last, 1, 2)
        _replace_stride(last, 2, 4)


def _replace_stride(stage: nn.Module, before: int, after: int) -> None:
    """Replace a stage's stride of 2 by dilation, as torchvision does for its bottleneck ResNets.

    ``stage`` is a part of the network. Its 3×3 convolution that loses the stride gets the dilation
    ``before``, because its input has the resolution before the stage; all others get ``after``.
    """
    for conv in stage.modules():
        if not isinstance(conv, nn.Conv2d):
            continue
        strided = conv.stride == (2, 2)
        conv.stride = (1, 1)
        if conv.kernel_size == (3, 3):
            dilation = before if strided else after
            conv.dilation = conv.padding = (dilation, dilation)
