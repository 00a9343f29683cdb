"""Datasets in COCO layout: ``<split>/`` and ``annotations/instances_<split>.json``."""

from pathlib import Path, PurePosixPath

from auxseg.dataset.instances import Instances, instances_path, read_instances
from auxseg.dataset.listing import Listed, Split, splits
from auxseg.dataset.problems import Report, nearest
from auxseg.params import Dataset


def list_coco(root: Path, params: Dataset, report: Report) -> list[Listed]:
    """List the images of the splits ``train`` and ``val`` in the order of their JSON files.

    Categories become classes by name; those that ``params.classes`` does not list are left out. A
    crowd is no label: nobody has outlined an object in it.
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
