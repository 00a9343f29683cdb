"""The colours of the PASCAL VOC label images."""

import numpy as np

from auxseg.data.arrays import Bytes

IGNORE = 255  # label of the pixels that do not count
MAX_CLASSES = 254  # as many as 8-bit label maps can hold beside background and "ignore"


def voc_palette() -> Bytes:
    """Return the standard PASCAL VOC colour map.

    The bits of a label go to red, green and blue in turn: the lowest three bits give each channel
    its highest bit, the next three its second highest, and so on. The rule is that of
    ``VOClabelcolormap.m`` in the VOC2012 development kit.

    Returns:
        (256, 3) uint8, RGB; row ``i`` is the colour of label ``i``. Row 0 (background) is black
        and row 255 (ignore) is (224, 224, 192).
    """
    labels = np.arange(256)[:, None]
    channel = np.arange(3)
    colours = np.zeros((256, 3), dtype=np.int64)
    for step in range(3):
        bit = labels >> (3 * step + channel) & 1
        colours |= bit << (7 - step)
    return colours.astype(np.uint8)
