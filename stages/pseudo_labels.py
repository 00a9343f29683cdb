"""Fuse CAM and saliency into pseudo labels."""

from auxseg.system.stage import run

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from auxseg.data.arrays import Arrays, Bytes
from auxseg.data.index import Entry, read_index
from auxseg.data.maps import encode_labels, read_labels, read_saliency, write_files
from auxseg.data.pixels import to_pixels
from auxseg.data.shards import Shards
from auxseg.params import PseudoLabelParams, load_params
from auxseg.pseudo_labels import fuse, restore
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.making import making


def main(
    dataset: Path,
    cam: Path,
    saliency: Path,
    out: Path,
    first: Annotated[Path | None, typer.Option(help="Pseudo labels of round 0.")] = None,
) -> None:
    """Write a label map for each training image of DATASET from its CAM and SALIENCY to OUT.

    After a round, `update.labels` says whether a class that would vanish from an image stays where
    the FIRST labels had it.
    """
    whole = load_params()
    rule, params = whole.update.labels, whole.pseudo_labels
    kept = first if rule == "keep" else None
    entries = read_index(dataset).entries
    job = Job(partial(read, Shards(cam), saliency, kept), partial(fused, params))
    with making(out, params=(rule, params)) as (folder, scratch):
        write_files(folder, each(entries, job, scratch, "pseudo labels"))


def read(
    cams: Shards, saliency: Path, first: Path | None, entry: Entry
) -> tuple[Entry, Arrays, Bytes | None, Bytes | None]:
    """Read one image, its CAMs, its saliency map if there is one, and its first labels if kept."""
    labels = None if first is None else read_labels(first / f"{entry.id}.png")
    return entry, cams[entry.id], read_saliency(saliency, entry.id), labels


def fused(
    params: PseudoLabelParams, inputs: tuple[Entry, Arrays, Bytes | None, Bytes | None]
) -> bytes:
    """Return the pseudo labels of one image, encoded."""
    entry, cams, salient, first = inputs
    labels = fuse(
        to_pixels(cams["cam"], (entry.height, entry.width)),
        entry.labels,
        None if salient is None else salient / 255,
        params.cam_threshold,
        params.saliency_threshold,
    )
    return encode_labels(labels if first is None else restore(labels, first, entry.labels))


if __name__ == "__main__":
    run(main)
