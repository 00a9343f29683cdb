"""CAM: the classifier's weights applied at every position (Zhou et al., CVPR 2016)."""

from torch import Tensor

from auxseg.networks.network import Network


def activation(network: Network, features: Tensor) -> Tensor:
    """Features (B, D, h, w) of ``network`` → ``w_k · X`` (B, K, h, w), signed."""
    cam: Tensor = network.classification(features).cam
    return cam
