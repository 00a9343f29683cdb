"""The losses of a round: classification, saliency and segmentation learn together.

See docs/method.md, The network. Each loss is a mean over the whole batch, also if several workers
share it.
"""

import torch.nn.functional as F
from torch import Tensor

from auxseg.auxsegnet.network import Outputs
from auxseg.data.palette import IGNORE
from auxseg.networks.inputs import resize_maps
from auxseg.params import LossWeights
from auxseg.training.classification import classification_loss
from auxseg.training.samples import Batch
from auxseg.training.sharing import weighted


def round_losses(outputs: Outputs, batch: Batch, weights: LossWeights) -> dict[str, Tensor]:
    """Return the weighted losses of a round by name: five, or three without affinity."""
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


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of logits that are upsampled to the labels.

    Args:
        logits: (B, C, h, w).
        labels: (B, H, W) int64, 255 = ignore.
    """
    pixels = resize_maps(logits, (labels.shape[1], labels.shape[2]))
    known = labels != IGNORE
    # Not F.cross_entropy: on CUDA it has no deterministic form.
    chosen = pixels.log_softmax(1).gather(1, labels.where(known, 0).unsqueeze(1)).squeeze(1)
    # A batch may have no labelled pixel; the mean over none would be NaN.
    mean = (-chosen).where(known, 0).sum() / known.sum().clamp(min=1)
    return weighted(mean, known.sum())


def saliency_loss(logits: Tensor, salient: Tensor) -> Tensor:
    """Return the binary cross-entropy of logits that are upsampled to the saliency maps.

    Args:
        logits: (B, 1, h, w).
        salient: (B, H, W) int64 of 0 and 1, 255 = ignore.
    """
    pixels = resize_maps(logits, (salient.shape[1], salient.shape[2]))[:, 0]
    known = salient != IGNORE
    targets = salient.where(known, 0).to(pixels.dtype)
    # Not pixels[known]: a GPU's host would wait in every step to learn how many those are.
    losses = F.binary_cross_entropy_with_logits(pixels, targets, reduction="none").where(known, 0)
    return weighted(losses.sum() / known.sum().clamp(min=1), known.sum())
