"""From photographs to network inputs, and between sizes of feature maps.

At inference, the sides of an input have the form ``stride``·n+1, with the output stride of the
network, so that corner features lie on corner pixels. Every map is then resized with
``align_corners=True``, and nothing is shifted at any scale, nor by mirroring.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.data.arrays import Bytes

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def photos_of(images: Sequence[Bytes]) -> Tensor:
    """Return photographs (H, W, 3) of equal size as (B, 3, H, W) uint8, on the CPU."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def normalise(photos: Tensor) -> Tensor:
    """Normalise (…, 3, H, W), 0 to 255, to float32 by the ImageNet mean and deviation."""
    inputs = photos / 255
    # By numbers: a GPU's host would wait for tensors of them to get there.
    for channel, (mean, deviation) in enumerate(zip(MEAN, STD, strict=True)):
        inputs[..., channel, :, :].sub_(mean).div_(deviation)
    return inputs


def grid_size(height: int, width: int, stride: int, scale: float = 1.0) -> tuple[int, int]:
    """Return the numbers of feature rows and columns of an image at ``scale``."""
    return _cells(height, stride, scale), _cells(width, stride, scale)


def network_input(photos: Tensor, stride: int, scale: float, mirror: bool) -> Tensor:
    """Resize and normalise photographs for a network, on their device.

    Args:
        photos: (B, 3, H, W) uint8 RGB.
        stride: Output stride of the network.
        scale: Factor on the height and width.
        mirror: Whether to append the mirror images.

    Returns:
        (B or 2B, 3, stride·n+1, stride·m+1) float32.
    """
    rows, columns = grid_size(photos.shape[2], photos.shape[3], stride, scale)
    size = ((rows - 1) * stride + 1, (columns - 1) * stride + 1)
    if photos.is_cuda:  # which resizes no bytes
        # In the layout of the weights: cuDNN would plan for another one anew at every size.
        pixels = photos.float().contiguous()
        inputs = normalise(F.interpolate(pixels, size, mode="bilinear", antialias=True).round_())
    else:
        inputs = normalise(F.interpolate(photos, size, mode="bilinear", antialias=True))
    return torch.cat([inputs, inputs.flip(3)]) if mirror else inputs


def unmirror(maps: Tensor, mirror: bool) -> Tensor:
    """Mirror maps of ``network_input`` back: (B or 2B, C, h, w) → (1 or 2, B, C, h, w)."""
    if not mirror:
        return maps[None]
    plain, mirrored = maps.chunk(2)
    return torch.stack([plain, mirrored.flip(3)])


def resize_maps(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (C, h, w) or (B, C, h, w) to ``size`` (H, W), bilinearly, corners on corners."""
    batch = maps if maps.ndim == 4 else maps[None]
    if batch.is_cuda and batch.requires_grad and torch.are_deterministic_algorithms_enabled():
        # F.interpolate has no deterministic gradient there; torch's substitute sorts all pixels.
        resized = resize_by_products(batch, size)
    else:
        resized = F.interpolate(batch, size, mode="bilinear", align_corners=True)
    return resized if maps.ndim == 4 else resized[0]


def resize_by_products(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (B, C, h, w) to ``size`` (H, W) by matrix products, whose gradients are products."""

    def weights(source: int, target: int) -> Tensor:  # (target, source)
        each = torch.eye(source, dtype=maps.dtype, device=maps.device)
        return F.interpolate(each[None], target, mode="linear", align_corners=True)[0].T

    rows, columns = weights(maps.shape[2], size[0]), weights(maps.shape[3], size[1])
    return rows @ maps @ columns.mT


def _cells(pixels: int, stride: int, scale: float) -> int:
    return max(1, round((pixels - 1) * scale / stride)) + 1
