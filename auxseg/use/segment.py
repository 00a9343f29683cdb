"""Segmentation of any photograph by a trained network, and its form as COCO's results."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.crf import segmentation_crf
from auxseg.data.arrays import Bytes, Floats
from auxseg.data.pixels import resize_labels, to_probabilities
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
    logits = predict(network, image, params, device)["segmentation"]
    probabilities = to_probabilities(logits, (image.shape[0], image.shape[1]))
    return probabilities if crf is None else segmentation_crf(image, probabilities, crf)


def coco_results(
    image_id: str, probabilities: Floats, size: tuple[int, int], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Return an entry of COCO's results format for each class that wins pixels of an image.

    ``category_id`` is the label 1..K, ``category_name`` its class, ``segmentation`` the run-length
    encoding of all its pixels, and ``score`` their mean probability.

    Args:
        image_id: As it stands in the entries.
        probabilities: (K+1, h, w).
        size: (H, W) that the encoding is for.
        classes: Names of the K classes.
    """
    from pycocotools import mask  # only this format needs it

    labels = probabilities.argmax(0).astype(np.uint8)
    entries = []
    for label in np.unique(labels[labels > 0]).tolist():
        where = resize_labels((labels == label).astype(np.uint8), size)
        encoded = mask.encode(np.asfortranarray(where))
        entries.append(
            {
                "image_id": image_id,
                "category_id": label,
                "category_name": classes[label - 1],
                "segmentation": {"size": list(size), "counts": encoded["counts"].decode("ascii")},
                "score": float(probabilities[label][labels == label].mean()),
            }
        )
    return entries
