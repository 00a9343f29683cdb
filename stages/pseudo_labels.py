"""Fuse CAM and saliency into pseudo labels."""

from auxseg.system.stage import run

from functools import partial
from pathlib import Path

from auxseg.data.arrays import Arrays, Bytes
from auxseg.data.index import Entry, read_index
from auxseg.data.maps import encode_labels, read_saliency, write_files
from auxseg.data.pixels import to_pixels
from auxseg.data.shards import Shards
from auxseg.params import PseudoLabelParams, load_params
from auxseg.pseudo_labels import fuse
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.making import making


def main(dataset: Path, cam: Path, saliency: Path, out: Path) -> None:
    """Write a label map for each training image of DATASET from its CAM and SALIENCY to OUT."""
    params = load_params().pseudo_labels
    entries = read_index(dataset).entries
    job = Job(partial(read, Shards(cam), saliency), partial(fused, params))
    with making(out, params=params) as (folder, scratch):
        write_files(folder, each(entries, job, scratch, "pseudo labels"))


def read(cams: Shards, saliency: Path, entry: Entry) -> tuple[Entry, Arrays, Bytes | None]:
    """Read one image, its CAMs, and its saliency map if there is one."""
    return entry, cams[entry.id], read_saliency(saliency, entry.id)


def fused(params: PseudoLabelParams, inputs: tuple[Entry, Arrays, Bytes | None]) -> bytes:
    """Return the pseudo labels of one image, encoded."""
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
