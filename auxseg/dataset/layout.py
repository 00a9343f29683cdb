"""Where datasets in VOC layout, and folders of one's own, keep the mask of an image."""

from pathlib import Path

MASKS = {"voc": ("SegmentationClass", "SegmentationClassAug"), "folder": ("masks",), "coco": ()}


def find_mask(format_: str, root: Path, id_: str) -> Path | None:
    """The mask file of an image; None if there is none, or if masks are not files (COCO)."""
    paths = (root / folder / f"{id_}.png" for folder in MASKS[format_])
    return next((path for path in paths if path.is_file()), None)
