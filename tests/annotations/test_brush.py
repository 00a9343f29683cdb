"""Brush strokes of Label Studio, decoded from bytes that label-studio-converter 0.0.59 made."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxseg.annotations.brush import brush_spans
from auxseg.annotations.spans import paint

# `mask2rle` of 60 × 300 pixels of 255: more values than one run can have.
FULL = [0, 1, 25, 64, 57, 27, 255, 255, 255, 255, 227, 39, 255, 224]
# `encode_rle` of 2 × 3 pixels of the colour (9, 8, 7), and of the opacity 0, 128, 0, 255, 255, 255.
COLOURED = [
    *(0, 0, 0, 24, 57, 27, 248, 1, 32, 4, 0, 14, 0, 0, 1, 32, 4, 0, 14, 4, 0, 1, 32, 4, 0, 14),
    *(0, 0, 1, 32, 4, 0, 14, 7, 248, 1, 32, 4, 0, 14, 7, 248, 1, 32, 4, 0, 14, 7, 248),
]
# `mask2rle` of 4 × 5 pixels: 255 in columns 1 to 3 of rows 1 and 2, 100 in the last one.
SMALL = [0, 0, 0, 80, 57, 27, 254, 23, 0, 183, 255, 56, 5, 191, 252, 38, 1, 27, 32]
HEAD = "{:032b}" + f"{8 - 1:05b}" + "".join(f"{bits - 1:04b}" for bits in (3, 4, 8, 16))


def strokes(data: list[int], size: tuple[int, int]) -> list[str]:
    labels = paint([(1, brush_spans(bytes(data), size))], size)
    return ["".join(".#"[value] for value in row) for row in labels]


def packed(bits: str) -> list[int]:
    bits += "0" * (-len(bits) % 8)
    return [int(bits[n : n + 8], 2) for n in range(0, len(bits), 8)]


def test_real_bytes() -> None:
    assert strokes(SMALL, (4, 5)) == [".....", ".###.", ".###.", "....#"]
    assert strokes(COLOURED, (2, 3)) == [".#.", "###"]


def test_runs_longer_than_16_bits_can_say() -> None:
    assert brush_spans(bytes(FULL), (60, 300)).tolist() == [[0, 16384], [16384, 18000]]


def test_values_that_are_written_one_by_one() -> None:
    values = [0, 0, 0, 9, 7, 7, 7, 0]  # two pixels, of which the first is opaque
    bits = HEAD.format(8) + "0" + "00" + "111" + "".join(f"{value:08b}" for value in values)
    assert strokes(packed(bits), (1, 2)) == ["#."]


@pytest.mark.parametrize("length", [0, 3, 6, 10, len(SMALL) - 2])
def test_a_stream_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="RLE is cut off"):
        brush_spans(bytes(SMALL[:length]), (4, 5))


def test_strokes_on_an_image_of_another_size_are_refused_before_they_are_decoded() -> None:
    line = "brush strokes on 1.07374e\\+09 pixels, but the image has 20"
    with pytest.raises(ValueError, match=line):
        brush_spans(bytes([255] * 4 + SMALL[4:]), (4, 5))


def test_a_run_beyond_the_end_is_refused() -> None:
    bits = HEAD.format(4) + "1" + "00" + "111" + f"{255:08b}"
    with pytest.raises(ValueError, match="a run beyond the end of the image"):
        brush_spans(bytes(packed(bits)), (1, 1))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=30))
def test_any_other_bytes_are_refused_or_stay_within_the_image(data: bytes) -> None:
    try:
        spans = brush_spans(bytes(SMALL[:6]) + data, (4, 5))
    except ValueError:
        return
    assert (np.diff(spans.reshape(-1)) >= 0).all()
    assert ((spans >= 0) & (spans <= 20)).all()
