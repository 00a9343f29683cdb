"""A file that a full disk cuts off is an error, as Pillow's own writing is not."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.data.encoding import encode

NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file can grow beyond ``size`` bytes, as on a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_an_image_is_whole_or_an_error(format_: str, tmp_path: Path) -> None:
    image, path = Image.fromarray(NOISE), tmp_path / "image"
    data = encode(image, format_)
    with largest_file(len(data) - 9), pytest.raises(OSError):
        path.write_bytes(data)
    with largest_file(len(data)):
        path.write_bytes(data)
    with Image.open(path) as read:
        assert read.size == image.size


def test_pillow_itself_does_not_notice(tmp_path: Path) -> None:
    """If this fails, Pillow is mended, and ``auxseg.data.encoding`` can go."""
    image, path = Image.fromarray(NOISE), tmp_path / "image"
    size = len(encode(image, "JPEG"))
    with largest_file(size - 9):
        image.save(path, "JPEG")
    assert path.stat().st_size < size
