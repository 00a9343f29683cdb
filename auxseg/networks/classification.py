"""The classification head, whose weights give the class activation maps."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

DROPOUT = 0.5


@dataclass(frozen=True)
class Classification:
    """Output of the classification head.

    Attributes:
        logits: (B, K).
        cam: Class activation maps ``w_k · X`` (B, K, h, w), before the ReLU.
    """

    logits: Tensor
    cam: Tensor


class ClassificationHead(nn.Module):
    """Dropout, global average pooling and a linear layer without bias.

    See docs/method.md, Initial cues.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(DROPOUT)
        self.linear = nn.Linear(channels, classes, bias=False)

    def forward(self, features: Tensor) -> Classification:
        """Features (B, D, h, w) → logits and class activation maps."""
        logits = self.linear(self.dropout(features).mean((2, 3)))
        # Training never needs the maps' gradient: the classifier learns from the logits alone.
        cam = F.conv2d(features.detach(), self.linear.weight.detach()[:, :, None, None])
        return Classification(logits, cam)
