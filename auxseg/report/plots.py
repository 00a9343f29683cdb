"""Pictures of labels, heat maps and class activation maps over the photo.

Photos and pictures are (H, W, 3) uint8 RGB arrays; maps and labels have the photo's size.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from auxseg.data.arrays import Bytes, Floats
from auxseg.data.palette import IGNORE, voc_palette

# Nine equidistant colours of matplotlib's perceptually uniform map "inferno".
INFERNO = np.array(
    [
        (0, 0, 4),
        (33, 10, 76),
        (86, 16, 110),
        (137, 34, 106),
        (187, 55, 84),
        (227, 89, 50),
        (249, 140, 10),
        (249, 201, 50),
        (252, 255, 164),
    ]
)
HATCH_LIGHT, HATCH_DARK = 232, 120


def colour(labels: Bytes) -> Bytes:
    """Return a label map (H, W) uint8 as a picture in the colours of ``voc_palette``."""
    return voc_palette()[labels]


def overlay(photo: Bytes, labels: Bytes, opacity: float = 0.6) -> Bytes:
    """Lay the colours of a label map over the photo.

    Background (0) stays photo; pixels without a label (255) are hatched in grey, so that they
    are not mistaken for a class.

    Args:
        photo: (H, W, 3) uint8.
        labels: (H, W) uint8.
        opacity: Of the colours, in [0, 1].

    Raises:
        ValueError: If the sizes differ.
    """
    colours = colour(labels)
    ignored = labels == IGNORE
    colours[ignored] = _hatching(*labels.shape)[ignored, None]
    return _blend(photo, colours, opacity * (labels != 0))


def heat(photo: Bytes, values: Floats, opacity: float = 0.6) -> Bytes:
    """Lay a map over the photo, from black (0) over red to pale yellow (1).

    Args:
        photo: (H, W, 3) uint8.
        values: (H, W) floats; values outside [0, 1] are clipped.
        opacity: Of the colours, in [0, 1].

    Raises:
        ValueError: If the sizes differ.
    """
    position = np.clip(values, 0, 1) * (len(INFERNO) - 1)
    colours = [np.interp(position, range(len(INFERNO)), channel) for channel in INFERNO.T]
    return _blend(photo, np.stack(colours, axis=-1), np.full(values.shape, opacity))


def cam_overlay(photo: Bytes, cams: Floats, classes: Sequence[int]) -> Bytes:
    """Lay class activation maps over the photo.

    Each pixel takes the colour of the class whose map is strongest there, with that map's value
    as opacity, so pixels that no map marks stay photo.

    Args:
        photo: (H, W, 3) uint8.
        cams: (K, H, W) floats; values outside [0, 1] are clipped. Without a map (K = 0) the photo
            is returned.
        classes: The label (1..C-1) of each of the K maps.

    Raises:
        ValueError: If the sizes differ, or there is not one label for every map.
    """
    if len(classes) != len(cams):
        raise ValueError(f"{len(cams)} maps, but {len(classes)} classes")
    if not len(cams):
        return photo.copy()
    strongest = np.array(classes, dtype=np.uint8)[cams.argmax(axis=0)]
    return _blend(photo, colour(strongest), np.clip(cams.max(axis=0), 0, 1))


def panel(tiles: Sequence[tuple[str, Bytes]], height: int) -> Image.Image:
    """Set captioned pictures side by side on white.

    Args:
        tiles: Caption and picture (H, W, 3) uint8 of each tile, at least one; captions are one
            line each.
        height: Of every tile, in pixels, without its caption; widths keep the pictures' shapes.

    Raises:
        ValueError: If there is no tile.
    """
    if not tiles:
        raise ValueError("a panel needs at least one tile")
    margin = max(4, height // 24)
    font = ImageFont.load_default(size=max(11, height // 14))
    top = 2 * margin + round(font.getbbox("Ag")[3])
    pictures = [_of_height(picture, height) for _, picture in tiles]
    # A tile is at least as wide as its caption, so that neighbouring captions do not touch.
    widths = [
        max(picture.width, round(font.getlength(caption)))
        for picture, (caption, _) in zip(pictures, tiles, strict=True)
    ]
    size = (sum(widths) + margin * (len(tiles) + 1), top + height + margin)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    left = margin
    for picture, width, (caption, _) in zip(pictures, widths, tiles, strict=True):
        draw.text((left, margin), caption, fill="black", font=font)
        canvas.paste(picture, (left, top))
        left += width + margin
    return canvas


def _of_height(picture: Bytes, height: int) -> Image.Image:
    image = Image.fromarray(picture)
    width = max(1, round(image.width * height / image.height))
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _hatching(height: int, width: int) -> Bytes:
    """Return diagonal stripes (H, W) that stay visible when the picture is shown small."""
    stripe = max(2, min(height, width) // 40)
    diagonal = np.add.outer(np.arange(height), np.arange(width)) // stripe
    return np.where(diagonal % 2 == 0, HATCH_LIGHT, HATCH_DARK).astype(np.uint8)


def _blend(
    photo: Bytes, colours: npt.NDArray[np.generic], opacity: npt.NDArray[np.floating]
) -> Bytes:
    if photo.shape != (*opacity.shape, 3):
        raise ValueError(f"photo has shape {photo.shape}, the map over it {opacity.shape}")
    blended = photo + opacity[..., None] * (colours.astype(np.float64) - photo)
    return np.rint(blended).astype(np.uint8)
