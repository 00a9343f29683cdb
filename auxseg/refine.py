"""Refined CAM and saliency of the training images, by the network of a round."""

import torch
from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.cam import multi_scale
from auxseg.data.arrays import Bytes
from auxseg.networks.inputs import grid_size, network_input
from auxseg.params import CamParams


@torch.inference_mode()
def refine(
    network: AuxSegNet,
    image: Bytes,
    params: CamParams,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Refine the network's own CAM by its cross-task pairwise affinity: ``M ← A M``.

    Without affinity the CAM stays as it is.

    Args:
        network: The network of the round, on ``device``.
        image: (H, W, 3) uint8 RGB.
        params: Method, scales and mirror of the CAM.
        device: Where to compute.

    Returns:
        The maps (K, h, w), not normalised again, and the refined saliency probability (h, w), both
        on the grid of scale 1.
    """
    stride, own = network.stride, list[Tensor]()
    grid = grid_size(image.shape[0], image.shape[1], stride)

    def features(images: Tensor) -> Tensor:
        found = network.features(images)
        if found.shape[2:] == grid:
            own.append(found[:1])  # of the photograph at scale 1, which are needed again below
        return found

    cam = multi_scale.cam(network, image, params, device, features)
    if not own:
        features(network_input(image, stride, 1, mirror=False).to(device))
    outputs = network.outputs(own[0])
    if outputs.affinity is not None:
        # Only the pairwise map, because the unary one gives every position the same.
        cam = (outputs.affinity.pairwise @ cam[None])[0]
    return cam, outputs.saliency_refined[0, 0].sigmoid()
