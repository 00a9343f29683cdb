"""From the images that a format lists to the index: every photograph is read once and checked."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from auxseg.data.index import Entry, Index
from auxseg.data.mask_values import MaskValues
from auxseg.data.names import composed
from auxseg.data.photos import Photo, read_photo
from auxseg.datasets.mask_checks import FindMask, MaskChecks
from auxseg.datasets.problems import Report
from auxseg.params import Dataset

Split = Literal["train", "val"]


@dataclass(frozen=True)
class Listed:
    """An image as its format lists it.

    Attributes:
        size: (width, height) where the format states it.
    """

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
    """Read every photograph and mask, one at a time, and index the photographs.

    The images to predict are the validation images and, to be shown in plots, ``params.examples``
    training images, evenly spread over the list. Masks are checked; nothing of them is kept.

    Args:
        root: Folder of the dataset.
        params: The section ``dataset``.
        listed: All images, as the format lists them.
        find_mask: Finds the mask file of an image.
        report: Holds the problems of the listing; gets those found here.

    Returns:
        The index of the images to train on, and that of the images to predict.

    Raises:
        DatasetError: If there are problems; the message lists all, also those of the listing.
    """
    whole = not report.has_problems
    listing = _Listing(params, report)
    values = MaskValues(params.classes, params.mask_values)
    masks = MaskChecks(values, find_mask, report)
    entries: list[Entry] = []
    for image in listed:
        if not listing.is_new(image):
            continue
        read = _read(root, params, image, report)
        if read is not None:
            entry, photo = read
            entries.append(entry)
            _check_size(image, photo, report)
            masks.check(root, entry, photo.full_size)
    masks.conclude()
    if whole:  # otherwise a split or class may be empty because of a problem that is listed
        listing.refuse_empty(root)
    report.refuse()
    train = [entry for entry in entries if entry.split == "train"]
    predicted = [entry for entry in entries if entry.split == "val"]
    predicted += _spread(train, params.examples)
    return _index(root, params, train), _index(root, params, predicted)


class _Listing:
    """What was listed so far: no image twice, and at least one of each split and class."""

    def __init__(self, params: Dataset, report: Report) -> None:
        self._params = params
        self._report = report
        self._by_id: dict[str, Listed] = {}
        self._by_path: dict[Path, Listed] = {}
        self._images = {"train": 0, "val": 0}
        self._images_by_class = [0] * len(params.classes)

    def is_new(self, image: Listed) -> bool:
        """Count an image; return whether neither its id nor its photograph was listed before."""
        self._images[image.split] += 1
        if image.split == "train":
            for label in image.labels:
                self._images_by_class[label] += 1
        if not image.labels:
            self._report.warning("image without any class", image.id)
        first = self._by_id.setdefault(composed(image.id), image)
        same = self._by_path.setdefault(image.path, image)
        if first is not image:
            self._refuse_second(first, image)
        elif same is not image:
            line = f"{image.path}: listed as {same.id!r} and as {image.id!r}"
            self._report.problem("photograph of two ids", line)
        return first is image and same is image

    def refuse_empty(self, root: Path) -> None:
        """Refuse a split without an image, and a class that no training image shows."""
        for split, name in splits(self._params):
            if not self._images[split]:
                self._report.problem("empty split", f"{root}: {name} lists no image")
        if self._images["train"]:
            for name, count in zip(self._params.classes, self._images_by_class, strict=True):
                if not count:
                    line = f"no image of {self._params.train} shows the class {name!r}"
                    self._report.problem("empty class", f"dataset.classes: {line}")

    def _refuse_second(self, first: Listed, second: Listed) -> None:
        train, val = self._params.train, self._params.val
        files = "" if first.path == second.path else f", as {first.path} and as {second.path}"
        if first.split == second.split:
            line = f"{second.id}: listed twice in {dict(splits(self._params))[first.split]}{files}"
            self._report.problem("duplicate id", line)
        else:
            line = f"{second.id}: listed in both {train} and {val}{files}"
            self._report.problem("image in both splits", line)


def _read(root: Path, params: Dataset, image: Listed, report: Report) -> tuple[Entry, Photo] | None:
    """Return the entry and the photograph of an image; None if it cannot be read."""
    try:
        if image.path.exists() and not image.path.is_file():
            raise ValueError  # reading a named pipe would wait for ever
        data = image.path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file"
        report.problem("missing photograph", f"{image.path}: {reason}")
        return None
    try:
        photo = read_photo(data, params.max_side)
    except ValueError as error:
        report.problem("unreadable photograph", f"{image.path}: {error}")
        return None
    if photo.faint:
        kind = "16-bit photograph without a value above an eighth of the range, so nearly black"
        report.warning(kind, str(image.path))
    height, width = photo.pixels.shape[:2]
    digest = hashlib.sha256(data).hexdigest()
    path = image.path.relative_to(root).as_posix()
    return Entry(image.id, image.split, path, digest, width, height, image.labels), photo


def _check_size(image: Listed, photo: Photo, report: Report) -> None:
    if image.size not in (None, photo.full_size):
        line = "{}: {}×{} pixels (upright), but it is listed with {}×{}"
        report.problem("size mismatch", line.format(image.path, *photo.full_size, *image.size))


def _index(root: Path, params: Dataset, entries: Sequence[Entry]) -> Index:
    classes, values = tuple(params.classes), params.mask_values
    return Index(params.format, root, classes, tuple(entries), params.max_side, values)


def _spread(entries: Sequence[Entry], count: int) -> list[Entry]:
    """Return up to ``count`` entries, evenly spread, each once."""
    return [entries[k] for k in sorted({k * len(entries) // count for k in range(count)})]
