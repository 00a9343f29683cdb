"""Datasets in PASCAL VOC layout. Image-level labels come from the XML annotations."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.datasets import masks
from auxseg.datasets.class_labels import CLASS_LABELS, ClassLabels, read_class_labels
from auxseg.datasets.classes import labels_of, leave_out, unlisted
from auxseg.datasets.listing import Listed, splits
from auxseg.datasets.names import find_file
from auxseg.datasets.problems import Report
from auxseg.datasets.voc_lists import Line, photograph_name, read_list
from auxseg.params import Dataset

MAX_BYTES = 2**20  # of an annotation; in memory it takes up to a hundred times as much

_MASKS = ("SegmentationClass", "SegmentationClassAug")


def list_images(root: Path, params: Dataset, report: Report) -> list[Listed]:
    """List the images of the lists ``train`` and ``val`` in ``ImageSets/Segmentation``.

    Objects marked difficult are labels if ``params.difficult`` is true. Instead of ``Annotations``
    there may be ``cls_labels.npy``.
    """
    labels = _labels_of_lines(root, params, report)
    if labels is None:
        return []
    return [
        Listed(line.id, split, line.photograph, labels(line))
        for split, name in splits(params)
        for line in read_list(root, name, report)
    ]


def find_mask(root: Path, entry: Entry) -> Path | None:
    """Return the mask file of an image; None if there is none."""
    folders = tuple(root / folder for folder in _MASKS)
    return masks.find_mask(folders, photograph_name(entry.path))


def read_mask(index: Index, entry: Entry) -> Bytes | None:
    """Read the mask (H, W) uint8 of an image; None if there is none."""
    path = find_mask(index.root, entry)
    return None if path is None else masks.read_mask(index, path)


def _labels_of_lines(
    root: Path, params: Dataset, report: Report
) -> Callable[[Line], tuple[int, ...]] | None:
    """Return what gives the labels of a line's image; None if the dataset has none."""
    annotations, file = root / "Annotations", root / CLASS_LABELS
    if annotations.is_dir():
        return partial(_annotated, annotations, params, report)
    if file.is_file():
        table = read_class_labels(file, params, report)
        return None if table is None else partial(_tabled, table, file, report)
    line = f"{annotations}: no such folder, and no {CLASS_LABELS} that stands for it"
    report.problem("missing annotations", line)
    return None


def _tabled(table: ClassLabels, file: Path, report: Report, line: Line) -> tuple[int, ...]:
    try:
        labels = table.find(line.id)
    except ValueError as error:
        report.problem("unusable labels", f"{file}: {error}")
        return ()
    if labels is None:
        report.problem("missing labels", f"{file}: no key for {line.id!r}, see {line.place}")
    return labels or ()


def _annotated(annotations: Path, params: Dataset, report: Report, line: Line) -> tuple[int, ...]:
    path = annotations / f"{line.name}.xml"
    try:
        path = find_file(annotations, line.name, (".xml",)) or path
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
        # Files outside are not read, and expat refuses entities that grow beyond 8 MiB.
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
    for name in unlisted(names, params):
        leave_out(name, str(path), params, report)
    return labels_of(names, params)
