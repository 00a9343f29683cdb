"""From photographs to network inputs, and between sizes of feature maps.

Inputs at inference have sides of the form ``stride``·n+1, with the output stride of the network, so
that the corner features lie on the corner pixels; every map is then resized with
``align_corners=True`` and nothing is shifted, whatever the scale, also after mirroring.
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
    """(H, W, 3) 8-bit → (3, H, W) float32 by the ImageNet mean and deviation."""
    pixels = torch.from_numpy(image.astype(np.float32) / 255)
    return ((pixels - torch.tensor(MEAN)) / torch.tensor(STD)).permute(2, 0, 1)


def grid_size(height: int, width: int, stride: int, scale: float = 1.0) -> tuple[int, int]:
    """Feature rows and columns of an image at ``scale``."""
    return _cells(height, stride, scale), _cells(width, stride, scale)


def network_input(image: Bytes, stride: int, scale: float, mirror: bool) -> Tensor:
    """(H, W, 3) → (1 or 2, 3, stride·n+1, stride·m+1) at ``scale``, and mirrored if asked for."""
    rows, columns = grid_size(image.shape[0], image.shape[1], stride, scale)
    size = ((columns - 1) * stride + 1, (rows - 1) * stride + 1)
    resized = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    tensor = normalise(resized)
    return torch.stack([tensor, tensor.flip(2)]) if mirror else tensor[None]


def unmirror(maps: Tensor) -> Tensor:
    """Maps (1 or 2, C, h, w) of ``network_input`` → (1 or 2, C, h, w), all as the image lies."""
    return torch.stack([maps[0], maps[1].flip(2)]) if len(maps) == 2 else maps


def resize_maps(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(C, h, w) or (B, C, h, w) → the same at ``size``, bilinear, corners on corners."""
    batch = maps if maps.ndim == 4 else maps[None]
    resized = F.interpolate(batch, size, mode="bilinear", align_corners=True)
    return resized if maps.ndim == 4 else resized[0]


def _cells(pixels: int, stride: int, scale: float) -> int:
    return max(1, round((pixels - 1) * scale / stride)) + 1
