"""Fuse CAM, saliency and segmentation into pseudo labels."""

from auxseg.system.stage import run

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from auxseg.data.arrays import Bytes
from auxseg.data.corrections import correct_labels, read_correction
from auxseg.data.index import Entry, read_index
from auxseg.data.maps import encode_labels, read_saliency, write_files
from auxseg.data.pixels import to_pixels
from auxseg.data.shards import Shards
from auxseg.params import PseudoLabelParams, load_params
from auxseg.pseudo_labels import complete, fuse, joint
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.making import making


def main(
    dataset: Path,
    cam: Path,
    saliency: Path,
    corrections: Path,
    out: Path,
    imported: Annotated[Path | None, typer.Option(help="Saliency before any update.")] = None,
) -> None:
    """Write a label map for each training image of DATASET from its CAM and SALIENCY to OUT.

    CORRECTIONS replace what the pipeline finds.
    """
    params = load_params().pseudo_labels
    first = imported if params.rule != "published" else None
    entries = read_index(dataset).entries
    job = Job(partial(read, Shards(cam), saliency, first, corrections), partial(fused, params))
    with making(out, params=params) as (folder, scratch):
        write_files(folder, each(entries, job, scratch, "pseudo labels"))


@dataclass(frozen=True)
class Cues:
    """The cues of one image; all maps but the CAM are (H, W), or None if there is none."""

    entry: Entry
    cam: npt.NDArray[np.floating]  # (P, h, w)
    segmentation: npt.NDArray[np.floating] | None  # (P, h, w); None in round 0
    saliency: Bytes | None
    imported: Bytes | None
    correction: Bytes | None


def read(
    cams: Shards, saliency: Path, imported: Path | None, corrections: Path, entry: Entry
) -> Cues:
    """Read the cues of one image."""
    now = read_saliency(saliency, entry.id)
    before = None if imported is None else read_saliency(imported, entry.id)
    correction = read_correction(corrections, entry.id)
    maps = cams[entry.id]
    return Cues(entry, maps["cam"], maps.get("segmentation"), now, before, correction)


def fused(params: PseudoLabelParams, cues: Cues) -> bytes:
    """Return the pseudo labels of one image, encoded."""
    entry = cues.entry
    size = entry.height, entry.width
    cam = to_pixels(cues.cam, size)
    now, before = (None if m is None else m / 255 for m in (cues.saliency, cues.imported))
    thresholds = params.cam_threshold, params.saliency_threshold
    if params.rule == "published":
        labels = fuse(cam, entry.labels, now, *thresholds)
    elif params.rule == "complete" or cues.segmentation is None:
        labels = complete(cam, entry.labels, now, before, *thresholds)
    else:
        segmentation = to_pixels(cues.segmentation, size)
        labels = joint(cam, segmentation, entry.labels, now, before, *thresholds)
    return encode_labels(correct_labels(labels, cues.correction))


if __name__ == "__main__":
    run(main)
