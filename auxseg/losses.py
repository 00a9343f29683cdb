"""The five losses of a round (METHOD: the network), and the classifier's."""

import torch.nn.functional as F
from torch import Tensor

from auxseg.dataset.augment import Sample
from auxseg.images import resize_maps
from auxseg.metrics import IGNORE
from auxseg.networks.auxsegnet import Outputs
from auxseg.networks.classifier import Classification
from auxseg.params import LossWeights


def classification_loss(outputs: Classification, batch: Sample) -> dict[str, Tensor]:
    """Multi-label soft margin over the K classes."""
    loss = F.multilabel_soft_margin_loss(outputs.logits, batch["classes"])
    return {"classification": loss}


def round_losses(outputs: Outputs, batch: Sample, weights: LossWeights) -> dict[str, Tensor]:
    """All losses of a round, weighted. Without affinity there are no refined predictions."""
    losses = classification_loss(outputs.classification, batch)
    losses["segmentation"] = _segmentation(outputs.segmentation, batch)
    losses["saliency"] = _saliency(outputs.saliency, batch)
    if outputs.affinity is not None:
        losses["segmentation_refined"] = _segmentation(outputs.segmentation_refined, batch)
        losses["saliency_refined"] = _saliency(outputs.saliency_refined, batch)
    return {name: loss * getattr(weights, name) for name, loss in losses.items()}


def _segmentation(logits: Tensor, batch: Sample) -> Tensor:
    target = batch["segmentation"]
    pixels = resize_maps(logits, (target.shape[1], target.shape[2]))
    total = F.cross_entropy(pixels, target, ignore_index=IGNORE, reduction="sum")
    # A batch may have no labelled pixel at all; the mean over none would be NaN.
    return total / (target != IGNORE).sum().clamp(min=1)


def _saliency(logits: Tensor, batch: Sample) -> Tensor:
    target = batch["saliency"]
    known = target != IGNORE
    pixels = resize_maps(logits, (target.shape[1], target.shape[2]))[:, 0]
    return F.binary_cross_entropy_with_logits(pixels[known], target[known].float())
