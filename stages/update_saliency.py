"""Update the saliency maps: the mean of predicted and imported map, then a dense CRF.

Without ``train.update_saliency`` they stay as they were imported.
"""

from auxseg.system.stage import run

from functools import partial
from pathlib import Path

import numpy as np

from auxseg.crf import saliency_crf
from auxseg.data.arrays import Arrays, Bytes
from auxseg.data.corrections import correct_saliency, read_correction
from auxseg.data.index import Entry, Index, Photograph, read_index
from auxseg.data.maps import encode_grey, has_saliency, read_grey, write_files
from auxseg.data.pixels import to_pixels
from auxseg.data.shards import Shards
from auxseg.params import SaliencyCrf, load_params
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.making import making


def main(dataset: Path, refined: Path, imported: Path, corrections: Path, out: Path) -> None:
    """Combine the REFINED with the IMPORTED maps of the training images of DATASET into OUT.

    Images with CORRECTIONS keep the saliency of these. If no maps were imported, OUT stays empty.
    """
    whole = load_params()
    updating, params = whole.train.update_saliency, whole.saliency_crf
    index = read_index(dataset)
    entries = index.entries if has_saliency(imported) else ()
    reading = partial(read, index, Shards(refined), imported, corrections)
    job = Job(reading, partial(updated, updating, params))
    with making(out, params=(updating, params)) as (folder, scratch):
        write_files(folder, each(entries, job, scratch, "saliency CRF"))


Inputs = tuple[Photograph, Arrays, Bytes, Bytes | None]


def read(index: Index, refined: Shards, imported: Path, corrections: Path, entry: Entry) -> Inputs:
    """Read one image, its refined arrays, its imported map, and its correction."""
    original = read_grey(imported / f"{entry.id}.png")
    correction = read_correction(corrections, entry.id)
    return index.photograph(entry), refined[entry.id], original, correction


def updated(updating: bool, params: SaliencyCrf, inputs: Inputs) -> bytes:
    """Return the new saliency map of one image, encoded."""
    photo, refined, original, correction = inputs
    if not updating:
        return encode_grey(original)
    image = photo.pixels
    predicted = to_pixels(refined["saliency"][None], image.shape[:2])
    mean = (predicted[0] + original / 255) / 2
    saliency = saliency_crf(image, mean.astype(np.float32), params)
    grey = (saliency * 255).round().astype(np.uint8)
    return encode_grey(correct_saliency(grey, correction))


if __name__ == "__main__":
    run(main)
