"""Predictions of the networks at test time, without any label."""

import torch

from auxseg.auxsegnet.network import Outputs
from auxseg.data.arrays import Arrays, Bytes
from auxseg.networks.inputs import grid_size, network_input, resize_maps, unmirror
from auxseg.networks.network import Network
from auxseg.params import Predict


@torch.inference_mode()
def predict(
    network: Network,
    image: Bytes,
    params: Predict,
    device: torch.device,
) -> Arrays:
    """Average the outputs over scales and mirror images, on the grid of scale 1.

    Args:
        network: A classifier or an AuxSegNet, on ``device``.
        image: (H, W, 3) uint8 RGB.
        params: Scales and mirror.
        device: Where to compute.

    Returns:
        ``classification`` (K,) float32 logits, and from an AuxSegNet ``segmentation``
        (K+1, h, w) float16 logits and ``saliency`` (h, w) float16 probabilities, both refined.
    """
    size = grid_size(image.shape[0], image.shape[1], network.stride)
    classification, segmentation, saliency = [], [], []
    for scale in params.scales:
        outputs = network(network_input(image, network.stride, scale, params.mirror).to(device))
        if not isinstance(outputs, Outputs):
            classification.append(outputs.logits.mean(0))
            continue
        classification.append(outputs.classification.logits.mean(0))
        segmentation.append(resize_maps(unmirror(outputs.segmentation_refined).mean(0), size))
        saliency.append(resize_maps(unmirror(outputs.saliency_refined.sigmoid()).mean(0), size)[0])
    arrays: Arrays = {"classification": torch.stack(classification).mean(0).cpu().numpy()}
    if segmentation:
        arrays["segmentation"] = torch.stack(segmentation).mean(0).half().cpu().numpy()
        arrays["saliency"] = torch.stack(saliency).mean(0).half().cpu().numpy()
    return arrays
