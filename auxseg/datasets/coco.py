"""Datasets in COCO layout: ``<split>/`` and ``annotations/instances_<split>.json``."""

from functools import lru_cache
from pathlib import Path, PurePosixPath

from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.datasets.instances import Annotation, Instances, Picture, instances_path, read_instances
from auxseg.datasets.listing import Listed, Split, splits
from auxseg.datasets.outlines import draw_mask
from auxseg.datasets.problems import Report, nearest
from auxseg.params import Dataset


def list_images(root: Path, params: Dataset, report: Report) -> list[Listed]:
    """List the images of the splits ``train`` and ``val`` in the order of their JSON files.

    Categories become classes by name; those that ``params.classes`` does not list are left out. A
    crowd is no label, because its objects are not outlined one by one.
    """
    listed: list[Listed] = []
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
            _check_classes(path, instances, params, report)
            listed += _images(root / name, split, instances, params)
    return listed


def find_mask(root: Path, id_: str) -> Path | None:
    """Return None: masks are drawn from the annotations."""
    return None


def read_mask(index: Index, entry: Entry) -> Bytes | None:
    """Draw the mask (H, W) uint8 of an image; None if one of its objects has no outline."""
    split, *parts = PurePosixPath(entry.path).parts
    instances, by_file = _instances(instances_path(index.root, split))
    picture, annotations = by_file[PurePosixPath(*parts)]
    label = {
        category.id: index.classes.index(category.name) + 1
        for category in instances.categories
        if category.name in index.classes
    }
    objects = [(label[a.category_id], a) for a in annotations if a.category_id in label]
    return draw_mask(picture.height, picture.width, objects)


def _check_classes(path: Path, instances: Instances, params: Dataset, report: Report) -> None:
    known = [category.name for category in instances.categories]
    for name in params.classes:
        if name not in known:
            line = f"{path}: no category is named {name!r}; {nearest(name, known)}"
            report.problem("unknown class", line)


def _images(folder: Path, split: Split, instances: Instances, params: Dataset) -> list[Listed]:
    class_of = {category.id: category.name for category in instances.categories}
    shown: dict[int, set[str]] = {picture.id: set() for picture in instances.images}
    for annotation in instances.annotations:
        if not annotation.iscrowd:
            shown[annotation.image_id].add(class_of[annotation.category_id])
    return [
        Listed(
            PurePosixPath(picture.file_name).stem,
            split,
            folder / picture.file_name,
            tuple(k for k, name in enumerate(params.classes) if name in shown[picture.id]),
            (picture.width, picture.height),
        )
        for picture in instances.images
    ]


@lru_cache(maxsize=2)  # one for the training, one for the validation images
def _instances(
    path: Path,
) -> tuple[Instances, dict[PurePosixPath, tuple[Picture, list[Annotation]]]]:
    """Parse a file, once per process; return it, and images and annotations by file name."""
    instances = read_instances(path)
    annotations: dict[int, list[Annotation]] = {picture.id: [] for picture in instances.images}
    for annotation in instances.annotations:
        annotations[annotation.image_id].append(annotation)
    return instances, {
        PurePosixPath(picture.file_name): (picture, annotations[picture.id])
        for picture in instances.images
    }
