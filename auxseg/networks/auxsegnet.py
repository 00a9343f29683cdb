"""AuxSegNet+ (Xu et al., TNNLS 2025): classification, saliency and segmentation with affinity."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from auxseg.losses import Batch, classification_loss, saliency_loss, segmentation_loss
from auxseg.networks.affinity import Affinity, CrossTaskAffinity, TaskAffinity
from auxseg.networks.classification import Classification
from auxseg.networks.network import Network, computing
from auxseg.params import AffinityMode, BackboneName, LossWeights, OutputStride, Precision

# The paper's width of the task branches; a narrower backbone gets branches as narrow as itself.
TASK_CHANNELS = 128
DILATIONS = (6, 12, 18)


@dataclass(frozen=True)
class Outputs:
    """What the network says of a batch; maps are at the output stride, before any sigmoid.

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

    def __init__(
        self,
        inputs: int,
        outputs: int,
        mode: AffinityMode,
        whitening: bool,
        dilations: Sequence[int],
        precision: Precision,
    ) -> None:
        super().__init__()
        self.precision = precision
        width = min(TASK_CHANNELS, inputs)
        first, second, third = dilations
        self.conv1 = nn.Conv2d(inputs, width, 3, padding=first, dilation=first)
        self.conv2 = nn.Conv2d(width, width, 3, padding=second, dilation=second)
        self.affinity = (
            None
            if mode == "none"
            else TaskAffinity(width, dual=mode == "dual", whitening=whitening)
        )
        self.conv3 = nn.Conv2d(width, width, 3, padding=third, dilation=third)
        self.conv4 = nn.Conv2d(width, outputs, 1, bias=False)
        self.relu = nn.ReLU()
        for conv in (self.conv1, self.conv2, self.conv3):
            # torch's own default shrinks the activations from layer to layer, and these three have
            # no normalisation to make up for it.
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> tuple[Tensor, Affinity | None]:
        """(B, D, h, w) → initial prediction (B, outputs, h, w), and the task's affinity."""
        with computing(self.precision, features.device):
            task = self.relu(self.conv2(self.relu(self.conv1(features))))
        affinity = None
        if self.affinity is not None:
            task, affinity = self.affinity(
                task.to(features.dtype)
            )  # its exponentials want all digits
        with computing(self.precision, features.device):
            prediction = self.conv4(self.relu(self.conv3(task)))
        return prediction.to(features.dtype), affinity


class AuxSegNet(Network):
    """The network of one round."""

    def __init__(
        self,
        backbone: BackboneName,
        classes: int,
        freeze_batchnorm: bool,
        affinity: AffinityMode,
        whitening: bool,
        dilations: Sequence[int] = DILATIONS,
        output_stride: OutputStride = 8,
        precision: Precision = "float32",
    ) -> None:
        super().__init__(
            backbone,
            classes,
            freeze_batchnorm,
            output_stride,
            precision,
            affinity=affinity,
            whitening=whitening,
            dilations=list(dilations),
        )
        channels = self.backbone.channels
        self.segmentation = TaskBranch(
            channels, classes + 1, affinity, whitening, dilations, precision
        )
        self.saliency = TaskBranch(channels, 1, affinity, whitening, dilations, precision)
        self.cross_task = None if affinity == "none" else CrossTaskAffinity(dual=affinity == "dual")

    def forward(self, images: Tensor) -> Outputs:
        """Normalised images (B, 3, H, W) → all outputs."""
        features = self.features(images)
        classification = self.classification(features)
        segmentation, segmentation_affinity = self.segmentation(features)
        saliency, saliency_affinity = self.saliency(features)
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
        # Both at once: the rows of a large affinity are computed again for every product.
        refined = affinity @ torch.cat([segmentation, saliency], 1)
        return Outputs(
            classification,
            segmentation,
            refined[:, :-1],
            saliency,
            refined[:, -1:],
            affinity,
        )


def round_losses(outputs: Outputs, batch: Batch, weights: LossWeights) -> dict[str, Tensor]:
    """The five losses of a round, weighted. Without affinity nothing is refined: three losses."""
    labels, salient = batch["segmentation"], batch["saliency"]
    losses = {
        "classification": classification_loss(outputs.classification.logits, batch["classes"]),
        "segmentation": segmentation_loss(outputs.segmentation, labels),
        "saliency": saliency_loss(outputs.saliency, salient),
    }
    if outputs.affinity is not None:
        losses["segmentation_refined"] = segmentation_loss(outputs.segmentation_refined, labels)
        losses["saliency_refined"] = saliency_loss(outputs.saliency_refined, salient)
    return {name: loss * getattr(weights, name) for name, loss in losses.items()}
