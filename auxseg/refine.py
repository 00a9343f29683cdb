"""What a round's network says about its training images: refined CAM and saliency."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from auxseg.cam import multi_scale_cam
from auxseg.images import network_input
from auxseg.networks.auxsegnet import AuxSegNet
from auxseg.params import CamParams


@torch.inference_mode()
def refine(
    network: AuxSegNet,
    image: npt.NDArray[np.uint8],
    params: CamParams,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Refine the network's own CAM by its cross-task pairwise affinity: ``M ← A M``.

    Returns the maps (K, h, w), not normalised again, and the refined saliency probability (h, w),
    both on the grid of scale 1. Without affinity the CAM stays as it is.
    """
    stride = network.stride
    cam = multi_scale_cam(network.activation, image, stride, params.scales, params.mirror, device)
    outputs = network(network_input(image, stride, 1, mirror=False).to(device))
    if outputs.affinity is not None:
        # Only the pairwise map: the unary one gives every position the same.
        cam = (outputs.affinity.pairwise @ cam[None])[0]
    return cam, outputs.saliency_refined[0, 0].sigmoid()
