"""Multi-scale class activation maps.

See docs/method.md, Initial cues.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from auxseg.cam.methods import method
from auxseg.data.arrays import Arrays, Bytes
from auxseg.networks.inputs import grid_size, network_input, resize_maps, unmirror
from auxseg.networks.network import Network
from auxseg.params import CamParams

EPSILON = 1e-5


@torch.inference_mode()
def cam(
    network: Network,
    image: Bytes,
    params: CamParams,
    device: torch.device,
    features: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Compute the class activation maps of one image; see ``multi_scale_cam``.

    Args:
        network: Any network, on ``device``.
        image: (H, W, 3) uint8 RGB.
        params: Method, scales and mirror.
        device: Where to compute.
        features: Images (B, 3, H, W) → features of ``network``, if a caller wants them, too.

    Returns:
        (K, h, w) in [0, 1].
    """
    maps_of, features_of = method(params.method).activation, features or network.features

    def activation(images: Tensor) -> Tensor:
        return maps_of(network, features_of(images))

    return multi_scale_cam(activation, image, network.stride, params.scales, params.mirror, device)


@torch.inference_mode()
def multi_scale_cam(
    activation: Callable[[Tensor], Tensor],
    image: Bytes,
    stride: int,
    scales: Sequence[float],
    mirror: bool,
    device: torch.device,
) -> Tensor:
    """Compute the class activation maps of one image, each divided by its maximum.

    The ReLUs of the maps are summed over scales and mirror images, on the grid of scale 1.

    Args:
        activation: Images (B, 3, H, W) → signed maps ``w_k · X`` (B, K, h, w).
        image: (H, W, 3) uint8 RGB.
        stride: Output stride of ``activation``.
        scales: Factors on the height and width.
        mirror: Whether to add the mirror image at every scale.
        device: Where ``activation`` computes.

    Returns:
        (K, h, w) in [0, 1].

    Raises:
        ValueError: If there are no scales.
    """
    size = grid_size(image.shape[0], image.shape[1], stride)
    total: Tensor | None = None
    for scale in scales:
        maps = activation(network_input(image, stride, scale, mirror).to(device)).relu()
        maps = resize_maps(unmirror(maps).sum(0), size)
        total = maps if total is None else total + maps
    if total is None:
        raise ValueError("no scales")
    return total / (total.amax((1, 2), keepdim=True) + EPSILON)


def class_maps(cam: Tensor, classes: Sequence[int]) -> Arrays:
    """Select the maps of the P present classes for storage: ``cam`` (P, h, w) float16."""
    return {"cam": cam[list(classes)].half().cpu().numpy()}
