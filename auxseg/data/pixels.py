"""Resizing of stored maps to pixels, without torch.

Many short stages need nothing else of torch, and its import would take most of their time.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from auxseg.data.arrays import Bytes, Floats


def to_pixels(maps: npt.NDArray[np.floating], size: tuple[int, int]) -> Floats:
    """Resize feature maps bilinearly, corners on corners.

    This equals torch's ``interpolate(…, align_corners=True)``.

    Args:
        maps: (C, h, w) of any float type; C may be 0.
        size: (H, W) of the result.

    Returns:
        (C, H, W) float32.
    """
    rows, columns = (_weights(n, m) for n, m in zip(maps.shape[1:], size, strict=True))
    pixels: Floats = rows @ maps.astype(np.float32) @ columns.T
    return pixels


def to_probabilities(logits: npt.NDArray[np.floating], size: tuple[int, int]) -> Floats:
    """Resize class logits (C, h, w) to ``size`` (H, W); return probabilities (C, H, W) float32."""
    pixels = to_pixels(logits, size)
    powers = np.exp(pixels - pixels.max(0))
    probabilities: Floats = powers / powers.sum(0)
    return probabilities


def resize_labels(labels: Bytes, size: tuple[int, int]) -> Bytes:
    """Resize a label map (h, w) uint8 to ``size`` (H, W): the nearest label at every pixel."""
    return np.asarray(Image.fromarray(labels).resize(size[::-1], Image.Resampling.NEAREST))


def resize_grey(values: Bytes, size: tuple[int, int]) -> Bytes:
    """Resize an 8-bit map (h, w) to ``size`` (H, W), bilinearly."""
    return np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR))


def fractions(grey: Bytes) -> Floats:
    """Return an 8-bit map as float32 in [0, 1]."""
    return grey.astype(np.float32) / np.float32(255)


def _weights(cells: int, pixels: int) -> Floats:
    """Return the share of each cell in each pixel along one axis, (pixels, cells)."""
    position = np.linspace(0, cells - 1, pixels)[:, None]
    weights: Floats = np.maximum(0, 1 - np.abs(position - np.arange(cells))).astype(np.float32)
    return weights
