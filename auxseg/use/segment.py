"""Segmentation of any photograph by a trained network."""

import torch

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.crf import segmentation_crf
from auxseg.data.arrays import Bytes, Floats
from auxseg.data.pixels import to_probabilities
from auxseg.networks.inputs import photos_of
from auxseg.params import CrfKernels, Predict
from auxseg.predict import predict


def segment(
    network: AuxSegNet,
    image: Bytes,
    params: Predict,
    crf: CrfKernels | None,
    device: torch.device,
) -> Floats:
    """Return class probabilities (K+1, H, W) of a photograph (H, W, 3); with ``crf`` refined."""
    logits = predict(network, photos_of([image]).to(device), params)["segmentation"][0]
    probabilities = to_probabilities(logits.cpu().numpy(), (image.shape[0], image.shape[1]))
    return probabilities if crf is None else segmentation_crf(image, probabilities, crf)
