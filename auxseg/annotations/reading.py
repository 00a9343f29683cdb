"""Corrections of label maps, in whatever of the known formats they come."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic_core import from_json

from auxseg.annotations.coco import read_coco
from auxseg.annotations.corrections import Correction
from auxseg.annotations.label_maps import is_colour, read_label_map
from auxseg.annotations.label_studio_export import read_label_studio
from auxseg.annotations.labelme import read_labelme
from auxseg.annotations.names import Names
from auxseg.data.arrays import Bytes
from auxseg.data.index import Entry, Index
from auxseg.data.photos import read_photo
from auxseg.data.pixels import resize_labels
from auxseg.datasets.instances import BOM
from auxseg.datasets.names import Spellings
from auxseg.datasets.problems import Report


def read_corrections(root: Path, index: Index, report: Report) -> Iterator[tuple[str, Bytes]]:
    """Read label maps that people drew or corrected, one at a time.

    A map is 0 where nothing was drawn. What is smaller lies on what is larger, whatever the order
    in the file.

    Args:
        root: A folder with label maps ``<id>.png`` (8 bits: 0 = background, k = k-th class, 255 =
            ignore), files of LabelMe, COCO data sets and JSON exports of Label Studio, in any
            mixture; or one JSON file of these. The kind of a JSON file is told by its content.
        index: The images; those of the split ``train`` can be corrected.
        report: Gets the problems of all files. They are complete once the last map was taken, so
            the caller calls ``report.refuse()`` then.

    Yields:
        Id and label map (H, W) uint8 of each corrected image, in index order and in the size that
        its entry says. A map of the photograph's own size is reduced to it.

    Raises:
        ValueError: If a class is named ``background`` or ``ignore``.
    """
    found = list(_find(root, index.classes, report))
    chosen = _assign(found, index, report)
    for entry in index.entries:
        if correction := chosen.get(entry.id):
            try:
                labels = _draw(correction, index, entry, report)
            except (OSError, ValueError) as error:
                _note(error, report)
            else:
                if labels is not None:
                    yield entry.id, labels


def _find(root: Path, classes: Sequence[str], report: Report) -> Iterator[Correction]:
    """Yield the corrections in a file, or in the files of a folder."""
    names = Names(classes)
    photographs = set()
    for path in _files(root) if root.is_dir() else [root]:
        try:
            if path.suffix.lower() == ".png":
                if path.name not in photographs or not is_colour(path):
                    yield read_label_map(path, classes)
                continue
            for correction in _read_json(path, names):
                photographs.add(correction.photograph)
                yield correction
        except (OSError, ValueError) as error:
            _note(error, report)


def _files(folder: Path) -> list[Path]:
    """Return files that may be corrections; JSON first, as it may name files as photographs."""
    kinds = (".json", ".png")
    files = (path for path in folder.iterdir() if path.suffix.lower() in kinds and path.is_file())
    visible = (path for path in files if not path.name.startswith("."))
    return sorted(visible, key=lambda path: (kinds.index(path.suffix.lower()), path))


def _read_json(path: Path, names: Names) -> Iterable[Correction]:
    data = path.read_bytes().removeprefix(BOM)
    if data.lstrip().startswith(b"["):
        return read_label_studio(path, names)
    try:
        content = from_json(data)
    except ValueError as error:
        raise ValueError(f"{path}: damaged, or no JSON: {error}") from None
    keys = content.keys() if isinstance(content, dict) else ()
    if "shapes" in keys:
        return [read_labelme(path, names)]
    if "images" in keys and "annotations" in keys:
        return read_coco(path, names)
    raise ValueError(f"{path}: neither of LabelMe, nor a COCO data set, nor of Label Studio")


def _assign(found: Iterable[Correction], index: Index, report: Report) -> dict[str, Correction]:
    """Return the correction of each image that has one."""
    entries = {entry.id: entry for entry in index.entries}
    spellings = Spellings(entries)
    chosen: dict[str, Correction] = {}
    for correction in found:
        place = correction.place
        ids = next(filter(None, map(spellings.find, correction.names)), [])
        if not ids:
            name = correction.names[0] if correction.names else ""
            line = f"{place}: no training image has the id {name!r}: name it as the image, or "
            report.problem("correction of no image", f"{line}remove it")
        elif len(ids) > 1:
            line = f"{place}: both {ids[0]!r} and {ids[1]!r} may be meant: name it as one of them"
            report.problem("ambiguous name", line)
        elif entries[ids[0]].split != "train":
            line = f"{place}: {ids[0]!r} is no training image, and others are not corrected"
            report.problem("correction of another split", f"{line}: remove it")
        elif ids[0] in chosen:
            line = f"{place}: {ids[0]!r} is corrected in {chosen[ids[0]].place}, too: remove one"
            report.problem("two corrections", line)
        else:
            chosen[ids[0]] = correction
    return chosen


def _draw(correction: Correction, index: Index, entry: Entry, report: Report) -> Bytes | None:
    own = entry.height, entry.width
    size = correction.size or own
    if size != own:
        photograph = index.photograph(entry)
        width, height = read_photo(photograph.data, index.max_side).full_size
        if size != (height, width):
            seen = "" if own == (height, width) else f" (or {own[1]}×{own[0]}, as it is reduced)"
            line = f"{correction.place}: {size[1]}×{size[0]} pixels, but the photograph of "
            report.problem("size mismatch", f"{line}{entry.id!r} has {width}×{height}{seen}")
            return None
    labels = correction.draw(size, report)
    return labels if labels is None or size == own else resize_labels(labels, own)


def _note(error: OSError | ValueError, report: Report) -> None:
    text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
    for line in text.splitlines():
        report.problem("unusable file", line)
