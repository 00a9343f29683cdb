"""From photographs to network inputs, and between sizes of feature maps.

At inference, the sides of an input have the form ``stride``·n+1, with the output stride of the
network, so that corner features lie on corner pixels. Every map is then resized with
``align_corners=True``, and nothing is shifted at any scale, nor by mirroring.
"""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from auxseg.data.arrays import Bytes

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def normalise(image: Bytes) -> Tensor:
    """Normalise (H, W, 3) uint8 RGB to (3, H, W) float32 by the ImageNet mean and deviation."""
    pixels = torch.from_numpy(image.astype(np.float32) / 255)
    return ((pixels - torch.tensor(MEAN)) / torch.tensor(STD)).permute(2, 0, 1)


def grid_size(height: int, width: int, stride: int, scale: float = 1.0) -> tuple[int, int]:
    """Return the numbers of feature rows and columns of an image at ``scale``."""
    return _cells(height, stride, scale), _cells(width, stride, scale)


def network_input(image: Bytes, stride: int, scale: float, mirror: bool) -> Tensor:
    """Resize and normalise a photograph for a network.

    Args:
        image: (H, W, 3) uint8 RGB.
        stride: Output stride of the network.
        scale: Factor on the height and width.
        mirror: Whether to append the mirror image.

    Returns:
        (1 or 2, 3, stride·n+1, stride·m+1) float32.
    """
    rows, columns = grid_size(image.shape[0], image.shape[1], stride, scale)
    size = ((columns - 1) * stride + 1, (rows - 1) * stride + 1)
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    tensor = normalise(resized)
    return torch.stack([tensor, tensor.flip(2)]) if mirror else tensor[None]


def unmirror(maps: Tensor) -> Tensor:
    """Mirror the second map back: (1 or 2, C, h, w) of ``network_input`` → the same shape."""
    return torch.stack([maps[0], maps[1].flip(2)]) if len(maps) == 2 else maps


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
