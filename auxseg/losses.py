"""The losses of the three tasks (METHOD: the network).

Each is a mean over the whole batch, also where several workers share it.
"""

import torch.nn.functional as F
from torch import Tensor

from auxseg.distributed import weighted
from auxseg.images import resize_maps
from auxseg.palette import IGNORE

Batch = dict[str, Tensor]


def classification_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Multi-label soft margin; both (B, K)."""
    mean = F.multilabel_soft_margin_loss(logits, classes)
    return weighted(mean, mean.new_tensor(len(logits)))


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
