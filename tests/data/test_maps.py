"""Maps are PNG files: a file that only has the name of one reaches no other reader of Pillow."""

from pathlib import Path

import pytest
from PIL import Image

from auxseg.data.maps import read_grey, read_labels


@pytest.mark.parametrize("format_", ["EPS", "TIFF", "GIF", "BMP"])
def test_other_formats_are_refused_by_their_content(format_: str, tmp_path: Path) -> None:
    """Pillow's reader of EPS starts Ghostscript."""
    path = tmp_path / "a_0.png"
    Image.new("L", (8, 8)).save(path, format_)
    for read in (read_grey, read_labels):
        with pytest.raises(ValueError, match=r"a_0\.png: .*not a JPEG or PNG image"):
            read(path)
