"""LayerCAM (Jiang et al., TIP 2021) at the last layer: only evidence for a class counts.

LayerCAM weights every feature by the positive part of its own gradient. With global average
pooling and a linear layer above, that gradient is ``w_kd / N`` at every position, so no backward
pass is needed. The constant 1/N cancels when the maps are divided by their maximum.
"""

import torch.nn.functional as F
from torch import Tensor

from auxseg.networks.network import Network


def activation(network: Network, features: Tensor) -> Tensor:
    """Features (B, D, h, w) of ``network`` → ``Σ_d ReLU(w_kd) X_d`` (B, K, h, w)."""
    weights = network.classification.linear.weight.relu()
    return F.conv2d(features, weights[:, :, None, None])
