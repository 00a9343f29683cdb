"""Masks that are files: label maps of the size of the upright photograph, 255 = ignore."""

from pathlib import Path

from auxseg.data.arrays import Bytes
from auxseg.data.index import Index
from auxseg.data.maps import read_labels
from auxseg.data.palette import IGNORE


def find_mask(folders: tuple[Path, ...], id_: str) -> Path | None:
    """Return the file ``<id>.png`` in the first of ``folders`` that has it; None if none has."""
    paths = (folder / f"{id_}.png" for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def read_mask(index: Index, path: Path) -> Bytes:
    """Read a mask as (H, W) uint8.

    Raises:
        ValueError: If it holds a label that no class of ``index`` has, or is no label map.
    """
    mask = read_labels(path)
    worst = int(mask[mask != IGNORE].max(initial=0))
    if worst > len(index.classes):
        raise ValueError(f"{path}: label {worst}, but there are {len(index.classes)} classes")
    return mask
