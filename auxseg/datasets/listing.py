"""From the images that a format lists to the index: every photograph is read once and checked."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from auxseg.data.index import Entry, Index
from auxseg.data.photos import Photo, read_photo
from auxseg.datasets.problems import Report
from auxseg.params import Dataset

Split = Literal["train", "val"]
FindMask = Callable[[Path, str], Path | None]  # by root and id


@dataclass(frozen=True)
class Listed:
    """An image as its format lists it; ``size`` (width, height) where the format states it."""

    id: str
    split: Split
    path: Path
    labels: tuple[int, ...]
    size: tuple[int, int] | None = None


def splits(params: Dataset) -> tuple[tuple[Split, str], tuple[Split, str]]:
    """Return the two splits, and the names that the dataset gives them."""
    return ("train", params.train), ("val", params.val)


def index_images(
    root: Path,
    params: Dataset,
    listed: Iterable[Listed],
    find_mask: FindMask,
    report: Report,
) -> tuple[Index, Index]:
    """Read every photograph, one at a time, and index it.

    The images to predict are the validation images and, to be shown in plots, ``params.examples``
    training images, evenly spread over the list.

    Args:
        root: Folder of the dataset.
        params: The section ``dataset``.
        listed: All images, as the format lists them.
        find_mask: Finds the mask file whose size is compared with the photograph's.
        report: Holds the problems of the listing; gets those found here.

    Returns:
        The index of the images to train on, and that of the images to predict.

    Raises:
        DatasetError: If there are problems; the message lists all, also those of the listing.
    """
    name = dict(splits(params))
    seen: dict[str, Split] = {}
    images = dict.fromkeys(name, 0)
    images_by_class = [0] * len(params.classes)
    entries: list[Entry] = []
    for image in listed:
        images[image.split] += 1
        if image.split == "train":
            for label in image.labels:
                images_by_class[label] += 1
        if not image.labels:
            report.warning("image without any class", image.id)
        if image.id not in seen:
            seen[image.id] = image.split
            entries += _read(root, params, image, find_mask, report)
        elif seen[image.id] == image.split:
            report.problem("duplicate id", f"{image.id}: listed twice in {name[image.split]}")
        else:
            line = f"{image.id}: listed in both {params.train} and {params.val}"
            report.problem("image in both splits", line)
    for split, count in images.items():
        if not count:
            report.problem("empty split", f"{root}: {name[split]} lists no image")
    if images["train"]:
        for class_, count in zip(params.classes, images_by_class, strict=True):
            if not count:
                line = f"dataset.classes: no image of {params.train} shows the class {class_!r}"
                report.problem("empty class", line)
    report.refuse()
    train = [entry for entry in entries if entry.split == "train"]
    predicted = [entry for entry in entries if entry.split == "val"]
    predicted += _spread(train, params.examples)
    classes = tuple(params.classes)
    return (
        Index(params.format, root, classes, tuple(train), params.max_side),
        Index(params.format, root, classes, tuple(predicted), params.max_side),
    )


def _read(
    root: Path, params: Dataset, image: Listed, find_mask: FindMask, report: Report
) -> list[Entry]:
    """Return the entry of an image, or nothing if its photograph cannot be read."""
    try:
        data = image.path.read_bytes()
    except OSError as error:
        report.problem("missing photograph", f"{image.path}: {error.strerror}")
        return []
    try:
        photo = read_photo(data, params.max_side)
    except ValueError as error:
        report.problem("unreadable photograph", f"{image.path}: {error}")
        return []
    _check_size(image, find_mask(root, image.id), photo, report)
    height, width = photo.pixels.shape[:2]
    digest = hashlib.sha256(data).hexdigest()
    path = image.path.relative_to(root).as_posix()
    return [Entry(image.id, image.split, path, digest, width, height, image.labels)]


def _check_size(image: Listed, mask: Path | None, photo: Photo, report: Report) -> None:
    """Compare with the size in the header of the mask, or else with the size that is listed."""
    stated = "it is listed with", image.size
    if mask is not None:
        try:
            with Image.open(mask, formats=["PNG"]) as header:
                stated = f"its mask {mask} has", header.size
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            report.problem("unreadable mask", f"{mask}: not a PNG image")
    who, size = stated
    if size not in (None, photo.full_size):
        width, height = photo.full_size
        line = f"{image.path}: {width}×{height} pixels (upright), but {who} {size[0]}×{size[1]}"
        report.problem("size mismatch", line)


def _spread(entries: Sequence[Entry], count: int) -> list[Entry]:
    """Return up to ``count`` entries, evenly spread, each once."""
    return [entries[k] for k in sorted({k * len(entries) // count for k in range(count)})]
