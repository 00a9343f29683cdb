"""The losses of a round: classification, saliency and segmentation learn together.

METHOD: the network. Each loss is a mean over the whole batch, also where several workers share it.
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


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits (B, C, h, w), upsampled to labels (B, H, W), 255 = ignore."""
    pixels = resize_maps(logits, (labels.shape[1], labels.shape[2]))
    known = labels != IGNORE
    # Not F.cross_entropy: on CUDA it has no deterministic form.
    chosen = pixels.log_softmax(1).gather(1, labels.where(known, 0).unsqueeze(1)).squeeze(1)
    # A batch may have no labelled pixel at all; the mean over none would be NaN.
    mean = (-chosen).where(known, 0).sum() / known.sum().clamp(min=1)
    return weighted(mean, known.sum())


def saliency_loss(logits: Tensor, salient: Tensor) -> Tensor:
    """Binary cross-entropy: logits (B, 1, h, w), upsampled to 0/1 maps (B, H, W); 255 = ignore."""
    pixels = resize_maps(logits, (salient.shape[1], salient.shape[2]))[:, 0]
    known = salient != IGNORE
    total = F.binary_cross_entropy_with_logits(
        pixels[known], salient[known].float(), reduction="sum"
    )
    return weighted(total / known.sum().clamp(min=1), known.sum())
