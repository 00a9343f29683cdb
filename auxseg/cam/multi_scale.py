"""Multi-scale class activation maps.

See docs/method.md, Initial cues.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from auxseg.cam.methods import method
from auxseg.networks.inputs import grid_size, network_input, resize_maps, unmirror
from auxseg.networks.network import Network
from auxseg.params import CamParams

EPSILON = 1e-5


@torch.inference_mode()
def cam(
    network: Network,
    photos: Tensor,
    params: CamParams,
    features: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Compute the class activation maps of photographs; see ``multi_scale_cam``.

    Args:
        network: Any network, on the device of ``photos``.
        photos: (B, 3, H, W) uint8 RGB.
        params: Method, scales and mirror.
        features: Images (B, 3, H, W) → features of ``network``, if a caller wants them, too.

    Returns:
        (B, K, h, w) in [0, 1].
    """
    maps_of, features_of = method(params.method).activation, features or network.features

    def activation(images: Tensor) -> Tensor:
        return maps_of(network, features_of(images))

    return multi_scale_cam(activation, photos, network.stride, params.scales, params.mirror)


@torch.inference_mode()
def multi_scale_cam(
    activation: Callable[[Tensor], Tensor],
    photos: Tensor,
    stride: int,
    scales: Sequence[float],
    mirror: bool,
) -> Tensor:
    """Compute the class activation maps of photographs, each divided by its maximum.

    The ReLUs of the maps are summed over scales and mirror images, on the grid of scale 1.

    Args:
        activation: Images (B, 3, H, W) → signed maps ``w_k · X`` (B, K, h, w).
        photos: (B, 3, H, W) uint8 RGB.
        stride: Output stride of ``activation``.
        scales: Factors on the height and width.
        mirror: Whether to add the mirror images at every scale.

    Returns:
        (B, K, h, w) in [0, 1].

    Raises:
        ValueError: If there are no scales.
    """
    size = grid_size(photos.shape[2], photos.shape[3], stride)
    total: Tensor | None = None
    for scale in scales:
        maps = activation(network_input(photos, stride, scale, mirror)).relu()
        maps = resize_maps(unmirror(maps, mirror).sum(0), size)
        total = maps if total is None else total + maps
    if total is None:
        raise ValueError("no scales")
    return total / (total.amax((2, 3), keepdim=True) + EPSILON)


def class_maps(cam: Tensor, classes: Sequence[int]) -> dict[str, Tensor]:
    """Select the maps of the P present classes for storage: ``cam`` (P, h, w) float16."""
    # Not cam[list]: a GPU's host would wait for the indices to get there.
    chosen = torch.stack([cam[number] for number in classes]) if classes else cam[:0]
    return {"cam": chosen.half()}
