"""The loss of image-level labels, used by the classifier and by the network of every round."""

import torch.nn.functional as F
from torch import Tensor

from auxseg.networks.classification import Classification
from auxseg.training.samples import Batch
from auxseg.training.sharing import weighted


def classifier_losses(outputs: Classification, batch: Batch) -> dict[str, Tensor]:
    """Return the classification loss, the only one of the classifier."""
    return {"classification": classification_loss(outputs.logits, batch["classes"])}


def classification_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the multi-label soft margin loss, a mean over the whole batch.

    Args:
        logits: (B, K).
        classes: (B, K) of 0 and 1.
    """
    mean = F.multilabel_soft_margin_loss(logits, classes)
    return weighted(mean, mean.new_tensor(len(logits)))
