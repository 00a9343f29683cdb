"""What the network of a round says of training photographs: CAM, segmentation and saliency."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.cam import multi_scale
from auxseg.networks.inputs import grid_size, network_input, unmirror
from auxseg.params import CamParams


@dataclass(frozen=True)
class Refined:
    """What the network of a round says of B photographs, on the grid of scale 1.

    Attributes:
        cam: (B, K, h, w), refined and not normalised again.
        segmentation: (B, K+1, h, w) logits, refined, a mean over the photograph and its mirror
            image if the CAM uses both.
        saliency: (B, h, w) probability, refined.
    """

    cam: Tensor
    segmentation: Tensor
    saliency: Tensor


@torch.inference_mode()
def refine(
    network: AuxSegNet,
    photos: Tensor,
    params: CamParams,
) -> Refined:
    """Refine the network's own CAM by its cross-task pairwise affinity: ``M ← A M``.

    Without affinity the CAM stays as it is. The segmentation is of scale 1, which costs little: the
    CAM needs the same features.

    Args:
        network: The network of the round, on the device of ``photos``.
        photos: (B, 3, H, W) uint8 RGB.
        params: Method, scales and mirror of the CAM.
    """
    stride, own = network.stride, list[Tensor]()
    grid = grid_size(photos.shape[2], photos.shape[3], stride)

    def features(images: Tensor) -> Tensor:
        found = network.features(images)
        if found.shape[2:] == grid:
            own.append(found)  # at scale 1: needed again below
        return found

    cam = multi_scale.cam(network, photos, params, features)
    if not own:
        features(network_input(photos, stride, 1, params.mirror))
    # The mirror images by themselves: the affinities are as large as all else.
    outputs, *mirrored = [network.outputs(part) for part in torch.split(own[0], len(photos))]
    if outputs.affinity is not None:
        # Only the pairwise map, because the unary one gives every position the same.
        cam = outputs.affinity.pairwise @ cam
    logits = torch.cat([part.segmentation_refined for part in (outputs, *mirrored)])
    segmentation = unmirror(logits, params.mirror).mean(0)
    return Refined(cam, segmentation, outputs.saliency_refined[:, 0].sigmoid())


def among(logits: Tensor, classes: Sequence[int]) -> Tensor:
    """Return the probabilities of the present classes, where no other class may be.

    Each map is divided by its maximum, as CAMs are: a rare class is nowhere probable.

    Args:
        logits: (K+1, h, w) of one photograph.
        classes: The P present classes, numbers 0..K-1.

    Returns:
        (P, h, w) in [0, 1].
    """
    present = torch.stack([logits[number] for number in (0, *(k + 1 for k in classes))])
    logarithms = present.log_softmax(0)[1:]
    return (logarithms - logarithms.amax((1, 2), keepdim=True)).exp()
