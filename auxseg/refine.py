"""Refined CAM and saliency of the training images, by the network of a round."""

import torch
from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.cam import multi_scale
from auxseg.data.arrays import Bytes
from auxseg.networks.inputs import network_input
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
    stride = network.stride
    cam = multi_scale.cam(network, image, params, device)
    outputs = network(network_input(image, stride, 1, mirror=False).to(device))
    if outputs.affinity is not None:
        # Only the pairwise map, because the unary one gives every position the same.
        cam = (outputs.affinity.pairwise @ cam[None])[0]
    return cam, outputs.saliency_refined[0, 0].sigmoid()
