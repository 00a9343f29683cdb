"""Import a dataset in PASCAL VOC layout. Image-level labels come from the XML annotations."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from auxseg.dataset.index import Entry, Index, decode

SHOWN_PROBLEMS = 20


class DatasetError(ValueError):
    """The dataset cannot be used; the message has one line per problem."""


def import_voc(root: Path, classes: Sequence[str], train: str, val: str, examples: int) -> Index:
    """Index the lists ``train`` and ``val`` of ``ImageSets/Segmentation``.

    ``examples`` training images, evenly spread over the list, are marked to be shown in plots.
    DatasetError lists every missing or unreadable file, unknown class and repeated id.
    """
    problems: list[str] = []
    ids = {split: _read_list(root, name, problems) for split, name in _lists(train, val)}
    for id_ in sorted(set(ids["train"]) & set(ids["val"])):
        problems.append(f"{id_}: listed in both {train}.txt and {val}.txt")
    shown = (
        {ids["train"][k * len(ids["train"]) // examples] for k in range(examples)}
        if ids["train"]
        else set()
    )
    entries = [
        entry
        for split, listed in ids.items()
        for id_ in listed
        if (entry := _entry(root, id_, split, id_ in shown, classes, problems))
    ]
    if problems:
        more = len(problems) - SHOWN_PROBLEMS
        tail = [f"and {more} more problems"] if more > 0 else []
        raise DatasetError("\n".join(problems[:SHOWN_PROBLEMS] + tail))
    return Index("voc", root, tuple(classes), tuple(entries))


def _lists(train: str, val: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("train", train), ("val", val)


def _read_list(root: Path, name: str, problems: list[str]) -> list[str]:
    path = root / "ImageSets" / "Segmentation" / f"{name}.txt"
    if not path.is_file():
        problems.append(f"{path}: no such list of image ids")
        return []
    ids = path.read_text("utf-8").split()
    if not ids:
        problems.append(f"{path}: lists no image")
    problems += [f"{path}: {id_} is listed twice" for id_ in sorted(set(ids)) if ids.count(id_) > 1]
    return ids


def _entry(
    root: Path,
    id_: str,
    split: str,
    example: bool,
    classes: Sequence[str],
    problems: list[str],
) -> Entry | None:
    image = root / "JPEGImages" / f"{id_}.jpg"
    annotation = root / "Annotations" / f"{id_}.xml"
    try:
        data = image.read_bytes()
        height, width = decode(data).shape[:2]
    except OSError as error:
        problems.append(f"{image}: {error.strerror or 'cannot be read as an image'}")
        return None
    try:
        names = {node.findtext("name", "") for node in ElementTree.parse(annotation).iter("object")}
    except OSError as error:
        problems.append(f"{annotation}: {error.strerror}")
        return None
    except ElementTree.ParseError as error:
        problems.append(f"{annotation}: not readable as XML: {error}")
        return None
    unknown = sorted(names - set(classes))
    if unknown:
        problems.append(f"{annotation}: unknown class {unknown[0]!r}; dataset.classes lists others")
        return None
    labels = tuple(number for number, name in enumerate(classes) if name in names)
    digest = hashlib.sha256(data).hexdigest()
    path = image.relative_to(root).as_posix()
    return Entry(id_, split, example, path, digest, width, height, labels)
