"""AuxSegNet+ (Xu et al., TNNLS 2025): classification, saliency and segmentation with affinity."""

from dataclasses import dataclass

from torch import Tensor, nn

from auxseg.networks.affinity import Affinity, CrossTaskAffinity, TaskAffinity
from auxseg.networks.backbones import Backbone
from auxseg.networks.classifier import Classification, ClassificationHead
from auxseg.params import AffinityMode

TASK_CHANNELS = 128


@dataclass(frozen=True)
class Outputs:
    """What the network says of a batch; maps are at output stride 8, before any sigmoid.

    With ``affinity: none`` the refined maps are the initial ones and ``affinity`` is None.
    """

    classification: Classification
    segmentation: Tensor  # (B, K+1, h, w)
    segmentation_refined: Tensor  # (B, K+1, h, w)
    saliency: Tensor  # (B, 1, h, w)
    saliency_refined: Tensor  # (B, 1, h, w)
    affinity: Affinity | None


class TaskBranch(nn.Module):
    """Dense prediction of one task; its affinity refines the features half-way."""

    def __init__(self, inputs: int, outputs: int, mode: AffinityMode, whitening: bool) -> None:
        super().__init__()
        width = TASK_CHANNELS
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=6, dilation=6)
        self.conv2 = nn.Conv2d(width, width, 3, padding=12, dilation=12)
        self.affinity = (
            None
            if mode == "none"
            else TaskAffinity(width, dual=mode == "dual", whitening=whitening)
        )
        self.conv3 = nn.Conv2d(width, width, 3, padding=18, dilation=18)
        self.conv4 = nn.Conv2d(width, outputs, 1, bias=False)
        self.relu = nn.ReLU()

    def forward(self, features: Tensor) -> tuple[Tensor, Affinity | None]:
        """(B, D, h, w) → initial prediction (B, outputs, h, w), and the task's affinity."""
        task = self.relu(self.conv2(self.relu(self.conv1(features))))
        affinity = None
        if self.affinity is not None:
            task, affinity = self.affinity(task)
        return self.conv4(self.relu(self.conv3(task))), affinity


class AuxSegNet(nn.Module):
    """The network of one round."""

    def __init__(
        self, backbone: Backbone, classes: int, affinity: AffinityMode, whitening: bool
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classification = ClassificationHead(backbone.channels, classes)
        self.segmentation = TaskBranch(backbone.channels, classes + 1, affinity, whitening)
        self.saliency = TaskBranch(backbone.channels, 1, affinity, whitening)
        self.cross_task = (
            None if affinity == "none" else CrossTaskAffinity(dual=affinity == "dual")
        )

    def forward(self, images: Tensor) -> Outputs:
        """Normalised images (B, 3, H, W) → all outputs."""
        features = self.backbone(images)
        segmentation, segmentation_affinity = self.segmentation(features)
        saliency, saliency_affinity = self.saliency(features)
        affinity = None
        refined = segmentation, saliency
        if self.cross_task is not None:
            affinity = self.cross_task(
                segmentation_affinity, saliency_affinity, features.shape[2:]
            )
            refined = affinity @ segmentation, affinity @ saliency
        return Outputs(
            self.classification(features), segmentation, refined[0], saliency, refined[1], affinity
        )

    def activation(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) → class activation maps (B, K, h, w), signed."""
        cam: Tensor = self.classification(self.backbone(images)).cam
        return cam
