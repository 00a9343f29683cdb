"""From stored maps to pixels of any size, without torch: its import would be most of the time of
the many short steps that need nothing else of it.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from auxseg.data.arrays import Bytes, Floats


def to_pixels(maps: npt.NDArray[np.floating], size: tuple[int, int]) -> Floats:
    """Feature maps (C, h, w) of any float type → (C, H, W) float32; C may be 0.

    Bilinear, corners on corners: the same as torch's ``interpolate(…, align_corners=True)``.
    """
    rows, columns = (_weights(n, m) for n, m in zip(maps.shape[1:], size, strict=True))
    pixels: Floats = rows @ maps.astype(np.float32) @ columns.T
    return pixels


def to_probabilities(logits: npt.NDArray[np.floating], size: tuple[int, int]) -> Floats:
    """Class logits (C, h, w) → probabilities (C, H, W) float32."""
    pixels = to_pixels(logits, size)
    powers = np.exp(pixels - pixels.max(0))
    probabilities: Floats = powers / powers.sum(0)
    return probabilities


def resize_labels(labels: Bytes, size: tuple[int, int]) -> Bytes:
    """A label map as (H, W): the nearest label at every pixel."""
    return np.asarray(Image.fromarray(labels).resize(size[::-1], Image.Resampling.NEAREST))


def resize_grey(values: Bytes, size: tuple[int, int]) -> Bytes:
    """An 8-bit map as (H, W), bilinear."""
    return np.asarray(Image.fromarray(values).resize(size[::-1], Image.Resampling.BILINEAR))


def _weights(cells: int, pixels: int) -> Floats:
    """(pixels, cells): the share of each cell in each pixel along one axis."""
    position = np.linspace(0, cells - 1, pixels)[:, None]
    weights: Floats = np.maximum(0, 1 - np.abs(position - np.arange(cells))).astype(np.float32)
    return weights
