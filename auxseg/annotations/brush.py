"""The run lengths of Label Studio's brush, as ``decode_rle`` of label-studio-converter reads them.

They are those of the package ``rle-pack`` of thi.ng/umbrella: a stream of bits, highest first. 32
bits say how many values there are, 5 how many bits a value has, and four times 4 how many bits
the four kinds of lengths have (each less 1). Then come runs: a bit that is 1 for one value that is
repeated and 0 for values one by one, two bits for the kind of length, the length (less 1), and the
value or values. The values are red, green, blue and opacity of each pixel, row by row.
"""

import numpy as np

from auxseg.annotations.spans import Spans

_CHANNELS = 4
_OPACITY = 3


class _Bits:
    """Reads numbers of up to 32 bits."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, count: int) -> int:
        """Return the number in the next ``count`` bits.

        Raises:
            ValueError: If there are not so many.
        """
        first, end = self._at, self._at + count
        if end > 8 * len(self._data):
            raise ValueError("brush strokes whose RLE is cut off")
        self._at = end
        stop = -(-end // 8)
        window = int.from_bytes(self._data[first // 8 : stop])
        return window >> (8 * stop - end) & ((1 << count) - 1)


def brush_spans(data: bytes, size: tuple[int, int]) -> Spans:
    """Return the spans of the pixels that are not wholly transparent, and decode no pixels.

    Args:
        data: The list ``rle`` of a result, as bytes.
        size: (H, W) of the image.

    Raises:
        ValueError: If the data is damaged, or of an image of another size.
    """
    height, width = size
    bits = _Bits(data)
    count = bits.read(32)
    if count != height * width * _CHANNELS:
        line = f"brush strokes on {count / _CHANNELS:g} pixels, but the image has {height * width}"
        raise ValueError(line)
    value_bits = bits.read(5) + 1
    length_bits = [bits.read(4) + 1 for _ in range(4)]
    spans: list[tuple[int, int]] = []
    at = 0
    while at < count:
        is_repeated = bits.read(1)
        end = at + bits.read(length_bits[bits.read(2)]) + 1
        if end > count:
            raise ValueError("brush strokes whose RLE has a run beyond the end of the image")
        if is_repeated:
            # Of the pixels whose opacity is in the run.
            pixels = at // _CHANNELS, end // _CHANNELS
            if bits.read(value_bits) and pixels[0] < pixels[1]:
                spans.append(pixels)
        else:
            for value in range(at, end):
                if bits.read(value_bits) and value % _CHANNELS == _OPACITY:
                    spans.append((value // _CHANNELS, value // _CHANNELS + 1))
        at = end
    return np.array(spans, np.int64).reshape(-1, 2)
