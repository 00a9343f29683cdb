"""Predictions of the networks at test time, without any label."""

import torch
from torch import Tensor

from auxseg.auxsegnet.network import Outputs
from auxseg.networks.inputs import grid_size, network_input, resize_maps, unmirror
from auxseg.networks.network import Network
from auxseg.params import Predict


@torch.inference_mode()
def predict(network: Network, photos: Tensor, params: Predict) -> dict[str, Tensor]:
    """Average the outputs over scales and mirror images, on the grid of scale 1.

    Args:
        network: A classifier or an AuxSegNet, on the device of ``photos``.
        photos: (B, 3, H, W) uint8 RGB.
        params: Scales and mirror.

    Returns:
        ``classification`` (B, K) float32 logits, and from an AuxSegNet ``segmentation``
        (B, K+1, h, w) float16 logits and ``saliency`` (B, h, w) float16 probabilities, both
        refined.
    """
    size = grid_size(photos.shape[2], photos.shape[3], network.stride)

    def mean(maps: Tensor) -> Tensor:
        return resize_maps(unmirror(maps, params.mirror).mean(0), size)

    classification, segmentation, saliency = [], [], []
    for scale in params.scales:
        outputs = network(network_input(photos, network.stride, scale, params.mirror))
        whole = isinstance(outputs, Outputs)
        logits = outputs.classification.logits if whole else outputs.logits
        if whole:
            segmentation.append(mean(outputs.segmentation_refined))
            saliency.append(mean(outputs.saliency_refined.sigmoid())[:, 0])
        classification.append(logits.unflatten(0, (-1, len(photos))).mean(0))
    found = {"classification": torch.stack(classification).mean(0)}
    if segmentation:
        found["segmentation"] = torch.stack(segmentation).mean(0).half()
        found["saliency"] = torch.stack(saliency).mean(0).half()
    return found
