"""AuxSegNet+ (Xu et al., TNNLS 2025): classification, saliency and segmentation with affinity."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from auxseg.auxsegnet.affinity import Affinity, CrossTaskAffinity, TaskAffinity
from auxseg.networks.classification import Classification
from auxseg.networks.network import Network, NetworkConfig, computed
from auxseg.params import AffinityMode

# The paper's width of the task branches; a narrower backbone gets branches of its own width.
TASK_CHANNELS = 128
DILATIONS = (6, 12, 18)


@dataclass(frozen=True)
class Outputs:
    """Outputs of the network for a batch; maps are logits at the output stride.

    With ``affinity: none`` the refined maps are the initial ones and ``affinity`` is None.
    """

    classification: Classification
    segmentation: Tensor  # (B, K+1, h, w)
    segmentation_refined: Tensor  # (B, K+1, h, w)
    saliency: Tensor  # (B, 1, h, w)
    saliency_refined: Tensor  # (B, 1, h, w)
    affinity: Affinity | None


@dataclass(frozen=True, kw_only=True)
class AuxSegNetConfig(NetworkConfig):
    """The configuration of AuxSegNet+.

    Attributes:
        dilations: Of the three 3×3 convolutions of each task branch.
    """

    affinity: AffinityMode
    whitening: bool
    dilations: Sequence[int] = DILATIONS

    def __post_init__(self) -> None:
        object.__setattr__(self, "dilations", tuple(self.dilations))  # stored files hold lists


class TaskBranch(nn.Module):
    """Dense prediction of one task; its affinity refines the features after two convolutions."""

    def __init__(self, inputs: int, outputs: int, config: AuxSegNetConfig) -> None:
        super().__init__()
        width = min(TASK_CHANNELS, inputs)
        first, second, third = config.dilations
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=first, dilation=first)
        self.conv2 = nn.Conv2d(width, width, 3, padding=second, dilation=second)
        self.affinity = (
            None
            if config.affinity == "none"
            else TaskAffinity(width, dual=config.affinity == "dual", whitening=config.whitening)
        )
        self.conv3 = nn.Conv2d(width, width, 3, padding=third, dilation=third)
        self.conv4 = nn.Conv2d(width, outputs, 1, bias=False)
        self.relu = nn.ReLU()
        for conv in (self.conv1, self.conv2, self.conv3):
            # torch's default shrinks the activations from layer to layer, and no normalisation
            # compensates for it here.
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, bfloat16: bool) -> tuple[Tensor, Affinity | None]:
        """Features (B, D, h, w) → initial prediction (B, outputs, h, w), and the affinity."""
        task, affinity = computed(self._before, features, bfloat16), None
        if self.affinity is not None:
            task, affinity = self.affinity(task)  # in float32: its exponentials need the precision
        return computed(self._after, task, bfloat16), affinity

    def _before(self, features: Tensor) -> Tensor:
        task: Tensor = self.relu(self.conv2(self.relu(self.conv1(features))))
        return task

    def _after(self, task: Tensor) -> Tensor:
        prediction: Tensor = self.conv4(self.relu(self.conv3(task)))
        return prediction


class AuxSegNet(Network):
    """The network of a round: backbone, classification head, two task branches, their affinity.

    See docs/method.md, The network.
    """

    Config: ClassVar[type[NetworkConfig]] = AuxSegNetConfig

    def __init__(self, config: AuxSegNetConfig) -> None:
        super().__init__(config)
        channels = self.backbone.channels
        self.segmentation = TaskBranch(channels, config.classes + 1, config)
        self.saliency = TaskBranch(channels, 1, config)
        dual = config.affinity == "dual"
        self.cross_task = None if config.affinity == "none" else CrossTaskAffinity(dual=dual)

    def forward(self, images: Tensor) -> Outputs:
        """Normalised images (B, 3, H, W) → all outputs."""
        return self.outputs(self.features(images))

    def outputs(self, features: Tensor) -> Outputs:
        """Features (B, D, h, w) of ``self.features`` → all outputs."""
        classification = self.classification(features)
        segmentation, segmentation_affinity = self.segmentation(features, self.in_bfloat16)
        saliency, saliency_affinity = self.saliency(features, self.in_bfloat16)
        if self.cross_task is None:
            return Outputs(
                classification,
                segmentation,
                segmentation,
                saliency,
                saliency,
                affinity=None,
            )
        affinity = self.cross_task(segmentation_affinity, saliency_affinity, features.shape[2:])
        # Both at once, because the rows of a large affinity are computed anew for every product.
        refined = affinity @ torch.cat([segmentation, saliency], 1)
        return Outputs(
            classification,
            segmentation,
            refined[:, :-1],
            saliency,
            refined[:, -1:],
            affinity,
        )
