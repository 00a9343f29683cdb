"""Small pictures of photographs and maps, as ``data:`` addresses that a page can hold."""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from auxseg.data.arrays import Bytes, Floats
from auxseg.data.encoding import encode
from auxseg.data.palette import IGNORE, voc_palette
from auxseg.data.pixels import resize_labels
from auxseg.report.plots import HATCH_DARK, HATCH_LIGHT, INFERNO

SIDE = 240  # longest side in pixels
LEVELS = 32  # of a heat map: finer steps are hardly seen, and double the size


@dataclass(frozen=True)
class Thumbnail:
    """An encoded picture: its address ``data:image/…``, and its size in pixels."""

    address: str
    width: int
    height: int


def photo_thumbnail(photo: Bytes) -> Thumbnail:
    """Encode a photograph (H, W, 3) uint8 RGB as JPEG."""
    image = Image.fromarray(photo)
    image = image.resize(_fit(image.size), Image.Resampling.LANCZOS)
    return _encode(image, "JPEG", quality=80, optimize=True)


def label_thumbnail(labels: Bytes) -> Thumbnail:
    """Encode a label map (h, w) uint8 as PNG in the colours of ``voc_palette``.

    Background is transparent. Pixels without a label are hatched, as in ``plots.overlay``.
    """
    height, width = labels.shape
    width, height = _fit((width, height))
    labels = resize_labels(labels, (height, width))
    # Few colours need few bits a pixel. The last one is the dark stripe of the hatching.
    used, codes = np.unique(labels, return_inverse=True)
    codes = codes.reshape(labels.shape)
    stripe = max(2, min(height, width) // 40)
    dark = np.add.outer(np.arange(height), np.arange(width)) // stripe % 2 == 1
    codes[dark & (labels == IGNORE)] = len(used)
    colours = voc_palette()[used]
    colours[used == IGNORE] = HATCH_LIGHT
    colours = np.append(colours, np.full((1, 3), HATCH_DARK, np.uint8), axis=0)
    return _encode_codes(codes, colours, np.append(np.where(used == 0, 0, 255), 255))


def heat_thumbnail(values: Floats) -> Thumbnail:
    """Encode a map (h, w) float32 as PNG, from transparent (0) over red to pale yellow (1)."""
    image = Image.fromarray(np.clip(values, 0, 1))
    image = image.resize(_fit(image.size), Image.Resampling.BILINEAR)
    codes = np.rint(np.clip(np.asarray(image), 0, 1) * (LEVELS - 1))
    level = np.linspace(0, 1, LEVELS)
    position = level * (len(INFERNO) - 1)
    colours = [np.interp(position, range(len(INFERNO)), channel) for channel in INFERNO.T]
    return _encode_codes(codes, np.stack(colours, axis=-1), 255 * np.sqrt(level))


def _fit(size: tuple[int, int]) -> tuple[int, int]:
    """Reduce a size to ``SIDE`` on the longer side; smaller sizes stay."""
    factor = min(1, SIDE / max(size))
    width, height = (max(1, round(side * factor)) for side in size)
    return width, height


def _encode_codes(
    codes: npt.NDArray[Any], colours: npt.NDArray[Any], opacities: npt.NDArray[Any]
) -> Thumbnail:
    """Encode numbers (h, w) of colours: (n, 3) RGB and (n,) opacities, both from 0 to 255."""
    image = Image.fromarray(codes.astype(np.uint8))
    image.putpalette(np.rint(colours).astype(np.uint8).tobytes())
    alphas = np.rint(opacities).astype(np.uint8).tobytes()
    return _encode(image, "PNG", transparency=alphas)


def _encode(image: Image.Image, format_: str, **options: Any) -> Thumbnail:
    data = base64.b64encode(encode(image, format_, **options)).decode()
    return Thumbnail(f"data:image/{format_.lower()};base64,{data}", image.width, image.height)
