"""Photographs and their label maps in a format of other tools."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from auxseg.annotations.coco import write_coco
from auxseg.annotations.label_studio import write_label_studio
from auxseg.annotations.labelme import write_labelme
from auxseg.data.arrays import Bytes
from auxseg.data.files import new_folder, read_file
from auxseg.data.index import Entry, Index, read_index
from auxseg.data.maps import read_labels
from auxseg.data.palette import IGNORE
from auxseg.system.progress import track
from auxseg.use.outputs import refuse_pipeline_folder
from auxseg.use.voc_tree import write_tree

FORMATS: dict[str, Callable[[Path, Index, Iterable[tuple[Entry, Bytes]]], None]] = {
    "voc": write_tree,
    "coco": write_coco,
    "labelme": write_labelme,
    "label-studio": write_label_studio,
}


def export_labels(
    dataset: Path, labels: Path, out: Path, format_: str, ids: Sequence[str] | None
) -> None:
    """Write photographs of an index and their label maps to the new folder ``out``.

    Args:
        dataset: The index.
        labels: Folder of the label maps ``<id>.png``.
        out: A folder that does not exist yet.
        format_: One of ``FORMATS``.
        ids: The images to write, in this order; None for all.

    Raises:
        ValueError: If ``out`` exists or lies in a folder of the pipeline, the format or an id is
            unknown, or a label map does not fit.
    """
    if format_ not in FORMATS:
        raise ValueError(f"no format is named {format_!r}; known are {', '.join(FORMATS)}")
    refuse_pipeline_folder(out)
    if out.exists():
        raise ValueError(f"{out}: exists already; remove it or name another folder")
    index = read_index(dataset)
    entries = index.entries if ids is None else _chosen(dataset, index, ids)
    with new_folder(out, checksums=False) as folder:
        FORMATS[format_](folder, index, _maps(labels, index, entries))


def most_doubtful(doubt: Path, count: int) -> list[str]:
    """Return the ids of the ``count`` most doubtful images, the most doubtful first.

    Args:
        doubt: A CSV file with the columns ``id`` and ``doubt``, a number that is large for doubtful
            images; empty for images that are left out, as they have no labels.
        count: How many; all if there are fewer.

    Raises:
        ValueError: If the file is missing or something else.
    """
    try:
        table = pd.read_csv(io.BytesIO(read_file(doubt)), dtype={"id": str}, keep_default_na=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise ValueError(f"{doubt}: cannot be read as a CSV table: {error}") from None
    for column in ("id", "doubt"):
        if column not in table.columns:
            raise ValueError(f"{doubt}: has no column {column!r}")
    table = table[table["doubt"] != ""].reset_index()
    values = pd.to_numeric(table["doubt"], errors="coerce")
    if values.isna().any():
        row = int(values.isna().argmax())
        raise ValueError(f"{doubt}: the doubt of {table['id'][row]!r} is no number")
    if table["id"].duplicated().any():
        raise ValueError(f"{doubt}: has {table['id'][table['id'].duplicated()].iloc[0]!r} twice")
    ids: list[str] = table["id"][np.argsort(-values, kind="stable")[:count]].tolist()
    return ids


def _chosen(dataset: Path, index: Index, ids: Sequence[str]) -> list[Entry]:
    entries = {entry.id: entry for entry in index.entries}
    for id_ in ids:
        if id_ not in entries:
            raise ValueError(f"{dataset}: has no image {id_!r}")
    return [entries[id_] for id_ in ids]


def _maps(folder: Path, index: Index, entries: Sequence[Entry]) -> Iterator[tuple[Entry, Bytes]]:
    count = len(index.classes)
    for entry in track(entries, "export", len(entries)):
        labels, size = read_labels(folder / f"{entry.id}.png"), (entry.height, entry.width)
        if labels.shape != size:
            raise ValueError(f"{entry.id}: labels are {labels.shape}, the photo {size}")
        if (unknown := labels[(labels > count) & (labels != IGNORE)]).size:
            raise ValueError(
                f"{entry.id}: label {unknown[0]}, but the number of classes is {count}"
            )
        yield entry, labels
