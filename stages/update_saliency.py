"""Update the saliency maps: the mean of predicted and imported map, then a dense CRF.

Without ``train.update_saliency`` they stay as they were imported.
"""

from auxseg.system.stage import run

from functools import partial
from pathlib import Path

import numpy as np

from auxseg.crf import saliency_crf
from auxseg.data.arrays import Arrays, Bytes
from auxseg.data.index import Entry, Index, Photograph, read_index
from auxseg.data.maps import encode_grey, has_saliency, read_grey, write_files
from auxseg.data.pixels import to_pixels
from auxseg.data.shards import Shards
from auxseg.params import SaliencyCrf, load_params
from auxseg.work.images import each
from auxseg.work.job import Job
from auxseg.work.making import making


def main(dataset: Path, refined: Path, imported: Path, out: Path) -> None:
    """Combine the REFINED with the IMPORTED maps of the training images of DATASET into OUT.

    If no maps were imported, OUT stays empty as well.
    """
    whole = load_params()
    updating, params = whole.train.update_saliency, whole.saliency_crf
    index = read_index(dataset)
    entries = index.entries if has_saliency(imported) else ()
    job = Job(partial(read, index, Shards(refined), imported), partial(updated, updating, params))
    with making(out, params=(updating, params)) as (folder, scratch):
        write_files(folder, each(entries, job, scratch, "saliency CRF"))


def read(
    index: Index, refined: Shards, imported: Path, entry: Entry
) -> tuple[Photograph, Arrays, Bytes]:
    """Read one image, its refined arrays, and its imported map."""
    return index.photograph(entry), refined[entry.id], read_grey(imported / f"{entry.id}.png")


def updated(updating: bool, params: SaliencyCrf, inputs: tuple[Photograph, Arrays, Bytes]) -> bytes:
    """Return the new saliency map of one image, encoded."""
    photo, refined, original = inputs
    if not updating:
        return encode_grey(original)
    image = photo.pixels
    predicted = to_pixels(refined["saliency"][None], image.shape[:2])
    mean = (predicted[0] + original / 255) / 2
    saliency = saliency_crf(image, mean.astype(np.float32), params)
    return encode_grey((saliency * 255).round().astype(np.uint8))


if __name__ == "__main__":
    run(main)
