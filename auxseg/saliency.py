"""Import of saliency maps made by any salient-object model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from auxseg.artifacts import read_grey

SHOWN = 5


def find_maps(root: Path, ids: Sequence[str]) -> dict[str, Path]:
    """Find ``<id>.png`` below ``root`` for every id; ValueError names those that are missing."""
    paths = {id_: root / f"{id_}.png" for id_ in ids}
    missing = [id_ for id_, path in paths.items() if not path.is_file()]
    if missing:
        names = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
        raise ValueError(
            f"{root}: {len(missing)} of {len(ids)} training images have no map <id>.png: {names}"
        )
    return paths


def read_map(path: Path, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Read a map and resize it to (H, W); 8-bit, 255 = salient."""
    grey = Image.fromarray(read_grey(path))
    return np.asarray(grey.resize(size[::-1], Image.Resampling.BILINEAR))
