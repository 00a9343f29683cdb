"""CAM: the classifier's weights applied at every position (Zhou et al., CVPR 2016)."""

from torch import Tensor

from auxseg.networks.network import Network


def activation(network: Network, images: Tensor) -> Tensor:
    """Normalised images (B, 3, H, W) → ``w_k · X`` (B, K, h, w), signed."""
    return network.activation(images)
