"""Fuse CAM and saliency into pseudo labels."""

from functools import partial
from pathlib import Path

from auxseg.artifacts import (
    Arrays,
    Bytes,
    Shards,
    encode_labels,
    new_folder,
    read_saliency,
    write_files,
)
from auxseg.dataset.index import Entry, read_index
from auxseg.params import PseudoLabelParams, load_params
from auxseg.pixels import to_pixels
from auxseg.pseudo_labels import fuse
from auxseg.scratch import unfinished
from auxseg.work import Work, each
from stages import run


def main(dataset: Path, cam: Path, saliency: Path, out: Path) -> None:
    """Write a label map for each training image of DATASET from its CAM and SALIENCY to OUT."""
    params = load_params().pseudo_labels
    entries = read_index(dataset).split("train")
    work = Work(partial(read, Shards(cam), saliency), partial(fused, params))
    with unfinished(dataset, cam, saliency, params=params) as scratch, new_folder(out) as folder:
        write_files(folder, each(entries, work, scratch, "pseudo labels"))


def read(cams: Shards, saliency: Path, entry: Entry) -> tuple[Entry, Arrays, Bytes | None]:
    """One image, its CAMs, and its saliency where there is one."""
    return entry, cams[entry.id], read_saliency(saliency, entry.id)


def fused(params: PseudoLabelParams, inputs: tuple[Entry, Arrays, Bytes | None]) -> bytes:
    """One image's pseudo labels."""
    entry, cams, salient = inputs
    labels = fuse(
        to_pixels(cams["cam"], (entry.height, entry.width)),
        entry.labels,
        None if salient is None else salient / 255,
        params.cam_threshold,
        params.saliency_threshold,
    )
    return encode_labels(labels)


if __name__ == "__main__":
    run(main)
