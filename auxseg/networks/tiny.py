"""A small residual network for CPUs, trained from scratch in the demo and the tests."""

from collections import OrderedDict

from torch import Tensor, nn

from auxseg.networks.backbone import Body
from auxseg.params import OutputStride

CHANNELS = 96


class Block(nn.Module):
    """Two 3×3 convolutions with BatchNorm and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, dilation, dilation, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) → (B, outputs, ⌈h/stride⌉, ⌈w/stride⌉)."""
        out: Tensor = self.relu(self.shortcut(x) + self.branch(x))
        return out


def build(_: str, output_stride: OutputStride) -> Body:
    """Build the network: (B, 3, H, W) → (B, 96, ⌈H/8⌉, ⌈W/8⌉), 0.8 M parameters."""
    assert output_stride == 8
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["stem"] = nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()
    )
    layers["block1"] = Block(32, 32, stride=2, dilation=1)
    layers["block2"] = Block(32, 64, stride=2, dilation=1)
    layers["block3"] = Block(64, CHANNELS, stride=1, dilation=2)
    layers["block4"] = Block(CHANNELS, CHANNELS, stride=1, dilation=4)
    return Body(nn.Sequential(layers), CHANNELS)
