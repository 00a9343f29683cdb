"""Multi-scale class activation maps (METHOD: initial cues)."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from auxseg.cam.methods import method
from auxseg.data.arrays import Arrays, Bytes
from auxseg.networks.inputs import grid_size, network_input, resize_maps, unmirror
from auxseg.networks.network import Network
from auxseg.params import CamParams

EPSILON = 1e-5


def cam(network: Network, image: Bytes, params: CamParams, device: torch.device) -> Tensor:
    """Class activation maps (K, h, w) of one image by the method, scales and mirror of ``params``.

    See ``multi_scale_cam``.
    """
    activation = partial(method(params.method).activation, network)
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
    """Class activation maps of one image, each divided by its maximum.

    ``activation`` maps images (B, 3, H, W) to ``w_k · X`` (B, K, h, w) at output ``stride``. Their
    ReLUs are summed over ``scales`` and the mirror images on the grid of scale 1. Returns
    (K, h, w) in [0, 1].
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
    """Keep the maps of the present classes for storage: ``cam`` (P, h, w) float16."""
    return {"cam": cam[list(classes)].half().cpu().numpy()}
