"""Photographs sorted into a folder for each class, as torchvision's ``ImageFolder`` has them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from auxseg.data.names import composed
from auxseg.datasets.classes import labels_of
from auxseg.datasets.listing import Split, splits
from auxseg.datasets.names import PHOTOGRAPHS
from auxseg.datasets.problems import Report, nearest
from auxseg.params import Dataset

NO_CLASS = ("background", "none")  # folders of images that show no class


@dataclass(frozen=True)
class Sorted:
    """A photograph, the classes 0..K-1 that it shows, and its split where folders say it."""

    photograph: Path
    labels: tuple[int, ...]
    split: Split | None


def read_class_folders(images: Path, params: Dataset, report: Report) -> dict[str, Sorted]:
    """List the photographs of class folders by id.

    The folders are in ``images``, or in two folders there that are named like the splits. The same
    file in folders of several classes is an image that shows them all.

    Args:
        images: The folder of all photographs.
        params: The section ``dataset``.
        report: Gets problems and warnings.

    Returns:
        The photographs by file name without suffix, in one Unicode form, sorted.
    """
    found: dict[str, Sorted] = {}
    for folder, split in _class_folders(images, params, report):
        labels = labels_of([folder.name], params)
        if not labels and folder.name.casefold() not in NO_CLASS:
            hint = nearest(folder.name, params.classes)
            kind = f"image in {folder} left out, as dataset.classes lacks {folder.name!r}; {hint}"
            for path in _photographs(folder, report):
                report.warning(kind, path.name)
            continue
        for path in _photographs(folder, report):
            new = Sorted(path, labels, split)
            key = composed(path.stem)
            found[key] = _joined(found[key], new, report) if key in found else new
    return dict(sorted(found.items()))


def _class_folders(
    images: Path, params: Dataset, report: Report
) -> Iterator[tuple[Path, Split | None]]:
    """Yield the class folders, with their split where they are in folders of splits."""
    of_split = {name: split for split, name in splits(params)}
    present = [name for name in of_split if (images / name).is_dir()]
    by_split = len(present) == len(of_split)
    if present and not by_split and not labels_of(present, params):
        (missing,) = of_split.keys() - set(present)
        report.problem("missing folder", f"{images / missing}: no such folder beside {present[0]}")
        return
    for folder in _folders(images, report):
        if not by_split:
            yield folder, None
        elif folder.name in of_split:
            for below in _folders(folder, report):
                yield below, of_split[folder.name]
        else:
            kind = f"folder left out, as it is neither {params.train!r} nor {params.val!r}"
            report.warning(kind, str(folder))


def _folders(parent: Path, report: Report) -> Iterator[Path]:
    for path in sorted(parent.iterdir()):
        if path.name.startswith("."):
            continue  # what operating systems leave behind
        if path.is_dir():
            yield path
        else:
            report.warning(f"file left out, as it is in no class folder of {parent}", path.name)


def _photographs(folder: Path, report: Report) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.is_dir():
            continue
        if path.suffix.lower() in PHOTOGRAPHS:
            yield path
        else:
            report.warning("file left out, as it is no .jpg or .png", str(path))


def _joined(one: Sorted, other: Sorted, report: Report) -> Sorted:
    """Return the photograph with the classes of both, if they are the same file."""
    paths = f"{one.photograph} and {other.photograph}"
    if one.photograph.read_bytes() != other.photograph.read_bytes():
        line = f"{paths}: two images of one name, which is their id: rename one"
        report.problem("two images of one stem", line)
    elif one.split != other.split:
        report.problem("image in both splits", f"{paths}: the same image, so in both splits")
    elif not (one.labels and other.labels):
        line = f"{paths}: the same image, with a class and without one"
        report.problem("contradicting folders", line)
    return Sorted(one.photograph, tuple(sorted({*one.labels, *other.labels})), one.split)
