"""Wide ResNet-38 (Wu et al., 2016) dilated to output stride 8, the paper's backbone.

The layers follow the PyTorch port of the published AuxSegNet: pre-activation blocks, strides in
b2, b3 and b4, dilation 2 in b5 and 4 in b6 and b7, 4096 output channels.
"""

from collections import OrderedDict

from torch import Tensor, nn

from auxseg.networks.backbone import Body
from auxseg.params import OutputStride

CHANNELS = 4096
FROZEN = ("conv1a",)


class BasicBlock(nn.Module):
    """Pre-activation residual block of two 3×3 convolutions."""

    def __init__(
        self,
        inputs: int,
        middle: int,
        outputs: int,
        stride: int = 1,
        dilations: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__()
        first, second = dilations
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, middle, 3, stride, padding=first, dilation=first, bias=False)
        self.norm2 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, outputs, 3, padding=second, dilation=second, bias=False)
        self.shortcut = _shortcut(inputs, outputs, stride)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) → (B, outputs, ⌈h/stride⌉, ⌈w/stride⌉)."""
        activated = self.relu(self.norm1(x))
        identity = x if self.shortcut is None else self.shortcut(activated)
        branch: Tensor = self.conv2(self.relu(self.norm2(self.conv1(activated))))
        return identity + branch


class BottleneckBlock(nn.Module):
    """Pre-activation 1×1, 3×3, 1×1 block with dropout before its last two convolutions."""

    def __init__(self, inputs: int, outputs: int, dilation: int, dropout: float) -> None:
        super().__init__()
        quarter, half = outputs // 4, outputs // 2
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, quarter, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(quarter)
        self.conv2 = nn.Conv2d(quarter, half, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm3 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, outputs, 1, bias=False)
        self.shortcut = _shortcut(inputs, outputs, 1)
        self.relu = nn.ReLU()
        # The published code drops whole channels.
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) → (B, outputs, h, w)."""
        activated = self.relu(self.norm1(x))
        identity = x if self.shortcut is None else self.shortcut(activated)
        branch: Tensor = self.conv1(activated)
        branch = self.conv2(self.dropout(self.relu(self.norm2(branch))))
        branch = self.conv3(self.dropout(self.relu(self.norm3(branch))))
        return identity + branch


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Conv2d | None:
    if inputs == outputs and stride == 1:
        return None
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


def build(_: str, output_stride: OutputStride) -> Body:
    """Build the network: (B, 3, H, W) → (B, 4096, ⌈H/8⌉, ⌈W/8⌉)."""
    assert output_stride == 8
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv1a"] = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    plan = [
        ("b2", 3, 64, 128, 128, 2, (1, 1)),
        ("b3", 3, 128, 256, 256, 2, (1, 1)),
        ("b4", 6, 256, 512, 512, 2, (1, 1)),
        ("b5", 3, 512, 512, 1024, 1, (2, 2)),
    ]
    for name, count, inputs, middle, outputs, stride, dilations in plan:
        # In b5, dilation starts with the second convolution.
        first = (1, 2) if name == "b5" else dilations
        layers[name] = BasicBlock(inputs, middle, outputs, stride, first)
        for number in range(1, count):
            layers[f"{name}_{number}"] = BasicBlock(outputs, middle, outputs, 1, dilations)
    layers["b6"] = BottleneckBlock(1024, 2048, dilation=4, dropout=0.3)
    layers["b7"] = BottleneckBlock(2048, CHANNELS, dilation=4, dropout=0.5)
    layers["bn7"] = nn.BatchNorm2d(CHANNELS)
    layers["relu7"] = nn.ReLU()
    return Body(nn.Sequential(layers), CHANNELS, FROZEN)
