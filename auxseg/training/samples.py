"""Training samples: random scale, colour, mirror and crop, drawn anew for every image and epoch.

Every draw depends on (seed, epoch, image) alone, so neither worker processes nor the order of the
images can change a sample.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from auxseg.data.arrays import Bytes
from auxseg.data.index import Index
from auxseg.data.maps import read_labels, read_saliency
from auxseg.data.palette import IGNORE
from auxseg.networks.inputs import normalise
from auxseg.params import Augment
from auxseg.training.sharing import Share

SALIENT = 128
# The ImageNet mean in grey levels, so that padding is about zero after normalisation.
PADDING = (124, 116, 104)

Sample = dict[str, Tensor]
Batch = dict[str, Tensor]  # samples, stacked


@dataclass(frozen=True)
class Labels:
    """Folders of the pseudo labels and saliency maps, ``<id>.png``, that a round is trained on."""

    segmentation: Path
    saliency: Path


class TrainingSet(Dataset[Sample]):
    """The training images of an index, by (epoch, number).

    A sample holds ``image`` (3, crop, crop) float32, normalised, and ``classes`` (K,) float32 of 0
    and 1. With ``labels`` it also holds ``segmentation`` (crop, crop) int64 and ``saliency``
    (crop, crop) int64 of 0 and 1. Both are 255 where the crop reaches beyond the image, so that
    padding is never learned as background. Without saliency maps, all of ``saliency`` is 255.
    """

    def __init__(
        self, index: Index, augment: Augment, seed: int, labels: Labels | None = None
    ) -> None:
        self.index = index
        self.entries = index.split("train")
        self.augment = augment
        self.seed = seed
        self.labels = labels

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, number = key
        entry = self.entries[number]
        rng = np.random.default_rng([self.seed, epoch, number])
        maps = []
        if self.labels is not None:
            labels = read_labels(self.labels.segmentation / f"{entry.id}.png")
            saliency = read_saliency(self.labels.saliency, entry.id)
            unknown = np.full_like(labels, IGNORE)
            maps = [labels, unknown if saliency is None else (saliency >= SALIENT).astype(np.uint8)]
        image, maps = augmented(self.index.read_image(entry), maps, self.augment, rng)
        sample = {
            "image": normalise(torch.from_numpy(image).permute(2, 0, 1)),
            "classes": torch.from_numpy(self.index.label_vector(entry)),
        }
        for name, values in zip(("segmentation", "saliency"), maps, strict=False):
            sample[name] = torch.from_numpy(values.astype(np.int64))
        return sample


def augmented(
    image: Bytes, maps: list[Bytes], augment: Augment, rng: np.random.Generator
) -> tuple[Bytes, list[Bytes]]:
    """Transform a photograph and its label maps alike.

    Args:
        image: (H, W, 3) uint8 RGB.
        maps: (H, W) uint8 each.
        augment: Ranges of the draws, and the side of the crop.
        rng: Source of the draws.

    Returns:
        The photograph (crop, crop, 3) uint8, padded with ``PADDING``, and the maps (crop, crop)
        uint8, padded with 255.
    """
    photo = Image.fromarray(image)
    scale = rng.uniform(augment.scale[0], augment.scale[1])
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        photo = enhance(photo).enhance(1 + augment.jitter * rng.uniform(-1, 1))
    layers = [np.asarray(photo.resize(size, Image.Resampling.BILINEAR))]
    layers += [
        np.asarray(Image.fromarray(values).resize(size, Image.Resampling.NEAREST))
        for values in maps
    ]
    if rng.random() < augment.mirror:
        layers = [layer[:, ::-1] for layer in layers]
    top = _offset(size[1], augment.crop, rng)
    left = _offset(size[0], augment.crop, rng)
    photo_crop = _crop(layers[0], top, left, augment.crop, np.array(PADDING, np.uint8))
    ignore = np.array(IGNORE, np.uint8)
    return photo_crop, [_crop(layer, top, left, augment.crop, ignore) for layer in layers[1:]]


def _offset(length: int, crop: int, rng: np.random.Generator) -> int:
    """Draw the first pixel of the crop; negative where the image is smaller and must be padded."""
    return int(rng.integers(min(0, length - crop), max(0, length - crop), endpoint=True))


def _crop(layer: Bytes, top: int, left: int, crop: int, padding: Bytes) -> Bytes:
    out = np.empty((crop, crop, *layer.shape[2:]), np.uint8)
    out[:] = padding
    part = layer[max(top, 0) : top + crop, max(left, 0) : left + crop]
    rows, columns = max(-top, 0), max(-left, 0)
    out[rows : rows + part.shape[0], columns : columns + part.shape[1]] = part
    return out


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of (epoch, number) over all epochs; the order depends on (seed, epoch) alone.

    The incomplete last batch of an epoch is left out, unless it is the only one, because BatchNorm
    needs batches of one size.

    Attributes:
        start: Number of steps to skip; they were done before an interruption.
        share: The worker's share of each batch; None for whole batches.
    """

    def __init__(self, images: int, batch_size: int, epochs: int, seed: int) -> None:
        self.images = images
        self.batch_size = min(batch_size, images)
        self.epochs = epochs
        self.seed = seed
        self.start = 0
        self.share: Share | None = None

    @property
    def steps(self) -> int:
        """Number of steps in one epoch."""
        return self.images // self.batch_size

    def __len__(self) -> int:
        return self.steps * self.epochs

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        done_epochs, done_steps = divmod(self.start, self.steps)
        for epoch in range(done_epochs, self.epochs):
            order = np.random.default_rng([self.seed, epoch]).permutation(self.images).tolist()
            batches = range(0, self.steps * self.batch_size, self.batch_size)
            for start in batches[done_steps:]:
                batch = [(epoch, number) for number in order[start : start + self.batch_size]]
                yield batch if self.share is None else self.share.of(batch)
            done_steps = 0
