"""Refined CAM and saliency of photographs, by the network of a round."""

import torch
from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.cam import multi_scale
from auxseg.networks.inputs import grid_size, network_input
from auxseg.params import CamParams


@torch.inference_mode()
def refine(
    network: AuxSegNet,
    photos: Tensor,
    params: CamParams,
) -> tuple[Tensor, Tensor]:
    """Refine the network's own CAM by its cross-task pairwise affinity: ``M ← A M``.

    Without affinity the CAM stays as it is.

    Args:
        network: The network of the round, on the device of ``photos``.
        photos: (B, 3, H, W) uint8 RGB.
        params: Method, scales and mirror of the CAM.

    Returns:
        The maps (B, K, h, w), not normalised again, and the refined saliency probability (B, h, w),
        both on the grid of scale 1.
    """
    stride, own = network.stride, list[Tensor]()
    grid = grid_size(photos.shape[2], photos.shape[3], stride)

    def features(images: Tensor) -> Tensor:
        found = network.features(images)
        if found.shape[2:] == grid:
            own.append(found[: len(photos)])  # at scale 1, not mirrored: needed again below
        return found

    cam = multi_scale.cam(network, photos, params, features)
    if not own:
        features(network_input(photos, stride, 1, mirror=False))
    outputs = network.outputs(own[0])
    if outputs.affinity is not None:
        # Only the pairwise map, because the unary one gives every position the same.
        cam = outputs.affinity.pairwise @ cam
    return cam, outputs.saliency_refined[:, 0].sigmoid()
