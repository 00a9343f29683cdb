"""The steps as published code does them: one process, image after image, nothing shared.

What they compute is the same as in `stages/`; the benchmark compares the results.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from pydensecrf.utils import unary_from_softmax
from torch import Tensor

from auxseg.auxsegnet.network import AuxSegNet
from auxseg.crf import dense_crf
from auxseg.data.arrays import Bytes, Counts, Floats
from auxseg.data.index import Entry, Index
from auxseg.data.palette import IGNORE
from auxseg.losses import round_losses
from auxseg.networks.inputs import MEAN, STD, grid_size
from auxseg.networks.network import Network
from auxseg.params import CamParams, CrfKernels, Params, PseudoLabelParams, TrainParams
from auxseg.training.samples import EpochBatches, TrainingSet


def inputs(image: Bytes, stride: int, scale: float) -> Tensor:
    """Resize by Pillow, normalise by numpy: (1, 3, stride·n+1, stride·m+1)."""
    rows, columns = grid_size(image.shape[0], image.shape[1], stride, scale)
    size = ((columns - 1) * stride + 1, (rows - 1) * stride + 1)
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    normalised = (resized.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    return torch.from_numpy(normalised.transpose(2, 0, 1))[None]


@torch.no_grad()
def cam(network: Network, image: Bytes, params: CamParams) -> Tensor:
    """Multi-scale CAM, one forward pass for each scale and each mirror image."""
    size = grid_size(image.shape[0], image.shape[1], network.stride)
    total = torch.zeros(1)
    for scale in params.scales:
        for mirrored in (False, True) if params.mirror else (False,):
            source = np.ascontiguousarray(image[:, ::-1]) if mirrored else image
            features = network.features(inputs(source, network.stride, scale))
            maps = network.classification(features).cam.relu()
            maps = maps.flip(3) if mirrored else maps
            total = total + F.interpolate(maps, size, mode="bilinear", align_corners=True)[0]
    return total / (total.amax((1, 2), keepdim=True) + 1e-5)


@torch.no_grad()
def label_update(
    network: AuxSegNet, index: Index, entry: Entry, original: Bytes, params: Params
) -> Bytes:
    """Refined CAM, saliency CRF and fusion of one image, all maps in full size."""
    image = index.read_image(entry)
    size = (entry.height, entry.width)
    maps = cam(network, image, params.cam)
    outputs = network(inputs(image, network.stride, 1))
    if outputs.affinity is not None:
        maps = (outputs.affinity.pairwise @ maps[None])[0]
    full = F.interpolate(maps[None], size, mode="bilinear", align_corners=True)[0].numpy()
    salient = outputs.saliency_refined.sigmoid()
    salient = F.interpolate(salient, size, mode="bilinear", align_corners=True)[0, 0].numpy()
    mean = ((salient + original / 255) / 2).astype(np.float32)
    crf = params.saliency_crf
    p = np.stack([1 - mean, mean])
    unary = -np.log(p + 1e-8) / (crf.tau / (1 + np.exp(-p)))
    saliency = dense_crf(image, unary.reshape(2, -1), crf)[1]
    return fuse(full[list(entry.labels)], entry.labels, saliency, params.pseudo_labels)


def fuse(cam: Floats, classes: Sequence[int], saliency: Floats, params: PseudoLabelParams) -> Bytes:
    """Labels where CAM and saliency agree."""
    scores = np.concatenate([np.full((1, *saliency.shape), params.cam_threshold), cam])
    labels = np.array([0, *(number + 1 for number in classes)])[scores.argmax(0)]
    salient = (saliency * 255).round() / 255 > params.saliency_threshold
    labels[(labels > 0) != salient] = IGNORE
    return labels.astype(np.uint8)


def segmentation_crf(image: Bytes, probabilities: Floats, kernels: CrfKernels) -> Bytes:
    """Labels after a CRF over all classes."""
    return dense_crf(image, unary_from_softmax(probabilities), kernels).argmax(0).astype(np.uint8)


def train(
    network: AuxSegNet, images: TrainingSet, batches: EpochBatches, params: TrainParams
) -> AuxSegNet:
    """Decode and augment in the main process, then one step; no checkpoint."""
    network.train()
    schedule = params.schedule
    rate = schedule.learning_rate
    backbone = [p for p in network.backbone.parameters() if p.requires_grad]
    rest = [p for name, p in network.named_parameters() if not name.startswith("backbone.")]
    groups = [{"params": backbone}, {"params": rest, "lr": rate * schedule.head_factor}]
    optimizer = torch.optim.SGD(groups, rate, schedule.momentum, 0, schedule.weight_decay)
    decay = torch.optim.lr_scheduler.PolynomialLR(optimizer, len(batches), 0.9)
    for keys in batches:
        samples = [images[key] for key in keys]
        batch = {name: torch.stack([s[name] for s in samples]) for name in samples[0]}
        losses = round_losses(network(batch["image"]), batch, weights=params.losses)
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        if schedule.gradient_clip:
            torch.nn.utils.clip_grad_norm_(network.parameters(), schedule.gradient_clip)
        optimizer.step()
        decay.step()
    return network


def counts(truth: Bytes, prediction: Bytes, classes: int) -> Counts:
    """Common, true and predicted pixels (3, C) by a loop over the classes."""
    valid = truth != IGNORE
    found = np.zeros((3, classes), np.int64)
    for number in range(classes):
        true, predicted = (truth == number) & valid, (prediction == number) & valid
        found[:, number] = (true & predicted).sum(), true.sum(), predicted.sum()
    return found
