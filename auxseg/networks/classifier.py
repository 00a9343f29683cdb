"""The network of round 0: an image classifier."""

from torch import Tensor

from auxseg.networks.classification import Classification
from auxseg.networks.network import Network


class Classifier(Network):
    """Backbone and classification head."""

    def forward(self, images: Tensor) -> Classification:
        """Normalised images (B, 3, H, W) → logits (B, K) and class activation maps (B, K, h, w)."""
        out: Classification = self.classification(self.features(images))
        return out
