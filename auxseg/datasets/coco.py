"""Datasets in COCO layout: ``<split>/`` and ``annotations/instances_<split>.json``."""

from functools import lru_cache
from pathlib import Path, PurePosixPath

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.data.names import composed
from auxseg.data.palette import IGNORE
from auxseg.datasets.classes import labels_of, leave_out, unlisted
from auxseg.datasets.instances import Annotation, Instances, Picture, instances_path, read_instances
from auxseg.datasets.listing import Listed, Split, splits
from auxseg.datasets.names import find_file
from auxseg.datasets.outlines import degenerate, draw_mask
from auxseg.datasets.problems import Report, nearest
from auxseg.params import Dataset


def list_images(root: Path, params: Dataset, report: Report) -> list[Listed]:
    """List the images of the splits ``train`` and ``val`` in the order of their JSON files.

    Categories become classes by name; those that ``params.classes`` does not list are left out. A
    crowd is no label, because its objects are not outlined one by one.
    """
    listed: list[Listed] = []
    left_out: dict[str, Path] = {}
    for split, name in splits(params):
        path = instances_path(root, name)
        try:
            instances = read_instances(path)
        except OSError as error:
            report.problem("missing annotations", f"{path}: {error.strerror}")
        except ValueError as error:
            for line in str(error).splitlines():
                report.problem("bad annotations", line)
        else:
            known = [category.name for category in instances.categories]
            _check_classes(path, known, params, report)
            left_out |= dict.fromkeys(unlisted(known, params), path)
            _count_degenerate(path, instances, report)
            listed += _images(root / name, split, instances, params, report)
    for category, path in left_out.items():
        leave_out(category, str(path), params, report)
    return listed


def find_mask(root: Path, entry: Entry) -> Path | None:
    """Return None: masks are drawn from the annotations."""
    return None


def read_mask(index: Index, entry: Entry) -> Bytes | None:
    """Draw the mask (H, W) uint8 of an image; None if one of its objects has no outline.

    Objects of categories that are no classes are 255.
    """
    instances, by_id = _instances(instances_path(index.root, PurePosixPath(entry.path).parts[0]))
    picture, annotations = by_id[entry.id]
    number = {composed(name): label for label, name in enumerate(index.classes, 1)}
    label = {c.id: number.get(composed(c.name), IGNORE) for c in instances.categories}
    objects = [(label[annotation.category_id], annotation) for annotation in annotations]
    return draw_mask(picture.height, picture.width, objects)


def _check_classes(path: Path, known: list[str], params: Dataset, report: Report) -> None:
    names = {composed(name) for name in known}
    for name in sorted({composed(name) for name in known if known.count(name) > 1}):
        report.warning("name of several categories, read as one class", f"{name!r} in {path}")
    for name in params.classes:
        if composed(name) not in names:
            line = f"{path}: no category is named {name!r}; {nearest(name, known)}"
            report.problem("unknown class", line)


def _count_degenerate(path: Path, instances: Instances, report: Report) -> None:
    for number, annotation in enumerate(instances.annotations):
        for _ in range(degenerate(annotation)):
            kind = "polygon of fewer than three points left out"
            report.warning(kind, f"{path}: annotations.{number}")


def _images(
    folder: Path, split: Split, instances: Instances, params: Dataset, report: Report
) -> list[Listed]:
    labels = {category.id: labels_of([category.name], params) for category in instances.categories}
    shown: dict[int | str, set[int]] = {picture.id: set() for picture in instances.images}
    for annotation in instances.annotations:
        if not annotation.iscrowd:
            shown[annotation.image_id].update(labels[annotation.category_id])
    listed = []
    for number, picture in enumerate(instances.images):
        path = folder / picture.file_name
        try:
            path = find_file(folder, picture.file_name) or path
        except ValueError as error:
            report.problem("ambiguous name", f"images.{number}.file_name: {error}")
        size = picture.width, picture.height
        listed.append(Listed(_id(picture), split, path, tuple(sorted(shown[picture.id])), size))
    return listed


def _id(picture: Picture) -> str:
    return PurePosixPath(picture.file_name).stem


@lru_cache(maxsize=2)  # one for the training, one for the validation images
def _instances(path: Path) -> tuple[Instances, dict[str, tuple[Picture, list[Annotation]]]]:
    """Parse a file, once per process; return it, and the images and annotations by id."""
    instances = read_instances(path)
    annotations: dict[int | str, list[Annotation]] = {p.id: [] for p in instances.images}
    for annotation in instances.annotations:
        annotations[annotation.image_id].append(annotation)
    return instances, {_id(p): (p, annotations[p.id]) for p in instances.images}
