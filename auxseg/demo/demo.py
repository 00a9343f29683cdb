"""A small synthetic dataset in PASCAL VOC layout, to try everything without a download.

It poses the real problem of weak supervision in miniature. An object is a large body with a small
head. Only the head (its hue and its pattern) determines the class; the bodies of all classes share
the same materials. A classifier therefore finds the heads, and the bodies have to be found from
saliency and from the affinity between pixels.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from auxseg.data.encoding import encode
from auxseg.data.palette import voc_palette
from auxseg.demo.scenes import CLASSES, SMALLEST, Scene, draw_scene


def write_demo(
    root: Path,
    *,
    seed: int,
    train_images: int,
    val_images: int,
    min_side: int,
    max_side: int,
) -> None:
    """Write the demo dataset in PASCAL VOC layout.

    Image number n depends only on ``seed``, n and the range of the sides. Masks are 8-bit palette
    PNGs: 0 is background, k + 1 is ``CLASSES[k]``, and 255 (ignore) are the pixels that the outline
    of an object runs through.

    Args:
        root: Gets ``JPEGImages``, ``SegmentationClass``, ``Annotations`` and ``ImageSets``.
        seed: Of all images.
        train_images: Size of the train split, which takes the first numbers.
        val_images: Size of the val split, which takes the next numbers.
        min_side: Smallest side of an image in pixels, at least 2 · ``SMALLEST``.
        max_side: Largest side of an image in pixels, more than ``min_side``.

    Raises:
        ValueError: If a split is negative, or the sides leave no room or no choice.
    """
    if min(train_images, val_images) < 0:
        raise ValueError(f"negative split: train_images {train_images}, val_images {val_images}")
    if not 2 * SMALLEST <= min_side < max_side:
        raise ValueError(f"need {2 * SMALLEST} <= min_side {min_side} < max_side {max_side}")
    folders = (
        "JPEGImages",
        "SegmentationClass",
        "Annotations",
        "ImageSets/Segmentation",
    )
    images, masks, annotations, splits = (root / folder for folder in folders)
    for folder in (images, masks, annotations, splits):
        folder.mkdir(parents=True, exist_ok=True)

    names = [f"demo_{number:05d}" for number in range(train_images + val_images)]
    for number, name in enumerate(names):
        scene = draw_scene(np.random.default_rng([seed, number]), min_side, max_side)
        photo = encode(Image.fromarray(scene.image), "JPEG", quality=95)
        (images / f"{name}.jpg").write_bytes(photo)
        mask = Image.fromarray(scene.mask)
        mask.putpalette(voc_palette().tobytes())
        (masks / f"{name}.png").write_bytes(encode(mask, "PNG"))
        (annotations / f"{name}.xml").write_text(_annotation(name, scene))
    members = {
        "train": names[:train_images],
        "val": names[train_images:],
        "trainval": names,
    }
    for split, chosen in members.items():
        (splits / f"{split}.txt").write_text("".join(f"{name}\n" for name in chosen))


def _annotation(name: str, scene: Scene) -> str:
    """Return the VOC XML of an image. VOC counts pixels from 1 and includes both ends of a box."""
    height, width, depth = scene.image.shape
    lines = [
        f"  <filename>{name}.jpg</filename>",
        f"  <size><width>{width}</width><height>{height}</height><depth>{depth}</depth></size>",
        "  <segmented>1</segmented>",
    ]
    for value, (rows, columns) in scene.objects:
        lines += [
            f"  <object><name>{CLASSES[value - 1]}</name><difficult>0</difficult><bndbox>",
            f"    <xmin>{columns.start + 1}</xmin><ymin>{rows.start + 1}</ymin>",
            f"    <xmax>{columns.stop}</xmax><ymax>{rows.stop}</ymax>",
            "  </bndbox></object>",
        ]
    return "\n".join(["<annotation>", *lines, "</annotation>", ""])
