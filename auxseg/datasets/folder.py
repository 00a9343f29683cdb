"""Images of your own: the folder ``images/``, and what says which classes each image shows."""

from collections.abc import Iterable
from pathlib import Path

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.data.names import composed
from auxseg.datasets import masks
from auxseg.datasets.class_folders import read_class_folders
from auxseg.datasets.class_labels import CLASS_LABELS, read_class_labels
from auxseg.datasets.listing import Listed, Split
from auxseg.datasets.names import PHOTOGRAPHS, Spellings, without_suffix
from auxseg.datasets.problems import Report
from auxseg.datasets.table import Row, read_table, row_labels, row_split
from auxseg.params import Dataset

TABLE = "labels.csv"
VAL_EVERY = 5


def list_images(root: Path, params: Dataset, report: Report) -> list[Listed]:
    """List the images, sorted by id (the stem of the file name).

    Which classes they show is in ``labels.csv``; where there is none, in ``cls_labels.npy``; where
    there is neither, images are in ``images/<class>/`` or ``images/<split>/<class>/``. Without
    splits every fifth image is for validation.
    """
    images = root / "images"
    if not images.is_dir():
        report.problem("missing folder", f"{images}: no such folder; put the photographs there")
        return []
    _check_spelling_of_masks(root, report)
    if (root / TABLE).exists():
        listed = _by_table(root, params, report)
    elif (root / CLASS_LABELS).exists():
        listed = _by_class_labels(root, params, report)
    elif any(path.is_dir() for path in _visible(images)):
        listed = _by_class_folders(root, params, report)
    else:
        listed = _by_table(root, params, report)
    if not report.has_problems:  # which may be why an image is not listed
        _check_names_of_masks(root / "masks", listed, report)
    return listed


def find_mask(root: Path, entry: Entry) -> Path | None:
    """Return the mask file of an image; None if there is none."""
    return masks.find_mask((root / "masks",), entry.id)


def read_mask(index: Index, entry: Entry) -> Bytes | None:
    """Read the mask (H, W) uint8 of an image; None if there is none."""
    path = find_mask(index.root, entry)
    return None if path is None else masks.read_mask(index, path)


def _by_table(root: Path, params: Dataset, report: Report) -> list[Listed]:
    photos = _photographs(root / "images", TABLE, report)
    spellings = Spellings(photos)
    table = read_table(root / TABLE, params, report)
    if table is None:
        return []
    rows: dict[str, Row] = {}
    for row in table:
        id_ = row.cells["id"]
        keys = spellings.find(id_) or spellings.find(without_suffix(id_))
        if not keys:
            line = f"{row.place}: no image {id_!r} in {root / 'images'}"
            report.problem("row without an image", line)
        elif len(keys) > 1:
            line = f"{row.place}: both {keys[0]!r} and {keys[1]!r} may be meant by {id_!r}"
            report.problem("ambiguous name", line)
        elif keys[0] in rows:
            line = f"{row.place}: {photos[keys[0]].name} has a row already: {rows[keys[0]].place}"
            report.problem("duplicate id", line)
        else:
            rows[keys[0]] = row
    for key in sorted(photos.keys() - rows.keys()):
        report.warning(f"image left out, as {TABLE} has no row for it", photos[key].name)
    listed = []
    for number, (key, row) in enumerate(sorted(rows.items())):
        split: Split | None
        if "split" in row.cells:
            split = row_split(row, params, report)
        else:
            split = _every_fifth(number, photos[key], f"{TABLE} has no column 'split'", report)
        if split is not None:
            labels = row_labels(row, params, report)
            listed.append(Listed(photos[key].stem, split, photos[key], labels))
    return listed


def _by_class_labels(root: Path, params: Dataset, report: Report) -> list[Listed]:
    photos = _photographs(root / "images", CLASS_LABELS, report)
    table = read_class_labels(root / CLASS_LABELS, params, report)
    if table is None:
        return []
    found = {}
    for key in sorted(photos):
        try:
            labels = table.find(key)
        except ValueError as error:
            report.problem("unusable labels", f"{root / CLASS_LABELS}: {error}")
            continue
        if labels is None:
            report.warning(f"image left out, as {CLASS_LABELS} lacks it", photos[key].name)
        else:
            found[key] = labels
    for key in table.unused:
        report.warning(f"key of {CLASS_LABELS} without an image", key)
    reason = f"{CLASS_LABELS} has no splits"
    return [
        Listed(
            photos[key].stem, _every_fifth(number, photos[key], reason, report), photos[key], labels
        )
        for number, (key, labels) in enumerate(found.items())
    ]


def _by_class_folders(root: Path, params: Dataset, report: Report) -> list[Listed]:
    found = read_class_folders(root / "images", params, report)
    reason = f"images/ has no folders {params.train!r} and {params.val!r}"
    return [
        Listed(
            image.photograph.stem,
            image.split or _every_fifth(number, image.photograph, reason, report),
            image.photograph,
            image.labels,
        )
        for number, image in enumerate(found.values())
    ]


def _photographs(images: Path, labels: str, report: Report) -> dict[str, Path]:
    """Return the photographs in ``images`` itself by stem, in one Unicode form."""
    photos: dict[str, Path] = {}
    for path in _visible(images):
        key = composed(path.stem)
        if path.is_dir():
            kind = f"folder in images/ left out, as {labels} is for the images in images/ itself"
            report.warning(kind, path.name)
        elif path.suffix.lower() not in PHOTOGRAPHS:
            report.warning("file in images/ left out, as it is no .jpg or .png", path.name)
        elif key in photos:
            line = f"{path}: the same stem as {photos[key].name}; rename one of them"
            report.problem("two images of one stem", line)
        else:
            photos[key] = path
    return photos


def _visible(folder: Path) -> list[Path]:
    """Return what a folder holds, sorted, without what operating systems leave behind."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _every_fifth(number: int, photo: Path, reason: str, report: Report) -> Split:
    if (number + 1) % VAL_EVERY:
        return "train"
    report.warning(f"image for validation (every fifth, as {reason})", photo.name)
    return "val"


def _check_spelling_of_masks(root: Path, report: Report) -> None:
    if not (root / "masks").is_dir():
        for path in _visible(root):
            if path.name.casefold() == "masks":
                line = f"{path}: masks are read from the folder {root / 'masks'}; rename this"
                report.problem("misplaced masks", line)


def _check_names_of_masks(folder: Path, listed: Iterable[Listed], report: Report) -> None:
    """Count the files that are masks of no listed image: their names may be meant otherwise."""
    if folder.is_dir():
        ids = Spellings(image.id for image in listed)
        for path in _visible(folder):
            if path.suffix.lower() != ".png" or not ids.find(path.stem):
                kind = "file in masks/ left out, as its name is <id>.png of no listed image"
                report.warning(kind, path.name)
