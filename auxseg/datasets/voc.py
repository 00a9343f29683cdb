"""Datasets in PASCAL VOC layout. Image-level labels come from the XML annotations."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.datasets import masks
from auxseg.datasets.listing import Listed, splits
from auxseg.datasets.problems import Report, nearest
from auxseg.params import Dataset

SUFFIXES = (".jpg", ".jpeg", ".png")


def list_images(root: Path, params: Dataset, report: Report) -> list[Listed]:
    """List the images of the lists ``train`` and ``val`` in ``ImageSets/Segmentation``.

    A line holds an id, or paths such as ``/JPEGImages/2007_000032.jpg /Seg….png``; then the id is
    the stem of the first path. Objects marked difficult are labels if ``params.difficult`` is true.
    """
    return [
        Listed(
            id_,
            split,
            root / "JPEGImages" / f"{id_}.jpg",
            _labels(root / "Annotations" / f"{id_}.xml", params, report),
        )
        for split, name in splits(params)
        for id_ in _ids(root / "ImageSets" / "Segmentation" / f"{name}.txt", report)
    ]


def _ids(path: Path, report: Report) -> Iterator[str]:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        report.problem("missing list", f"{path}: no such list of image ids: {error.strerror}")
        return
    except UnicodeDecodeError:
        report.problem("missing list", f"{path}: not UTF-8 text")
        return
    for line in lines:
        if words := line.split():
            name = words[0].rpartition("/")[2]
            yield Path(name).stem if name.lower().endswith(SUFFIXES) else name


def _labels(path: Path, params: Dataset, report: Report) -> tuple[int, ...]:
    try:
        objects = list(ElementTree.parse(path).iter("object"))
    except OSError as error:
        report.problem("missing annotation", f"{path}: {error.strerror}")
        return ()
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        report.problem("unreadable annotation", f"{path}: not readable as XML: {error}")
        return ()
    names = {
        node.findtext("name", "").strip()
        for node in objects
        if params.difficult or node.findtext("difficult", "0").strip() != "1"
    }
    for name in sorted(names - set(params.classes)):
        hint = nearest(name, params.classes)
        report.problem("unknown class", f"{path}: class {name!r} is not in dataset.classes; {hint}")
    return tuple(number for number, name in enumerate(params.classes) if name in names)


def find_mask(root: Path, id_: str) -> Path | None:
    """Return the mask file of an image; None if there is none."""
    return masks.find_mask((root / "SegmentationClass", root / "SegmentationClassAug"), id_)


def read_mask(index: Index, entry: Entry) -> Bytes | None:
    """Read the mask (H, W) uint8 of an image; None if there is none."""
    path = find_mask(index.root, entry.id)
    return None if path is None else masks.read_mask(index, path)
