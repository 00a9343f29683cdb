"""The loss of image-level labels: the classifier's only one, and one of a round's."""

import torch.nn.functional as F
from torch import Tensor

from auxseg.networks.classification import Classification
from auxseg.training.samples import Batch
from auxseg.training.sharing import weighted


def classifier_losses(outputs: Classification, batch: Batch) -> dict[str, Tensor]:
    """The classifier's only loss."""
    return {"classification": classification_loss(outputs.logits, batch["classes"])}


def classification_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Multi-label soft margin, a mean over the whole batch; both (B, K)."""
    mean = F.multilabel_soft_margin_loss(logits, classes)
    return weighted(mean, mean.new_tensor(len(logits)))
